"""`subnetctl units`: what services of a host without a container engine are given. Knows no systemd command."""

import os
import shutil
from pathlib import Path
from typing import Annotated

import typer

from pinai_subnet.cli.home import Home, is_secret
from pinai_subnet.cli.initialise import CONFIG_FILES
from pinai_subnet.cli.local_network import members
from pinai_subnet.cli.screen import Screen
from pinai_subnet.cli.session import HOME, HomeOption, JsonOption
from pinai_subnet.wire.network_file import FILE_NAME

app = typer.Typer(no_args_is_help=True, help="Write what services of a host are given.")

_SET_BY_UNITS = ("DATA_DIR", "LOG_FORMAT")


@app.callback()
def units() -> None:
    """Write what services of a host are given."""


@app.command("files")
def files(
    to: Annotated[Path, typer.Option("--to", help="directory, e.g. /etc/pinai-subnet")],
    home: HomeOption = HOME,
    as_json: JsonOption = False,
) -> None:
    """Write config/, network.env (public) and keys/MEMBER.key (mode 400) of a network. Keeps what is there."""
    environment = Home(home).environment()
    (to / "config").mkdir(mode=0o755, parents=True, exist_ok=True)
    (to / "keys").mkdir(mode=0o700, exist_ok=True)
    written, kept = [], []
    for name in (FILE_NAME, *CONFIG_FILES):
        if (to / "config" / name).exists():
            kept.append(name)
        else:
            shutil.copyfile(home / "config" / name, to / "config" / name)
            written.append(name)
    public = {
        name: value
        for name, value in environment.items()
        if not is_secret(name) and name not in _SET_BY_UNITS
    }
    (to / "network.env").write_text(_environment_file(public), encoding="utf-8")
    for member in members(environment):
        for source in member.secrets.values():
            file = to / "keys" / f"{member.name}.key"
            (kept if _write_key(file, environment[source]) else written).append(file.name)
    facts = {"directory": str(to), "written": written, "kept": kept}
    Screen(as_json=as_json).result(facts, f"{to}: {len(written)} files written, {len(kept)} kept")


def _environment_file(variables: dict[str, str]) -> str:
    """Return the text of an `EnvironmentFile=`: values in double quotes, in which two characters are special."""
    lines = ["# What every service of this host may know; made from .env, without its secrets.\n"]
    for name, value in variables.items():
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f'{name}="{escaped}"\n')
    return "".join(lines)


def _write_key(file: Path, key: str) -> bool:
    """Write a key that is not there yet, for its owner only; return whether there was one."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    except FileExistsError:
        return True
    with os.fdopen(descriptor, "w", encoding="ascii") as opened:
        opened.write(key + "\n")
    return False
