"""The registry's gRPC face (`subnet.v1.RegistryService`, wire-contract 1.4): decodes, calls the service, encodes."""

from typing import Any

from pinai_subnet.protocol.errors import InvalidInput
from pinai_subnet.registry.roster import Entry, Kind, Status
from pinai_subnet.registry.service import Registry
from pinai_subnet.wire.authentication import current_caller
from pinai_subnet.wire.pb.subnet import agent_pb2, registry_service_pb2, registry_service_pb2_grpc


class RegistryServicer(registry_service_pb2_grpc.RegistryServiceServicer):
    """Serves agents; validators are the HTTP API's. Errors leave as coded statuses through the server's boundary."""

    def __init__(self, registry: Registry) -> None:
        """Serve this registry."""
        self._registry = registry

    def _admit(self, context: Any) -> None:
        self._registry.admit(current_caller(), _host(context.peer()))

    async def RegisterAgent(  # noqa: N802 - the protocol's name
        self, request: registry_service_pb2.RegisterAgentRequest, context: Any
    ) -> registry_service_pb2.RegisterAgentResponse:
        """Add or overwrite an agent; the caller's status and last_seen are ignored."""
        self._admit(context)
        if not request.HasField("agent"):
            raise InvalidInput("SN-N202", "agent is missing")
        await self._registry.register(
            kind=Kind.AGENT,
            member_id=request.agent.id,
            capabilities=tuple(request.agent.capabilities),
            endpoint=request.agent.endpoint,
            caller=current_caller(),
        )
        return registry_service_pb2.RegisterAgentResponse(success=True, message="registered")

    async def UnregisterAgent(  # noqa: N802 - the protocol's name
        self, request: registry_service_pb2.UnregisterAgentRequest, context: Any
    ) -> registry_service_pb2.UnregisterAgentResponse:
        """Take an agent off the lists."""
        self._admit(context)
        await self._registry.unregister(
            kind=Kind.AGENT, member_id=request.agent_id, caller=current_caller()
        )
        return registry_service_pb2.UnregisterAgentResponse(success=True, message="unregistered")

    async def DiscoverAgents(  # noqa: N802 - the protocol's name
        self, request: registry_service_pb2.DiscoverAgentsRequest, context: Any
    ) -> registry_service_pb2.DiscoverAgentsResponse:
        """Return the active, healthy agents with all capabilities asked for."""
        self._admit(context)
        found = self._registry.discover(capabilities=tuple(request.capabilities))
        return registry_service_pb2.DiscoverAgentsResponse(agents=map(_agent, found))

    async def Heartbeat(  # noqa: N802 - the protocol's name
        self, request: registry_service_pb2.HeartbeatRequest, context: Any
    ) -> registry_service_pb2.HeartbeatResponse:
        """Record a sign of life and the status it declares."""
        self._admit(context)
        await self._registry.heartbeat(
            kind=Kind.AGENT,
            member_id=request.agent_id,
            status=_status(request.status),
            caller=current_caller(),
        )
        return registry_service_pb2.HeartbeatResponse(success=True, message="heartbeat")

    async def GetAgent(  # noqa: N802 - the protocol's name
        self, request: registry_service_pb2.GetAgentRequest, context: Any
    ) -> registry_service_pb2.GetAgentResponse:
        """Return one agent."""
        self._admit(context)
        entry = self._registry.get(kind=Kind.AGENT, member_id=request.agent_id)
        return registry_service_pb2.GetAgentResponse(agent=_agent(entry))

    async def ListAgents(  # noqa: N802 - the protocol's name
        self, request: registry_service_pb2.ListAgentsRequest, context: Any
    ) -> registry_service_pb2.ListAgentsResponse:
        """Return the agents that match both filters."""
        self._admit(context)
        found = self._registry.listing(
            kind=Kind.AGENT,
            capabilities=tuple(request.capabilities),
            status=_status(request.status),
        )
        return registry_service_pb2.ListAgentsResponse(agents=map(_agent, found), total=len(found))


def _host(peer: str) -> str:
    """Return the network address of a peer text such as `ipv4:10.0.0.7:41234`, without its port and kind."""
    host, _, port = peer.rpartition(":")
    return host.partition(":")[2] if host and port.isdigit() else peer


def _status(value: int) -> Status:
    """Return the status of a wire number; one that is not in the enum is refused."""
    try:
        return Status(value)
    except ValueError as exc:
        raise InvalidInput("SN-N205", f"status {value} is not an AgentStatus") from exc


def _agent(entry: Entry) -> agent_pb2.Agent:
    return agent_pb2.Agent(
        id=entry.id,
        capabilities=entry.capabilities,
        endpoint=entry.endpoint,
        status=agent_pb2.AgentStatus.ValueType(entry.status.value),
        last_seen=entry.last_seen,
    )
