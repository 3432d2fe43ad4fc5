"""What must hold at the end of a round, asked of the processes from outside. Every finding is a sentence."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
from tests.chaos.work import Piece
from tests.network_kit import LocalTestNetwork, wait_until

from pinai_subnet.adapters.signing_record import file as record_file
from pinai_subnet.cli.verify import PublishedBatch, published_batch, verify_batch
from pinai_subnet.ports.errors import Refused
from pinai_subnet.ports.signing_record import SigningIntent
from pinai_subnet.protocol.ids import Address

CONVERGE_SECONDS = 180.0
_MOVING = ("reported", "verified", "sealed", "final")
_PAGE = 1000


def wait_converged(network: LocalTestNetwork) -> float:
    """Wait until every validator has the same ledger and nothing in it is under way; return the seconds it took."""
    begun = time.monotonic()

    def still() -> bool:
        try:
            found = [network.get(name, "/api/v1/status") for name in network.validators]
        except httpx.HTTPError:
            return False
        return len({one["state"]["digest"] for one in found}) == 1 and not any(
            one["epochs"]["settlement_backlog"]
            or one["epochs"]["open"]
            or one["state"]["index"] != one["replication"]["last_index"]
            or any(one["assignments"].get(stage, 0) for stage in _MOVING)
            for one in found
        )

    wait_until(still, "all validators hold the same, settled ledger", seconds=CONVERGE_SECONDS)
    return time.monotonic() - begun


class Books:
    """What RootLayer has settled, read once."""

    def __init__(self, network: LocalTestNetwork) -> None:
        """Read every batch."""
        self.network = network
        self.documents = network.batches()
        self.batches: list[PublishedBatch] = [published_batch(one) for one in self.documents]
        self.settled: Counter[str] = Counter(
            item.intent_id for batch in self.batches for item in batch.items
        )

    def batch_problems(self) -> Iterator[str]:
        """Every epoch verifies from its published data alone, and nothing conflicts with it."""
        session = self.network.session
        parameters = session.network.parameters
        for document, batch in zip(self.documents, self.batches, strict=True):
            finding = verify_batch(
                batch,
                members={str(one.address): str(one.id) for one in parameters.validators},
                required=session.required_signatures,
                intent_manager=parameters.domain.intent_manager,
                chain_id=parameters.domain.chain_id,
            )
            for problem in finding.problems:
                yield f"epoch {batch.epoch}: {problem}"
            if document["conflicts"]:
                yield f"epoch {batch.epoch}: RootLayer was sent another batch for it as well"
            for result in document["results"]:
                if not result["ok"]:
                    yield f"epoch {batch.epoch}: RootLayer refused an item: {result['msg']}"

    def epoch_problems(self) -> Iterator[str]:
        """Every validator shows each epoch as it was settled, and nobody signed twice."""
        epochs = [batch.epoch for batch in self.batches]
        if epochs != list(range(1, len(epochs) + 1)):
            yield f"the settled epochs have gaps: {epochs}"
        for name in self.network.validators:
            if proofs := self.network.get(name, "/api/v1/double-signs")["double_signs"]:
                yield f"{name} has proof of double signing: {proofs}"
            for document, batch in zip(self.documents, self.batches, strict=True):
                epoch = self.network.get(name, f"/api/v1/epochs/{batch.epoch}")
                if epoch["batch_digest"] != document["batchDigest"]:
                    yield f"{name} has another digest for epoch {batch.epoch}"

    def duplicates(self) -> list[str]:
        """Return the intents that were settled more than once."""
        return [intent_id for intent_id, count in self.settled.items() if count > 1]


def lost_reports(
    network: LocalTestNetwork,
    books: Books,
    promised: Mapping[str, set[str]],
    pieces: Mapping[str, Piece],
) -> list[str]:
    """Return what is missing of the acknowledged reports: at a validator, or settled with the promised result."""
    found: list[str] = []
    pairs = [(key, report_id) for key, ids in promised.items() for report_id in sorted(ids)]
    for name in network.validators:
        kept = _kept_reports(network, name, {piece.record.agent_id for piece in pieces.values()})
        found += [
            f"{name} has {kept.get(key)} for assignment {key}, the receipt promised {report_id}"
            for key, report_id in pairs
            if kept.get(key) != report_id
        ]
    results = {
        item.assignment_id: item.result_hash for batch in books.batches for item in batch.items
    }
    for key, report_id in pairs:
        draft = pieces[key].drafts.get(report_id)
        if draft is None:
            found.append(f"a receipt for assignment {key} names {report_id}, which nobody sent")
        elif key not in results:
            found.append(f"assignment {key} was never settled, the receipt promised {report_id}")
        elif results[key] != draft.result_hash:
            found.append(f"assignment {key} was settled with another result than {report_id}'s")
    return found


def _kept_reports(network: LocalTestNetwork, name: str, agents: set[Any]) -> dict[str, str]:
    """Return the report of every assignment, as one validator shows them from its ledger and archive."""
    kept: dict[str, str] = {}
    for agent in sorted(agents):
        answer = network.get(name, "/api/v1/reports", agent_id=agent, limit=_PAGE)
        for document in answer["reports"]:
            kept[document["assignment_id"]] = document["report"]["report_id"]
    return kept


def signing_problems(network: LocalTestNetwork, books: Books) -> Iterator[str]:
    """No validator's sign-once store holds two digests for an epoch, or another one than was settled.

    The processes must have ended: the store belongs to one process at a time.
    """
    settled = {
        batch.epoch: bytes.fromhex(document["batchDigest"].removeprefix("0x"))
        for batch, document in zip(books.batches, books.documents, strict=True)
    }
    for member in network.session.network.parameters.validators:
        path = network.home.data / member.id / "signing-record.log"
        signed: dict[int, tuple[bytes, bytes]] = {}
        body = path.read_bytes()[record_file.HEADER_SIZE :]
        for record in record_file._intact(body):
            if record.kind != record_file._SIGNED:
                continue
            digests = (record.batch_digest, record.header_hash)
            if signed.setdefault(record.epoch, digests) != digests:
                yield f"{member.id} signed two digests for epoch {record.epoch}"
            if settled.get(record.epoch, record.batch_digest) != record.batch_digest:
                yield f"{member.id} signed another digest than was settled for epoch {record.epoch}"
        yield from _refuses_another(path, member.address, signed)


def _refuses_another(
    path: Any, address: Address, signed: Mapping[int, tuple[bytes, bytes]]
) -> Iterator[str]:
    """The store, opened again, still refuses a second digest for the newest epoch."""
    if not signed:
        return
    epoch = max(signed)
    record = record_file.FileSigningRecord(path, address=address)
    try:
        record.remember(
            [SigningIntent(epoch=epoch, batch_digest=b"\1" * 32, header_hash=b"\2" * 32)]
        )
    except Refused:
        return
    finally:
        record.close()
    yield f"{path}: a second digest for epoch {epoch} was not refused"
