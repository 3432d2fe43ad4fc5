"""`subnetctl migrate`: the data directories of a stopped network, brought to the format that this version reads.

No process converts by itself what it finds, since the version that wrote it could not read it any more: an operator
stops everything, keeps a copy, and says so. What is in a directory is known by the role that its stamp names.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from pinai_subnet.agent import journal as agent
from pinai_subnet.cli.home import Home
from pinai_subnet.cli.screen import Screen
from pinai_subnet.cli.session import HOME, HomeOption, JsonOption
from pinai_subnet.matcher import store as matcher
from pinai_subnet.registry import store as registry
from pinai_subnet.rootlayer.store import schema as rootlayer
from pinai_subnet.runtime.data_dir import DATA_FORMAT, STAMP, DataDirectory
from pinai_subnet.runtime.errors import StartupError, cannot_start
from pinai_subnet.runtime.sqlite_file import convert_database, examine_database
from pinai_subnet.validator import archive as validator

DATABASES: Mapping[str, tuple[str, Sequence[str]]] = {
    "registry": (registry.DATABASE, registry.MIGRATIONS),
    "matcher": (matcher.DATABASE, matcher.MIGRATIONS),
    "validator": (validator.DATABASE, validator.MIGRATIONS),
    "simple-agent": (agent.DATABASE, agent.MIGRATIONS),
    "rootlayer": (rootlayer.DATABASE, rootlayer.MIGRATIONS),
}
"""Role to its database and the statements that bring it from one format to the next. Logs have no older format yet."""
_COPIES = "before-"
_NOT_OURS = "lost+found"


def migrate(
    directories: Annotated[
        list[Path] | None,
        typer.Argument(help="data directories (default: all of HOME/data)", exists=True),
    ] = None,
    home: HomeOption = HOME,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="examine all of it and say what would be done")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Convert the data of stopped processes to this version's format. Former versions cannot read it any more."""
    screen = Screen(as_json=as_json)
    found = _directories(directories or _of_home(Home(home)))
    with ExitStack() as locks:
        # All of them first: nothing is converted while one is still used, is damaged or of a newer version.
        opened = [locks.enter_context(DataDirectory.open_former(path)) for path in found]
        for directory in opened:
            _for_database(directory, examine_database)
        former = [directory for directory in opened if directory.data_format != DATA_FORMAT]
        steps = [_facts(directory) for directory in former]
        lines = [_text(directory) for directory in former]
        for directory, line in zip(former, lines, strict=True) if not dry_run else ():
            _for_database(directory, convert_database)
            directory.converted()
            screen.say(f"  {line}")
    did = "would convert" if dry_run else "converted"
    facts = {
        "data_format": DATA_FORMAT,
        "directories": len(opened),
        "converted": [] if dry_run else steps,
        "to_convert": steps if dry_run else [],
    }
    last = f"{did} {len(steps)} of {len(opened)} directories to data format {DATA_FORMAT}"
    screen.result(facts, "\n".join([*lines, last] if dry_run else [last]))


def _of_home(home: Home) -> Sequence[Path]:
    home.require_processes(
        "the data of this network belongs to the user of its containers",
        "an upgrade converts it: ./scripts/deploy.sh upgrade IMAGE --stop",
    )
    home.require()
    return [home.data]


def _directories(places: Sequence[Path]) -> Sequence[Path]:
    """Return the stamped directories in these places or one or two levels below, without copies of an earlier time."""
    found: set[Path] = set()
    for place in places:
        for inner in (place, *place.iterdir()):
            if inner.name == _NOT_OURS:
                continue
            if inner.is_dir() and not os.access(inner, os.R_OK | os.X_OK):
                raise _not_readable(inner, "it cannot be read")
        found |= {
            path.parent
            for pattern in (STAMP, f"*/{STAMP}", f"*/*/{STAMP}")
            for path in place.glob(pattern)
            if not any(part.startswith(_COPIES) for part in path.relative_to(place).parts)
        }
    if not found:
        raise _not_readable(places[0], "no process has kept data there")
    return sorted(found)


def _not_readable(place: Path, reason: str) -> StartupError:
    return cannot_start(
        "SN-H003",
        f"{place}: {reason}",
        where=str(place),
        fix="name the data directories, as the user who owns them",
    )


def _for_database(
    directory: DataDirectory, work: Callable[[Path, Sequence[str], str], None]
) -> None:
    """Do this with the database of the role that the directory belongs to, if there is one."""
    role = directory.identity.role
    if role not in DATABASES:
        return
    name, migrations = DATABASES[role]
    if directory.file(name).exists():
        work(directory.file(name), migrations, str(directory.identity))


def _facts(directory: DataDirectory) -> dict[str, str | int]:
    return {
        "directory": str(directory.path),
        "owner": str(directory.identity),
        "from": directory.data_format,
    }


def _text(directory: DataDirectory) -> str:
    return f"{directory.path}: data format {directory.data_format} -> {DATA_FORMAT}"
