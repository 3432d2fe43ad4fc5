"""The catalogue as a page to read: every code with its title, cause and remedy, by area. Text only."""

from collections.abc import Mapping

from pinai_subnet.wire.catalogue.entry import Entry

_AREAS = {
    "C": "Configuration",
    "H": "Host and process",
    "K": "Keys and identity",
    "M": "Matching and agents",
    "N": "Network and operation",
    "R": "Replication, backup and recovery",
    "S": "Settlement and RootLayer",
    "V": "Validation",
}
_HEAD = """# Error codes

Made from the catalogue by `make docs`; `subnetctl explain CODE` prints the same offline. Wherever something goes wrong
its code is there: on stderr and in the log, in gRPC details and the trailing metadata `x-error-code`, in HTTP problem
details (RFC 9457), whose `type` is `urn:pinai:error:CODE`. Exit status 78 means: restarting without a
change will not help.
"""


def page(catalogue: Mapping[str, Entry]) -> str:
    """Return the whole page in Markdown; raise `KeyError` for a code of no known area."""
    parts = [_HEAD]
    area = ""
    for code in sorted(catalogue):
        entry = catalogue[code]
        if code[3] != area:
            area = code[3]
            parts.append(f"## {_AREAS[area]}\n")
        parts.append(
            f"### {code} {entry.title}\n\n{entry.cause}\n\n**What to do:** {entry.remedy}\n"
        )
    return "\n".join(parts)
