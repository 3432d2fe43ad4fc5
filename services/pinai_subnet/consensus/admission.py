"""How one process comes into its group: what its directory says about it, and how it earns its vote. No frames.

A directory that never held a log begins without a vote, and so does a member that lost its data or takes its identity
over with data that may be older than what it acknowledged. Only members of the first group can found it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import msgspec
import structlog
from pysyncobj.monotonic import monotonic

from pinai_subnet.consensus.durable import refuse_marked
from pinai_subnet.consensus.engine import Engine
from pinai_subnet.consensus.fence import FILE_NAME as FENCE
from pinai_subnet.consensus.fence import Fence, Guard, Life
from pinai_subnet.consensus.options import ReplicationOptions
from pinai_subnet.consensus.rejoin import (
    Founders,
    begin_empty,
    end_rejoin,
    forgot_votes,
    founding,
    marked,
    prepare_rejoin,
    rejoining,
    untouched,
)
from pinai_subnet.ports.errors import Refused, Unreachable
from pinai_subnet.ports.replication import Peer

_log = structlog.get_logger(__name__)

_LOOK_SECONDS = 0.02
_BARRIER_SECONDS = 5.0

Barrier = Callable[[float], Awaitable[int]]
"""Commits a no-op within so many seconds and returns its index."""


class Admission:
    """One process of one member, from its locked directory to its vote."""

    def __init__(
        self,
        *,
        me: Peer,
        others: Sequence[Peer],
        first_group: Sequence[Peer],
        cluster_id: str,
        directory: Path,
        options: ReplicationOptions,
        guard: Guard | None,
    ) -> None:
        """Without a guard an empty directory is taken for a new member's, as in a group that is only simulated."""
        self._me = me
        self._has_others = bool(others) or any(peer.id != me.id for peer in first_group)
        names = {peer.id for peer in first_group}
        self._founders = frozenset(names - {me.id}) if me.id in names else frozenset[str]()
        """With whom this member may found the group; nobody for one that joins it later."""
        self._cluster_id = cluster_id
        self._directory = directory
        self._options = options
        self._guard = guard
        self._life = Life(since_ms=int(time.time() * 1000))
        self.fence = Fence()

    def prepare(self) -> None:
        """Make the directory ready for the log, or raise `Refused` or `Damaged` where it must not be used."""
        self._apply_guard()
        refuse_marked(self._directory)
        if not self.may_vote and not self._has_others:
            raise Refused("SN-R018", "a group of one has nobody to rejoin")
        rejoins = rejoining(self._directory) and not founding(self._directory)
        self._life = msgspec.structs.replace(self._life, rejoins=rejoins)

    def _apply_guard(self) -> None:
        guard = self._guard
        if guard is None:
            return
        if guard.rejoin_empty and (self._directory / "DAMAGED").exists():
            prepare_rejoin(self._directory, cluster=self._cluster_id, node=self._me.id)
        elif self._has_others:
            forgotten = guard.rejoin_empty or guard.takeover
            if untouched(self._directory):
                begin_empty(self._directory, forgotten=forgotten)
            elif guard.takeover or (guard.rejoin_empty and marked(self._directory)):
                begin_empty(self._directory, forgotten=True)
        self.fence = Fence(self._directory / FENCE, fsync=self._options.fsync)
        if guard.takeover:
            self.fence.take_over(self._life.since_ms)
        self._life = msgspec.structs.replace(self._life, claim_ms=self.fence.own_claim_ms)

    @property
    def may_vote(self) -> bool:
        """Whether nothing has to be fetched before this member counts."""
        return not rejoining(self._directory)

    def life(self, *, empty: bool) -> Life:
        """Return this process as the handshake names it; `empty` if its log holds nothing now."""
        return msgspec.structs.replace(self._life, empty=empty)

    async def earn_vote(self, engine: Engine, barrier: Barrier) -> None:
        """Get the vote: hold all that was committed before this member came, or found the group; see `rejoin`."""
        new = founding(self._directory)
        if not new:
            _log.warning("raft_rejoin_started", votes_forgotten=forgot_votes(self._directory))
            if forgot_votes(self._directory):
                await asyncio.sleep(self._options.rejoin_wait_seconds)
        founders = Founders(len(self._founders), wait_seconds=self._options.rejoin_wait_seconds)
        while not engine.may_vote:
            lives = {name: life for name, life in engine.links().lives().items() if life}
            if not new or any(not life.empty for life in lives.values()):
                await self._catch_up(engine, barrier)
            elif self._founders and founders.complete(
                len(lives.keys() & self._founders), monotonic()
            ):
                await self._take_vote(engine, 0)
            else:
                await asyncio.sleep(_LOOK_SECONDS)

    async def _catch_up(self, engine: Engine, barrier: Barrier) -> None:
        try:
            index = await barrier(_BARRIER_SECONDS)
        except Unreachable:
            await asyncio.sleep(_LOOK_SECONDS)
        else:
            await self._take_vote(engine, index)

    async def _take_vote(self, engine: Engine, index: int) -> None:
        await asyncio.to_thread(end_rejoin, self._directory)
        engine.vote_above = engine.term() if index else 0
        engine.may_vote = True
        engine.wake()
        _log.info("raft_vote_earned", index=index)
