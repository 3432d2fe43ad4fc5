"""A replicated log that can step aside and come back while its process lives. No rules of Raft here.

A disk without room must not cost what is stored: a member that cannot write takes no part, as if it had been stopped,
keeps the state that it applied, and opens the log again from its files when there is room. Taking no part is safe at
any moment, because it is what a crash looks like to the others.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import structlog

from pinai_subnet.consensus.durable import WriteFailed
from pinai_subnet.consensus.node import ReplicatedLog
from pinai_subnet.ports.errors import Refused, Unreachable
from pinai_subnet.ports.replication import GroupChange, PausableReplication, ReplicationStatus

_log = structlog.get_logger(__name__)

_HAND_OVER_SECONDS = 1.0


class ResumableLog(PausableReplication):
    """Makes a `ReplicatedLog` for each time that it takes part. The state machine must ignore what it has applied."""

    def __init__(self, make: Callable[[], ReplicatedLog]) -> None:
        """`make` returns a log that is not started, each time over the same directory and state machine."""
        self._make = make
        self._log = make()
        self._reason: str | None = None
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Start the log; see the port."""
        await self._log.start()

    async def submit(self, command: bytes, *, timeout_seconds: float) -> object:
        """Replicate one command; see the port."""
        self._require_part()
        try:
            return await self._log.submit(command, timeout_seconds=timeout_seconds)
        except Refused as refused:
            raise self._doubtful(refused) from refused

    async def barrier(self, *, timeout_seconds: float) -> int:
        """Commit a no-op; see the port."""
        self._require_part()
        try:
            return await self._log.barrier(timeout_seconds=timeout_seconds)
        except Refused as refused:
            raise self._doubtful(refused) from refused

    async def change(self, change: GroupChange, *, timeout_seconds: float) -> int:
        """Change the membership by one step; see the port."""
        self._require_part()
        return await self._log.change(change, timeout_seconds=timeout_seconds)

    async def hand_over(self, *, timeout_seconds: float, to: str | None = None) -> bool:
        """Stop leading in favour of another; who takes no part does not lead."""
        if self._paused() is not None:
            return False
        return await self._log.hand_over(timeout_seconds=timeout_seconds, to=to)

    def status(self) -> ReplicationStatus:
        """Report as the log does; while paused, nobody leads here, nobody is connected, and `paused` says why."""
        status = self._log.status()
        reason = self._paused()
        if reason is None:
            return status
        return replace(
            status,
            role="follower",
            leader_id=None,
            has_quorum=False,
            tick_lag_seconds=0.0,
            peers=tuple(replace(peer, connected=False, lag=None) for peer in status.peers),
            failure=None,
            paused=reason,
        )

    async def pause(self, reason: str) -> None:
        """Step aside; see the port."""
        async with self._turn:
            if self._reason is not None:
                return
            if self._log.status().failure is None:
                await self._log.hand_over(timeout_seconds=_HAND_OVER_SECONDS)
            self._reason = reason
            await self._log.stop()
            _log.warning("raft_paused", reason=reason)

    async def resume(self) -> bool:
        """Open the log again where it is paused; False where there is still no room. See the port."""
        async with self._turn:
            if self._paused() is None:
                return True
            self._reason = self._paused()
            await self._log.stop()
            fresh = self._make()
            try:
                await fresh.start()
            except WriteFailed as failed:
                if not failed.out_of_space:
                    raise
                return False
            self._log = fresh
            self._reason = None
            _log.info("raft_resumed", applied_index=fresh.status().applied_index)
            return True

    async def stop(self) -> None:
        """Stop the log; see the port."""
        async with self._turn:
            await self._log.stop()

    def _paused(self) -> str | None:
        """Why this member takes no part: it was told to, or its disk ran full under it."""
        if self._reason is None and self._log.out_of_space:
            return self._log.status().failure
        return self._reason

    def _require_part(self) -> None:
        reason = self._paused()
        if reason is not None:
            raise Unreachable("SN-R024", f"this member takes no part: {reason}")

    def _doubtful(self, refused: Refused) -> Refused | Unreachable:
        """A full disk refuses for a while only, and what was under way may still be committed."""
        if not self._log.out_of_space:
            return refused
        return Unreachable("SN-R024", f"this member takes no part: {refused}")
