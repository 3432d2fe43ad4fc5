"""Register: keeps this validator on the registry's list with its HTTP endpoint, where agents without gRPC report to."""

from pinai_subnet.ports.errors import DependencyError
from pinai_subnet.runtime.logs import get_logger
from pinai_subnet.runtime.stop import Stop
from pinai_subnet.wire.registry_client import RegistryClient

_RETRY_SECONDS = 2.0


class RegisterValidator:
    """Registers once, then sends heartbeats; registers again whenever the registry has forgotten it."""

    def __init__(
        self,
        *,
        client: RegistryClient,
        validator_id: str,
        http_endpoint: str,
        heartbeat_seconds: float,
    ) -> None:
        """`http_endpoint` is the host:port that others reach, not the one listened on."""
        self._client = client
        self._validator_id = validator_id
        self._http_endpoint = http_endpoint
        self._heartbeat_seconds = heartbeat_seconds
        self._registered = False
        self._failing = False
        self._log = get_logger()

    async def run(self, stop: Stop) -> None:
        """Stay on the list until told to stop, then leave it. A registry that is away is no reason to stop."""
        while not stop.is_set:
            try:
                await self._once()
            except DependencyError as exc:
                if not self._failing:
                    self._log.warning("registry_failed", code=exc.code, reason=exc.message)
                self._failing, self._registered = True, False
                await stop.wait(min(_RETRY_SECONDS, self._heartbeat_seconds))
                continue
            self._failing = False
            await stop.wait(self._heartbeat_seconds)
        if self._registered:
            try:
                await self._client.unregister("validators", self._validator_id)
            except DependencyError as exc:
                self._log.debug("registry_not_told", code=exc.code, reason=exc.message)

    async def _once(self) -> None:
        if self._registered and await self._client.heartbeat("validators", self._validator_id):
            return
        await self._client.register_validator(self._validator_id, http_endpoint=self._http_endpoint)
        self._registered = True
        self._log.info("validator_registered", endpoint=self._http_endpoint)
