"""A worker that is one member of a replication group: the product's own log, journal and snapshots under a small map.

It obeys JSON lines: measure a load from inside, fill the log, add a member, wait for an index. It also serves `PUT`
over gRPC, so that a client can be compared with a client of another system.
"""

import asyncio
import json
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import msgspec
import psutil
import structlog
from tests.bench.pump import pump

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.consensus.node import ReplicatedLog
from pinai_subnet.consensus.options import ReplicationOptions
from pinai_subnet.ports.errors import Damaged, DependencyError
from pinai_subnet.ports.replication import ChangeKind, GroupChange, Peer, StateMachine
from pinai_subnet.runtime.grpc_server import channel_options

PUT = "/bench.Log/Put"
KEYS = 10_000
"""So many keys are written over and over, at etcd as here."""
_CLUSTER = "bench"
_SUBMIT_SECONDS = 30.0
_POLL_SECONDS = 0.01
_FILL_OUTSTANDING = 256

_DECODER = msgspec.msgpack.Decoder(list[tuple[bytes, bytes]])


def command(number: int, *, size: int, batch: int) -> bytes:
    """Return `batch` puts of `size` bytes each as one command."""
    first = number * batch
    puts = [(f"key-{(first + n) % KEYS}".encode(), bytes(size)) for n in range(batch)]
    return msgspec.msgpack.encode(puts)


class Map(StateMachine):
    """Keys and values."""

    def __init__(self) -> None:
        """Begin empty."""
        self.values: dict[bytes, bytes] = {}

    def apply(self, index: int, command: bytes) -> int:
        """Put every pair."""
        self.values.update(_DECODER.decode(command))
        return index

    def snapshot(self) -> bytes:
        """Return all pairs."""
        return msgspec.msgpack.encode(list(self.values.items()))

    def restore(self, data: bytes) -> None:
        """Take all pairs."""
        try:
            self.values = dict(_DECODER.decode(data))
        except msgspec.MsgspecError as error:
            raise Damaged("SN-R013", str(error)) from error


def peer(number: int, port: int) -> Peer:
    """Return a member; its key follows from its number."""
    return Peer(id=f"v{number}", address=_signer(number).address, endpoint=f"127.0.0.1:{port}")


def _signer(number: int) -> LocalSigner:
    return LocalSigner(bytes([number + 1]) * 32)


class GroupMember:
    """One member and what it is told to do."""

    def __init__(self, task: Mapping[str, Any]) -> None:
        """`ports` are those of the first group; a number behind them is one that joins later, at `port`."""
        self._number = int(task["number"])
        first = [peer(number, port) for number, port in enumerate(task["ports"])]
        me = peer(self._number, int(task["port"]))
        self._map = Map()
        self.log = ReplicatedLog(
            me=me,
            others=[one for one in first if one.id != me.id],
            listen=me.endpoint,
            cluster_id=_CLUSTER,
            directory=Path(task["directory"]),
            state_machine=self._map,
            signer=_signer(self._number),
            options=replace(ReplicationOptions(), **task["options"]),
            first_group=first,
        )

    async def obey(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Do one thing and return what came of it."""
        match order["do"]:
            case "status":
                status = self.log.status()
                return {"role": status.role, "term": status.term}
            case "load":
                return await self._load(order)
            case "fill":
                return await self._fill(order)
            case "add":
                wanted = peer(int(order["number"]), int(order["port"]))
                return await self._change(ChangeKind.ADD, wanted)
            case "promote":
                return await self._change(ChangeKind.PROMOTE, peer(int(order["number"]), 0))
            case "reach":
                return await self._reach(int(order["index"]), float(order["seconds"]))
            case unknown:
                raise ValueError(f"{unknown!r} is not known")

    async def put(self, data: bytes, _context: Any) -> bytes:
        """Serve one call over gRPC."""
        await self.log.submit(data, timeout_seconds=_SUBMIT_SECONDS)
        return b""

    async def _load(self, order: Mapping[str, Any]) -> dict[str, Any]:
        async def call(number: int) -> None:
            data = command(number, size=order["size"], batch=order["batch"])
            await self.log.submit(data, timeout_seconds=_SUBMIT_SECONDS)

        return await pump(call, outstanding=order["outstanding"], seconds=order["seconds"])

    async def _fill(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Commit so many entries, each with a key of its own; return the last index."""
        size = int(order["size"])
        numbers = iter(range(int(order["entries"])))

        async def worker() -> None:
            for number in numbers:
                puts = [(f"fill-{number}".encode(), secrets.token_bytes(size))]
                await self.log.submit(msgspec.msgpack.encode(puts), timeout_seconds=_SUBMIT_SECONDS)

        begun = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(_FILL_OUTSTANDING)))
        return {"index": self.log.status().applied_index, "seconds": time.perf_counter() - begun}

    async def _change(self, kind: ChangeKind, wanted: Peer) -> dict[str, Any]:
        """Change the group by one step; a refusal, of another leader say, is an answer and not the end."""
        change = GroupChange(
            kind=kind, member_id=wanted.id, peer=wanted if kind is ChangeKind.ADD else None
        )
        try:
            return {"index": await self.log.change(change, timeout_seconds=_SUBMIT_SECONDS)}
        except DependencyError as error:
            return {"refused": str(error)}

    async def _reach(self, index: int, seconds: float) -> dict[str, Any]:
        """Wait until everything up to an index is applied here."""
        until = time.perf_counter() + seconds
        while (applied := self.log.status().applied_index) < index:
            if time.perf_counter() > until:
                raise TimeoutError(f"applied {applied} of {index} within {seconds:g} s")
            await asyncio.sleep(_POLL_SECONDS)
        return {"applied": applied, "rss_mb": psutil.Process().memory_info().rss / 1e6}


async def serve(
    task: Mapping[str, Any], say: Callable[[Mapping[str, Any]], None]
) -> dict[str, Any]:
    """Be a member until stdin is closed."""
    # Standard output belongs to the answers.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    member = GroupMember(task)
    await member.log.start()
    server = grpc.aio.server(options=channel_options())
    handler: Any = grpc.unary_unary_rpc_method_handler(member.put)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("bench.Log", {"Put": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    say({"grpc": port})
    while line := await asyncio.to_thread(sys.stdin.readline):
        say({"result": await member.obey(json.loads(line))})
    await server.stop(0)
    await member.log.stop()
    return {}
