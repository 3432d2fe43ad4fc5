"""A hundred thousand bids in one window: a hard limit, a coded answer to each of the others, and no memory spent.

operators.md row 33.
"""

from collections import Counter
from pathlib import Path

from tests.integration.matcher.harness import CLOCK, World, hex32, intent, key

from pinai_subnet.matcher.case import MAX_NOTES
from pinai_subnet.protocol.bids import Bid
from pinai_subnet.protocol.ids import AgentId, BidId

BIDS = 100_000
TAKEN = 100


async def test_a_hundred_thousand_bids_cost_what_a_hundred_cost(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with world.run(
        windows={"bidding_window_seconds": 300}, limits={"max_agents": 5000}
    ) as matcher:
        wanted = world.root_layer.submit(intent(deadline=int(CLOCK.now()) + 600))
        await matcher.opened(wanted.intent_id)
        address = key(1).address
        answers: Counter[str] = Counter()
        for number in range(BIDS):
            bid = Bid(
                bid_id=BidId(hex32()),
                intent_id=wanted.intent_id,
                agent_id=AgentId(f"agent-{number}"),
                agent_address=address,
                price=10 + number,
                token="PIN",
                settle_chain="",
                submitted_at=int(CLOCK.now()),
                received_at_ms=int(CLOCK.now() * 1000),
                nonce=hex32()[2:34],
                metadata={},
            )
            ack = await matcher.parts.bidding.submit(bid, None)
            code = "accepted" if ack.accepted else ack.reason
            answers["SN-M012" if "SN-M012" in code else code] += 1
        assert answers == {"accepted": TAKEN, "SN-M012": BIDS - TAKEN}
        case = matcher.parts.board.find(wanted.intent_id)
        assert case is not None
        assert (len(case.bids), len(case.refused)) == (TAKEN, MAX_NOTES)
        assert len(matcher.parts.agents) <= 5000
        late = await matcher.agent("agent-late").bid(wanted.intent_id, 1)
        assert not late.accepted
        assert "SN-M012" in late.reason
