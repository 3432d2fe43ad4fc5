"""The text of the Compose file of a network in containers, for any number of validators. Writes and starts nothing.

Two kinds from one source: `development` is complete in itself, with keys made at its first start; `deployment` takes
keys, addresses and a remote RootLayer from `.env`, and has RootLayer and agents in the profile `dev`.
"""

from collections.abc import Collection

from pinai_subnet.cli.compose_observability import VOLUMES, observability_blocks
from pinai_subnet.cli.compose_services import INSIDE, Kind, Service, services_of
from pinai_subnet.cli.ports import PortPlan

_HEAD = {
    "development": """\
# The whole network in containers, for development: `docker compose up` after the image was built. Keys are made at the
# first start, each in the volume of its own service; `docker compose down` keeps them and all data, `down -v` does not.
""",
    "deployment": """\
# A network in containers. Keys and addresses come from .env, see deployment/README.md; use scripts/deploy.sh, which
# checks them first. Without the profile `dev` RootLayer is a remote one (ROOTLAYER_GRPC and ROOTLAYER_HTTP in .env).
""",
}

_PROJECTS = {"development": "pinai-subnet-dev", "deployment": "pinai-subnet"}

_COMMON = """\
# Made by `subnetctl compose write --validators {validators} --kind {kind}{only}`: change the number there, not here.
name: {project}

x-service: &service
  image: ${{PINAI_IMAGE:-pinai-subnet:latest}}
  pull_policy: never # the name belongs to nobody on public registries: build it or load it
  restart: unless-stopped
  read_only: true
  user: "1000:1000"
  cap_drop: [ALL]
  security_opt: ["no-new-privileges:true"]
  tmpfs: ["/tmp:mode=1777,size=64m"]
  stop_grace_period: 30s # validators drain within 15 s, agents finish their tasks within 15 s
  logging:
    driver: json-file
    options: {{max-size: 10m, max-file: "5"}}

x-health: &health # a probe of 2 ms, not an interpreter; healthy means ready for work
  interval: 10s
  timeout: 5s
  retries: 3
  start_period: 30s

x-facts: &facts # what every member may know; no secret is among them
  HOLD_SECONDS: 60 # how long a wrong configuration is shown before it is read again
  LOG_LEVEL: ${{LOG_LEVEL:-INFO}}
  NO_PROXY: &direct localhost,127.0.0.1,{members},${{NO_PROXY:-}} # where the engine gives containers a proxy
  no_proxy: *direct
  OTLP_ENDPOINT: ${{OTLP_ENDPOINT:-}} # of an OpenTelemetry collector; empty: no traces
  # From .env where it has them; otherwise config/*.yaml says what they are.
{passed}"""

_TAIL = """
networks:
  subnet-network:
    name: ${NETWORK_NAME:-subnet-network}
    ipam:
      config:
        - subnet: ${SUBNET_CIDR:-172.28.0.0/16}
"""


def container_ports(validators: int) -> dict[str, str]:
    """Return the addresses by which containers find each other: variable to host:port."""
    plan = {}
    for name, endpoint in PortPlan.documented(validators).endpoints.items():
        port = INSIDE.get(name, int(endpoint.rpartition(":")[2]))
        service = name.rpartition("_")[0].lower().replace("_", "-")
        plan[name] = f"{service}:{port}"
    return plan


def compose_text(kind: Kind, validators: int, here: Collection[str] | None = None) -> str:
    """Return the whole file. With `here`, it is one host of several: only these of the containers run on it.

    The validators are then in `network.yaml` with their keys and addresses, not in variables.
    """
    services = services_of(kind, validators)
    if here is not None:
        services = [service for service in services if service.name in here]
    only = "" if here is None else f" --services {','.join(one.name for one in services)}"
    text = _HEAD[kind] + _COMMON.format(
        validators=validators,
        kind=kind,
        only=only,
        project=_PROJECTS[kind],
        members=",".join(service.name for service in services if service.ports),
        passed="".join(f"  {name}:\n" for name in PASSED),
    )
    if kind == "deployment":
        text += _facts(validators if here is None else 0)
    text += "\nservices:\n"
    if kind == "development":
        text += _keys(services, validators)
    text += "\n".join(_block(kind, service, alone=here is None) for service in services)
    if kind == "development":
        text += _tools()
    if here is not None:
        # Containers of other hosts have no names here: who watches several hosts asks their addresses.
        return text + _TAIL
    volumes = [*VOLUMES]
    if kind == "development":
        volumes += [*(service.name for service in services), "network", "operator"]
    text += observability_blocks(kind) + _TAIL
    return text + "\nvolumes:\n" + "".join(f"  {name}:\n" for name in volumes)


PASSED = (
    *("CHAIN_ID", "INTENT_MANAGER_ADDR", "CHECKPOINT_MANAGER_ADDR"),
    *("BIDDING_WINDOW_SECONDS", "CANARY_SECONDS", "BACKUP_EVERY_SECONDS", "BACKUP_KEEP"),
    *("ALLOW_UNREGISTERED_AGENTS", "REGISTRY_REQUIRE_SIGNED", "VALIDATOR_REGISTER"),
    *("ROOTLAYER_HEADERS", "ROOTLAYER_BALANCE_BATCHES"),
    *("AGENT_CAPACITY", "AGENT_BACKLOG"),
    *("AGENT_ECHO_PRICE", "AGENT_JSON_TRANSFORM_PRICE", "AGENT_SCRIPT_PRICE"),
)
"""Settings of the configuration files that containers are given as they are, or not at all."""


def _facts(validators: int) -> str:
    lines = [
        ("SUBNET_ID", ""),
        ("THRESHOLD_NUM", "2"),
        ("THRESHOLD_DENOM", "3"),
        ("MATCHER_ADDRESS", ""),
        *((f"VALIDATOR_PUBKEY_{number}", "") for number in range(1, validators + 1)),
        *sorted(container_ports(validators).items()),
        ("ROOTLAYER_TLS", "false"),
    ]
    return "".join(f"  {name}: ${{{name}:-{default}}}\n" for name, default in lines)


def _block(kind: Kind, service: Service, *, alone: bool) -> str:
    own = "".join(f"      {name}: {_quoted(value)}\n" for name, value in service.environment)
    if kind == "development":
        volumes = [
            f"{service.name}:/app/data",
            "network:/app/network:ro",
            "./config:/app/config:ro",
        ]
        first = "    depends_on: {keys: {condition: service_completed_successfully}}\n"
        address = "${BIND_ADDRESS:-127.0.0.1}"
    else:
        volumes = [f"../data/{service.name}:/app/data", "../config:/app/config:ro"]
        first = "    profiles: [dev]\n" if service.development else ""
        address = "${BIND_ADDRESS:-0.0.0.0}"
    published = "".join(
        f'      - "{_address(kind, name, address, alone=alone)}:${{{name}:-{host}}}:{inside}"\n'
        for name, host, inside in service.ports
    )
    probe = f"http://127.0.0.1:{service.health_port}/readyz"
    return (
        f"  {service.name}:\n"
        "    <<: *service\n"
        f"    container_name: ${{CONTAINER_PREFIX:-pinai}}-{service.name}\n"
        f"    command: [{service.command}]\n"
        f"{first}"
        "    networks: [subnet-network]\n"
        "    environment:\n"
        "      <<: *facts\n"
        f"{own}"
        f"    volumes: [{', '.join(volumes)}]\n"
        + (f"    ports:\n{published}" if published else "")
        + "    healthcheck:\n"
        "      <<: *health\n"
        f'      test: [CMD, timeout, "4", wget, -q, -Y, off, -O, /dev/null, "{probe}"]\n'
        f"    mem_limit: {service.memory}\n"
        "    pids_limit: 512\n"
    )


def _address(kind: Kind, name: str, address: str, *, alone: bool) -> str:
    """Replication and the development RootLayer are nobody's business outside, unless other hosts belong to it."""
    own = "RAFT" if kind == "deployment" and "_RAFT_" in name else name.partition("_")[0]
    if own == "CONSOLE":
        return "${CONSOLE_BIND_ADDRESS:-127.0.0.1}"
    if own not in {"RAFT", "ROOTLAYER"}:
        return address
    return f"${{{own}_BIND_ADDRESS:-127.0.0.1}}" if alone else f"${{{own}_BIND_ADDRESS:-0.0.0.0}}"


def _quoted(value: str) -> str:
    return f'"{value}"' if value.isdigit() else value


def _keys(services: list[Service], validators: int) -> str:
    mounts = [f"{service.name}:/volumes/{service.name}" for service in services]
    mounts += ["network:/volumes/network", "operator:/volumes/operator"]
    return (
        "  keys: # makes what is missing, gives each volume to its service, and ends\n"
        "    <<: *service\n"
        "    container_name: ${CONTAINER_PREFIX:-pinai}-keys\n"
        f'    command: [subnetctl, compose, keys, --volumes, /volumes, --validators, "{validators}"]\n'
        '    restart: "no"\n'
        '    user: "0:0"\n'
        "    cap_add: [CHOWN, DAC_OVERRIDE]\n"
        "    network_mode: none\n"
        "    volumes:\n" + "".join(f"      - {mount}\n" for mount in mounts) + "\n"
    )


def _tools() -> str:
    return (
        "\n"
        "  subnetctl: # docker compose run --rm subnetctl intent list\n"
        "    <<: *service\n"
        "    profiles: [tools]\n"
        "    entrypoint: [/app/bin/subnetctl]\n"
        "    working_dir: /home\n"
        '    restart: "no"\n'
        "    networks: [subnet-network]\n"
        "    depends_on: {keys: {condition: service_completed_successfully}}\n"
        "    volumes: [operator:/home/.network:ro]\n"
    )
