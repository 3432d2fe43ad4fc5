"""The end of a validator that the network does not want: told as a start that failed. Decides nothing."""

from pinai_subnet.ports.errors import DependencyError
from pinai_subnet.runtime.errors import cannot_start
from pinai_subnet.runtime.lifecycle import Loop
from pinai_subnet.runtime.stop import Stop

_FIXES = {
    "SN-K010": "stop one of the two; if that one is lost for good, start this one once with --takeover",
    "SN-K011": "do not start this copy again; to give the identity back, start it with --takeover",
    "SN-R019": "start it once with --rejoin-empty (in containers: ./scripts/deploy.sh rejoin VALIDATOR): it fetches "
    "everything from the others before it votes or signs",
}


def told_as_misconfigured(loop: Loop) -> Loop:
    """Return a loop that ends the process with status 78 where it fails because the others refuse this identity."""

    async def run(stop: Stop) -> None:
        try:
            await loop(stop)
        except DependencyError as error:
            if error.code not in _FIXES:
                raise
            raise cannot_start(
                error.code, error.message, where=None, fix=_FIXES[error.code]
            ) from error

    return run
