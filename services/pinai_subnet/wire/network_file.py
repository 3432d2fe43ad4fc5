"""`network.yaml`: what every member of one network must agree on, read from untrusted text into `NetworkParameters`."""

from dataclasses import dataclass
from pathlib import Path

from pinai_subnet.protocol.digests import ChainDomain
from pinai_subnet.protocol.errors import SubnetError
from pinai_subnet.protocol.ids import (
    SubnetId,
    ValidatorId,
    parse_address,
    parse_bytes32,
    parse_name,
)
from pinai_subnet.protocol.network import NetworkParameters, ValidatorIdentity
from pinai_subnet.protocol.quorum import check_threshold
from pinai_subnet.protocol.signatures import address_of
from pinai_subnet.runtime.settings import Loaded, Settings, SettingsLoader

FILE_NAME = "network.yaml"
MAX_PORT = 65_535


class ChainSection(Settings):
    """Which chain and contracts the digests bind to."""

    chain_id: int
    intent_manager: str
    checkpoint_manager: str


class ThresholdSection(Settings):
    """Which share of the validators must sign."""

    numerator: int
    denominator: int


class ValidatorSection(Settings):
    """One validator."""

    id: str
    public_key: str
    grpc: str
    http: str
    raft: str


class EndpointsSection(Settings):
    """Where the other members listen, host:port."""

    matcher_grpc: str
    matcher_http: str
    registry_http: str
    registry_grpc: str
    rootlayer_grpc: str
    rootlayer_http: str
    rootlayer_tls: bool = False


class NetworkFile(Settings):
    """The whole file."""

    subnet_id: str
    chain: ChainSection
    threshold: ThresholdSection
    validators: tuple[ValidatorSection, ...]
    matchers: tuple[str, ...]
    endpoints: EndpointsSection


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What the file says: the parameters all members share, and where they listen."""

    parameters: NetworkParameters
    endpoints: EndpointsSection


def load_network(loader: SettingsLoader, config_dir: Path) -> Network | None:
    """Read and check the file; every problem goes to the loader, and None means there was at least one."""
    loaded = loader.load(NetworkFile, config_dir / FILE_NAME)
    if not loaded.ok:
        return None
    before = len(loader.problems)
    network = _Reader(loader, loaded).network()
    return network if len(loader.problems) == before else None


class _Reader:
    def __init__(self, loader: SettingsLoader, loaded: Loaded[NetworkFile]) -> None:
        self._loader = loader
        self._loaded = loaded
        self._file = loaded.value

    def network(self) -> Network | None:
        file = self._file
        self._endpoints()
        validators = tuple(
            identity
            for index in range(len(file.validators))
            if (identity := self._validator(index))
        )
        self._distinct()
        with _Collected(
            self._loader,
            self._loaded,
            ("threshold",),
            "choose numerator and denominator, e.g. 2 of 3",
        ):
            check_threshold(
                len(file.validators), file.threshold.numerator, file.threshold.denominator
            )
        fix = "write 0x and the hex digits, or correct the variable in .env"
        with _Collected(self._loader, self._loaded, ("subnet_id",), fix):
            subnet_id = parse_bytes32(file.subnet_id, "subnet_id")
        with _Collected(self._loader, self._loaded, ("chain",), fix):
            domain = ChainDomain(
                chain_id=file.chain.chain_id,
                intent_manager=parse_address(file.chain.intent_manager, "intent_manager"),
                checkpoint_manager=parse_address(
                    file.chain.checkpoint_manager, "checkpoint_manager"
                ),
            )
        with _Collected(self._loader, self._loaded, ("matchers",), fix):
            matchers = tuple(parse_address(text, "matchers") for text in file.matchers)
        if self._loader.problems:
            return None
        parameters = NetworkParameters(
            subnet_id=SubnetId(subnet_id),
            domain=domain,
            validators=validators,
            threshold_numerator=file.threshold.numerator,
            threshold_denominator=file.threshold.denominator,
            matchers=matchers,
        )
        return Network(parameters=parameters, endpoints=file.endpoints)

    def _validator(self, index: int) -> ValidatorIdentity | None:
        entry = self._file.validators[index]
        where = ("validators", index, "public_key")
        with _Collected(
            self._loader, self._loaded, where, "`subnetctl keys pubkey FILE` prints the right text"
        ):
            try:
                public_key = bytes.fromhex(entry.public_key.removeprefix("0x"))
            except ValueError:
                public_key = b""
            return ValidatorIdentity(
                id=ValidatorId(parse_name(entry.id, "id")),
                address=address_of(public_key),
                public_key=public_key,
                grpc_endpoint=entry.grpc,
                http_endpoint=entry.http,
                raft_endpoint=entry.raft,
            )
        return None

    def _distinct(self) -> None:
        for field in ("id", "public_key", "grpc", "http", "raft"):
            seen: dict[str, str] = {}
            for index, entry in enumerate(self._file.validators):
                value = str(getattr(entry, field)).removeprefix("0x").lower()
                if value in seen:
                    self._loader.report(
                        "SN-C121",
                        f"{entry.id} and {seen[value]} have the same {field}"
                        + ("" if field == "public_key" else f" ({value})"),
                        where=self._loaded.where("validators", index, field),
                        fix=f"give every validator its own {field}",
                    )
                seen[value] = entry.id

    def _endpoints(self) -> None:
        file = self._file
        named: list[tuple[tuple[str | int, ...], str]] = [
            (("validators", index, kind), getattr(entry, kind))
            for index, entry in enumerate(file.validators)
            for kind in ("grpc", "http", "raft")
        ]
        named += [
            (("endpoints", name), value)
            for name, value in file.endpoints.model_dump().items()
            if isinstance(value, str)
        ]
        for path, text in named:
            host, _, port = text.rpartition(":")
            if not host or not port.isdigit() or not 0 < int(port) <= MAX_PORT:
                self._loader.report(
                    "SN-C122",
                    f"{text!r} is not host:port",
                    where=self._loaded.where(*path),
                    fix="write a host name or address, a colon and a port, without http://",
                )


class _Collected:
    """Turns a `SubnetError` raised inside into a problem of the loader at one place of the file."""

    def __init__(
        self,
        loader: SettingsLoader,
        loaded: Loaded[NetworkFile],
        path: tuple[str | int, ...],
        fix: str,
    ) -> None:
        self._loader = loader
        self._where = loaded.where(*path)
        self._fix = fix

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, SubnetError):
            self._loader.report(error.code, error.message, where=self._where, fix=self._fix)
            return True
        return False
