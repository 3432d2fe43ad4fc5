"""A journal that an earlier build wrote gives this build the same state, or it is refused: never a different state.

`tests/golden/log-1` holds reports, verdicts, epochs, settlements, expiry, an added validator and a rotated key. If the
state of this log changes, `validator.rules_version.RULES` has to be raised, and a new golden log is put beside it.
"""

import shutil
from pathlib import Path

from tests.unit.consensus.test_journal import contents, open_journal
from tests.unit.validator.ledger_world import parameters

from pinai_subnet.consensus.replicas import REGULAR
from pinai_subnet.validator.applied import Applied
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.limits import LedgerLimits
from pinai_subnet.validator.rules_version import OLDEST_RULES, RULES
from pinai_subnet.validator.state_machine import LedgerMachine

GOLDEN = Path(__file__).parents[2] / "golden"
STATES = {1: "d6f25dde24692a999a22e9df7c76eee8345c729be5e3830f059f7c7333676f2d"}
"""The state that each version of the rules makes of its log."""


def replayed(directory: Path) -> tuple[str, list[Applied]]:
    """Replay a journal from the disk; return the state's digest and what every entry came to."""
    genesis = parameters()
    ledger = Ledger(genesis, LedgerLimits())
    seen: list[Applied] = []
    machine = LedgerMachine(
        ledger=ledger, parameters=genesis, listener=lambda _, applied: seen.append(applied)
    )
    journal = open_journal(directory, node="validator-1")
    for command, index, _ in contents(journal):
        assert command[:1] == REGULAR
        machine.apply(index - 1, command[1:])
    journal.close()
    return ledger.state_digest().hex(), seen


def test_log_of_every_build_that_this_one_works_with_gives_the_state_it_gave_then(
    tmp_path: Path,
) -> None:
    """Operators row 28; the last row of acceptance for the log."""
    assert STATES.keys() >= set(range(OLDEST_RULES, RULES + 1))
    for version in range(OLDEST_RULES, RULES + 1):
        directory = tmp_path / str(version)
        shutil.copytree(GOLDEN / f"log-{version}", directory)
        state, seen = replayed(directory)
        assert len(seen) == 40
        assert state == STATES[version]
