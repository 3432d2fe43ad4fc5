"""One member as a process of its own, for tests that kill it: submits without pause, prints acknowledged keys."""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import structlog
from tests.integration.consensus.cluster import FAST, Cluster


async def main(directory: str, number: int, ports: list[str], compact_after: int, tag: str) -> None:
    # What threads log must not get between the words of an acknowledgement.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    options = replace(
        FAST, compact_after_entries=compact_after, keep_entries=20, segment_entries=50
    )
    cluster = Cluster(Path(directory), options=options, ports=[int(port) for port in ports])
    await cluster.start(number)
    node = cluster.nodes[number]

    async def work(worker: int) -> None:
        count = 0
        while True:
            key = f"{tag}-{number}-{worker}-{count}"
            await node.submit(f"{key}={'x' * 100}".encode(), timeout_seconds=30)
            print("ack", key, flush=True)
            count += 1

    await asyncio.gather(*(work(worker) for worker in range(8)))


if __name__ == "__main__":
    asyncio.run(
        main(sys.argv[1], int(sys.argv[2]), sys.argv[3].split(","), int(sys.argv[4]), sys.argv[5])
    )
