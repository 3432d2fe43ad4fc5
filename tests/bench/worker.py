"""The entry of every child process of the benchmark: reads its task from stdin, writes JSON lines to stdout."""

import asyncio
import importlib
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import uvloop

Say = Callable[[Mapping[str, Any]], None]
Work = Callable[[Mapping[str, Any], Say], Awaitable[Mapping[str, Any]]]

# A worker imports its own module only: the bare server is the measure of everybody's memory and start.
WORK: Mapping[str, tuple[str, str]] = {
    "echo-server": ("tests.bench.echo", "serve"),
    "echo-client": ("tests.bench.echo", "call"),
    "failover": ("tests.bench.failover_load", "run"),
    "group-client": ("tests.bench.group_client", "run"),
    "group-member": ("tests.bench.group_member", "serve"),
    "intents": ("tests.bench.intent_load", "run"),
    "reports": ("tests.bench.report_load", "run"),
    "stories": ("tests.bench.explain_asking", "run"),
    "story-members": ("tests.bench.explain_members", "serve"),
    "snapshot": ("tests.bench.snapshot_work", "run"),
}


def say(document: Mapping[str, Any]) -> None:
    """Write one JSON line."""
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Do the work that the first argument names."""
    module, function = WORK[sys.argv[1]]
    work: Work = getattr(importlib.import_module(module), function)
    task = json.loads(sys.stdin.readline())

    async def run() -> None:
        say({"result": dict(await work(task, say))})

    # The processes of the network run on uvloop; what they are compared with does too.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


if __name__ == "__main__":
    main()
