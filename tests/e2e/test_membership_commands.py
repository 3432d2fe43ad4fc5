"""What operators type to change the set: previews, refusals with code, status and fix, approvals, interruptions, moves.

The tests share one network and run in order: each begins with what the one before left.
"""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from tests.free_ports import free_plan
from tests.network_kit import LocalTestNetwork, wait_until

import pinai_subnet
from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.cli.canary import prove_ready
from pinai_subnet.cli.home import Home
from pinai_subnet.cli.keys import new_private_key, write_private_key
from pinai_subnet.cli.local_network import LocalNetwork
from pinai_subnet.cli.main import main
from pinai_subnet.cli.session import open_session
from pinai_subnet.cli.set_change import Present, plan, present_set, send
from pinai_subnet.cli.set_files import write_env
from pinai_subnet.protocol.ids import ValidatorId
from pinai_subnet.protocol.membership import SetAction
from pinai_subnet.protocol.network import ValidatorIdentity

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
REFUSED, CONFIGURATION = 1, 78
CODE = str(Path(pinai_subnet.__file__).parents[1])


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def facts(self) -> dict[str, Any]:
        """What it printed as JSON."""
        return dict(json.loads(self.out))


@dataclass(frozen=True)
class Operator:
    """Somebody at a home."""

    root: Path
    capsys: pytest.CaptureFixture[str]

    def run(self, *words: str) -> Ended:
        """Type `subnetctl validator …`."""
        self.capsys.readouterr()
        status = main(["validator", *words, "--home", str(self.root)])
        out, err = self.capsys.readouterr()
        return Ended(status, out, err)

    def compose(self, verb: str, *words: str) -> Ended:
        """Type `subnetctl compose …`, which succeeds."""
        self.capsys.readouterr()
        about = () if verb == "carry-record" else ("--home", str(self.root))
        status = main(["compose", verb, *words, *about])
        out, err = self.capsys.readouterr()
        assert status == 0, (verb, words, out, err)
        return Ended(status, out, err)

    def does(self, *words: str) -> Ended:
        """Type a command that succeeds."""
        ended = self.run(*words)
        assert ended.status == 0, (words, ended)
        return ended

    def refused(self, code: str, status: int, fix: str, *words: str) -> str:
        """Type a command that is refused with a code, a status and one line that says what to do."""
        ended = self.run(*words)
        assert (ended.status, ended.out) == (status, ""), (words, ended)
        assert re.search(rf"^{code} ", ended.err, re.MULTILINE), ended.err
        (line,) = re.findall(r"^ +fix: +(.*)$", ended.err, re.MULTILINE)
        assert fix in line
        return ended.err

    @property
    def present(self) -> Present:
        """The set as the running network shows it."""
        return present_set(open_session(self.root))

    @property
    def names(self) -> list[str]:
        """The validators."""
        return [str(member.id) for member in self.present.members]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalTestNetwork]:
    """Three validators, and whatever the tests make of them. The processes run the code that is tested."""
    root = tmp_path_factory.mktemp("commands") / "home"
    with LocalTestNetwork.create(root, variables={"PYTHONPATH": CODE}) as made:
        made.start()
        yield made


@pytest.fixture
def operator(network: LocalTestNetwork, capsys: pytest.CaptureFixture[str]) -> Operator:
    return Operator(network.home.root, capsys)


@pytest.fixture
def elsewhere(
    network: LocalTestNetwork, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Iterator[Operator]:
    """The host of validator-1: it has no other validator's key, and no process runs there."""
    twin = Home(tmp_path / "elsewhere")
    for directory in (twin.config, twin.data, twin.logs, twin.run):
        directory.mkdir(parents=True)
    shutil.copytree(network.home.config, twin.config, dirs_exist_ok=True)
    shutil.copy(network.home.env_file, twin.env_file)
    keys = [f"VALIDATOR_KEY_{number}" for number in range(2, 10)]
    write_env(twin, {}, without=keys)
    yield Operator(twin.root, capsys)
    local = LocalNetwork(home=twin, say=quiet)
    local.stop(list(local.running().values()), hard=True)


def running(operator: Operator) -> set[str]:
    return set(LocalNetwork(home=Home(operator.root), say=quiet).running())


def quiet(_: str) -> None:
    """Say nothing."""


def key_file(path: Path, key: bytes) -> str:
    write_private_key(path, key)
    return str(path)


def newcomer(number: int, key: bytes) -> ValidatorIdentity:
    signer, free = LocalSigner(key), free_plan(1).endpoints
    return ValidatorIdentity(
        id=ValidatorId(f"validator-{number}"),
        address=signer.address,
        public_key=signer.public_key,
        grpc_endpoint=free["VALIDATOR_1_GRPC"],
        http_endpoint=free["VALIDATOR_1_HTTP"],
        raft_endpoint=free["VALIDATOR_1_RAFT"],
    )


def propose_approved(operator: Operator, member: ValidatorIdentity, key: bytes) -> None:
    """Propose a new validator with all approvals; nobody starts it."""
    session = open_session(operator.root)
    present = present_set(session)
    send(session, present, plan(session, present, SetAction.ADD, member), LocalSigner(key))


@pytest.mark.parametrize(
    ("words", "quorums", "members"),
    [
        (["add"], ("2 -> 3 (spare 1 -> 1)", "2 -> 3 (spare 1 -> 1)"), 4),
        (["remove", "validator-3"], ("2 -> 2 (spare 1 -> 0)", "2 -> 2 (spare 1 -> 0)"), 2),
        (["replace", "validator-3"], ("2 -> 3 (spare 1 -> 1)", "2 -> 3 (spare 1 -> 1)"), 4),
        (["rotate-key", "validator-3"], ("2 -> 2 (spare 1 -> 1)", "2 -> 2 (spare 1 -> 1)"), 3),
        (
            ["move", "validator-3", "--raft", "127.0.0.1:7"],
            ("2 -> 2 (spare 1 -> 1)", "2 -> 2 (spare 1 -> 1)"),
            3,
        ),
    ],
)
def test_dry_run_shows_members_quorums_and_epoch_and_changes_nothing(
    operator: Operator,
    network: LocalTestNetwork,
    words: list[str],
    quorums: tuple[str, str],
    members: int,
) -> None:
    before = (network.home.env_file.read_bytes(), operator.present.document["version"])
    text = operator.does(*words, "--dry-run").out
    assert f"validators: 3 -> {members}" in text
    assert f"elect a leader: {quorums[0]}" in text
    assert f"make a batch final: {quorums[1]}" in text
    assert "approvals needed: 2" in text
    facts = operator.does(*words, "--dry-run", "--json").facts
    assert facts["effective_epoch"] == operator.present.document["next_epoch"]
    assert len(facts["after"]["validators"]) == members
    assert (network.home.env_file.read_bytes(), operator.present.document["version"]) == before
    assert operator.present.proposed is None


@pytest.mark.parametrize("verb", ["remove", "replace", "rotate-key", "transfer-leadership"])
def test_unknown_validator_is_refused(operator: Operator, verb: str) -> None:
    fix = "use one of validator-1, validator-2, validator-3"
    text = operator.refused("SN-V110", CONFIGURATION, fix, verb, "validator-9")
    assert "'validator-9' is not a validator" in text


def test_taken_id_is_refused(operator: Operator) -> None:
    text = operator.refused("SN-V110", REFUSED, "correct the command", "add", "--id", "validator-2")
    assert "validator-2 is a validator already" in text


@pytest.mark.parametrize("dry", [True, False])
@pytest.mark.parametrize("owner", ["VALIDATOR_KEY_2", "MATCHER_PRIVATE_KEY"])
@pytest.mark.parametrize("verb", [("add",), ("rotate-key", "validator-3")])
def test_key_of_another_member_is_refused(
    operator: Operator, tmp_path: Path, verb: tuple[str, ...], owner: str, *, dry: bool
) -> None:
    """Operators row 4: a validator's key is nobody else's, and never a matcher's."""
    before = (operator.root / ".env").read_bytes()
    key = bytes.fromhex(open_session(operator.root).environment[owner].removeprefix("0x"))
    words = [*verb, "--key-file", key_file(tmp_path / "key", key), *(["--dry-run"] * dry)]
    text = operator.refused("SN-V113", REFUSED, "Make a new key", *words)
    assert LocalSigner(key).address in text
    assert key.hex() not in text
    assert (operator.root / ".env").read_bytes() == before


def test_own_present_key_and_impossible_endpoint_are_refused(
    operator: Operator, tmp_path: Path
) -> None:
    own = bytes.fromhex(open_session(operator.root).environment["VALIDATOR_KEY_3"])
    words = ("rotate-key", "validator-3", "--key-file", key_file(tmp_path / "key", own))
    text = operator.refused("SN-V111", REFUSED, "Make the change", *words)
    assert "has this key already" in text
    words = ("move", "validator-3", "--raft", "nowhere")
    assert "'nowhere' is not host:port" in operator.refused("SN-V111", REFUSED, "", *words)
    assert operator.run("move", "validator-3").status == 2


def test_impossible_threshold_is_refused(elsewhere: Operator) -> None:
    """Operators row 22, at the change of a set."""
    write_env(Home(elsewhere.root), {"THRESHOLD_NUM": "1"})
    text = elsewhere.refused("SN-C120", CONFIGURATION, "", "remove", "validator-3", "--dry-run")
    assert "Raft majority" in text


def test_too_few_approvals_leave_the_change_proposed_and_withdrawing_takes_it_back(
    operator: Operator, elsewhere: Operator
) -> None:
    """Who has one key of three can only propose; the others approve, or take it back."""
    words = ("remove", "validator-3", "--wait", "2")
    text = elsewhere.refused("SN-V115", REFUSED, "validator approve", *words)
    assert "1 of 2 approvals (validator-1)" in text
    assert operator.present.approved_by == ["validator-1"]
    # Another change has to wait; repeating this one is harmless.
    operator.refused("SN-V116", REFUSED, "withdraw it", "rotate-key", "validator-2", "--dry-run")
    elsewhere.refused("SN-V115", REFUSED, "", *words)
    home = Home(elsewhere.root)
    fix = "run this on the host of that validator"
    elsewhere.refused("SN-K022", CONFIGURATION, fix, "approve", "--as", "validator-2")
    key = open_session(operator.root).environment["VALIDATOR_KEY_3"]
    write_env(home, {"VALIDATOR_KEY_2": key})
    text = elsewhere.refused(
        "SN-K023", CONFIGURATION, "present key", "approve", "--as", "validator-2"
    )
    assert str(operator.present.members[1].address) in text
    assert key not in text
    shown = operator.does("approve", "--as", "validator-2", "--dry-run").out
    assert "make a batch final: 2 -> 2 (spare 1 -> 0)" in shown
    assert "validator-2 would approve; 2 of 2 approvals" in shown
    shown = elsewhere.does("withdraw", "--dry-run").out
    assert "remove validator-3 would be withdrawn" in shown
    assert operator.present.proposed is not None
    assert "is withdrawn" in elsewhere.does("withdraw").out
    assert operator.present.proposed is None
    assert operator.names == ["validator-1", "validator-2", "validator-3"]
    for verb in (("withdraw",), ("approve", "--as", "validator-2")):
        operator.refused("SN-V117", CONFIGURATION, "validator list", *verb)


def test_newcomer_that_never_comes_blocks_nobody_and_is_withdrawn(operator: Operator) -> None:
    """It is no voter before it has caught up, so no quorum waits for it; its place in the group goes with it."""
    key = new_private_key()
    propose_approved(operator, newcomer(4, key), key)
    wait_until(lambda: operator.present.role("validator-4") == "learner", "it is a learner")
    prove_ready(open_session(operator.root), quiet)
    assert operator.names == ["validator-1", "validator-2", "validator-3"]
    assert operator.present.role("validator-4") == "learner"
    operator.does("withdraw")
    assert operator.present.role("validator-4") is None


def test_adding_that_was_proposed_but_not_approved_goes_on_when_it_is_repeated(
    operator: Operator, elsewhere: Operator
) -> None:
    text = elsewhere.refused("SN-V115", REFUSED, "validator approve", "add", "--wait", "2")
    assert "add validator-4 has 1 of 2 approvals" in text
    proposed = operator.present.proposed
    assert proposed is not None
    key = open_session(elsewhere.root).environment["VALIDATOR_KEY_4"]
    shown = operator.does("approve", "--as", "validator-3").out
    assert "validators: 3 -> 4" in shown
    assert "in effect on validator-1, validator-2, validator-3, validator-4" in shown
    facts = elsewhere.does("add", "--json").facts
    assert facts["resumed"]
    assert facts["in_effect_on"] == operator.names
    assert operator.present.member("validator-4") == proposed.member
    assert operator.present.role("validator-4") == "voter"
    assert open_session(elsewhere.root).environment["VALIDATOR_KEY_4"] == key
    # The same for removing: what is left to do here is done when the others have approved.
    words = ("remove", "validator-4")
    elsewhere.refused("SN-V115", REFUSED, "validator approve", *words, "--wait", "1")
    assert "4 -> 3" in operator.does("approve", "--as", "validator-2").out
    assert running(elsewhere) == {"validator-4"}
    elsewhere.does(*words)
    assert running(elsewhere) == set()
    assert "VALIDATOR_KEY_4" not in open_session(elsewhere.root).environment


def test_adding_that_was_approved_before_the_process_came_goes_on_when_it_is_repeated(
    operator: Operator,
) -> None:
    key = new_private_key()
    member = newcomer(6, key)
    own = {
        "VALIDATOR_KEY_6": key.hex(),
        "VALIDATOR_PUBKEY_6": member.public_key.hex(),
        "VALIDATOR_6_GRPC": member.grpc_endpoint,
        "VALIDATOR_6_HTTP": member.http_endpoint,
        "VALIDATOR_6_RAFT": member.raft_endpoint,
    }
    write_env(Home(operator.root), own)
    propose_approved(operator, member, key)
    wait_until(lambda: operator.present.role("validator-6") == "learner", "it is a learner")
    facts = operator.does("add", "--json").facts
    assert (facts["validator"], facts["resumed"]) == ("validator-6", True)
    assert operator.present.role("validator-6") == "voter"
    # Once it is there the id is taken, and another `add` is another validator.
    operator.refused("SN-V110", REFUSED, "", "add", "--id", "validator-6")
    assert operator.does("add", "--dry-run", "--json").facts["validator"] == "validator-7"


def test_validator_that_moved_is_the_same_validator(
    operator: Operator, network: LocalTestNetwork
) -> None:
    """Operators row 40: identity is the key, not the address; the others find it at its new one, also the leader."""
    leader = operator.present.leader_id or ""
    before = operator.present.member(leader)
    free = free_plan(1).endpoints
    new = {kind: free[f"VALIDATOR_1_{kind}"] for kind in ("RAFT", "GRPC", "HTTP")}
    words = [word for kind, value in new.items() for word in (f"--{kind.lower()}", value)]
    text = operator.does("move", leader, *words).out
    assert f"{leader} answers at {new['GRPC']}, {new['HTTP']}, {new['RAFT']}" in text
    after = operator.present.member(leader)
    assert before is not None
    assert after == replace(
        before,
        raft_endpoint=new["RAFT"],
        grpc_endpoint=new["GRPC"],
        http_endpoint=new["HTTP"],
    )
    assert all(one["connected"] for one in operator.present.document["group"])
    prove_ready(open_session(operator.root), quiet)
    # Repeating it is harmless.
    version = operator.present.version
    operator.does("move", leader, *words)
    assert operator.present.version == version


def test_replaced_validator_is_gone_and_its_key_counts_for_nothing(operator: Operator) -> None:
    """Operators 1.10, for one that is dead: nobody waits for it."""
    session = open_session(operator.root)
    victim = next(n for n in operator.names if n not in {operator.present.leader_id, "validator-1"})
    old = operator.present.member(victim)
    assert old is not None
    LocalTestNetwork(session=session).kill(victim)
    ended = operator.does("replace", victim)
    assert f"{victim} is replaced by validator-7" in ended.out
    assert victim not in operator.names
    assert "validator-7" in operator.names
    assert old.address in operator.present.tombstoned
    environment = open_session(operator.root).environment
    assert f"VALIDATOR_KEY_{victim.removeprefix('validator-')}" not in environment
    prove_ready(open_session(operator.root), quiet)


def test_a_key_is_rotated_in_steps_where_somebody_else_stops_and_starts_the_validator(
    operator: Operator, network: LocalTestNetwork
) -> None:
    """What `deploy.sh rotate-key` does with a container; interrupted after the agreement, it is repeated."""
    name = operator.names[-1]
    number = name.removeprefix("validator-")
    old = operator.present.member(name)
    assert old is not None
    ended = operator.does("rotate-key", name, "--container")
    new = operator.present.member(name)
    assert new is not None
    assert f"agreed: {name} signs as {new.address}" in ended.out
    assert old.address in operator.present.tombstoned
    version = operator.present.version
    operator.does("rotate-key", name, "--container")
    assert operator.present.version == version, "it is the same rotation"
    compose = operator.compose("next-key", name)
    assert compose.out.split() == [old.address, new.address]
    operator.compose("take-key", name)
    environment = open_session(operator.root).environment
    assert environment[f"VALIDATOR_PUBKEY_{number}"] == new.public_key.hex()
    assert environment[f"VALIDATOR_KEY_{number}"] == environment[f"VALIDATOR_NEXT_KEY_{number}"]
    LocalTestNetwork(session=open_session(operator.root)).kill(name)
    operator.compose("take-key", name)
    record = network.home.data / name / "signing-record.log"
    assert (
        "goes with the new key"
        in operator.compose("carry-record", str(record), old.address, new.address).out
    )
    LocalTestNetwork(session=open_session(operator.root)).start(name)
    wait_until(
        lambda: all(one["connected"] for one in operator.present.document["group"]),
        "it is back with its new key",
    )
    operator.compose("finish-key", name)
    assert f"VALIDATOR_NEXT_KEY_{number}" not in open_session(operator.root).environment
    prove_ready(open_session(operator.root), quiet)


def test_last_validator_cannot_be_removed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LocalTestNetwork.create(
        tmp_path / "one", validators=1, variables={"PYTHONPATH": CODE}
    ) as network:
        network.start("validator-1")
        operator = Operator(network.home.root, capsys)
        for words in (("--dry-run",), ()):
            text = operator.refused(
                "SN-V110", REFUSED, "correct the command", "remove", "validator-1", *words
            )
            assert "validator-1 is the last validator" in text
