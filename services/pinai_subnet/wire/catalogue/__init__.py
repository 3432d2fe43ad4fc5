"""The one list of error codes, each with cause and remedy; everything that explains a code reads it from here."""

from pinai_subnet.wire.catalogue import (
    agents,
    config,
    console,
    host,
    keys,
    matching,
    network,
    operation,
    recovery,
    replication,
    requests,
    settlement,
    validation,
    verification,
    watching,
)
from pinai_subnet.wire.catalogue.entry import Entry

CATALOGUE: dict[str, Entry] = {
    entry.code: entry
    for area in (
        agents,
        config,
        console,
        host,
        keys,
        matching,
        network,
        operation,
        recovery,
        replication,
        requests,
        settlement,
        validation,
        verification,
        watching,
    )
    for entry in area.ENTRIES
}
