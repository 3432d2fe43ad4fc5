"""`auth_config.yaml`: how strict each service is about who calls, read into a ready `RequestVerifier`."""

from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.settings import Settings, SettingsLoader
from pinai_subnet.wire.authentication import AuthMode, AuthPolicy, RequestVerifier
from pinai_subnet.wire.nonces import NonceCache

FILE_NAME = "auth_config.yaml"


class ServiceSection(Settings):
    """One service's strictness."""

    mode: AuthMode = AuthMode.ACCEPT


class AuthFile(Settings):
    """The whole file."""

    matcher: ServiceSection = ServiceSection()
    validator: ServiceSection = ServiceSection()
    timestamp_tolerance_seconds: NonNegativeFloat = 300
    nonce_expiry_seconds: PositiveFloat = 600
    max_nonces: PositiveInt = 200_000
    foreign_chain_ids: tuple[str, ...] = Field(default=("subnet-local", "subnet"))

    def verifier(
        self, service: Literal["matcher", "validator"], *, subnet_id: str, clock: Clock
    ) -> RequestVerifier:
        """Return the verifier of one service of one network."""
        section = self.matcher if service == "matcher" else self.validator
        return RequestVerifier(
            policy=AuthPolicy(
                mode=section.mode,
                timestamp_tolerance_seconds=self.timestamp_tolerance_seconds,
                foreign_chain_ids=frozenset(self.foreign_chain_ids) - {subnet_id},
            ),
            nonces=NonceCache(expiry_seconds=self.nonce_expiry_seconds, capacity=self.max_nonces),
            subnet_id=subnet_id,
            clock=clock,
        )


def load_auth(loader: SettingsLoader, config_dir: Path) -> AuthFile | None:
    """Read and check the file; every problem goes to the loader, and None means there was at least one."""
    loaded = loader.load(AuthFile, config_dir / FILE_NAME)
    if not loaded.ok:
        return None
    file = loaded.value
    if file.nonce_expiry_seconds < 2 * file.timestamp_tolerance_seconds:
        loader.report(
            "SN-C123",
            f"nonces are remembered for {file.nonce_expiry_seconds:.0f} s, but a request stays valid for "
            f"{2 * file.timestamp_tolerance_seconds:.0f} s: it could be replayed",
            where=loaded.where("nonce_expiry_seconds"),
            fix="set nonce_expiry_seconds to at least twice timestamp_tolerance_seconds",
        )
        return None
    return file
