"""How many validators it takes: Raft's majority to agree on the order, the threshold of signatures to be final.

The two are independent (five validators at 4/5 survive two losses for Raft, but only one for signatures), so they are
always shown together. Signatures are counted, every validator once; weights are not (known defect C18).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from pinai_subnet.protocol.errors import InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Quorum:
    """Both quorums of one validator set."""

    members: int
    raft_majority: int
    required_signatures: int

    @property
    def raft_spares(self) -> int:
        """How many members may be lost while a leader can still be elected."""
        return self.members - self.raft_majority

    @property
    def signature_spares(self) -> int:
        """How many members may be lost while an epoch can still become final."""
        return self.members - self.required_signatures


def raft_majority(members: int) -> int:
    """Return how many of `members` make a majority."""
    return members // 2 + 1


def required_signatures(members: int, numerator: int, denominator: int) -> int:
    """Return ceil(members * numerator / denominator), at least 1 (wire-contract 4.5), in exact integers."""
    return max(1, -(-members * numerator // denominator))


def quorum_of(members: int, numerator: int, denominator: int) -> Quorum:
    """Return both quorums of a set; raise `InvalidInput` SN-C120 for an impossible threshold."""
    check_threshold(members, numerator, denominator)
    return Quorum(
        members=members,
        raft_majority=raft_majority(members),
        required_signatures=required_signatures(members, numerator, denominator),
    )


def check_threshold(members: int, numerator: int, denominator: int) -> None:
    """Raise `InvalidInput` SN-C120 unless the threshold is more than one half, at most all, and there are members."""
    if members < 1:
        problem = f"{members} validators can sign nothing"
    elif numerator < 1 or denominator < 1:
        problem = "both numbers must be at least 1"
    elif numerator > denominator:
        problem = "more signatures would be needed than there are validators"
    elif 2 * numerator <= denominator:
        problem = "two groups of validators could each sign a different result for one epoch"
    else:
        return
    raise InvalidInput(
        "SN-C120",
        f"threshold {numerator}/{denominator} of {members} validators is impossible: {problem}. "
        "It is the share of validators whose signatures make an epoch final and must be more than 1/2 and "
        "at most 1/1, e.g. 2/3. It is independent of the Raft majority "
        f"({raft_majority(max(members, 1))} of {max(members, 1)}), which only orders the log and is not configurable.",
    )


def signer_bitmap(indexes: Iterable[int], members: int) -> bytes:
    """Return ceil(members / 8) bytes with bit `i % 8`, lowest first, of byte `i // 8` set per signer.

    The index is the position in the configured validator list (wire-contract 3.5); one outside it is a `ValueError`.
    """
    bits = bytearray((members + 7) // 8)
    for index in indexes:
        if not 0 <= index < members:
            raise ValueError(f"signer index {index} is outside a set of {members}")
        bits[index // 8] |= 1 << index % 8
    return bytes(bits)
