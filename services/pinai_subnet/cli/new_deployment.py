"""The files of a new network in containers: of one host, or of the first of several with invitations for the others.

A network of several hosts begins with the first host's validator; the others join it, so that every key is made where
it stays. Starts nothing.
"""

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pinai_subnet.cli.compose_file import compose_text, container_ports
from pinai_subnet.cli.compose_observability import prometheus_text
from pinai_subnet.cli.compose_services import DEMO_AGENTS
from pinai_subnet.cli.home import Home
from pinai_subnet.cli.initialise import network_text, new_variables, write_new_env
from pinai_subnet.cli.invitation import HostPorts, invitation_to, package_for
from pinai_subnet.cli.join_package import packed
from pinai_subnet.cli.ports import SINGLE, PortPlan
from pinai_subnet.cli.session import open_session
from pinai_subnet.cli.set_files import network_with
from pinai_subnet.runtime.errors import cannot_start

MAX_HOSTS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDeployment:
    """One directory with `docker/` and `config/` that has no `.env` yet."""

    root: Path
    development: bool
    remote: Mapping[str, str]
    """Addresses of a remote RootLayer; empty where there is one here."""

    def on_one_host(self, validators: int) -> dict[str, Any]:
        """Write all files for this many validators on this host; return what was made."""
        home = self._home()
        variables = self._variables(validators, PortPlan(container_ports(validators)))
        self._compose.write_text(compose_text("deployment", validators), encoding="utf-8")
        self._network.write_text(network_text(validators), encoding="utf-8")
        observability = self.root / "observability"
        if observability.is_dir():
            text = prometheus_text(validators)
            (observability / "prometheus.yml").write_text(text, encoding="utf-8")
        write_new_env(home.env_file, variables)
        return self._facts(variables, f"{validators} validators") | {"validators": validators}

    def on_hosts(self, hosts: Sequence[str], validators: int | None) -> dict[str, Any]:
        """Write the first host's files and a join package for each other; return what was made."""
        _check_hosts(hosts, validators)
        home = self._home()
        ports = HostPorts()
        plan = {name: f"{hosts[0]}:{port}" for name, port in SINGLE.items()}
        plan |= {f"VALIDATOR_1_{end}": value for end, value in ports.endpoints(hosts[0]).items()}
        here = ["registry", "matcher", "validator-1", "console"]
        if self.development:
            here += ["rootlayer", *(f"agent-{number}" for number in range(1, DEMO_AGENTS + 1))]
        variables = self._variables(1, PortPlan(plan))
        variables["HOST_SERVICES"] = ",".join(here)
        self._compose.write_text(compose_text("deployment", 1, here), encoding="utf-8")
        self._network.write_text(network_text(1), encoding="utf-8")
        write_new_env(home.env_file, variables)
        session = open_session(home.root)
        members = session.network.parameters.validators
        text = network_with(self._network.read_text(encoding="utf-8"), members, members, {})
        self._network.write_text(text, encoding="utf-8")
        session, packages = open_session(home.root), {}
        for number, host in enumerate(hosts[1:], start=2):
            name = f"validator-{number}"
            invited = invitation_to(session, name, ports.endpoints(host), now=time.time())
            file = self.root / f"join-{name}.tgz"
            file.write_bytes(packed(package_for(session, invited, members)))
            packages[host] = file.name
        return self._facts(variables, "the first validator") | {"packages": packages}

    @property
    def _compose(self) -> Path:
        return self.root / "docker" / "docker-compose.yml"

    @property
    def _network(self) -> Path:
        return self.root / "config" / "network.yaml"

    def _home(self) -> Home:
        home = Home(self.root)
        if home.exists:
            raise cannot_start(
                "SN-C030",
                f"{home.env_file} exists; init never overwrites keys",
                where=str(home.env_file),
                fix="use it, or move it away (its keys cannot be made again)",
            )
        return home

    def _variables(self, validators: int, ports: PortPlan) -> dict[str, str]:
        agents = DEMO_AGENTS if self.development else 0
        variables = new_variables(validators, agents, ports, "0x" + secrets.token_hex(32))
        if self.development:
            variables["COMPOSE_PROFILES"] = "dev"
        return variables | dict(self.remote)

    def _facts(self, variables: Mapping[str, str], keys: str) -> dict[str, Any]:
        return {
            "env": str(self.root / ".env"),
            "subnet_id": variables["SUBNET_ID"],
            "keys": keys,
        }


def _check_hosts(hosts: Sequence[str], validators: int | None) -> None:
    wrong = [host for host in hosts if not host or ":" in host or "/" in host]
    if wrong or len(set(hosts)) < len(hosts) or not 1 <= len(hosts) <= MAX_HOSTS:
        raise cannot_start(
            "SN-C127",
            f"{','.join(hosts)!r} are not 1 to {MAX_HOSTS} different host names or addresses",
            where="--hosts",
            fix="write host names or IPv4 addresses (no IPv6), without ports, separated by commas, this host first",
        )
    if validators not in {None, len(hosts)}:
        raise cannot_start(
            "SN-C127",
            f"{validators} validators and {len(hosts)} hosts: there is one validator on each host",
            where="--validators",
            fix="name as many hosts as validators, or leave --validators out",
        )
