"""How a validator opens its sign-once store: one that is not usable is told as a start that failed. Repairs nothing."""

from pathlib import Path

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.adapters.signing_record.file import FileSigningRecord
from pinai_subnet.ports.errors import Damaged, Refused
from pinai_subnet.runtime.errors import StartupError, cannot_start


def signing_record_of(path: Path, signer: LocalSigner) -> FileSigningRecord:
    """Open the sign-once store of this key; raise `StartupError` with the store's own code where it is not usable."""
    try:
        return FileSigningRecord(path, address=signer.address)
    except (Damaged, Refused) as exc:
        raise _unusable(exc, path) from exc


def _unusable(exc: Damaged | Refused, path: Path) -> StartupError:
    return cannot_start(
        exc.code,
        exc.message,
        where=str(path),
        fix=f"do not delete it; `subnetctl explain {exc.code}` says what to do",
    )
