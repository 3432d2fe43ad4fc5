"""The end of a validator that the network does not want: told as a start that failed. Decides nothing."""

from pinai_subnet.ports.replication import Replication
from pinai_subnet.runtime.errors import cannot_start
from pinai_subnet.runtime.lifecycle import Loop
from pinai_subnet.runtime.stop import Stop

_LOOK_SECONDS = 0.5
_FIXES = {
    "SN-K010": "stop one of the two; if that one is lost for good, start this one once with --takeover",
    "SN-K011": "do not start this copy again; to give the identity back, start it with --takeover",
    "SN-R019": "start it once with --rejoin-empty: it fetches everything from the others before it votes or signs",
}


def watch_identity(replication: Replication) -> Loop:
    """Return a loop that ends the process with status 78 when the other validators refuse its identity."""

    async def run(stop: Stop) -> None:
        while not await stop.wait(_LOOK_SECONDS):
            failure = replication.status().failure or ""
            code, _, message = failure.partition(" ")
            if code in _FIXES:
                raise cannot_start(code, message, where=None, fix=_FIXES[code])

    return run
