"""Catalogue entries of the area: config."""

from pinai_subnet.wire.catalogue.entry import Entry

ENTRIES: tuple[Entry, ...] = (
    Entry(
        code="SN-C120",
        title="Impossible signature threshold",
        cause="The threshold in network.yaml is not more than 1/2 and at most 1/1 of the "
        "validators. At 1/2 or less two groups could each finalise a different result; "
        "above 1/1 nothing could ever be final. The Raft majority, which only orders the "
        "log, is separate and not configurable.",
        remedy="Set the threshold in network.yaml to e.g. 2/3 (three validators then tolerate the "
        "loss of one) and copy the file to every process of the network.",
    ),
)
