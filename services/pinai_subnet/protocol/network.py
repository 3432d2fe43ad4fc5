"""The parameters that every member of one network shares: who validates, who matches, which chain, which quorum."""

from dataclasses import dataclass

from pinai_subnet.protocol.digests import ChainDomain
from pinai_subnet.protocol.ids import Address, SubnetId, ValidatorId


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidatorIdentity:
    """One validator of the set. Identity is the key; endpoints (host:port) may change."""

    id: ValidatorId
    address: Address
    public_key: bytes
    """65 bytes, uncompressed."""
    weight: int = 1
    grpc_endpoint: str
    http_endpoint: str
    raft_endpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkParameters:
    """What the ledger, the RootLayer and every client must agree on. The order of `validators` defines their index."""

    subnet_id: SubnetId
    domain: ChainDomain
    validators: tuple[ValidatorIdentity, ...]
    threshold_numerator: int
    threshold_denominator: int
    matchers: tuple[Address, ...]
    """Addresses whose assignments count."""

    def validator(self, validator_id: str) -> ValidatorIdentity | None:
        """Return the validator of that id, or None."""
        return next((v for v in self.validators if v.id == validator_id), None)

    def validator_at(self, address: str) -> ValidatorIdentity | None:
        """Return the validator whose key has that address, or None."""
        return next((v for v in self.validators if v.address == address), None)
