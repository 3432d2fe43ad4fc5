"""What must hold, whatever happens: every signature, seal, final batch and receipt of a simulated network is seen here.

Nothing here asks the ledger what is allowed: thresholds and signers are computed from the sets alone.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.unit.validator.ledger_world import DOMAIN, SUBNET

from pinai_subnet.protocol.batches import BatchItem
from pinai_subnet.protocol.digests import batch_digest, items_hash
from pinai_subnet.protocol.ids import Address
from pinai_subnet.protocol.network import ValidatorIdentity
from pinai_subnet.protocol.signatures import recover_eip191
from pinai_subnet.validator.commands import RecordSignature
from pinai_subnet.validator.events import BatchFinal
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.records import Stage
from pinai_subnet.wire.codec.reports import Receipt


@dataclass(kw_only=True)
class Watch:
    """The witness of one run. Every method raises `AssertionError` where an invariant is broken."""

    members: Sequence[ValidatorIdentity]
    """The first set."""
    digests: dict[int, bytes] = field(default_factory=dict)
    """The state's digest after each command."""
    snapshots: dict[int, bytes] = field(default_factory=dict)
    signed: dict[tuple[str, int], tuple[bytes, bytes]] = field(default_factory=dict)
    """What each validator signed for each epoch, also what never reached the log."""
    finals: dict[int, bytes] = field(default_factory=dict)
    ended_in: dict[str, int] = field(default_factory=dict)
    """The epoch that an intent is final in."""
    receipts: dict[str, tuple[str, int]] = field(default_factory=dict)
    """By assignment: the report id and time of its first receipt."""

    def state(self, name: str, ledger: Ledger) -> None:
        """See a ledger after a command or a restored snapshot."""
        known = self.digests.setdefault(ledger.index, ledger.state_digest())
        assert known == ledger.state_digest(), f"{name} has another state at {ledger.index}"

    def snapshot(self, name: str, index: int, data: bytes) -> None:
        """See the bytes of a snapshot."""
        known = self.snapshots.setdefault(index, data)
        assert known == data, f"{name} has another snapshot at {index}"

    def signature(self, name: str, command: RecordSignature) -> None:
        """See a validator's own signatures on their way out of its process."""
        digests = (command.batch_digest, command.header_hash)
        known = self.signed.setdefault((name, command.epoch), digests)
        assert known == digests, f"{name} signed two digests for epoch {command.epoch}"

    def final(self, ledger: Ledger, event: BatchFinal) -> None:
        """See an epoch that became final on one validator."""
        epoch = ledger.epoch(event.epoch)
        assert epoch is not None
        seen = self.finals.setdefault(event.epoch, epoch.batch_digest)
        assert seen == epoch.batch_digest, f"two final batches for epoch {event.epoch}"
        members = ledger.parameters_at(event.epoch).validators if ledger.set_changes(1) else None
        self.batch(
            event.epoch,
            epoch.root_hash,
            epoch.items,
            [signature.batch_signature for signature in epoch.signatures.values()],
            members,
        )

    def batch(
        self,
        number: int,
        root_hash: bytes,
        items: Sequence[BatchItem],
        signatures: Sequence[bytes],
        members: Sequence[ValidatorIdentity] | None = None,
    ) -> None:
        """Check that a threshold of the set signed exactly these items, and none of them is final elsewhere."""
        digest = batch_digest(
            subnet_id=SUBNET,
            items_hash=items_hash(items),
            root_height=number,
            root_hash=root_hash,
            domain=DOMAIN,
        )
        allowed = {member.address for member in members or self.members}
        signers: set[Address] = {recover_eip191(digest, one) for one in signatures}
        assert signers <= allowed, f"epoch {number}: a stranger's signature counts"
        assert 3 * len(signers) >= 2 * len(allowed), f"epoch {number}: {len(signers)} signatures"
        for item in items:
            first = self.ended_in.setdefault(item.intent_id, number)
            assert first == number, f"intent {item.intent_id} is final in {first} and {number}"

    def receipt(self, assignment_id: str, receipt: Receipt) -> None:
        """See what an agent was answered: every answer for an assignment is the first one's."""
        answer = (receipt.report_id, receipt.received_at)
        first = self.receipts.setdefault(assignment_id, answer)
        assert first == answer, f"a duplicate of {assignment_id} got {answer} instead of {first}"

    def ended(self, name: str, ledger: Ledger, stranded: frozenset[int] = frozenset()) -> None:
        """Check the end: every acknowledged report reached one, and nobody waits for anything."""
        for assignment_id in self.receipts:
            state = ledger.assignment(assignment_id)  # type: ignore[arg-type]
            assert state is not None, f"{name} lost the acknowledged report of {assignment_id}"
            assert state.report is not None
            assert state.stage.ended, f"{name}: {assignment_id} is still {state.stage.name}"
            assert state.stage is not Stage.EXPIRED, f"{name}: {assignment_id} expired"
        waiting = Counter(
            state.stage.name for state in ledger.assignments() if not state.stage.ended
        )
        assert not waiting, f"{name}: {dict(waiting)} have no end"
        assert stranded or not ledger.unsettled_final_epochs()
