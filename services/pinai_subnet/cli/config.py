"""`subnetctl config`: is the configuration right, and what does it amount to. Secrets are masked."""

from typing import Annotated

import typer

from pinai_subnet.cli.home import Home
from pinai_subnet.cli.initialise import CONFIG_FILES
from pinai_subnet.cli.preflight import settings_problems
from pinai_subnet.cli.screen import Screen
from pinai_subnet.cli.session import HOME, HomeOption, JsonOption
from pinai_subnet.runtime.errors import EXIT_CONFIG, StartupError
from pinai_subnet.runtime.settings import show as show_settings
from pinai_subnet.wire.network_file import FILE_NAME

app = typer.Typer(no_args_is_help=True, help="Check and show the configuration.")


@app.command("check")
def check(home: HomeOption = HOME, as_json: JsonOption = False) -> None:
    """Check every file and variable of every process; all problems at once, exit status 78 if there is one."""
    found = settings_problems(Home(home))
    rows = [{"code": p.code, "where": p.where, "message": p.message, "fix": p.fix} for p in found]
    text = "\n\n".join(problem.block() for problem in found) or "configuration is correct"
    Screen(as_json=as_json).result({"problems": rows}, text)
    if found:
        raise typer.Exit(EXIT_CONFIG)


@app.command("show")
def show(
    file: Annotated[
        str | None, typer.Argument(help="e.g. matcher.yaml; all files if absent")
    ] = None,
    home: HomeOption = HOME,
    as_json: JsonOption = False,
) -> None:
    """Show the configuration with every variable filled in and every secret masked."""
    place = Home(home)
    environment = place.environment()
    names = (FILE_NAME, *CONFIG_FILES)
    if file is not None and file not in names:
        raise typer.BadParameter(f"{file} is none of {', '.join(names)}")
    texts = {}
    for name in (file,) if file else names:
        try:
            texts[name] = show_settings(place.config / name, environ=dict(environment))
        except StartupError as error:
            texts[name] = error.report()
    Screen(as_json=as_json).result(
        texts, "\n".join(f"# {name}\n{text}" for name, text in texts.items())
    )
