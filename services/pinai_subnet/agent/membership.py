"""Keeps the agent on the registry's list: registers, sends heartbeats, registers again when it has been forgotten."""

from collections.abc import Sequence

from pinai_subnet.agent.backoff import Backoff
from pinai_subnet.agent.network import Membership
from pinai_subnet.ports.errors import Refused, Unreachable
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.logs import get_logger


async def keep_registered(
    membership: Membership,
    *,
    capabilities: Sequence[str],
    every_seconds: float,
    backoff: Backoff,
    clock: Clock,
) -> None:
    """Do it for ever; cancelling is safe. An agent whose registration is refused works on without being listed."""
    log = get_logger()
    registered = absent = False
    while True:
        pause = every_seconds
        try:
            if registered:
                registered = await membership.heartbeat()
            if not registered:
                await membership.register(capabilities)
                registered = True
                log.info("agent_registered", capabilities=list(capabilities))
            absent = False
            backoff.reset()
        except Unreachable as exc:
            pause = min(every_seconds, backoff.next())
            say = log.debug if absent else log.warning
            say("registry_unreachable", error=str(exc), again_in_seconds=round(pause, 2))
            absent = True
        except Refused as exc:
            registered = False
            log.error("registration_refused", error=str(exc))  # noqa: TRY400 - the text says it all
        await clock.sleep(pause)
