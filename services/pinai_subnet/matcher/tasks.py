"""Each agent's open tasks, in order, and the one stream on which they are delivered.

A task stays here until the validators have a report of it or its assignment failed; every new stream gets all of them
again, and takes over from an older one (known defects L4, L5). There is no queue that could overflow: a stream only
remembers which tasks it has sent.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from pinai_subnet.matcher.case import Attempt, Case
from pinai_subnet.protocol.ids import Address, AgentId, AssignmentId


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One assignment together with the intent it is for."""

    case: Case
    attempt: Attempt


@dataclass(slots=True, kw_only=True, eq=False)
class TaskStream:
    """One StreamTasks call."""

    agent_id: AgentId
    signer: Address | None
    sent: set[AssignmentId] = field(default_factory=set)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    ended: bool = False


class Tasks:
    """All open tasks of all agents."""

    def __init__(self, *, changed: Callable[[AgentId], None]) -> None:
        """Start empty; `changed` is told whenever an agent's list of tasks changes."""
        self._changed = changed
        self._open: dict[AgentId, dict[AssignmentId, Task]] = {}
        self._streams: dict[AgentId, TaskStream] = {}
        self._closing = False

    def add(self, task: Task) -> None:
        """Give an agent a task."""
        agent_id = task.attempt.agent_id
        self._open.setdefault(agent_id, {})[task.attempt.assignment_id] = task
        stream = self._streams.get(agent_id)
        if stream is not None:
            stream.wake.set()
        self._changed(agent_id)

    def remove(self, attempt: Attempt) -> None:
        """Take a task away; safe if it is not there."""
        tasks = self._open.get(attempt.agent_id, {})
        if tasks.pop(attempt.assignment_id, None) is None:
            return
        if not tasks:
            del self._open[attempt.agent_id]
        stream = self._streams.get(attempt.agent_id)
        if stream is not None:
            stream.sent.discard(attempt.assignment_id)
        self._changed(attempt.agent_id)

    def of(self, agent_id: AgentId) -> tuple[Task, ...]:
        """Return an agent's open tasks, oldest first."""
        return tuple(self._open.get(agent_id, {}).values())

    def busy(self, agent_id: AgentId) -> bool:
        """Say whether the agent has any open task."""
        return agent_id in self._open

    def connected(self, agent_id: AgentId) -> bool:
        """Say whether the agent holds a task stream."""
        return agent_id in self._streams

    def connected_ids(self) -> tuple[AgentId, ...]:
        """Return the agents that hold a task stream."""
        return tuple(self._streams)

    def connect(self, agent_id: AgentId, signer: Address | None) -> TaskStream:
        """Start the agent's stream and end its older one: that one is the agent's own, most often half-open."""
        older = self._streams.get(agent_id)
        if older is not None:
            self._end(older)
        stream = TaskStream(agent_id=agent_id, signer=signer, ended=self._closing)
        self._streams[agent_id] = stream
        return stream

    def disconnect(self, stream: TaskStream) -> None:
        """Forget a stream that is over; a newer one of the agent stays."""
        if self._streams.get(stream.agent_id) is stream:
            del self._streams[stream.agent_id]

    async def next(self, stream: TaskStream) -> Task | None:
        """Wait for the next task this stream has not sent; None once the stream has to end."""
        while not stream.ended:
            for task in self.of(stream.agent_id):
                if task.attempt.assignment_id not in stream.sent:
                    stream.sent.add(task.attempt.assignment_id)
                    return task
            stream.wake.clear()
            await stream.wake.wait()
        return None

    def end_all(self) -> None:
        """End every stream politely: the process is stopping."""
        self._closing = True
        for stream in self._streams.values():
            self._end(stream)

    def __len__(self) -> int:
        return sum(len(tasks) for tasks in self._open.values())

    @staticmethod
    def _end(stream: TaskStream) -> None:
        stream.ended = True
        stream.wake.set()
