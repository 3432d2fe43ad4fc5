"""`subnetctl compose`: the files of a network in containers, its keys, and the proof that it works.

What `deployment/scripts/deploy.sh` cannot decide by itself is decided here, so that there is one reader of `.env`.
"""

import os
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from pinai_subnet.cli.canary import prove_ready
from pinai_subnet.cli.compose_file import compose_text, container_ports
from pinai_subnet.cli.compose_observability import prometheus_text
from pinai_subnet.cli.compose_services import DEMO_AGENTS, Kind
from pinai_subnet.cli.container_key import carry_record, finish_key, next_key, take_key
from pinai_subnet.cli.home import Home, is_secret
from pinai_subnet.cli.initialise import initialise, network_text
from pinai_subnet.cli.local_network import Member, members
from pinai_subnet.cli.new_deployment import NewDeployment
from pinai_subnet.cli.ports import PortPlan
from pinai_subnet.cli.screen import Screen
from pinai_subnet.cli.session import HOME, HomeOption, JsonOption, open_session
from pinai_subnet.cli.upgrading import merge_env, pin, print_order, step_down

app = typer.Typer(no_args_is_help=True, help="Write the files of a network in containers.")
app.command("order")(print_order)
app.command("step-down")(step_down)
app.command("merge-env")(merge_env)
app.command("pin")(pin)
app.command("next-key")(next_key)
app.command("carry-record")(carry_record)
app.command("take-key")(take_key)
app.command("finish-key")(finish_key)

USER = 1000
"""Who runs in the image."""
Validators = Annotated[int, typer.Option(help="how many validators", min=1, max=15)]


@app.command("write")
def write(  # noqa: PLR0917 (one parameter per option)
    file: Annotated[Path, typer.Option(help="the Compose file to write")],
    validators: Validators = 3,
    kind: Annotated[
        Kind, typer.Option(help="development: complete in itself; deployment: keys from .env")
    ] = "deployment",
    network: Annotated[
        Path | None, typer.Option(help="the network.yaml to write for as many validators")
    ] = None,
    services: Annotated[
        str | None,
        typer.Option(help="of one host of several: only these containers, separated by commas"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the Compose file, and network.yaml where it is named, for this many validators."""
    here = None if services is None else services.split(",")
    file.write_text(compose_text(kind, validators, here), encoding="utf-8")
    written = [str(file)]
    if network is not None:
        network.write_text(network_text(validators), encoding="utf-8")
        written.append(str(network))
    Screen(as_json=as_json).result({"written": written}, f"written: {', '.join(written)}")


@app.command("prometheus")
def prometheus(
    file: Annotated[Path, typer.Option(help="the prometheus.yml to write")],
    validators: Validators = 3,
    as_json: JsonOption = False,
) -> None:
    """Write whom Prometheus asks in the profile `observability`, for this many validators."""
    file.write_text(prometheus_text(validators), encoding="utf-8")
    Screen(as_json=as_json).result({"written": [str(file)]}, f"written: {file}")


@app.command("init")
def init(  # noqa: PLR0917 (one parameter per option)
    directory: Annotated[Path, typer.Option(help="with docker/ and config/")],
    validators: Annotated[
        int | None, typer.Option(help="how many, on this host; 3 if absent", min=1, max=15)
    ] = None,
    hosts: Annotated[
        str | None,
        typer.Option(help="addresses of as many hosts, this one first: one validator on each"),
    ] = None,
    development: Annotated[
        bool, typer.Option("--development", help="with a development RootLayer and demo agents")
    ] = False,
    rootlayer_grpc: Annotated[str, typer.Option(help="host:port of a remote RootLayer")] = "",
    rootlayer_http: Annotated[str, typer.Option(help="host:port of a remote RootLayer")] = "",
    as_json: JsonOption = False,
) -> None:
    """Make .env with fresh keys, and the files of a network of this many validators. Never overwrites .env."""
    remote = (
        {} if development else {"ROOTLAYER_GRPC": rootlayer_grpc, "ROOTLAYER_HTTP": rootlayer_http}
    )
    plan = NewDeployment(root=directory, development=development, remote=remote)
    if hosts is None:
        facts = plan.on_one_host(validators or 3)
    else:
        facts = plan.on_hosts([host.strip() for host in hosts.split(",")], validators)
    lines = [f"made keys for {facts['keys']} of subnet {facts['subnet_id']}"]
    lines += [f"for {host}: {package}" for host, package in facts.get("packages", {}).items()]
    Screen(as_json=as_json).result(facts, "\n".join(lines))


@app.command("environment")
def environment(home: HomeOption = HOME, as_json: JsonOption = False) -> None:
    """Print every variable of .env as NAME=value, each ended by a NUL byte: for a shell that must not parse it."""
    read = Home(home).read_env()
    screen = Screen(as_json=as_json)
    for notice in read.notices:
        screen.say(notice)
    if as_json:
        screen.result(read.values, "")
        return
    sys.stdout.write("".join(f"{name}={value}\0" for name, value in read.values.items()))


@app.command("prove")
def prove(home: HomeOption = HOME, as_json: JsonOption = False) -> None:
    """Send one intent through the running network and wait until it is settled."""
    screen = Screen(as_json=as_json)
    proof = prove_ready(open_session(home), screen.say)
    facts = {"intent_id": proof.intent_id, "seconds": round(proof.seconds, 2)}
    screen.result(facts, f"an intent was finalised in {proof.seconds:.2f} s")


@app.command("keys")
def keys(
    volumes: Annotated[Path, typer.Option(help="directory with one directory per service")],
    validators: Validators = 3,
    as_json: JsonOption = False,
) -> None:
    """Make the keys of a development network once, and give each service its own and nobody else's."""
    home = Home(volumes / "operator")
    made = not home.exists
    if made:
        plan = PortPlan(container_ports(validators))
        initialise(home, validators=validators, agents=DEMO_AGENTS, ports=plan, subnet_id=None)
    environment = home.environment()
    for member in members(environment):
        _give(volumes / member.name, member, environment)
    public = "".join(
        f"{name}={value}\n" for name, value in environment.items() if not is_secret(name)
    )
    (volumes / "network" / "public.env").write_text(public, encoding="utf-8")
    _owned(home.root)
    facts = {"made": made, "subnet_id": environment["SUBNET_ID"]}
    state = "made keys for" if made else "found the keys of"
    Screen(as_json=as_json).result(facts, f"{state} subnet {facts['subnet_id']}")


def _give(volume: Path, member: Member, environment: dict[str, str]) -> None:
    """Put a service's own key into its volume, and the volume into its hands."""
    for source in member.secrets.values():
        key = volume / "private.key"
        if not key.exists():
            descriptor = os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(environment[source] + "\n")
        os.chown(key, USER, USER)
    os.chown(volume, USER, USER)


def _owned(root: Path) -> None:
    for path in (root, *root.rglob("*")):
        shutil.chown(path, USER, USER)
