"""Asking members: whoever is silent, slow or talks nonsense costs a bounded time and breaks nobody else's row."""

import httpx

from pinai_subnet.insight.answers import Target
from pinai_subnet.insight.collecting import MAX_ANSWER_BYTES, ask


def client(**routes: httpx.Response | Exception) -> httpx.AsyncClient:
    def handle(request: httpx.Request) -> httpx.Response:
        found = routes[request.url.path.rpartition("/")[2]]
        if isinstance(found, Exception):
            raise found
        return found

    return httpx.AsyncClient(transport=httpx.MockTransport(handle))


VALIDATOR = Target(name="validator-1", role="validator", http="127.0.0.1:1")


async def test_a_silent_member_is_unreachable_with_the_reason() -> None:
    answer = await ask(client(readyz=httpx.ConnectError("refused")), VALIDATOR)
    assert (answer.reachable, answer.ready, answer.reason) == (
        False,
        False,
        "ConnectError: refused",
    )


async def test_a_member_that_is_not_ready_keeps_its_own_words() -> None:
    routes = {
        "readyz": httpx.Response(503, text="SN-V099 leader: waiting\n"),
        "status": httpx.Response(200, json={"now_ms": 1000}),
    }
    answer = await ask(client(**routes), VALIDATOR)
    assert (answer.reachable, answer.ready) == (True, False)
    assert answer.reason == "SN-V099 leader: waiting"
    assert answer.clock is not None
    assert answer.clock[0] == 1.0


async def test_a_status_that_is_no_object_or_too_large_is_not_believed() -> None:
    for body in (
        httpx.Response(200, json=[1]),
        httpx.Response(200, text="x" * (MAX_ANSWER_BYTES + 1)),
    ):
        answer = await ask(client(readyz=httpx.Response(200), status=body), VALIDATOR)
        assert (answer.reachable, answer.ready, answer.status) == (True, False, {})


async def test_a_process_of_this_host_that_does_not_run_is_not_asked() -> None:
    target = Target(name="agent-1", role="simple-agent", http=None, expected_here=True)
    answer = await ask(client(), target)
    assert (answer.reachable, answer.reason) == (False, "not running")
