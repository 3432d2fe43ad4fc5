"""The followed validator sets in the database: one row per set, the signed change that made it."""

import json
import sqlite3
from collections.abc import Iterator, Sequence

from pinai_subnet.protocol.membership import SignedSetChange
from pinai_subnet.rootlayer.sets import KnownSet
from pinai_subnet.wire.set_changes import SignedChangeBody, signed_document


def insert(connection: sqlite3.Connection, made: Sequence[KnownSet]) -> int:
    """Store these sets; the first one of a network is configuration and is not stored."""
    rows = [
        (known.version, json.dumps(signed_document(known.signed, known.first_epoch)))
        for known in made
        if known.signed is not None
    ]
    return connection.executemany("INSERT INTO validator_sets VALUES (?, ?)", rows).rowcount


def every(connection: sqlite3.Connection) -> Iterator[tuple[SignedSetChange, int]]:
    """Yield each stored change with the first epoch of the set it made, oldest first."""
    for (document,) in connection.execute("SELECT document FROM validator_sets ORDER BY version"):
        body = SignedChangeBody.model_validate_json(document)
        yield body.value(), body.first_epoch
