"""The contract with operators on containers that run: names, ports, addresses, user, paths, limits. Not a test."""

import json
from typing import Any

from tests.containers.kit import IMAGE, docker

from pinai_subnet.cli.compose_services import Kind

PORTS = {
    "registry": {8101: 8101, 8102: 8102},
    "matcher": {8093: 8090, 8094: 8091},
    "validator-1": {9090: 9090, 9095: 9095, 7400: 7400},
    "validator-2": {9091: 9091, 9096: 9096, 7401: 7401},
    "validator-3": {9092: 9092, 9097: 9097, 7402: 7402},
    "rootlayer": {9001: 9001, 8081: 8081},
    "agent-1": {},
    "agent-2": {},
    "agent-3": {},
}
"""Service -> port on the host -> port in the container."""
FILES = {
    "registry": "registry.yaml",
    "matcher": "matcher.yaml",
    "validator-1": "validator.yaml",
    "validator-2": "validator.yaml",
    "validator-3": "validator.yaml",
    "rootlayer": "rootlayer.yaml",
    "agent-1": "agent.yaml",
    "agent-2": "agent.yaml",
    "agent-3": "agent.yaml",
}
BINARIES = ("registry", "matcher", "validator", "simple-agent", "subnetctl")


def assert_contract(kind: Kind) -> None:
    """Look at every container of a network that runs under the contract's own names."""
    assert_network()
    for service, ports in PORTS.items():
        facts = json.loads(docker("inspect", f"pinai-{service}").stdout)[0]
        assert facts["Config"]["Image"] == IMAGE
        assert facts["Config"]["User"] == "1000:1000"
        assert set(facts["NetworkSettings"]["Networks"]) == {"subnet-network"}, service
        assert published(facts) == ports, service
        assert_mounts(service, facts, kind)
        assert_bounds(service, facts)
        assert_inside(service)


def assert_network() -> None:
    """One network of the contract's name and range."""
    [network] = json.loads(docker("network", "inspect", "subnet-network").stdout)
    assert [one["Subnet"] for one in network["IPAM"]["Config"]] == ["172.28.0.0/16"]


def published(facts: Any) -> dict[int, int]:
    """Port on the host to port in the container."""
    return {
        int(binding["HostPort"]): int(inside.partition("/")[0])
        for inside, bindings in facts["NetworkSettings"]["Ports"].items()
        for binding in bindings or ()
    }


def assert_mounts(service: str, facts: Any, kind: Kind) -> None:
    """Configuration that cannot be written, and one place for data that is this service's alone."""
    mounts = {mount["Destination"]: mount for mount in facts["Mounts"]}
    config, data = mounts.pop("/app/config"), mounts.pop("/app/data")
    assert (config["Type"], config["RW"]) == ("bind", False), service
    assert data["RW"]
    if kind == "development":
        assert (data["Type"], mounts.pop("/app/network")["RW"]) == ("volume", False)
        assert data["Name"].endswith(f"_{service}")
    else:
        assert data["Type"] == "bind"
        assert data["Source"].endswith(f"/data/{service}")
    assert mounts == {}, service
    assert list(facts["HostConfig"]["Tmpfs"]) == ["/tmp"]
    assert facts["HostConfig"]["ReadonlyRootfs"]


def assert_bounds(service: str, facts: Any) -> None:
    """What a container may use, how its log is bounded, how it is stopped and started again, how it is probed."""
    host = facts["HostConfig"]
    assert host["Memory"] in {512 << 20, 1 << 30}, service
    assert host["PidsLimit"] == 512
    assert host["LogConfig"] == {
        "Type": "json-file",
        "Config": {"max-file": "5", "max-size": "10m"},
    }
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert facts["Config"]["StopTimeout"] == 30, "longer than validators and agents drain"
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert not host["Privileged"]
    assert "no-new-privileges:true" in host["SecurityOpt"]
    health = facts["Config"]["Healthcheck"]
    assert health["Test"][:4] == ["CMD", "timeout", "4", "wget"], (
        "no interpreter is started to probe"
    )
    assert health["Test"][-1].endswith("/readyz"), "healthy means ready for work"


def assert_inside(service: str) -> None:
    """Where things are in the image, and the configuration in use: private, complete, in memory."""
    container = f"pinai-{service}"
    paths = ["/app/entrypoint.sh", *(f"/app/bin/{name}" for name in BINARIES)]
    seen = " && ".join(f"test -x {path}" for path in paths)
    script = f"{seen} && stat -c '%a %u' /tmp/config/{FILES[service]}"
    assert docker("exec", container, "sh", "-c", script).stdout.split() == ["600", "1000"], service
