"""`network.yaml`: what every member of one network must agree on, read from untrusted text into `NetworkParameters`."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pinai_subnet.protocol.digests import ChainDomain
from pinai_subnet.protocol.errors import SubnetError
from pinai_subnet.protocol.ids import (
    Address,
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
_CORRECT = "write 0x and the hex digits, or correct the variable in .env"


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
    genesis: tuple[ValidatorSection, ...] = ()
    """The set that the network began with, once it has changed; never edited."""
    restored: str = ""
    """Which restore the network came from; empty for one that never was restored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What the file says: the parameters all members share, and where they listen."""

    parameters: NetworkParameters
    endpoints: EndpointsSection
    genesis: NetworkParameters
    """The same with the set of the first epoch: what every ledger begins with."""
    restored: str = ""
    """The id of the restore that it came from, so that new and emptied members join that life of it."""


def load_network(loader: SettingsLoader, config_dir: Path) -> Network | None:
    """Read and check the file; every problem goes to the loader, and None means there was at least one.

    What one value says is checked also where another one is wrong, so that one start reports the problems of both.
    """
    before = len(loader.problems)
    loaded = loader.load(NetworkFile, config_dir / FILE_NAME)
    network = _Reader(loader, loaded).network()
    return network if loaded.ok and len(loader.problems) == before else None


class _Reader:
    def __init__(self, loader: SettingsLoader, loaded: Loaded[NetworkFile]) -> None:
        self._loader = loader
        self._loaded = loaded
        entries = loaded.part(tuple[Any, ...], "validators") or ()
        self._validators = {
            index: entry
            for index in range(len(entries))
            if (entry := loaded.part(ValidatorSection, "validators", index))
        }
        self._count = len(entries)

    def network(self) -> Network | None:
        self._check_endpoints()
        identities = [self._identity(index, entry) for index, entry in self._validators.items()]
        validators = tuple(identity for identity in identities if identity is not None)
        self._check_distinct()
        self._check_threshold()
        subnet_id, domain = self._subnet_id(), self._domain()
        matchers = self._matchers(validators)
        if not self._loaded.ok or subnet_id is None or domain is None:
            return None
        file = self._loaded.value
        parameters = NetworkParameters(
            subnet_id=subnet_id,
            domain=domain,
            validators=validators,
            threshold_numerator=file.threshold.numerator,
            threshold_denominator=file.threshold.denominator,
            matchers=matchers,
        )
        first = tuple(
            identity
            for index, entry in enumerate(file.genesis)
            if (identity := self._identity(index, entry, part="genesis")) is not None
        )
        genesis = replace(parameters, validators=first) if first else parameters
        return Network(
            parameters=parameters,
            endpoints=file.endpoints,
            genesis=genesis,
            restored=file.restored,
        )

    def _collected(self, *path: str | int, fix: str = _CORRECT) -> "_Collected":
        return _Collected(self._loader, self._loaded.where(*path), fix)

    def _subnet_id(self) -> SubnetId | None:
        if (text := self._loaded.part(str, "subnet_id")) is not None:
            with self._collected("subnet_id"):
                return SubnetId(parse_bytes32(text, "subnet_id"))
        return None

    def _domain(self) -> ChainDomain | None:
        if (chain := self._loaded.part(ChainSection, "chain")) is not None:
            with self._collected("chain"):
                return ChainDomain(
                    chain_id=chain.chain_id,
                    intent_manager=parse_address(chain.intent_manager, "intent_manager"),
                    checkpoint_manager=parse_address(
                        chain.checkpoint_manager, "checkpoint_manager"
                    ),
                )
        return None

    def _check_threshold(self) -> None:
        threshold = self._loaded.part(ThresholdSection, "threshold")
        if threshold is not None and self._loaded.part(tuple[Any, ...], "validators") is not None:
            with self._collected("threshold", fix="choose numerator and denominator, e.g. 2 of 3"):
                check_threshold(self._count, threshold.numerator, threshold.denominator)

    def _matchers(self, validators: tuple[ValidatorIdentity, ...]) -> tuple[Address, ...]:
        owners = {validator.address: validator.id for validator in validators}
        found = []
        for index in range(len(self._loaded.part(tuple[Any, ...], "matchers") or ())):
            text = self._loaded.part(str, "matchers", index)
            if text is None:
                continue
            with self._collected("matchers", index):
                address = parse_address(text, "matchers")
                found.append(address)
                if address in owners:
                    self._loader.report(
                        "SN-C124",
                        f"matcher {address} has the same key as {owners[address]}",
                        where=self._loaded.where("matchers", index),
                        fix="give the matcher a key of its own: `subnetctl keys new FILE`",
                    )
        return tuple(found)

    def _identity(
        self, index: int, entry: ValidatorSection, part: str = "validators"
    ) -> ValidatorIdentity | None:
        with self._collected(
            part,
            index,
            "public_key",
            fix="`subnetctl keys pubkey FILE` prints the right text",
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

    def _check_distinct(self) -> None:
        for field in ("id", "public_key", "grpc", "http", "raft"):
            seen: dict[str, str] = {}
            for index, entry in self._validators.items():
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

    def _check_endpoints(self) -> None:
        named: list[tuple[tuple[str | int, ...], str]] = [
            (("validators", index, kind), getattr(entry, kind))
            for index, entry in self._validators.items()
            for kind in ("grpc", "http", "raft")
        ]
        for name, field in EndpointsSection.model_fields.items():
            text = self._loaded.part(str, "endpoints", name) if field.annotation is str else None
            named += [] if text is None else [(("endpoints", name), text)]
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

    def __init__(self, loader: SettingsLoader, where: str, fix: str) -> None:
        self._loader = loader
        self._where = where
        self._fix = fix

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, SubnetError):
            self._loader.report(error.code, error.message, where=self._where, fix=self._fix)
            return True
        return False
