"""A backup proven by use: a throw-away network restored from it must finalise an intent.

The drill's validators have fresh keys: with the real ones they would sign epochs that the real network numbers too.
"""

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pinai_subnet.cli.canary import prove_ready
from pinai_subnet.cli.home import Home
from pinai_subnet.cli.initialise import initialise
from pinai_subnet.cli.local_network import LocalNetwork
from pinai_subnet.cli.network import bring_up
from pinai_subnet.cli.ports import PortPlan
from pinai_subnet.cli.restoring import Restored, restore, targets
from pinai_subnet.cli.session import Session, open_session
from pinai_subnet.ports.errors import Damaged
from pinai_subnet.validator.backup_file import Backup
from pinai_subnet.validator.limits import LedgerLimits
from pinai_subnet.validator.snapshot_codec import decode_snapshot

POLICIES = "policy_config.yaml"
QUICK: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "validator.yaml": {
        # Open epochs of the backup stay open: these validators did not seal them. They must not hold up the canary.
        "seal": {"max_open_epochs": 8},
        "settle": {"retry_max_seconds": 1},
        "backup": {"every_seconds": 0},
    },
    "matcher.yaml": {"windows": {"bidding_window_seconds": 1}},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Drilled:
    """What a drill proved."""

    index: int
    content_digest: str
    canary: str
    seconds: float


def drill(backup: Backup, *, policies: Path | None, say: Callable[[str], None]) -> Drilled:
    """Restore, compare, finalise a canary, tear down; the scratch directory stays only when something fails."""
    begun = time.monotonic()
    root = Path(tempfile.mkdtemp(prefix="backup-drill-"))
    session = _scratch(root, backup, policies)
    # Only the subnet's name has to be the backup's; members and chain are the scratch network's own.
    ledger = decode_snapshot(backup.state, session.network.genesis, LedgerLimits())
    restored = restore(
        session,
        ledger,
        wanted=targets(session),
        term=backup.header.term,
        epoch_floor=0,
        restore_id="drill",
    )
    local = LocalNetwork(home=session.home, say=say)
    try:
        bring_up(session, say)
        digest = _compare(session, backup, restored)
        say(f"every validator holds entry {backup.header.index} with digest {digest}")
        proof = prove_ready(session, say)
    except BaseException:
        say(f"the drill failed; its logs are in {session.home.logs}")
        raise
    finally:
        local.stop(list(local.running().values()))
    shutil.rmtree(root)
    return Drilled(
        index=backup.header.index,
        content_digest=digest,
        canary=proof.intent_id,
        seconds=time.monotonic() - begun,
    )


def _scratch(root: Path, backup: Backup, policies: Path | None) -> Session:
    validators = len(backup.header.parameters["validators"])
    home = Home(root / "home")
    initialise(
        home,
        validators=validators,
        agents=1,
        ports=PortPlan.free(validators),
        subnet_id=backup.header.subnet_id,
    )
    if policies is not None and policies.exists():
        shutil.copyfile(policies, home.config / POLICIES)
    for name, sections in QUICK.items():
        path = home.config / name
        settings = yaml.safe_load(path.read_text("utf-8"))
        for section, values in sections.items():
            settings.setdefault(section, {}).update(values)
        path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return open_session(home.root)


def _compare(session: Session, backup: Backup, restored: Restored) -> str:
    """Return the digest that every validator reached; raise `Damaged` SN-R085 where one reached another."""
    wanted = "0x" + backup.header.content_digest.hex()
    if restored.set_replaced:
        # The ledger names validators whose keys are not here: the scratch network's took their place in it.
        wanted = restored.content_digest
    for api in session.validators():
        found = api.get(f"/api/v1/backups/{backup.header.index}")["content_digest"]
        if found != wanted:
            raise Damaged(
                "SN-R085", f"{api.name} reached digest {found} from the backup, not {wanted}"
            )
    return wanted
