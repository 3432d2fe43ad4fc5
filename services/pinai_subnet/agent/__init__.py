"""Does the work: the client library for agent authors, and the tasks of simple-agent. Not the matcher's side of it.

An agent needs what it can do, what it asks for it, and whom to talk to. The library does the rest: it bids, takes
tasks, runs several at once, reports with evidence, repeats a report until a validator has it on record, and survives
restarts of itself and of everybody else.

    import asyncio
    from pinai_subnet.agent.client import Agent, AgentOptions
    from pinai_subnet.agent.pricing import FixedPrices
    from pinai_subnet.agent.work import Handler, Result, Task
    from pinai_subnet.runtime.clock import SystemClock
    from pinai_subnet.runtime.stop import Stop

    class Shout(Handler):
        async def execute(self, task: Task) -> Result:
            return Result(data=task.data.upper())

    options = AgentOptions(
        agent_id="shouter-1", subnet_id="0x00…02", chain_address="0x19E7…",
        matcher="127.0.0.1:8093", validators=("127.0.0.1:9090", "127.0.0.1:9091"),
    )
    agent = Agent(options=options, handlers={"shout": Shout()}, bidding=FixedPrices({"shout": 10}), clock=SystemClock())
    asyncio.run(agent.run(Stop()))

A handler may raise `TaskFailed(code, message)`: the failure is reported with that code. Work is done at least once: a
task that was accepted and not finished when the process died is run again. With `signer` every call is signed and the
agent's id belongs to its key; `journal` makes accepted tasks and results durable (`agent.journal.SqliteJournal`).
"""
