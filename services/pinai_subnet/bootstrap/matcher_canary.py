"""The canary's agent: our own agent library inside the matcher's process, over the same gRPC as everybody's agent."""

from pinai_subnet.agent.client import Agent
from pinai_subnet.agent.options import AgentOptions
from pinai_subnet.agent.work import Bidding, Handler, Offer, OpenIntent, Result, Task
from pinai_subnet.matcher.canary import Canary
from pinai_subnet.ports.signer import Signer
from pinai_subnet.protocol.canaries import CANARY_AGENT, CANARY_TYPE
from pinai_subnet.protocol.network import NetworkParameters
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.lifecycle import Process

_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}  # noqa: S104 (not bound)


class _Echo(Handler):
    async def execute(self, task: Task) -> Result:
        """Return the payload."""
        return Result(data=task.data)


class _Free(Bidding):
    async def price(self, intent: OpenIntent) -> Offer | None:  # noqa: ARG002 (the protocol's)
        """Ask nothing."""
        return Offer(price=0, token="")


def start_canary(
    process: Process,
    canary: Canary,
    *,
    host: str,
    port: int,
    parameters: NetworkParameters,
    signer: Signer,
) -> None:
    """Let the matcher that listens here send canaries, and its agent work on them, where they are switched on."""
    if not canary.enabled:
        return
    agent = _agent(host=host, port=port, parameters=parameters, signer=signer, clock=process.clock)
    process.loop("canary_agent", agent.run)
    process.loop("send_canaries", canary.run)


def _agent(
    *, host: str, port: int, parameters: NetworkParameters, signer: Signer, clock: Clock
) -> Agent:
    """Return the canary's agent: it signs with the matcher's key and is in no registry."""
    options = AgentOptions(
        agent_id=CANARY_AGENT,
        subnet_id=parameters.subnet_id,
        matcher=f"{_ANY_ADDRESS.get(host, host)}:{port}",
        validators=tuple(validator.grpc_endpoint for validator in parameters.validators),
        chain_address=signer.address,
        rpc_seconds=5.0,
        report_seconds=10.0,
        report_retention_seconds=60.0,
        drain_seconds=0.0,
        reconnect_cap_seconds=2.0,
    )
    return Agent(
        options=options,
        handlers={CANARY_TYPE: _Echo()},
        bidding=_Free(),
        clock=clock,
        signer=signer,
    )
