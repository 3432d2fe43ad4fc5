"""Starts any role in this process from a changed configuration. Not a test."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tests.free_ports import free_plan

from pinai_subnet.bootstrap import agent, console, matcher, registry, rootlayer, validator
from pinai_subnet.bootstrap.arguments import Arguments
from pinai_subnet.cli.home import Home, public_environment
from pinai_subnet.cli.initialise import initialise
from pinai_subnet.runtime.lifecycle import Process, supervise

Changes = Mapping[str, Any]
"""`file.yaml:dotted.key` -> value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """How one role is started in this process."""

    id: str | None
    secret: tuple[str, str] | None
    start: Callable[[Process, Arguments, Mapping[str, str]], Awaitable[object]]


def _configured(
    module: Any,
) -> Callable[[Process, Arguments, Mapping[str, str]], Awaitable[object]]:
    async def start(process: Process, arguments: Arguments, environ: Mapping[str, str]) -> object:
        return await module.start(process, module.load(arguments, environ))

    return start


def _by_arguments(
    module: Any,
) -> Callable[[Process, Arguments, Mapping[str, str]], Awaitable[object]]:
    async def start(process: Process, arguments: Arguments, environ: Mapping[str, str]) -> object:
        os.environ.update(environ)
        return await module.start(process, arguments)

    return start


ROLES = {
    "registry": Role(id=None, secret=None, start=_by_arguments(registry)),
    "rootlayer": Role(id=None, secret=None, start=_by_arguments(rootlayer)),
    "console": Role(id=None, secret=None, start=_by_arguments(console)),
    "matcher": Role(
        id=None, secret=("MATCHER_PRIVATE_KEY", "MATCHER_PRIVATE_KEY"), start=_configured(matcher)
    ),
    "validator": Role(
        id="validator-1", secret=("VALIDATOR_KEY", "VALIDATOR_KEY_1"), start=_configured(validator)
    ),
    "agent": Role(
        id="agent-1", secret=("AGENT_PRIVATE_KEY", "AGENT_PRIVATE_KEY_1"), start=_configured(agent)
    ),
}


def make_home(root: Path) -> Home:
    """A new network of three validators and one agent on free ports."""
    home = Home(root)
    ports = free_plan(3)
    initialise(home, validators=3, agents=1, ports=ports, subnet_id=None)
    return home


def change(home: Home, changes: Changes) -> None:
    """Write other values into the configuration files."""
    for place, value in changes.items():
        file, _, dotted = place.partition(":")
        path = home.config / file
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        *parents, last = dotted.split(".")
        section = document
        for parent in parents:
            section = section[int(parent) if isinstance(section, list) else parent]
        assert last in section, place
        section[last] = value
        path.write_text(yaml.safe_dump(document, sort_keys=False, width=10_000), encoding="utf-8")


def environment_of(home: Home, role: Role) -> dict[str, str]:
    """What a process of this role is given by `subnetctl up`."""
    environment = home.environment()
    own = {role.secret[0]: environment[role.secret[1]]} if role.secret else {}
    return public_environment(environment) | own | {"DATA_DIR": str(home.data.resolve())}


@asynccontextmanager
async def started(home: Home, name: str, **variables: str) -> AsyncIterator[tuple[Process, object]]:
    """Run a role while the block lasts; yield its process and what its start returned."""
    role = ROLES[name]
    environ = environment_of(home, role) | variables
    before = dict(os.environ)
    up: asyncio.Future[tuple[Process, object]] = asyncio.get_running_loop().create_future()

    async def build(process: Process) -> None:
        arguments = Arguments(config_dir=home.config, id=role.id)
        up.set_result((process, await role.start(process, arguments, environ)))

    running = asyncio.ensure_future(supervise(build, name=name, grace_seconds=5))
    try:
        await asyncio.wait((up, running), return_when=asyncio.FIRST_COMPLETED)
        assert up.done(), f"{name} did not start: {running.result()}"
        process, result = up.result()
        yield process, result
        process.request_stop()
        assert await running == 0
    finally:
        os.environ.clear()
        os.environ.update(before)
        running.cancel()
