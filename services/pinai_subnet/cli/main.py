"""subnetctl: all command groups. Exit status: 0 done, 1 failed or degraded, 2 usage, 3 down, 78 configuration."""

import importlib
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from pinai_subnet.cli.screen import Screen
from pinai_subnet.ports.errors import DependencyError
from pinai_subnet.protocol.errors import SubnetError
from pinai_subnet.runtime.data_dir import DATA_FORMAT, OLDEST_DATA_FORMAT
from pinai_subnet.runtime.errors import StartupError
from pinai_subnet.wire.catalogue import CATALOGUE

FAILED = 1
COMMANDS: Mapping[str, str] = {
    "init": "initialise.init",
    "up": "network.up",
    "down": "network.down",
    "status": "status.status",
    "demo": "demo.demo",
    "debug": "debug.debug",
    "check": "check.check",
    "doctor": "check.doctor",
    "explain": "explain.explain",
    "replay": "replay.replay_recording",
    "recover": "recover.recover",
    "migrate": "migrate.migrate",
    "agents": "members.agents",
    "validators": "members.validators",
}
"""Command to its function in this package."""
GROUPS: Mapping[str, str] = {
    "intent": "intents",
    "agent": "agent",
    "recording": "replay",
    "validator": "validators",
    "keys": "keys",
    "config": "config",
    "policy": "policy",
    "backup": "backup",
    "compose": "compose",
    "units": "units",
}
"""Group of commands to the module whose `app` has them."""


def application(words: Sequence[str] = ()) -> typer.Typer:
    """Return the tool: all of it, or where the first word names a command only that one.

    What the others import costs more than a second, and scripts call this tool many times.
    """
    app = typer.Typer(
        name="subnetctl",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        help="Operate a PinAI subnet.",
    )
    app.callback()(_options)
    app.command("version")(version)
    wanted = words[0] if words and words[0] in {*COMMANDS, *GROUPS, "version"} else None
    for name, place in COMMANDS.items():
        if wanted in (None, name):
            module, _, function = place.partition(".")
            app.command(name)(getattr(_imported(module), function))
    for name, module in GROUPS.items():
        if wanted in (None, name):
            app.add_typer(_imported(module).app, name=name)
    return app


def _imported(module: str) -> Any:
    return importlib.import_module(f"pinai_subnet.cli.{module}")


def _version_line() -> str:
    return str(importlib.import_module("pinai_subnet.bootstrap.version").version_text("subnetctl"))


def _print_version(wanted: bool) -> None:
    if wanted:
        Screen().result({}, _version_line())
        raise typer.Exit


def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="print version and commit"
        ),
    ] = False,
) -> None:
    """Operate a PinAI subnet."""


def version(
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Print version and commit; as JSON with the format of the data directories, and the oldest that is converted."""
    text = _version_line()
    facts = {
        "version": text,
        "data_format": DATA_FORMAT,
        "oldest_data_format": OLDEST_DATA_FORMAT,
    }
    Screen(as_json=as_json).result(facts, text)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; every coded error ends as one readable block on stderr and a meaningful exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        application(words)(words)
    except SystemExit as exit_request:
        return exit_request.code if isinstance(exit_request.code, int) else FAILED
    except StartupError as error:
        sys.stderr.write(error.report() + "\n")
        return error.exit_code
    except (SubnetError, DependencyError) as error:
        entry = CATALOGUE.get(error.code)
        fix = f"\n  fix:     {entry.remedy}" if entry else ""
        sys.stderr.write(f"{error}{fix}\n  explain: subnetctl explain {error.code}\n")
        return FAILED
    return 0
