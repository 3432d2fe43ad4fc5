"""Where a local network lives on disk, and what `.env` holds. Creates and reads; starts nothing."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pinai_subnet.runtime.dotenv import DotEnv, read_dotenv
from pinai_subnet.runtime.errors import cannot_start

DEFAULT_HOME = Path(".network")

_SECRET = re.compile(r"(KEY|SECRET|TOKEN|PASSWORD)(_\d+)?$|^VALIDATOR_KEYS$")


def is_secret(name: str) -> bool:
    """Tell whether a variable of `.env` holds a secret that only its own service may see."""
    return "PUBKEY" not in name and bool(_SECRET.search(name))


@dataclass(frozen=True, slots=True)
class Home:
    """The directory of one local network."""

    root: Path

    @property
    def env_file(self) -> Path:
        """The only file with secrets; mode 600."""
        return self.root / ".env"

    @property
    def config(self) -> Path:
        """The YAML files."""
        return self.root / "config"

    @property
    def data(self) -> Path:
        """One directory per process."""
        return self.root / "data"

    @property
    def logs(self) -> Path:
        """One log file per process."""
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """One small JSON file per running process."""
        return self.root / "run"

    @property
    def exists(self) -> bool:
        """Whether `subnetctl init` has been here."""
        return self.env_file.is_file()

    @property
    def in_containers(self) -> bool:
        """Whether its processes are containers: started and stopped by `deploy.sh`, never from here."""
        return (self.root / "docker" / "docker-compose.yml").is_file()

    def require_processes(self, otherwise: str, fix: str) -> None:
        """Raise `StartupError` SN-C128, which says what to do instead, where the members are containers."""
        if self.in_containers:
            raise cannot_start("SN-C128", otherwise, where=str(self.root / "docker"), fix=fix)

    @property
    def one_of_several(self) -> bool:
        """Whether other hosts have other members of the network."""
        return services_here(self.environment()) is not None

    def environment(self) -> dict[str, str]:
        """Return the variables of `.env`; raise `StartupError` where it is unreadable or readable by others."""
        return dict(self.read_env().values)

    def read_env(self) -> DotEnv:
        """Return `.env` with the line of every variable; raise `StartupError` SN-C032 where there is none."""
        self.require()
        return read_dotenv(self.env_file)

    def require(self) -> None:
        """Raise `StartupError` SN-C032 where there is no network."""
        if not self.exists:
            raise cannot_start(
                "SN-C032",
                f"no network in {self.root}",
                where=str(self.env_file),
                fix=f"subnetctl init --home {self.root}",
            )


def services_here(environment: Mapping[str, str]) -> frozenset[str] | None:
    """Return which members run on this host; None where all of them do."""
    names = environment.get("HOST_SERVICES", "")
    return frozenset(names.split(",")) if names else None


_OF_THE_HOST = ("PATH", "HOME", "LANG", "TZ")
LOGGING = ("LOG_LEVEL", "LOG_MAX_MB", "LOG_FILES", "LOG_REPEAT_SECONDS")
"""Variables of `runtime.logs` that hold for every process of the network."""


def public_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what every process of the network may see: `.env` without its secrets, plus a minimal host environment."""
    host = {name: os.environ[name] for name in (*_OF_THE_HOST, *LOGGING) if name in os.environ}
    return host | {name: value for name, value in environment.items() if not is_secret(name)}
