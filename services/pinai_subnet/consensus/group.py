"""Who belongs to the group, as values: configurations, single changes, and which one each part of the log sets.

Single-server changes as in Ongaro's thesis, chapter 4: each configuration differs from the one before by one
voter at most, so that any two majorities of neighbours overlap. A configuration counts from the moment its entry is
in the log, committed or not, and stops counting when that entry is replaced. Pure: no socket, no clock, no file.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import msgspec

from pinai_subnet.ports.errors import Refused
from pinai_subnet.ports.replication import ChangeKind, GroupChange, Peer

GROUP = b"\x02"
"""First byte of an entry that sets the configuration."""
MAX_MEMBERS = 31
_MAX_TEXT = 255


class _Stored(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One member as it is written."""

    id: str
    address: str
    endpoint: str
    former_address: str
    voter: bool


_decoder = msgspec.msgpack.Decoder(list[_Stored])


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMember:
    """One member: a voter counts for elections and commits, a learner only receives."""

    peer: Peer
    voter: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One configuration. Ids and keys are distinct; there is always a voter."""

    members: tuple[GroupMember, ...]

    @classmethod
    def of(cls, peers: Sequence[Peer]) -> "Group":
        """Return the group whose members all vote."""
        return cls(members=tuple(GroupMember(peer=peer) for peer in peers))

    def get(self, member_id: str) -> GroupMember | None:
        """Return one member, None if there is none of that id."""
        return next((member for member in self.members if member.peer.id == member_id), None)

    def voters(self) -> frozenset[str]:
        """Return the ids of those whose votes count."""
        return frozenset(member.peer.id for member in self.members if member.voter)

    def peers(self) -> dict[str, Peer]:
        """Return all members by id."""
        return {member.peer.id: member.peer for member in self.members}

    def after(self, change: GroupChange) -> "Group":
        """Return the group after one change; the same group where the change is there already.

        Raises `Refused` SN-R060 for a change that is not possible in this group.
        """
        known = self.get(change.member_id)
        match change.kind:
            case ChangeKind.REMOVE:
                return self._without(change.member_id)
            case ChangeKind.ADD if change.peer is not None:
                if known is not None and known.peer == change.peer:
                    return self
                if known is not None:
                    raise Refused("SN-R060", f"{change.member_id!r} is a member already")
                return self._with(GroupMember(peer=change.peer, voter=False))
            case ChangeKind.PROMOTE if known is not None:
                return self._with(replace(known, voter=True))
            case ChangeKind.UPDATE if known is not None and change.peer is not None:
                return self._with(replace(known, peer=change.peer))
        raise Refused("SN-R060", f"cannot {change.kind} {change.member_id!r}: no such member")

    def _without(self, member_id: str) -> "Group":
        left = tuple(member for member in self.members if member.peer.id != member_id)
        if not any(member.voter for member in left):
            raise Refused("SN-R060", f"{member_id!r} is the last voter")
        return replace(self, members=left)

    def _with(self, member: GroupMember) -> "Group":
        peer = member.peer
        others = [known for known in self.members if known.peer.id != peer.id]
        texts = (peer.id, peer.address, peer.endpoint)
        if not all(texts) or any(len(text) > _MAX_TEXT for text in (*texts, peer.former_address)):
            raise Refused(
                "SN-R060",
                f"{peer.id[:64]!r}: id, address and endpoint have 1 to {_MAX_TEXT} letters",
            )
        taken = {key for known in others for key in (known.peer.address, known.peer.former_address)}
        if peer.address in taken:
            raise Refused("SN-R060", f"the key {peer.address} belongs to another member")
        if len(others) >= MAX_MEMBERS:
            raise Refused("SN-R060", f"a group has at most {MAX_MEMBERS} members")
        if len(others) == len(self.members):
            return replace(self, members=(*self.members, member))
        position = [known.peer.id for known in self.members].index(peer.id)
        return replace(
            self, members=(*self.members[:position], member, *self.members[position + 1 :])
        )

    def encode(self) -> bytes:
        """Return the group's bytes."""
        return msgspec.msgpack.encode(
            [
                _Stored(
                    member.peer.id,
                    member.peer.address,
                    member.peer.endpoint,
                    member.peer.former_address,
                    member.voter,
                )
                for member in self.members
            ]
        )

    @classmethod
    def decode(cls, data: bytes) -> "Group":
        """Return the group of these bytes; raise `Refused` SN-R044 if they are none."""
        try:
            stored = _decoder.decode(data)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise Refused("SN-R044", f"not a group: {error}") from error
        ids = {one.id for one in stored}
        if len(ids) != len(stored) or not any(one.voter for one in stored):
            raise Refused("SN-R044", "not a group: equal ids or no voter")
        return cls(
            members=tuple(
                GroupMember(
                    peer=Peer(
                        id=one.id,
                        address=one.address,
                        endpoint=one.endpoint,
                        former_address=one.former_address,
                    ),
                    voter=one.voter,
                )
                for one in stored
            )
        )


class GroupLog:
    """The configurations that the log sets, from the newest applied one on."""

    def __init__(self, index: int, group: Group) -> None:
        """Begin with the configuration that counts at `index`."""
        self._entries: list[tuple[int, Group]] = [(index, group)]

    @property
    def current(self) -> Group:
        """The configuration that counts now: the newest in the log."""
        return self._entries[-1][1]

    @property
    def index(self) -> int:
        """Where the current one is in the log; where the log begins for the first one."""
        return self._entries[-1][0]

    def __iter__(self) -> Iterator[Group]:
        return (group for _, group in self._entries)

    def add(self, index: int, group: Group) -> None:
        """Take note of a configuration that was appended."""
        self._entries.append((index, group))

    def cut(self, index: int) -> bool:
        """Forget configurations at `index` and behind it; whether there were any."""
        kept = [entry for entry in self._entries if entry[0] < index]
        changed = len(kept) < len(self._entries)
        self._entries = kept or self._entries[:1]
        return changed

    def applied(self, index: int) -> bool:
        """Forget configurations that newer applied ones replaced; whether that changed anything."""
        before = len(self._entries)
        while len(self._entries) > 1 and self._entries[1][0] <= index:
            del self._entries[0]
        return len(self._entries) < before

    def at(self, index: int) -> tuple[int, Group]:
        """Return the configuration that counts at an index, and where it is."""
        older = [entry for entry in self._entries if entry[0] <= index]
        return older[-1] if older else self._entries[0]

    def reset(self, index: int, group: Group, *, keep_behind: int | None) -> None:
        """Begin anew with the configuration of a snapshot; keep those behind `keep_behind`."""
        kept = [e for e in self._entries if keep_behind is not None and e[0] > keep_behind]
        self._entries = [(index, group), *kept]
