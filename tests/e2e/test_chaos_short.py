"""The kill matrix in its short form: real processes die under load, and nothing that was acknowledged is lost.

`make chaos` is the long form, over all scenarios.
"""

from pathlib import Path

import pytest
from tests.chaos.round import Size, run
from tests.chaos.scenarios import SCENARIOS

SHORT = Size(seconds=8, agents=6, pieces_each=40, pause=0.15)
SEED = 20


@pytest.mark.parametrize("name", ["kill-3-compact", "partition"])
def test_no_acknowledged_report_is_lost_or_settled_twice(name: str, tmp_path: Path) -> None:
    """Claim 3: SIGKILL of all three while snapshots are written; links cut one way and both ways."""
    finding = run(SCENARIOS[name], seed=SEED, size=SHORT, root=tmp_path / "home", say=print)
    assert finding.problems == []
    assert finding.facts["acknowledged"] > 0
    assert finding.facts["lost"] == finding.facts["duplicated"] == 0
    assert finding.facts["not_linearizable"] == 0
    assert finding.facts["epochs"] > 0
