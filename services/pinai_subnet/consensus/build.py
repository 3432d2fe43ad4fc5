"""What two nodes must have in common to share a log: rules that each understands, and the same chain. Values only."""

import msgspec

from pinai_subnet.ports.errors import Refused

_SHOWN = 200


class Build(msgspec.Struct, frozen=True, array_like=True):
    """What a node runs, by its own signed word. `rules` is 0 where it does not say."""

    rules: int = 0
    """Version of the rules by which this node's entries become state."""
    oldest_rules: int = 0
    """The oldest version it can share a log with."""
    release: str = ""
    chain: str = ""
    """Chain and contracts that signatures are for."""


UNSAID = Build()


def check_builds(mine: Build, theirs: Build, peer_id: str) -> None:
    """Raise `Refused` SN-R050 for rules too far apart, SN-R051 for another chain; the message names both sides."""
    if theirs.rules < mine.oldest_rules or mine.rules < theirs.oldest_rules:
        raise Refused(
            "SN-R050",
            f"peer {peer_id!r} runs {_named(theirs)}, this node {_named(mine)}: they share no rules",
        )
    if theirs.chain != mine.chain:
        raise Refused(
            "SN-R051",
            f"peer {peer_id!r} is for chain {theirs.chain[:_SHOWN]!r}, this node for {mine.chain!r}",
        )


def _named(build: Build) -> str:
    release = build.release[:_SHOWN] or "a build that does not say which"
    return f"{release} (ledger rules {build.rules}, works with {build.oldest_rules} and later)"
