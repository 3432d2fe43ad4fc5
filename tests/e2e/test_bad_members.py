"""Members that do not fit together: absent peers, impostors, other configurations, wrong clocks, strange agents."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from tests import chaos
from tests.e2e.raw_agent import RawAgent
from tests.interop.sdk_headers import headers
from tests.network_kit import LocalTestNetwork, wait_until
from tests.start_kit import Place, probe, subnetctl, wait_for

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.cli.keys import new_private_key
from pinai_subnet.wire.pb.subnet import (
    execution_report_pb2,
    matcher_pb2,
    matcher_service_pb2_grpc,
    service_pb2_grpc,
)

MATCHER = "/subnet.v1.MatcherService/"
OTHER_SUBNET = "0x" + "ab" * 32


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Place]:
    """Validators 1 and 3 of three, running and ready; validator-2 does not run."""
    place = Place(tmp_path / "home")
    with place.running("validator-1"), place.running("validator-3"):
        for name in ("validator-1", "validator-3"):
            wait_for(f"{name} ready", lambda name=name: ready(place, name)[0] == 200)
        yield place


def ready(place: Place, name: str) -> tuple[int, str]:
    """Ask a member whether it is ready."""
    return probe(place.member(name).http or "", "/readyz")


def twin_of(place: Place, root: Path, **variables: str) -> Place:
    """Another home with the same configuration and keys, then changed: a member on another host."""
    twin = Place(root)
    shutil.copytree(place.home.config, twin.home.config, dirs_exist_ok=True)
    shutil.copy(place.home.env_file, twin.home.env_file)
    twin.set(**variables)
    return twin


def logged(place: Place, name: str, event: str) -> list[dict[str, Any]]:
    """Return a member's log lines of one event."""
    lines = (place.home.logs / f"{name}.log").read_text().splitlines()
    found = [json.loads(line) for line in lines if line.startswith("{")]
    return [line for line in found if line.get("event") == event]


def refusals(place: Place, code: str) -> Callable[[], bool]:
    """Whether validator-1 has logged that it refused a peer with this code."""
    return lambda: any(r["code"] == code for r in logged(place, "validator-1", "raft_peer_refused"))


def test_a_validator_waits_for_absent_peers_and_becomes_ready_with_them(tmp_path: Path) -> None:
    """Row 19: it starts anyway, says for whom it waits, and needs no restart when they come."""
    place = Place(tmp_path / "home")
    with place.running("validator-1") as log:
        wait_for(
            "alive", lambda: probe(place.member("validator-1").http or "", "/healthz")[0] == 200
        )
        status, reason = ready(place, "validator-1")
        assert status == 503
        assert "SN-V099" in reason
        assert "1 of 3 validators connected, 2 needed" in reason
        assert "not connected: validator-2" in reason
        each = re.compile(
            r"not connected: validator-2 \([^)]*refused\), validator-3 \([^)]*refused\)"
        )
        wait_for(
            "the reason for each", lambda: bool(each.search(ready(place, "validator-1")[1].lower()))
        )
        with place.running("validator-3"):
            wait_for("ready", lambda: ready(place, "validator-1")[0] == 200)
        wait_for("not ready again", lambda: ready(place, "validator-1")[0] == 503)
        assert len(log.read_text().splitlines()) < 150, "waiting floods the log"


@pytest.mark.parametrize("name", ["matcher", "agent-1"])
def test_matcher_and_agent_start_before_everybody_else(tmp_path: Path, name: str) -> None:
    """Row 19, for members without Raft: they live, are not ready and say why."""
    place = Place(tmp_path / "home")
    place.edit(
        "agent.yaml",
        "port: ${AGENT_HTTP_PORT:-0}",
        "port: 0" if name == "matcher" else "port: ${AGENT_HTTP_PORT}",
    )
    free = place.environment["REGISTRY_GRPC"]
    address = free if name == "agent-1" else place.environment["MATCHER_HTTP"]
    with place.running(name, AGENT_HTTP_PORT=free.rpartition(":")[2]):
        wait_for("alive", lambda: probe(address, "/healthz")[0] == 200)
        wait_for("not ready", lambda: probe(address, "/readyz")[0] == 503)
        assert re.match(r"SN-[A-Z]\d{3} ", probe(address, "/readyz")[1])


def test_one_id_with_another_key_cannot_join(pair: Place, tmp_path: Path) -> None:
    """Row 6, row 4 at join by peers: refused naming both addresses; those who run go on."""
    key = new_private_key()
    stranger = LocalSigner(key)
    variables = {"VALIDATOR_KEY_2": key.hex(), "VALIDATOR_PUBKEY_2": stranger.public_key.hex()}
    twin = twin_of(pair, tmp_path / "twin", **variables)
    honest = LocalSigner(bytes.fromhex(pair.environment["VALIDATOR_KEY_2"])).address
    with twin.running("validator-2"):
        wait_for("refused", refusals(pair, "SN-R042"))
        lines = logged(pair, "validator-1", "raft_peer_refused")
        [reason] = {line["reason"] for line in lines if line["code"] == "SN-R042"}
        assert "'validator-2'" in reason
        assert stranger.address in reason
        assert honest in reason
        wait_for("not ready", lambda: ready(twin, "validator-2")[0] == 503)
        assert ready(pair, "validator-1")[0] == 200
    with pair.running("validator-2"):
        wait_for("the right one joins", lambda: ready(pair, "validator-2")[0] == 200)


def test_a_validator_of_another_subnet_cannot_join(pair: Place, tmp_path: Path) -> None:
    """Row 20: refused naming both subnets."""
    twin = twin_of(pair, tmp_path / "twin", SUBNET_ID=OTHER_SUBNET)
    with twin.running("validator-2"):
        wait_for("refused", refusals(pair, "SN-R040"))
        lines = logged(pair, "validator-1", "raft_peer_refused")
        [reason] = {line["reason"] for line in lines if line["code"] == "SN-R040"}
        assert OTHER_SUBNET in reason
        assert pair.environment["SUBNET_ID"] in reason
        wait_for("not ready", lambda: ready(twin, "validator-2")[0] == 503)
        assert ready(pair, "validator-3")[0] == 200


def test_a_validator_of_another_chain_cannot_join(pair: Place, tmp_path: Path) -> None:
    """Row 20: refused on both sides, each naming both chains and contracts."""
    twin = twin_of(pair, tmp_path / "twin", CHAIN_ID="1")
    with twin.running("validator-2"):
        wait_for("refused", refusals(pair, "SN-R051"))
        wait_for(
            "told as well",
            lambda: any(
                line["code"] == "SN-R051"
                for event in ("raft_peer_refused", "raft_peer_not_reached")
                for line in logged(twin, "validator-2", event)
            ),
        )
        lines = logged(pair, "validator-1", "raft_peer_refused")
        [reason] = {line["reason"] for line in lines if line["code"] == "SN-R051"}
        assert "'1 0x" in reason
        assert "'84532 0x" in reason
        wait_for("not ready", lambda: ready(twin, "validator-2")[0] == 503)
        assert ready(pair, "validator-3")[0] == 200


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler for a wrong clock")
def test_wrong_clocks_are_warned_of_refused_and_measured(tmp_path: Path) -> None:
    """Row 9: 0.2 s warn, 2 s fail, both clocks in the line; every validator measures its peers'."""
    library = tmp_path / "shifted_clock.so"
    source = Path(chaos.__file__).with_name("shifted_clock.c")
    words = ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"]
    subprocess.run(words, check=True)
    own = {
        name: {"LD_PRELOAD": str(library), "CLOCK_SHIFT_SECONDS": str(seconds)}
        for name, seconds in (("validator-2", 1), ("validator-3", -30))
    }
    with LocalTestNetwork.create(tmp_path / "home", own_variables=own) as network:
        network.start("rootlayer", "registry", *network.validators, "matcher", "agent-1")
        ended = subnetctl("status", "--json", "--home", str(network.home.root))
        assert ended.status == 1
        worst, other = json.loads(ended.stdout)["clocks"]
        assert (worst["code"], worst["validator"]) == ("SN-H051", "validator-3")
        assert (other["code"], other["validator"]) == ("SN-H050", "validator-2")
        assert abs(worst["offset_seconds"] + 30) < 1
        text = subnetctl("status", "--home", str(network.home.root)).stdout
        assert re.search(
            r"SN-H051 validator-3's clock says \S+, this host's \S+: -\S+ s \(fix: ", text
        )
        network.wait_all([network.submit()], "COMPLETED")
        offset = r'peer_clock_offset_seconds\{peer="validator-3"\} (\S+)'
        found = wait_until(
            lambda: re.search(offset, network.request("GET", "validator-1", "/metrics").text),
            "validator-1 measures validator-3's clock",
        )
        assert -31.5 < float(found[1]) < -29.5


def test_status_names_who_has_another_configuration(tmp_path: Path) -> None:
    """Row 21: threshold of one, validator list of another; the digests differ and `status` says in what and who."""
    own = {
        "validator-2": {"THRESHOLD_NUM": "3"},
        "validator-3": {"VALIDATOR_1_HTTP": "127.0.0.1:9"},
    }
    with LocalTestNetwork.create(tmp_path / "home", own_variables=own) as network:
        network.start(*network.validators)
        digests = {name: network.get(name, "/api/v1/status")["config_digest"] for name in own}
        digests["validator-1"] = network.get("validator-1", "/api/v1/status")["config_digest"]
        assert len(set(digests.values())) == 3
        ended = subnetctl("status", "--json", "--home", str(network.home.root))
        assert ended.status == 3, "nobody gives work: matcher and registry are not started"
        found = {row["field"]: row["values"] for row in json.loads(ended.stdout)["differences"]}
        assert found["threshold"] == [
            {"value": "2/3", "validators": ["validator-1", "validator-3"]},
            {"value": "3/3", "validators": ["validator-2"]},
        ]
        assert found["validators"][1]["validators"] == ["validator-3"]
        assert set(found) == {"threshold", "validators"}
        text = subnetctl("status", "--home", str(network.home.root)).stdout
        assert "CONFIGURATION DIFFERS in threshold" in text
        assert "validator-2: 3/3" in text


def test_a_healthy_network_has_no_differences(shared_network: LocalTestNetwork) -> None:
    """Row 21, the other way round."""
    assert shared_network.health()["differences"] == []


def _call(network: LocalTestNetwork, *, chain_id: str, timestamp: int) -> grpc.RpcError:
    """Ask the matcher for a snapshot, signed for this subnet at this time; return the refusal."""
    key = new_private_key().hex()
    request = matcher_pb2.GetIntentSnapshotRequest(intent_id="0x" + "1" * 64)
    signed = headers(
        private_key=key,
        chain_id=chain_id,
        method=f"{MATCHER}GetIntentSnapshot",
        request=request,
        timestamp=timestamp,
    )
    with grpc.insecure_channel(network.session.network.endpoints.matcher_grpc) as channel:
        stub: Any = matcher_service_pb2_grpc.MatcherServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            stub.GetIntentSnapshot(request, metadata=signed, timeout=10)
    return caught.value


@pytest.mark.parametrize("skew", [-1000, 1000])
def test_a_callers_wrong_clock_is_told_with_both_times(
    shared_network: LocalTestNetwork, skew: int
) -> None:
    """Row 9: not merely `invalid signature`."""
    at = int(time.time()) + skew
    error: Any = _call(
        shared_network, chain_id=shared_network.session.network.parameters.subnet_id, timestamp=at
    )
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED
    assert str(at) in error.details()
    ours = [int(text) for text in re.findall(r"\b\d{10}\b", error.details()) if int(text) != at]
    assert ours, error.details()
    assert abs(ours[0] - time.time()) < 60


def test_a_caller_of_another_subnet_is_told_both(shared_network: LocalTestNetwork) -> None:
    """Row 34, row 20: the first call says so, with both ids."""
    error: Any = _call(shared_network, chain_id=OTHER_SUBNET, timestamp=int(time.time()))
    assert "SN-N303" in error.details()
    assert OTHER_SUBNET in error.details()
    assert shared_network.session.network.parameters.subnet_id in error.details()


def test_an_agent_of_another_subnet_is_told_at_registration(tmp_path: Path) -> None:
    """Row 34: the typed error comes at registration, not at the first bid; the agent goes on trying, quietly."""
    own = {"agent-1": {"SUBNET_ID": OTHER_SUBNET}}
    with LocalTestNetwork.create(tmp_path / "home", own_variables=own) as network:
        network.start("rootlayer", "registry", *network.validators, "matcher")
        network.start("agent-1", wait=False)
        wait_until(
            lambda: "registration_refused" in network.log("agent-1"), "refused at registration"
        )
        [line] = [
            json.loads(text)
            for text in network.log("agent-1").splitlines()
            if '"registration_refused"' in text
        ]
        assert line["level"] == "error"
        assert "SN-N303" in line["error"]
        assert OTHER_SUBNET in line["error"]
        assert network.session.network.parameters.subnet_id in line["error"]
        assert network.get("registry", "/agents")["agents"] == []


def test_an_agent_without_registration_or_capability_is_told_which(tmp_path: Path) -> None:
    """Row 34: code and reason in the acknowledgement of the first bid, and in the intent's story."""
    settings = {
        "policy_config.yaml": {
            "matcher.eligibility.allow_unregistered": False,
            "matcher.eligibility.capabilities_by_type": {"render": ["gpu", "cuda"]},
        },
        "matcher.yaml": {"windows.bidding_window_seconds": 20, "windows.early_close": False},
    }
    with LocalTestNetwork.create(tmp_path / "home", settings=settings) as network:
        network.start("rootlayer", "registry", *network.validators, "matcher")
        intent_id = network.submit(intent_type="render", deadline_seconds=90)
        for agent_id, capabilities in (("painter", ["echo"]), ("renderer", ["gpu"])):
            body = {"id": agent_id, "capabilities": capabilities, "endpoint": "127.0.0.1:1"}
            assert network.request("POST", "registry", "/agents", json=body).status_code == 201
        wait_until(
            lambda: {"painter", "renderer"} <= set(_known(network)), "the matcher has the roster"
        )
        with RawAgent(network, "stranger") as stranger, RawAgent(network, "painter") as painter:
            refused = {one.id: one.bid(intent_id, price=1) for one in (stranger, painter)}
            with RawAgent(network, "renderer") as renderer:
                assert renderer.bid(intent_id, price=1).accepted
        assert not any(ack.accepted for ack in refused.values())
        assert "SN-M009" in refused["stranger"].reason
        assert "SN-M008" in refused["painter"].reason
        assert "gpu" in refused["painter"].reason


def _known(network: LocalTestNetwork) -> list[str]:
    return [row["id"] for row in network.get("registry", "/agents")["agents"]]


def test_oversized_and_hostile_content_is_refused_by_its_size(
    shared_network: LocalTestNetwork,
) -> None:
    """Row 33: a huge result, a nested and a huge body, 10^4 capabilities: coded refusals, and everybody still ready.

    Hostile bytes on every RPC, route and port: test_hostile_input.py.
    """
    network = shared_network
    validator = network.session.network.parameters.validators[0]
    report = execution_report_pb2.ExecutionReport(
        report_id="r",
        assignment_id="0x" + "1" * 64,
        intent_id="0x" + "2" * 64,
        agent_id="a",
        result_data=b"x" * (5 * 1024 * 1024),
    )
    with grpc.insecure_channel(validator.grpc_endpoint) as channel:
        stub: Any = service_pb2_grpc.ValidatorServiceStub(channel)
        receipt, call = stub.SubmitExecutionReport.with_call(report, timeout=30)
    assert receipt.status == "rejected"
    assert dict(call.trailing_metadata())["x-error-code"].startswith("SN-V")
    nested = b"[" * 100_000 + b"]" * 100_000
    for name, path in (("rootlayer", "/api/v1/intents/submit"), ("registry", "/agents")):
        for content in (nested, b"{" + b" " * 40_000_000 + b"}"):
            answer = network.request(
                "POST", name, path, content=content, headers={"content-type": "application/json"}
            )
            assert 400 <= answer.status_code < 500, (name, answer.status_code)
            assert re.search(r"SN-[A-Z]\d{3}", answer.text), (name, answer.text[:300])
    body = {"id": "many", "capabilities": [f"c{n}" for n in range(10_000)], "endpoint": ""}
    answer = network.request("POST", "registry", "/agents", json=body)
    assert 400 <= answer.status_code < 500
    assert all(row["ready"] for row in network.health()["members"])
