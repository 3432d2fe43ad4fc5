"""This validator's hand on the replicated ledger: propose a command, read the state, know who leads."""

import secrets
from collections.abc import Callable, Sequence
from typing import TypeVar

from pinai_subnet.ports.errors import DependencyError
from pinai_subnet.ports.replication import Replication, ReplicationStatus
from pinai_subnet.ports.signer import Signer
from pinai_subnet.protocol.errors import NotReady
from pinai_subnet.protocol.ids import SubnetId, ValidatorId
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.validator.applied import Applied, Reply
from pinai_subnet.validator.command_codec import encode_command
from pinai_subnet.validator.commands import Command, Stamp
from pinai_subnet.validator.events import CommandRefused
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.state_machine import LedgerMachine

T = TypeVar("T")


class Replica:
    """One validator's view of the ledger. Reads are this node's; `current` makes them include all acknowledged work."""

    def __init__(
        self,
        *,
        validator_id: ValidatorId,
        subnet_id: SubnetId,
        signer: Signer,
        replication: Replication,
        machine: LedgerMachine,
        clock: Clock,
        timeout_seconds: float = 20.0,
    ) -> None:
        """Sign every command with this validator's key; give the log this long to take one."""
        self.validator_id = validator_id
        self._subnet_id = subnet_id
        self._signer = signer
        self._replication = replication
        self._machine = machine
        self._clock = clock
        self._timeout_seconds = timeout_seconds

    @property
    def leading(self) -> bool:
        """Whether this node believes that it leads; the log refuses it if that is out of date."""
        return self.status().role == "leader"

    def status(self) -> ReplicationStatus:
        """Return the engine's own view."""
        return self._replication.status()

    def read(self, query: Callable[[Ledger], T]) -> T:
        """Run a short query on the ledger as this node has it. It must copy what it keeps and change nothing."""
        return self._machine.read(query)

    def require_part(self) -> None:
        """Raise `NotReady` SN-V107 while this validator only reads: nothing may be taken in, nothing may be signed."""
        paused = self.status().paused
        if paused is not None:
            raise NotReady(
                "SN-V107",
                f"{self.validator_id} only reads for now ({paused}); ask another validator",
            )

    async def current(self, *, timeout_seconds: float | None = None) -> None:
        """Return when this node has applied everything that was acknowledged before the call."""
        await self._replication.barrier(timeout_seconds=timeout_seconds or self._timeout_seconds)

    async def propose(self, build: Callable[[Stamp], Command]) -> Sequence[Reply]:
        """Put one command into the log and return the ledger's replies.

        Raises `NotReady` SN-V085 when no quorum took it in time (outcome unknown; repeating it is safe, because the
        ledger knows what it has), or with the ledger's code when this validator may not speak (SN-V002), and other
        `DependencyError`s as they are.
        """
        stamp = Stamp(
            request_id=secrets.token_hex(16),
            proposer=self.validator_id,
            at_ms=int(self._clock.now() * 1000),
        )
        data = encode_command(build(stamp), self._signer, self._subnet_id)
        try:
            applied = await self._replication.submit(data, timeout_seconds=self._timeout_seconds)
        except DependencyError as exc:
            if not exc.retryable:
                raise
            raise NotReady(
                "SN-V085", f"the validators did not commit it in time: {exc.message}"
            ) from exc
        if not isinstance(applied, Applied):
            raise TypeError(f"the ledger answered with {type(applied).__name__}")
        for event in applied.events:
            if isinstance(event, CommandRefused) and not applied.replies:
                # Refused unread, so there is no reply: as after a removal, while the command was on its way.
                raise NotReady(event.code, event.message)
        return applied.replies
