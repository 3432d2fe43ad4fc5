"""The ledger as bytes and back: one version byte, sha256 of the rest, then msgpack. Equal ledgers give equal bytes.

Everything is plain data: reading a snapshot executes nothing.
"""

from hashlib import sha256

import msgspec
from msgspec import Struct

from pinai_subnet.ports.errors import Damaged
from pinai_subnet.protocol.ids import SubnetId
from pinai_subnet.protocol.network import NetworkParameters
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.limits import LedgerLimits
from pinai_subnet.validator.state import LedgerState

VERSION = 4
_READ = (2, 3, 4)
"""Version 2 knows no sets of validators after the first, 3 no ledger digests of epochs."""

_HEAD = 1 + 32


class _Snapshot(Struct, array_like=True, frozen=True):
    subnet_id: SubnetId
    state: LedgerState


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Snapshot)


def encode_snapshot(ledger: Ledger) -> bytes:
    """Return the ledger's whole state."""
    payload = _ENCODER.encode(_Snapshot(ledger.parameters.subnet_id, ledger.state))
    return bytes((VERSION,)) + sha256(payload).digest() + payload


def decode_snapshot(data: bytes, parameters: NetworkParameters, limits: LedgerLimits) -> Ledger:
    """Return a ledger that continues exactly where the one in the snapshot was.

    Raises `Damaged` SN-V039 when the bytes are cut, changed, of another version or of another subnet.
    """
    if data[:1] not in {bytes((version,)) for version in _READ}:
        raise Damaged(
            "SN-V039",
            f"the snapshot starts with 0x{data[:1].hex()}; this build reads up to version {VERSION}",
        )
    payload = memoryview(data)[_HEAD:]
    if sha256(payload).digest() != data[1:_HEAD]:
        raise Damaged("SN-V039", f"the snapshot of {len(data)} bytes does not match its digest")
    try:
        snapshot = _DECODER.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Damaged("SN-V039", f"the snapshot is no ledger state: {error}") from error
    if snapshot.subnet_id != parameters.subnet_id:
        raise Damaged(
            "SN-V039",
            f"the snapshot is of subnet {snapshot.subnet_id}, this network is {parameters.subnet_id}",
        )
    return Ledger(parameters, limits, state=snapshot.state)
