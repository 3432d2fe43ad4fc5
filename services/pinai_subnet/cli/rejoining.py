"""`subnetctl validator rejoin-empty`: a validator that is down is to fetch everything from the others.

What the process does when it is started once with `--rejoin-empty`, also with a log that looks whole: an old copy. The
command of a container is the Compose file's, so `deploy.sh rejoin` stops it, has this done, and starts it.
"""

from typing import Annotated

import typer

from pinai_subnet.cli.restoring import LOG, opened, targets
from pinai_subnet.cli.screen import Screen
from pinai_subnet.cli.session import HOME, HomeOption, JsonOption, open_session
from pinai_subnet.consensus.rejoin import start_over
from pinai_subnet.ports.errors import Refused


def rejoin_empty(
    validator: Annotated[str, typer.Argument(help="a validator's id", show_default=False)],
    home: HomeOption = HOME,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="only say from how many others it would fetch")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Put the log of a validator that is down aside: when it starts, it fetches everything before it votes or signs.

    What it has signed stays known to it, and its archive stays. A directory that is lost is made.
    """
    session = open_session(home)
    here = {
        str(one.identity.id): one for one in targets(session, containers=session.home.in_containers)
    }
    if validator not in here:
        raise Refused(
            "SN-R084", f"{validator} has no key in this home; here are {', '.join(sorted(here))}"
        )
    others = len(session.network.parameters.validators) - 1
    if dry_run:
        Screen(as_json=as_json).result(
            {"validator": validator, "others": others},
            f"  {validator} would begin without a log, and there are {others} others",
        )
        return
    if others == 0:
        raise Refused("SN-R018", f"{validator} is the only one: nobody else has its ledger")
    target = here[validator]
    target.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with opened(session, target) as directory:
        aside = start_over(directory.file(LOG))
    Screen(as_json=as_json).result(
        {"validator": validator, "aside": str(aside)},
        f"  {validator} begins without a log; what it had is in {aside}",
    )
