"""pinai.internal.v1.BiddingService: agents' word that they do not bid. Decode, call the desk, encode."""

from typing import Any

from pinai_subnet.matcher.bidding import Bidding
from pinai_subnet.matcher.callers import Callers
from pinai_subnet.protocol.errors import InvalidInput
from pinai_subnet.protocol.ids import AgentId, parse_bytes32, parse_name
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.wire.authentication import current_caller
from pinai_subnet.wire.pb.pinai import bidding_pb2, bidding_pb2_grpc

MAX_DECLINES_AT_ONCE = 100


class BiddingServicer(bidding_pb2_grpc.BiddingServiceServicer):
    """The one call."""

    def __init__(self, *, bidding: Bidding, callers: Callers, clock: Clock) -> None:
        """Serve this desk, within the limits of its callers."""
        self._bidding = bidding
        self._callers = callers
        self._clock = clock

    async def DeclineIntents(  # noqa: N802 - named by the proto file
        self, request: bidding_pb2.DeclineIntentsRequest, context: Any
    ) -> bidding_pb2.DeclineIntentsResponse:
        """Take an agent's words; what is wrong with one of them is in the answer."""
        if len(request.declines) > MAX_DECLINES_AT_ONCE:
            raise InvalidInput(
                "SN-M022",
                f"declines: {len(request.declines)}; at most {MAX_DECLINES_AT_ONCE} in one batch",
            )
        signer = current_caller()
        calls = max(1, len(request.declines))
        self._callers.admit(signer, context.peer(), now=self._clock.monotonic(), calls=calls)
        agent_id = AgentId(parse_name(request.agent_id, "agent_id"))
        codes = []
        for word in request.declines:
            try:
                intent_id = parse_bytes32(word.intent_id, "intent_id")
            except InvalidInput as exc:
                codes.append(exc.code)
                continue
            refusal = await self._bidding.decline(intent_id, agent_id, signer, word.reason)
            codes.append(refusal.code if refusal else "")
        return bidding_pb2.DeclineIntentsResponse(codes=codes)
