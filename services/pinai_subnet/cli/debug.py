"""`subnetctl debug`: everything that helps others to help, in one file without a secret. Changes nothing."""

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from pinai_subnet.cli.bundle import Bundle
from pinai_subnet.cli.evidence import Evidence
from pinai_subnet.cli.home import Home
from pinai_subnet.cli.known_secrets import known_secrets
from pinai_subnet.cli.screen import Screen
from pinai_subnet.cli.session import HOME, HomeOption, JsonOption

OutputOption = Annotated[
    Path | None,
    typer.Option("--output", help="file to write; pinai-support-TIME.tar.gz here if absent"),
]
LogsOption = Annotated[
    Path | None,
    typer.Option("--logs", help="directory with NAME.log of the members; HOME/logs if absent"),
]


def debug(
    home: HomeOption = HOME,
    output: OutputOption = None,
    logs: LogsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a support bundle: configuration, versions, logs, status, metrics and disk, without secrets."""
    screen = Screen(as_json=as_json)
    place = Home(home)
    place.require()
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    path = output or Path(f"pinai-support-{stamp}.tar.gz")
    bundle = Bundle(known_secrets(place, os.environ))
    Evidence(home=place, logs=logs or place.logs, bundle=bundle, say=screen.say).collect()
    size = bundle.write(path)
    facts = {
        "file": str(path),
        "bytes": size,
        "parts": sorted(bundle.parts),
        "notices": bundle.notices,
    }
    lines = [f"{path}: {size} bytes, {len(bundle.parts)} parts, searched for secrets: none"]
    lines += [f"  not in it: {notice}" for notice in bundle.notices]
    lines.append(
        "look into it before you give it away: addresses, ids and log lines are as they are"
    )
    screen.result(facts, "\n".join(lines))
