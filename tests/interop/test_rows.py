"""Which test shows which row of agent-interop section 2 and which point of section 5; none may be without one."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

ROWS = {
    1: "plaintext services of matcher and validator",
    2: "no headers, or the five headers in Python's or Go's form",
    3: "nonces remembered for each signer, clock window",
    4: "empty signatures are acceptable",
    5: "names bound to addresses, either spelling in a report",
    6: "no evidence, error or root reference needed",
    7: "bad reports answered in band",
    8: "late bids answered in band",
    9: "one bid for each intent and agent",
    10: "followers ride out an election",
    11: "reports idempotent and durable",
    12: "tasks kept and replayed, newest stream wins",
    13: "acceptance is a lease, a report counts as acceptance",
    14: "patience with busy agents",
    15: "intent types and subnet filter",
    16: "update texts, NEW_INTENT after a re-opening",
    17: "streams stay open",
    18: "no stream error without need",
    19: "receipts' fields, reports by either id",
    20: "registry over HTTP, heartbeats revive",
    21: "validators' HTTP endpoints in the registry",
    22: "the HTTP report endpoint",
    23: "batches",
    24: "bursts are not rate limited",
    25: "price, token, no settle chain",
    26: "deadline and created_at of a task",
}
POINTS = {
    1: "imports in a process of its own",
    2: "registers and heartbeats",
    3: "hears NEW_INTENT at once",
    4: "bid accepted",
    5: "task and acknowledgement",
    6: "report taken by follower and leader alike",
    7: "settled with the agent's address",
    8: "second task on one stream",
    9: "bids on MATCHED and WINDOW_CLOSED answered in band",
    10: "leader killed between task and report",
    11: "HTTP fallback counted once",
    12: "signed headers verified, forgeries refused",
}


def named(word: str) -> dict[int, list[str]]:
    """Return number -> tests whose docstring names it, as in `Rows 2 and 5; point 12`."""
    found: dict[int, list[str]] = defaultdict(list)
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if not node.name.startswith("test_"):
                continue
            text = ast.get_docstring(node) or ""
            for numbers in re.findall(rf"\b{word}s? ((?:\d+(?:, | and )?)+)", text, re.IGNORECASE):
                for number in re.findall(r"\d+", numbers):
                    found[int(number)].append(f"{path.name}::{node.name}")
    return found


@pytest.mark.parametrize("number", ROWS, ids=lambda number: f"{number} {ROWS[number]}")
def test_every_row_has_a_test(number: int) -> None:
    assert named("row")[number], f"row {number} ({ROWS[number]}) has no test"


@pytest.mark.parametrize("number", POINTS, ids=lambda number: f"{number} {POINTS[number]}")
def test_every_point_of_the_acceptance_list_has_a_test(number: int) -> None:
    assert named("point")[number], f"point {number} ({POINTS[number]}) has no test"


def test_no_test_names_a_row_that_is_not_there() -> None:
    assert set(named("row")) == set(ROWS)
    assert set(named("point")) == set(POINTS)
