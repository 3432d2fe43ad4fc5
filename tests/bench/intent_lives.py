"""The whole life of intents as ledger commands, a hundred at a time: assigned, reported, judged, sealed, settled.

Every signature is real. Time is that of a network that finishes `PER_SECOND` intents a second, however fast the ledger
is fed.
"""

from collections.abc import Iterator

from tests.unit.validator.ledger_world import (
    START_MS,
    parameters,
    record,
    report,
    signature,
    signer,
    verdict,
)

from pinai_subnet.protocol.ids import ValidatorId
from pinai_subnet.validator.commands import (
    Command,
    Expire,
    ItemSettlement,
    ReceiveReports,
    RecordAssignments,
    RecordSettlement,
    RecordVerdicts,
    Seal,
    Stamp,
)
from pinai_subnet.validator.ledger import Ledger

HUNDRED = 100
PER_SECOND = 250
"""The ledger's time passes at this pace."""
DEADLINE_SECONDS = 30
_STEP_MS = HUNDRED * 1000 // PER_SECOND
_RESULT = bytes(range(200))

PARAMETERS = parameters()
NAMES = tuple(ValidatorId(member.id) for member in PARAMETERS.validators)
KEYS = {name: signer(name) for name in NAMES}


def _stamp(what: str, number: int, by: int) -> Stamp:
    return Stamp(
        request_id=f"{what}-{number}",
        proposer=NAMES[by],
        at_ms=START_MS + number * _STEP_MS,
    )


def until_judged(number: int) -> Iterator[Command]:
    """Yield what brings the number-th hundred to its verdicts; needs no ledger."""
    now = (START_MS + number * _STEP_MS) // 1000
    # The clocks of the others, without which the ledger's time does not pass.
    yield Expire(stamp=_stamp("tick", number, 1))
    records = tuple(
        record(n, deadline=now + DEADLINE_SECONDS)
        for n in range(number * HUNDRED, (number + 1) * HUNDRED)
    )
    yield RecordAssignments(stamp=_stamp("assign", number, 0), records=records)
    reports = tuple(report(one, result=_RESULT, timestamp=now) for one in records)
    yield ReceiveReports(stamp=_stamp("report", number, 0), reports=reports, hold_unknown=False)
    for by, name in enumerate(NAMES):
        verdicts = tuple(
            verdict(name, one, about) for one, about in zip(records, reports, strict=True)
        )
        yield RecordVerdicts(stamp=_stamp("judge", number, by), verdicts=verdicts)


def seal(number: int, ledger: Ledger) -> Command:
    """Return the seal of everything that is verified."""
    stamp = _stamp("seal", number, 0)
    return Seal(
        stamp=stamp,
        epoch=ledger.next_epoch,
        keys=tuple(ledger.sealable(HUNDRED)),
        timestamp=stamp.at_ms // 1000,
    )


def until_settled(number: int, ledger: Ledger) -> Iterator[Command]:
    """Yield the signatures of the last sealed epoch and what a majority heard of its settlement."""
    epoch = ledger.latest_epoch()
    if epoch is None:
        raise RuntimeError("nothing is sealed")
    for by, name in enumerate(NAMES):
        yield signature(_stamp("sign", number, by), epoch, KEYS[name])
    results = tuple(
        ItemSettlement(ok=True, message="", receipt_id=f"receipt-{n}")
        for n in range(len(epoch.items))
    )
    for by in range(ledger.quorum.raft_majority):
        yield RecordSettlement(
            stamp=_stamp("settle", number, by), epoch=epoch.epoch, results=results
        )


def live(ledger: Ledger, number: int) -> None:
    """Let a ledger see the whole life of the number-th hundred."""
    index = ledger.index

    def apply(command: Command) -> None:
        nonlocal index
        index += 1
        applied = ledger.apply(index, command)
        refused = [reply for reply in applied.replies if reply.code]
        if refused:
            raise RuntimeError(f"{type(command).__name__}: {refused[0].code} {refused[0].message}")

    for command in until_judged(number):
        apply(command)
    apply(seal(number, ledger))
    for command in until_settled(number, ledger):
        apply(command)
