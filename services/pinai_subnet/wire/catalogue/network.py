"""Catalogue entries of the area: network."""

from pinai_subnet.wire.catalogue.entry import Entry

ENTRIES: tuple[Entry, ...] = (
    Entry(
        code="SN-N101",
        title="Malformed bytes32 id",
        cause="An intent, bid, assignment or subnet id is not 0x followed by 64 hex digits. "
        "Ids are never padded or cut to fit, because two parties would then mean different things.",
        remedy="Send the id exactly as RootLayer or the agent made it: 0x and 64 hex digits. "
        "A small subnet id is written with leading zeros.",
    ),
    Entry(
        code="SN-N102",
        title="Malformed address",
        cause="A value that must be a chain address is not 0x followed by 40 hex digits, "
        "or its capital letters do not match the EIP-55 checksum.",
        remedy="Copy the address again from the wallet or from `subnetctl key show`. "
        "An agent puts its address into the bid's chain_address metadata, not its name.",
    ),
    Entry(
        code="SN-N103",
        title="Malformed name",
        cause="An agent or validator name is empty, longer than 128 characters, starts with "
        "punctuation, or holds a character other than letters, digits and . _ : @ -",
        remedy="Choose a name such as agent-1 and use it unchanged in the configuration of "
        "the process and in everything that refers to it.",
    ),
)
