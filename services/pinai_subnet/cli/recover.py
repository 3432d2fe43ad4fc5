"""`subnetctl recover`: a majority of the validators is lost for good; the network goes on from what one survivor has.

Not a restore: the newest ledger found here may hold more than any backup. Without `--apply` nothing changes.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from pinai_subnet.bootstrap.version import VERSION
from pinai_subnet.cli.local_network import LocalNetwork
from pinai_subnet.cli.quorum_check import Answer, ask_all, refuse_live_quorum
from pinai_subnet.cli.restoring import LOG, Target, highest_epoch, restore, targets
from pinai_subnet.cli.screen import Screen
from pinai_subnet.cli.session import HOME, HomeOption, JsonOption, Session, open_session
from pinai_subnet.consensus.generation import cluster_of
from pinai_subnet.consensus.salvage import Salvaged, salvage
from pinai_subnet.ports.errors import DependencyError, Refused
from pinai_subnet.runtime.files import write_private
from pinai_subnet.validator.backup_file import encode_backup, file_name
from pinai_subnet.validator.backups import unsigned_backup
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.limits import LedgerLimits
from pinai_subnet.validator.reopening import replayed


@dataclass(frozen=True, slots=True, kw_only=True)
class Survivor:
    """What one data directory of this home holds; `found` is None where it holds nothing usable."""

    validator_id: str
    found: Salvaged | None
    reason: str


def recover(
    home: HomeOption = HOME,
    apply: Annotated[
        bool, typer.Option("--apply", help="do it, instead of only saying what")
    ] = False,
    containers: Annotated[
        bool, typer.Option("--containers", help="the directories are those of containers")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Go on after a lost quorum from the newest ledger in this home; refused while a quorum can be reached."""
    session = open_session(home)
    answers = ask_all(session)
    refuse_live_quorum(answers, what="recover")
    wanted = targets(session, containers=containers)
    if not containers:
        _refuse_running(session, wanted)
    survivors = survey(session, wanted)
    best = _best(survivors)
    if best.found is None:
        raise Refused(
            "SN-R088", "no data directory of this home holds a usable ledger; restore a backup"
        )
    ledger = replayed(
        best.found.state, best.found.commands, session.network.genesis, LedgerLimits()
    )
    floor = highest_epoch(session, ledger, wanted)
    lost = _lost(session, survivors, answers)
    facts = {
        "from": best.validator_id,
        "index": best.found.last_index,
        "term": best.found.last_term,
        "survivors": {one.validator_id: _position(one) for one in survivors},
        "lost": lost,
        "epoch_floor": floor,
        "applied": apply,
    }
    text = _text(best, survivors, lost)
    if not apply:
        Screen(as_json=as_json).result(facts, f"{text}\nnothing was changed; add --apply to do it")
        return
    path = _keep_copy(session, ledger, best.found)
    done = restore(
        session,
        ledger,
        wanted=wanted,
        term=best.found.last_term,
        epoch_floor=floor,
    )
    name = done.cluster_id.partition("/")[2]
    facts |= {"cluster_id": done.cluster_id, "moved_aside": str(done.aside), "backup": str(path)}
    Screen(as_json=as_json).result(
        facts,
        f"{text}\nrecovered {', '.join(done.validators)}; former data is in {done.aside}\n"
        f"a copy of the ledger is {path}\n"
        f"on every further host: subnetctl backup restore {path.name} --i-know --restore-id {name} "
        f"--epoch-floor {floor}",
    )


def survey(session: Session, wanted: Sequence[Target]) -> Sequence[Survivor]:
    """Return what each of these data directories holds; changes none of them."""
    found = []
    for target in wanted:
        name = target.identity.id
        try:
            cluster = cluster_of(
                target.path, session.network.parameters.subnet_id, session.network.restored
            )
            held = salvage(target.path / LOG, cluster=cluster, node=name)
        except DependencyError as error:
            found.append(Survivor(validator_id=name, found=None, reason=str(error)))
        else:
            found.append(Survivor(validator_id=name, found=held, reason=""))
    return found


def _best(survivors: Sequence[Survivor]) -> Survivor:
    """Return the one whose log is the most up to date, as an election would choose."""

    def order(one: Survivor) -> tuple[int, int]:
        return (one.found.last_term, one.found.last_index) if one.found else (-1, -1)

    return max(survivors, key=order)


def _refuse_running(session: Session, wanted: Sequence[Target]) -> None:
    local = {target.identity.id for target in wanted}
    running = LocalNetwork(home=session.home, say=lambda _: None).running()
    alive = sorted(local & running.keys())
    if alive:
        raise Refused(
            "SN-R089", f"{', '.join(alive)} still runs here; stop it first (subnetctl down)"
        )


def _lost(
    session: Session, survivors: Sequence[Survivor], answers: Sequence[Answer]
) -> Sequence[str]:
    """Return the validators whose data nobody here can see."""
    seen = {one.validator_id for one in survivors if one.found is not None}
    seen |= {one.validator_id for one in answers if one.index is not None}
    return [member.id for member in session.network.parameters.validators if member.id not in seen]


def _position(one: Survivor) -> str:
    return (
        f"entry {one.found.last_index} of term {one.found.last_term}" if one.found else one.reason
    )


def _text(best: Survivor, survivors: Sequence[Survivor], lost: Sequence[str]) -> str:
    lines = [f"{one.validator_id}: {_position(one)}" for one in survivors]
    names = ", ".join(lost)
    return "\n".join(
        [
            *lines,
            f"goes on from {best.validator_id}. What only others acknowledged after its last entry is lost"
            + (f"; not seen: {names}" if names else ""),
        ]
    )


def _keep_copy(session: Session, ledger: Ledger, found: Salvaged) -> Path:
    backup = unsigned_backup(
        ledger,
        term=found.last_term,
        version=VERSION,
        taken_at_ms=int(time.time() * 1000),
    )
    path = session.home.root / "backups" / ("recovered-" + file_name(backup.header))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(path, encode_backup(backup.header, backup.state))
    return path
