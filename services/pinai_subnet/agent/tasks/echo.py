"""The task `echo`: the result is the payload."""

from pinai_subnet.agent.work import Handler, Result, Task


class Echo(Handler):
    """Returns what it was given."""

    async def execute(self, task: Task) -> Result:
        """Return the payload unchanged."""
        return Result(data=task.data)
