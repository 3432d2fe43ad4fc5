"""The registry's background work: noticing who fell silent. Not the rules of silence, which are the roster's."""

from pinai_subnet.registry.roster import Entry, Kind
from pinai_subnet.registry.service import Registry
from pinai_subnet.runtime.errors import NoRoom
from pinai_subnet.runtime.logs import get_logger
from pinai_subnet.runtime.stop import Stop


class Sweep:
    """Tells who dropped off the lists and forgets whom nobody has heard of for long."""

    def __init__(self, *, registry: Registry, every_seconds: float) -> None:
        """Sweep this registry, with this pause between turns."""
        self._registry = registry
        self._every = every_seconds
        self._log = get_logger()

    async def run(self, stop: Stop) -> None:
        """Sweep until stopped."""
        seen = self._visible()
        async for _ in stop.periodically(self._every):
            now_visible = self._visible()
            for kind, member_id in sorted(seen - now_visible):
                self._log.info("member_left_lists", kind=kind, member_id=member_id)
            seen = now_visible
            gone = await self._forget()
            if gone:
                self._log.info("members_forgotten", count=len(gone))

    async def _forget(self) -> list[Entry]:
        """Forget, or leave it for the next turn where the disk has no room."""
        try:
            return await self._registry.forget()
        except NoRoom as exc:
            self._log.warning("members_not_forgotten", code=exc.code, reason=exc.message)
            return []

    def _visible(self) -> set[tuple[str, str]]:
        return {(k.value, e.id) for k in Kind for e in self._registry.listing(kind=k)}
