"""`subnetctl explain CODE`: what an error code means and what to do, offline, from the catalogue."""

import sys
from typing import Annotated

import typer

from pinai_subnet.cli.screen import Screen
from pinai_subnet.wire.catalogue import CATALOGUE
from pinai_subnet.wire.catalogue.page import page

UNKNOWN_CODE = 2


def explain(
    code: Annotated[
        str | None, typer.Argument(help="e.g. SN-C001; without it all codes are listed")
    ] = None,
    as_page: Annotated[
        bool, typer.Option("--page", help="print the whole catalogue as a Markdown page")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Explain an error code: cause and remedy."""
    screen = Screen(as_json=as_json)
    if as_page:
        sys.stdout.write(page(CATALOGUE))
        return
    if code is None:
        rows = [
            {"code": entry.code, "title": entry.title} for _, entry in sorted(CATALOGUE.items())
        ]
        screen.table(rows, ("code", "title"), empty="the catalogue is empty")
        return
    entry = CATALOGUE.get(code.strip().upper())
    if entry is None:
        screen.say(f"{code}: no such code; `subnetctl explain` lists them all")
        raise typer.Exit(UNKNOWN_CODE)
    facts = {"code": entry.code, "title": entry.title, "cause": entry.cause, "remedy": entry.remedy}
    screen.result(
        facts, f"{entry.code} {entry.title}\n  cause:  {entry.cause}\n  remedy: {entry.remedy}"
    )
