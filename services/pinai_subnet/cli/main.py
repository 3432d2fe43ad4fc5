"""subnetctl: all command groups. Exit status: 0 done, 1 failed or degraded, 2 usage, 3 down, 78 configuration."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from pinai_subnet.bootstrap.version import version_text
from pinai_subnet.cli import (
    backup,
    compose,
    config,
    demo,
    explain,
    initialise,
    intents,
    keys,
    members,
    network,
    recover,
    status,
    validators,
)
from pinai_subnet.cli.screen import Screen
from pinai_subnet.ports.errors import DependencyError
from pinai_subnet.protocol.errors import SubnetError
from pinai_subnet.runtime.errors import StartupError
from pinai_subnet.wire.catalogue import CATALOGUE

FAILED = 1

app = typer.Typer(
    name="subnetctl",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Operate a PinAI subnet.",
)
app.command("init")(initialise.init)
app.command("up")(network.up)
app.command("down")(network.down)
app.command("status")(status.status)
app.command("demo")(demo.demo)
app.command("explain")(explain.explain)
app.command("recover")(recover.recover)
app.command("agents")(members.agents)
app.command("validators")(members.validators)
app.add_typer(intents.app, name="intent")
app.add_typer(validators.app, name="validator")
app.add_typer(keys.app, name="keys")
app.add_typer(config.app, name="config")
app.add_typer(backup.app, name="backup")
app.add_typer(compose.app, name="compose")


def _print_version(wanted: bool) -> None:
    if wanted:
        Screen().result({}, version_text("subnetctl"))
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="print version and commit"
        ),
    ] = False,
) -> None:
    """Operate a PinAI subnet."""


@app.command("version")
def version(
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Print version and commit."""
    text = version_text("subnetctl")
    Screen(as_json=as_json).result({"version": text}, text)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; every coded error ends as one readable block on stderr and a meaningful exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        app(words)
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
