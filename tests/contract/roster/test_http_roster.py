"""The roster port over the registry's HTTP API: cached, shared, kept when the registry is away."""

import asyncio

import httpx
import pytest

from pinai_subnet.adapters.roster.http import HttpRoster
from pinai_subnet.ports.errors import Unreachable
from pinai_subnet.protocol.ids import AgentId
from pinai_subnet.runtime.clock import ManualClock

NOW = 1_700_000_000


class Registry:
    def __init__(self) -> None:
        self.calls = 0
        self.answer: httpx.Response | Exception = httpx.Response(200, json={"agents": []})

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/agents"
        self.calls += 1
        await asyncio.sleep(0)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def made(registry: Registry, clock: ManualClock) -> HttpRoster:
    return HttpRoster(
        "http://registry",
        clock=clock,
        timeout_seconds=1,
        healthy_seconds=300,
        transport=httpx.MockTransport(registry),
    )


def entry(name: str, **changes: object) -> dict[str, object]:
    return {
        "id": name,
        "capabilities": ["echo"],
        "endpoint": "h:1",
        "status": "AGENT_STATUS_ACTIVE",
        "last_seen": NOW,
        "something_new": 1,
        **changes,
    }


async def test_agents_have_capabilities_health_and_a_proven_address() -> None:
    registry, clock = Registry(), ManualClock(NOW)
    address = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
    registry.answer = httpx.Response(
        200,
        json={
            "agents": [
                entry("a", address=address),
                entry("b", last_seen=NOW - 301),
                entry("c", status="AGENT_STATUS_UNHEALTHY"),
                entry("no name"),
                entry("d", address="0x12"),
            ]
        },
    )
    roster = made(registry, clock)
    assert roster.age_seconds() is None
    await roster.refresh()
    listed = roster.agents()
    assert set(listed) == {"a", "b", "c"}
    assert [listed[AgentId(n)].healthy for n in "abc"] == [True, False, False]
    assert listed[AgentId("a")].address == address
    assert listed[AgentId("b")].address is None
    clock.advance(7)
    assert roster.age_seconds() == 7
    await roster.close()


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ConnectError("refused"),
        httpx.Response(500),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json={"agents": [{"id": 5}]}),
    ],
)
async def test_the_old_list_stays_when_the_registry_is_away(
    answer: httpx.Response | Exception,
) -> None:
    registry, clock = Registry(), ManualClock(NOW)
    registry.answer = httpx.Response(200, json={"agents": [entry("a")]})
    roster = made(registry, clock)
    await roster.refresh()
    registry.answer = answer
    clock.advance(3)
    with pytest.raises(Unreachable, match="SN-M311"):
        await roster.refresh()
    assert set(roster.agents()) == {"a"}
    assert roster.age_seconds() == 3
    await roster.close()


async def test_calls_at_the_same_time_share_one_request() -> None:
    registry, clock = Registry(), ManualClock(NOW)
    roster = made(registry, clock)
    await asyncio.gather(*(roster.refresh() for _ in range(5)))
    assert registry.calls == 1
    await roster.refresh()
    assert registry.calls == 2
    await roster.close()
    await roster.close()
