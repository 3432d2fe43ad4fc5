"""What operators are shown is there: the listed metrics, alerts on a real Prometheus, runbooks whose commands run."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from tests.free_ports import free_ports
from tests.network_kit import LocalTestNetwork, wait_until

FOLDER = Path(__file__).resolve().parents[2] / "deployment" / "observability"
BIN = Path(sys.executable).parent
needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None,
    reason="no prometheus: `make observability-deps` installs it",
)


def role_of(member: str) -> str:
    return member.partition("-")[0]


def families(address: str) -> dict[str, str]:
    """Name -> type of what a member exposes; the time of each counter's first use is no metric of its own."""
    text = httpx.get(f"http://{address}/metrics", trust_env=False).text
    found = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    return {name: kind for name, kind in found.items() if not name.endswith("_created")}


def listed() -> dict[str, dict[str, str]]:
    """Role -> name -> type, as the page says."""
    rows = re.findall(
        r"^\| `(\w+)` \| (\w+) \| [^|]* \| (\w+) \|",
        (FOLDER / "METRICS.md").read_text(),
        re.MULTILINE,
    )
    # The console measures nothing of its own.
    roles = {role for _, _, role in rows} - {"every"} | {"console"}
    return {
        role: {name: kind for name, kind, who in rows if who in (role, "every")} for role in roles
    }


def test_every_role_exposes_what_the_page_lists_and_nothing_else(
    shared_network: LocalTestNetwork,
) -> None:
    shared_network.wait_all(shared_network.submit_many(2))
    pages, seen = listed(), set()
    for member, facts in shared_network.members.items():
        if facts.http is None:
            continue
        seen.add(role_of(member))
        assert families(facts.http) == pages[role_of(member)], member
    assert seen >= {"matcher", "registry", "rootlayer", "validator"}


def test_the_stages_of_an_intent_are_counted_where_they_happen(
    shared_network: LocalTestNetwork,
) -> None:
    network = shared_network
    network.wait_all(network.submit_many(2))

    def text(member: str) -> str:
        return network.request("GET", member, "/metrics").text

    def at_least(member: str, series: str, floor: float) -> bool:
        found = re.search(rf"^{re.escape(series)} (\S+)$", text(member), re.MULTILINE)
        return found is not None and float(found[1]) >= floor

    for phase in ("open", "closed", "assigned", "reported", "completed"):
        series = f'subnet_matcher_intent_phases_total{{phase="{phase}"}}'
        wait_until(lambda s=series: at_least("matcher", s, 2), series)
    for stage in ("reported", "verified", "sealed", "final", "settled"):
        series = f'subnet_validator_stages_total{{stage="{stage}"}}'
        wait_until(lambda s=series: at_least("validator-1", s, 2), series)
    for duty in ("verdict", "signature", "settlement"):
        series = f'subnet_validator_duties_done_total{{duty="{duty}"}}'
        wait_until(lambda s=series: at_least("validator-1", s, 1), series)
    exposed = text("validator-1")
    assert 'subnet_process_fsync_seconds_count{file="journal"}' in exposed
    assert 'subnet_validator_peer_connected_bool{peer="validator-2"} 1.0' in exposed
    assert 'subnet_validator_quorum_spare_count{quorum="signatures"} 1.0' in exposed
    assert 'method="GET /metrics",protocol="http"' in exposed
    calls = "".join(text(name) for name in network.validators)
    assert re.search(
        r'rpc_seconds_count\{code="OK",method="LedgerService/\w+",protocol="grpc"', calls
    )
    assert 'method="MatcherService/SubmitBid' in text("matcher")


def commands(page: Path) -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def test_the_commands_of_every_runbook_run(
    shared_network: LocalTestNetwork, tmp_path: Path
) -> None:
    """As an operator types them, in the directory of a running network."""
    (tmp_path / ".network").symlink_to(shared_network.home.root)
    environ = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    pages = {page.stem: commands(page) for page in sorted((FOLDER / "runbooks").glob("*.md"))}
    assert all(pages.values())
    failed = []
    for command in sorted({one for lines in pages.values() for one in lines}):
        done = subprocess.run(
            ["bash", "-ec", command],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        # The exit status of `status` is the network's health: 1 says that something could be better.
        allowed = (0, 1) if command.startswith("subnetctl status") else (0,)
        if done.returncode not in allowed or not done.stdout.strip() or "Traceback" in done.stderr:
            failed.append(f"{command}: {done.returncode}\n{done.stdout}{done.stderr}")
    assert failed == []


@contextmanager
def watching(network: LocalTestNetwork, folder: Path, *, agent: str) -> Iterator[str]:
    """Run Prometheus over the network with the shipped rules; yield its address."""
    document = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    document["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    jobs: dict[str, list[dict[str, Any]]] = {}
    for name, member in network.members.items():
        entry = {"targets": [member.http or agent], "labels": {"instance": name}}
        jobs.setdefault(role_of(name), []).append(entry)
    assert set(jobs) == {job["job_name"] for job in document["scrape_configs"]}
    document["scrape_configs"] = [
        {"job_name": job, "static_configs": entries} for job, entries in jobs.items()
    ]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(document))
    rules = yaml.safe_load((FOLDER / "alerts.yml").read_text())
    for rule in rules["groups"][0]["rules"]:
        rule["for"] = "1s"
    rules["groups"][0]["interval"] = "1s"
    (folder / "alerts.yml").write_text(yaml.safe_dump(rules))
    [port] = free_ports(1)
    process = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def asked(address: str, path: str) -> Any:
    try:
        answer = httpx.get(address + path, timeout=5, trust_env=False)
    except httpx.HTTPError:
        return None
    return answer.json()["data"] if answer.status_code == httpx.codes.OK else None


def firing(address: str) -> set[str]:
    found = asked(address, "/api/v1/alerts") or {"alerts": []}
    return {one["labels"]["alertname"] for one in found["alerts"] if one["state"] == "firing"}


@needs_prometheus
def test_prometheus_scrapes_every_member_and_tells_of_a_stopped_validator(
    make_network: Callable[..., LocalTestNetwork], tmp_path: Path
) -> None:
    [port] = free_ports(1)
    agent = f"127.0.0.1:{port}"
    own = {"agent-1": {"AGENT_HTTP_PORT": str(port)}}
    network = make_network(validators=3, agents=1, own_variables=own, console=True)
    network.start()
    assert families(agent) == listed()["agent"]
    with watching(network, tmp_path, agent=agent) as address:

        def all_up() -> bool:
            found = asked(address, "/api/v1/targets?state=active")
            targets = found["activeTargets"] if found else []
            return len(targets) == len(network.members) and all(
                t["health"] == "up" for t in targets
            )

        wait_until(all_up, "every member is scraped")
        shipped = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"][0]["rules"]
        [group] = asked(address, "/api/v1/rules")["groups"]
        assert {rule["name"] for rule in group["rules"]} == {rule["alert"] for rule in shipped}
        quiet = {"PeerUnreachable", "ServiceDown", "QuorumSpareZero", "NoLeader", "NetworkNotReady"}
        wait_until(lambda: not firing(address) & quiet, "a healthy network raises no alarm")
        network.stop("validator-3")
        expected = {"PeerUnreachable", "ServiceDown", "QuorumSpareZero"}
        wait_until(lambda: firing(address) >= expected, f"{expected} fire")
        network.start("validator-3")
        wait_until(lambda: not firing(address) & expected, "they end by themselves")
