"""subnet.v1.MatcherService: decode, call the service, encode. What may happen is decided elsewhere.

A refused bid is an answer, not an error (agent-interop row 8); streams end only when the process stops or a newer
stream of the same agent takes over (rows 12, 17, 18).
"""

import hashlib
from collections.abc import AsyncIterator
from typing import Any

from pinai_subnet.matcher.admission import UNKNOWN_INTENT
from pinai_subnet.matcher.agents import Agents
from pinai_subnet.matcher.answers import BidAck
from pinai_subnet.matcher.batches import BatchAnswers
from pinai_subnet.matcher.bid_events import BidEvent, BidEventType, BidStreams, Watcher
from pinai_subnet.matcher.bidding import Bidding
from pinai_subnet.matcher.board import Board
from pinai_subnet.matcher.callers import Callers
from pinai_subnet.matcher.case import Case
from pinai_subnet.matcher.followup import Followup
from pinai_subnet.matcher.journal import Journal
from pinai_subnet.matcher.refusal import Refusal
from pinai_subnet.matcher.service import Matcher
from pinai_subnet.matcher.tasks import Task, Tasks
from pinai_subnet.matcher.updates import IntentStreams
from pinai_subnet.matcher.window import Phase
from pinai_subnet.protocol.bids import Bid
from pinai_subnet.protocol.errors import Forbidden, InvalidInput, Unauthenticated
from pinai_subnet.protocol.ids import Address, AgentId, IntentId, parse_bytes32, parse_name
from pinai_subnet.protocol.network import NetworkParameters
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.wire.authentication import current_caller
from pinai_subnet.wire.codec.bids import decode_bid, encode_bid
from pinai_subnet.wire.pb.subnet import (
    bid_pb2,
    matcher_pb2,
    matcher_service_pb2,
    matcher_service_pb2_grpc,
)

STOPPED = Refusal("SN-M016", "Batch processing stopped due to previous failure")

_MAX_TYPES = 1000


class MatcherApi(matcher_service_pb2_grpc.MatcherServiceServicer):
    """The eight calls."""

    def __init__(
        self,
        *,
        parameters: NetworkParameters,
        clock: Clock,
        matcher: Matcher,
        followup: Followup,
        board: Board,
        journal: Journal,
        agents: Agents,
        tasks: Tasks,
        updates: IntentStreams,
        bid_streams: BidStreams,
        bidding: Bidding,
        callers: Callers,
        max_batch_bids: int,
    ) -> None:
        """Serve these."""
        self._parameters = parameters
        self._clock = clock
        self._matcher = matcher
        self._followup = followup
        self._board = board
        self._journal = journal
        self._agents = agents
        self._tasks = tasks
        self._updates = updates
        self._bid_streams = bid_streams
        self._bidding = bidding
        self._callers = callers
        self._max_batch_bids = max_batch_bids
        self._batches: BatchAnswers[matcher_pb2.SubmitBidBatchResponse] = BatchAnswers()

    async def SubmitBid(  # noqa: N802 - named by the proto file
        self, request: matcher_pb2.SubmitBidRequest, context: Any
    ) -> matcher_pb2.SubmitBidResponse:
        """Take one bid; a refusal is in the answer."""
        if not request.HasField("bid"):
            raise InvalidInput("SN-M020", "bid: missing")
        self._admit(context)
        ack = await self._submit(request.bid, current_caller())
        return matcher_pb2.SubmitBidResponse(ack=_encode_ack(ack))

    async def SubmitBidBatch(  # noqa: N802 - named by the proto file
        self, request: matcher_pb2.SubmitBidBatchRequest, context: Any
    ) -> matcher_pb2.SubmitBidBatchResponse:
        """Take bids in order; without `partial_ok`, nothing after the first refused one counts."""
        if not request.bids:
            raise InvalidInput("SN-M020", "bids: empty; expected at least one")
        if len(request.bids) > self._max_batch_bids:
            raise InvalidInput(
                "SN-M022", f"bids: {len(request.bids)}; at most {self._max_batch_bids} in one batch"
            )
        signer = current_caller()
        content = hashlib.sha256(request.SerializeToString(deterministic=True)).digest()
        earlier = self._batches.find(signer, request.batch_id, content)
        if earlier is not None:
            return earlier
        self._admit(context, calls=len(request.bids))
        acks: list[BidAck] = []
        for bid in request.bids:
            if acks and not acks[-1].accepted and not request.partial_ok:
                acks.append(self._bidding.refusal(bid.bid_id, STOPPED))
            else:
                acks.append(await self._submit(bid, signer))
        good = sum(ack.accepted for ack in acks)
        answer = matcher_pb2.SubmitBidBatchResponse(
            acks=[_encode_ack(ack) for ack in acks],
            success=good,
            failed=len(acks) - good,
            msg=f"{good} of {len(acks)} bids accepted",
        )
        self._batches.keep(signer, request.batch_id, content, answer)
        return answer

    async def GetIntentSnapshot(  # noqa: N802 - named by the proto file
        self, request: matcher_pb2.GetIntentSnapshotRequest, context: Any
    ) -> matcher_pb2.GetIntentSnapshotResponse:
        """Show an intent's bids: all after the close, before it only the caller's own (known defect A11)."""
        self._admit(context)
        intent_id = IntentId(parse_bytes32(request.intent_id, "intent_id"))
        case = self._board.find(intent_id)
        if case is None and request.include_closed:
            case = await self._journal.case(intent_id)
        closed = case is not None and case.window.phase is not Phase.OPEN
        if case is None or (closed and not request.include_closed):
            return matcher_pb2.GetIntentSnapshotResponse()
        signer = current_caller()
        bids = [bid for bid in case.bids.values() if closed or bid.agent_address == signer]
        snapshot = matcher_pb2.IntentBidSnapshot(
            intent_id=intent_id,
            bids=[encode_bid(bid, case.bid_status(bid)) for bid in bids],
            bidding_start_time=case.window.opened_at_ms // 1000,
            bidding_end_time=(case.window.closed_at_ms or case.window.closes_at_ms) // 1000,
            bidding_closed=closed,
        )
        return matcher_pb2.GetIntentSnapshotResponse(snapshot=snapshot)

    async def StreamIntents(  # noqa: N802 - named by the proto file
        self, request: matcher_pb2.StreamIntentsRequest, context: Any
    ) -> AsyncIterator[matcher_pb2.MatcherIntentUpdate]:
        """Tell of intents of the asked subnet and types; empty asks for everything (known defect V9)."""
        self._admit(context)
        if len(request.intent_types) > _MAX_TYPES:
            raise InvalidInput("SN-M020", f"intent_types: more than {_MAX_TYPES}")
        held = self._callers.open_stream(current_caller(), context.peer())
        listener = self._updates.connect(
            signer=current_caller(),
            intent_types=frozenset(request.intent_types),
            subnet_matches=self._is_ours(request.subnet_id),
        )
        try:
            # The agent learns that it hears of every intent from here on, also while there is none.
            await context.send_initial_metadata(())
            while (updates := await self._updates.next(listener)) is not None:
                for update in updates:
                    yield matcher_pb2.MatcherIntentUpdate(
                        intent_id=update.intent_id,
                        update_type=update.update_type.value,
                        timestamp=update.timestamp,
                    )
        finally:
            self._callers.close_stream(held)
            self._updates.disconnect(listener)
            self._matcher.close_early_where_complete()

    async def StreamBids(  # noqa: N802 - named by the proto file
        self, request: matcher_pb2.StreamBidsRequest, context: Any
    ) -> AsyncIterator[matcher_pb2.BidEvent]:
        """Tell of an intent's bids: the caller's own at once, all after the close."""
        self._admit(context)
        watcher = Watcher(
            intent_id=IntentId(parse_bytes32(request.intent_id, "intent_id")),
            agent_id=request.agent_id,
            signer=current_caller(),
        )
        held = self._callers.open_stream(current_caller(), context.peer())
        self._bid_streams.connect(watcher)
        try:
            case = self._board.find(watcher.intent_id) or await self._journal.case(
                watcher.intent_id
            )
            if case is not None:
                self._tell_standing(watcher, case)
            while (event := await self._bid_streams.next(watcher)) is not None:
                yield matcher_pb2.BidEvent(
                    type=matcher_pb2.BidEvent.EventType.ValueType(event.type.value),
                    bid=encode_bid(event.bid, event.status),
                    timestamp=event.timestamp,
                )
        finally:
            self._callers.close_stream(held)
            self._bid_streams.disconnect(watcher)

    async def PublishMatchingResult(  # noqa: N802 - named by the proto file
        self, request: matcher_pb2.MatchingResult, context: Any
    ) -> bid_pb2.BidSubmissionAck:
        """Compare another matcher's result with ours; only matchers of this network may publish (known defect V9)."""
        self._admit(context)
        signer = current_caller()
        if signer is None or signer not in self._parameters.matchers:
            raise Forbidden("SN-M105", "only a matcher of this network publishes matching results")
        case = self._board.find(request.intent_id)
        current = case.current if case is not None else None
        if current is None:
            return _encode_ack(self._bidding.refusal(request.winning_bid_id, UNKNOWN_INTENT))
        same = current.bid_id == request.winning_bid_id
        return bid_pb2.BidSubmissionAck(
            bid_id=request.winning_bid_id,
            accepted=same,
            reason="" if same else f"bid {current.bid_id} holds the assignment here",
            status=bid_pb2.BID_STATUS_WINNER if same else bid_pb2.BID_STATUS_REJECTED,
            recorded_at=int(self._clock.now()) if same else 0,
        )

    async def RespondToTask(  # noqa: N802 - named by the proto file
        self,
        request: matcher_pb2.RespondToTaskRequest,
        context: Any,  # noqa: ARG002 - the call's form
    ) -> matcher_pb2.RespondToTaskResponse:
        """Take an agent's answer to a task. Not rate limited: an agent that hears an error drops the task."""
        if not request.HasField("response"):
            raise InvalidInput("SN-M020", "response: missing")
        response = request.response
        success, message = await self._followup.respond(
            response.task_id,
            response.agent_id,
            current_caller(),
            accepted=response.accepted,
            reason=response.reason,
        )
        return matcher_pb2.RespondToTaskResponse(success=success, message=message)

    async def StreamTasks(  # noqa: N802 - named by the proto file
        self, request: matcher_service_pb2.StreamTasksRequest, context: Any
    ) -> AsyncIterator[matcher_service_pb2.ExecutionTask]:
        """Deliver an agent's tasks: every open one first, then new ones (known defects L4, L5, A9)."""
        self._admit(context)
        agent_id = AgentId(parse_name(request.agent_id, "agent_id"))
        signer = current_caller()
        refusal = self._agents.speaks_for(agent_id, signer)
        if refusal is not None:
            kind = Unauthenticated if signer is None else Forbidden
            raise kind(refusal.code, refusal.reason)
        held = self._callers.open_stream(current_caller(), context.peer())
        self._agents.meet(agent_id, now_ms=self._matcher.now_ms())
        if signer is not None and self._agents.may_bind(agent_id, signer, signer) is None:
            self._agents.bind(agent_id, signer, signer, now_ms=self._matcher.now_ms())
        stream = self._tasks.connect(agent_id, signer)
        try:
            while (task := await self._tasks.next(stream)) is not None:
                yield _encode_task(task)
                self._followup.delivered(task)
        finally:
            self._callers.close_stream(held)
            self._tasks.disconnect(stream)
            self._matcher.close_early_where_complete()

    async def _submit(self, message: bid_pb2.Bid, signer: Address | None) -> BidAck:
        try:
            bid = self._decode(message, signer)
        except InvalidInput as exc:
            return self._bidding.refusal(message.bid_id, Refusal(exc.code, exc.message))
        return await self._bidding.submit(bid, signer)

    def _decode(self, message: bid_pb2.Bid, signer: Address | None) -> Bid:
        known = signer or self._agents.address_of(AgentId(message.agent_id))
        return decode_bid(message, received_at_ms=self._matcher.now_ms(), known_address=known)

    def _tell_standing(self, watcher: Watcher, case: Case) -> None:
        sealed = case.window.phase is Phase.OPEN
        for bid in case.bids.values():
            event = BidEvent(
                type=BidEventType.ACCEPTED,
                bid=bid,
                status=case.bid_status(bid),
                timestamp=bid.received_at_ms // 1000,
            )
            self._bid_streams.tell(watcher, event, sealed=sealed)

    def _is_ours(self, subnet_id: str) -> bool:
        return not subnet_id or subnet_id.lower() == self._parameters.subnet_id

    def _admit(self, context: Any, *, calls: int = 1) -> None:
        self._callers.admit(
            current_caller(), context.peer(), now=self._clock.monotonic(), calls=calls
        )


def _encode_ack(ack: BidAck) -> bid_pb2.BidSubmissionAck:
    return bid_pb2.BidSubmissionAck(
        bid_id=ack.bid_id,
        accepted=ack.accepted,
        reason=ack.reason,
        status=bid_pb2.BidStatus.ValueType(ack.status.value),
        recorded_at=ack.recorded_at,
    )


def _encode_task(task: Task) -> matcher_service_pb2.ExecutionTask:
    attempt, intent = task.attempt, task.case.intent
    return matcher_service_pb2.ExecutionTask(
        task_id=attempt.assignment_id,
        intent_id=intent.intent_id,
        agent_id=attempt.agent_id,
        bid_id=attempt.bid_id,
        created_at=attempt.record.assigned_at,
        deadline=attempt.record.deadline,
        intent_data=intent.intent_raw,
        intent_type=intent.intent_type,
    )
