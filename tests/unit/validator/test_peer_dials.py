"""What a validator finds when it dials another one has few names, and asking often does not mean dialling often."""

import asyncio

from pinai_subnet.runtime.clock import SystemClock
from pinai_subnet.validator.peer_dials import PeerDials, dial


async def _listening() -> tuple[asyncio.Server, int]:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


async def test_a_listener_a_closed_port_and_a_name_that_nobody_knows_are_told_apart() -> None:
    server, port = await _listening()
    async with server:
        assert await dial(f"127.0.0.1:{port}") == "ok"
    assert await dial(f"127.0.0.1:{port}") == "refused"
    assert await dial("no-such-host.invalid:7400") == "unknown name"


async def test_somebody_who_drops_everything_is_a_timeout() -> None:
    """192.0.2.0/24 belongs to nobody: what is sent there is lost, or refused by this host's own routing."""
    assert await dial("192.0.2.254:7400", timeout_seconds=0.2) in {"timeout", "unreachable"}


async def test_asking_again_at_once_does_not_dial_again() -> None:
    server, port = await _listening()
    dials, endpoints = PeerDials(SystemClock()), {"validator-2": f"127.0.0.1:{port}"}
    async with server:
        assert await dials.outcomes(endpoints) == {"validator-2": "ok"}
    assert await dials.outcomes(endpoints) == {"validator-2": "ok"}, "as found a moment ago"
    other = {"validator-3": f"127.0.0.1:{port}"}
    assert await dials.outcomes(other) == {"validator-3": "refused"}, "others are dialled"
