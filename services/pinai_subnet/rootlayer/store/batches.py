"""Settled batches, RootLayer's answers to their items, and batches that contradict a settled one."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from pinai_subnet.ports.root_layer import ItemResult, SignedBatch
from pinai_subnet.wire.codec.batches import batch_from_bytes, batch_to_bytes

BATCH = "batch"
"""The kind of an epoch's batch; a single bundle's kind is its assignment id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictingBatch:
    """A validly signed batch for an epoch that was settled with other content."""

    batch: SignedBatch
    digest: bytes
    received_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBatch:
    """A settled batch with everything known about it."""

    batch: SignedBatch
    digest: bytes
    received_at_ms: int
    results: Sequence[ItemResult]
    conflicts: Sequence[ConflictingBatch] = ()


def find_digest(
    connection: sqlite3.Connection, subnet_id: str, epoch: int, kind: str = BATCH
) -> bytes | None:
    """Return the digest of what was settled for an epoch."""
    row = connection.execute(
        "SELECT digest FROM batches WHERE subnet_id = ? AND epoch = ? AND kind = ?",
        (subnet_id, epoch, kind),
    ).fetchone()
    return None if row is None else bytes(row[0])


def add(
    connection: sqlite3.Connection, batch: SignedBatch, digest: bytes, *, kind: str, at_ms: int
) -> None:
    """Store a batch as the one of its epoch."""
    connection.execute(
        "INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?)",
        (batch.subnet_id, batch.epoch, kind, digest, batch_to_bytes(batch), at_ms),
    )


def add_conflict(
    connection: sqlite3.Connection, batch: SignedBatch, digest: bytes, *, at_ms: int
) -> None:
    """Keep a contradicting batch as evidence, once per content."""
    connection.execute(
        "INSERT OR IGNORE INTO conflicting_batches VALUES (?, ?, ?, ?, ?)",
        (batch.subnet_id, batch.epoch, digest, batch_to_bytes(batch), at_ms),
    )


def results(
    connection: sqlite3.Connection, subnet_id: str, epoch: int, kind: str = BATCH
) -> list[ItemResult]:
    """Return the stored answers in item order."""
    rows = connection.execute(
        "SELECT ok, message, receipt_id FROM batch_results"
        " WHERE subnet_id = ? AND epoch = ? AND kind = ? ORDER BY item",
        (subnet_id, epoch, kind),
    )
    return [ItemResult(ok=bool(ok), message=text, receipt_id=receipt) for ok, text, receipt in rows]


def set_results(
    connection: sqlite3.Connection, batch: SignedBatch, kind: str, answers: Sequence[ItemResult]
) -> None:
    """Store the answers, one per item."""
    connection.executemany(
        "INSERT OR REPLACE INTO batch_results VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (batch.subnet_id, batch.epoch, kind, index, int(a.ok), a.message, a.receipt_id)
            for index, a in enumerate(answers)
        ],
    )


def find(connection: sqlite3.Connection, subnet_id: str, epoch: int) -> StoredBatch | None:
    """Return the batch of one epoch."""
    row = connection.execute(
        "SELECT digest, content, received_at_ms FROM batches WHERE subnet_id = ? AND epoch = ? AND kind = ?",
        (subnet_id, epoch, BATCH),
    ).fetchone()
    if row is None:
        return None
    conflicts = connection.execute(
        "SELECT digest, content, received_at_ms FROM conflicting_batches"
        " WHERE subnet_id = ? AND epoch = ? ORDER BY received_at_ms",
        (subnet_id, epoch),
    )
    return StoredBatch(
        digest=row[0],
        batch=batch_from_bytes(row[1]),
        received_at_ms=row[2],
        results=results(connection, subnet_id, epoch),
        conflicts=[
            ConflictingBatch(
                digest=digest, batch=batch_from_bytes(content), received_at_ms=received
            )
            for digest, content, received in conflicts
        ],
    )


def list_after(
    connection: sqlite3.Connection, subnet_id: str, after_epoch: int, limit: int
) -> list[StoredBatch]:
    """Return batches of later epochs, oldest first, without their conflicts."""
    rows = connection.execute(
        "SELECT epoch, digest, content, received_at_ms FROM batches"
        " WHERE subnet_id = ? AND kind = ? AND epoch > ? ORDER BY epoch LIMIT ?",
        (subnet_id, BATCH, after_epoch, limit),
    ).fetchall()
    return [
        StoredBatch(
            digest=digest,
            batch=batch_from_bytes(content),
            received_at_ms=received,
            results=results(connection, subnet_id, epoch),
        )
        for epoch, digest, content, received in rows
    ]
