"""The kill matrix in its short form: real processes die under load, and nothing that was acknowledged is lost.

`make chaos` is the long form, over all scenarios.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.chaos.round import Size, run
from tests.chaos.scenarios import SCENARIOS

SHORT = Size(seconds=8, agents=6, pieces_each=40, pause=0.15)
SEED = 20
SEED_OF_PACKETS = 44
"""Cuts the leader off first."""
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["kill-3-compact", "partition"])
def test_no_acknowledged_report_is_lost_or_settled_twice(name: str, tmp_path: Path) -> None:
    """Claim 3: SIGKILL of all three while snapshots are written; links cut one way and both ways."""
    finding = run(SCENARIOS[name], seed=SEED, size=SHORT, root=tmp_path / "home", say=print)
    assert finding.problems == []
    assert finding.facts["acknowledged"] > 0
    assert finding.facts["lost"] == finding.facts["duplicated"] == 0
    assert finding.facts["not_linearizable"] == 0
    assert finding.facts["epochs"] > 0


def test_no_acknowledged_report_is_lost_when_the_kernel_drops_packets(tmp_path: Path) -> None:
    """Claim 3: every process on a host of its own, packets dropped or refused one way and both ways."""
    words = [sys.executable, "-m", "tests.chaos", "--rounds", "1", "--scenario", "split"]
    sizes = [
        "--seed",
        str(SEED_OF_PACKETS),
        "--seconds",
        str(SHORT.seconds),
        "--output",
        str(tmp_path),
    ]
    # In a process of its own, which may move into a private network.
    done = subprocess.run(
        [*words, *sizes], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    print(done.stderr)
    (finding,) = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))["findings"]
    if finding["skipped"] is not None:
        pytest.skip(finding["skipped"])
    assert done.returncode == 0
    assert finding["problems"] == []
    assert finding["acknowledged"] > 0
    assert finding["lost"] == finding["duplicated"] == finding["not_linearizable"] == 0
    assert any("validator-" in fault for fault in finding["faults"])
