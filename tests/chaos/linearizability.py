"""Is there an order of the calls, within their times, that a single honest ledger could have answered so? Pure.

One assignment is a register that is written once: unknown, then assigned, then it holds the id of its first report.
Assignments are independent, so each is judged alone. A call with an unknown outcome may happen at any time after it
was sent, or never. Since the register changes at most twice, every answer bounds one of two moments: the recording of
the assignment and the taking of the report. The calls are linearizable exactly if both moments can be placed.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf

from tests.chaos.history import Kind, Operation, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """The calls about one assignment which no order explains."""

    key: str
    operations: tuple[Operation, ...]

    def __str__(self) -> str:
        """Return the calls that were answered, and those that may explain an answer, in the order of sending."""
        seen = {one.seen for one in self.operations} - {""}
        shown = [
            one
            for one in self.operations
            if one.outcome is not Outcome.UNKNOWN or one.kind is Kind.RECORD or one.value in seen
        ]
        head = f"no order explains the answers about {self.key}"
        tail = f"and {len(self.operations) - len(shown)} other calls without an answer"
        return "\n  ".join([head, *map(str, shown), tail])


def violations(history: Iterable[Operation]) -> list[Violation]:
    """Return what is not linearizable, one entry per assignment; empty means that everything is."""
    by_key: defaultdict[str, list[Operation]] = defaultdict(list)
    for operation in history:
        by_key[operation.key].append(operation)
    found = []
    for key, operations in by_key.items():
        ordered = sorted(operations, key=lambda operation: operation.invoked)
        if not linearizable(ordered):
            found.append(Violation(key=key, operations=tuple(ordered)))
    return found


def linearizable(operations: Sequence[Operation]) -> bool:
    """Say whether some order of these calls about one assignment respects their times and their answers."""
    accepted = _all(operations, Outcome.ACCEPTED)
    repeated = _all(operations, Outcome.DUPLICATE)
    values = {one.seen for one in (*accepted, *repeated)}
    if len(accepted) > 1 or len(values) > 1 or any(one.seen != one.value for one in accepted):
        return False
    recorded = _all(operations, Outcome.RECORDED)
    if not recorded and not values:
        return True
    doubtful = _all(operations, Outcome.UNKNOWN)
    # Whoever was told that the assignment is unknown was told so before it was recorded. Earlier is never worse.
    recorded_at = _earliest(
        [*recorded, *(one for one in doubtful if one.kind is Kind.RECORD)],
        after=max((one.invoked for one in _all(operations, Outcome.UNASSIGNED)), default=-inf),
    )
    if recorded_at > min((one.returned for one in recorded), default=inf):
        return False
    if not values:
        return recorded_at < inf
    # The report was taken by the call that was told so, or else by one that was told nothing.
    writers = accepted or [
        one for one in doubtful if one.kind is Kind.REPORT and one.value in values
    ]
    taken_at = _earliest(writers, after=recorded_at)
    return taken_at < inf and taken_at <= min((one.returned for one in repeated), default=inf)


def _all(operations: Sequence[Operation], outcome: Outcome) -> list[Operation]:
    return [one for one in operations if one.outcome is outcome]


def _earliest(candidates: Sequence[Operation], *, after: float) -> float:
    """Return the first moment after another one at which one of these calls can have happened; infinite if none."""
    moments = (max(one.invoked, after) for one in candidates if one.returned >= after)
    return min(moments, default=inf)
