"""What every command about a running network needs: its home, its shared parameters and its members' HTTP APIs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.cli.home import DEFAULT_HOME, Home
from pinai_subnet.insight.gathering import Sources
from pinai_subnet.insight.readers import JsonApi
from pinai_subnet.protocol.quorum import required_signatures
from pinai_subnet.runtime.errors import StartupError, cannot_start
from pinai_subnet.runtime.settings import SettingsLoader, read_private_key
from pinai_subnet.wire.network_file import Network, load_network

HomeOption = Annotated[Path, typer.Option("--home", help="directory of the network")]
JsonOption = Annotated[bool, typer.Option("--json", help="print JSON")]
HOME = DEFAULT_HOME


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """An initialised network, as a command sees it."""

    home: Home
    environment: Mapping[str, str]
    network: Network

    @property
    def rootlayer(self) -> JsonApi:
        """RootLayer's HTTP API."""
        return JsonApi(name="rootlayer", base=self.network.endpoints.rootlayer_http)

    @property
    def matcher(self) -> JsonApi:
        """The matcher's HTTP API."""
        return JsonApi(name="matcher", base=self.network.endpoints.matcher_http)

    @property
    def registry(self) -> JsonApi:
        """The registry's HTTP API."""
        return JsonApi(name="registry", base=self.network.endpoints.registry_http)

    def validators(self) -> list[JsonApi]:
        """Return every validator's HTTP API, in the order of the set."""
        return [
            JsonApi(name=v.id, base=v.http_endpoint) for v in self.network.parameters.validators
        ]

    @property
    def sources(self) -> Sources:
        """Whom to ask for the story of an intent."""
        return Sources(rootlayer=self.rootlayer, matcher=self.matcher, validators=self.validators())

    @property
    def required_signatures(self) -> int:
        """How many signatures make a batch final."""
        parameters = self.network.parameters
        return required_signatures(
            len(parameters.validators),
            parameters.threshold_numerator,
            parameters.threshold_denominator,
        )

    def requester(self) -> LocalSigner:
        """Return the key that pays for test intents (`TEST_PRIVATE_KEY`)."""
        value = self.environment.get("TEST_PRIVATE_KEY", "")
        if not value:
            raise cannot_start(
                "SN-K021",
                "TEST_PRIVATE_KEY is not set",
                where=str(self.home.env_file),
                fix="add TEST_PRIVATE_KEY=<64 hex digits> to .env; `subnetctl keys new FILE` makes a key",
            )
        return LocalSigner(read_private_key(SecretStr(value), None, "TEST_PRIVATE_KEY"))


def open_session(root: Path) -> Session:
    """Read `.env` and `network.yaml` of a home; raise `StartupError` SN-C032 where there is none."""
    home = Home(root)
    env = home.read_env()
    environment = dict(env.values)
    loader = SettingsLoader(environment, origins=env.origins)
    network = load_network(loader, home.config)
    if network is None:
        raise StartupError(loader.problems)
    return Session(home=home, environment=environment, network=network)
