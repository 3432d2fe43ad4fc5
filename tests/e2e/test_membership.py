"""A running network changes its validators, keys and leader while intents come: every one of them is finalised."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Self

import pytest
from tests.network_kit import LocalTestNetwork

import pinai_subnet
from pinai_subnet.cli.canary import prove_ready
from pinai_subnet.cli.main import main
from pinai_subnet.cli.session import Session, open_session
from pinai_subnet.cli.set_change import SET, plan, present_set, send
from pinai_subnet.cli.status import health
from pinai_subnet.ports.errors import DependencyError
from pinai_subnet.protocol.ids import ValidatorId
from pinai_subnet.protocol.membership import SetAction


def quiet(_: str) -> None:
    """Say nothing."""


class Load:
    """Intents without pause; each must end COMPLETED."""

    def __init__(self, session: Session) -> None:
        self.done = 0
        self.failure: BaseException | None = None
        self._session = session
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                prove_ready(self._session, quiet)
                self.done += 1
        except BaseException as error:  # noqa: BLE001 - handed to the test
            self.failure = error

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(90)


@pytest.fixture
def home(make_network: Callable[..., LocalTestNetwork]) -> Path:
    # The processes run the code that is tested, wherever that is.
    code = str(Path(pinai_subnet.__file__).parents[1])
    network = make_network(validators=3, agents=2, variables={"PYTHONPATH": code})
    network.start()
    return network.session.home.root


@pytest.fixture
def step(home: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Type `subnetctl validator …` with success; return what it printed."""

    def run(*words: str) -> str:
        capsys.readouterr()
        status = main(["validator", *words, "--home", str(home)])
        out, err = capsys.readouterr()
        assert status == 0, (words, out, err)
        return out

    return run


def names(home: Path) -> list[str]:
    return [member.id for member in present_set(open_session(home)).members]


def in_effect(home: Path, text: str, *, raft: str, final: str) -> None:
    """Both quorums are shown, and every validator that is there has the set."""
    assert f"elect a leader: {raft}" in text
    assert f"make a batch final: {final}" in text
    present = present_set(open_session(home))
    (line,) = [line for line in text.splitlines() if line.startswith("in effect on ")]
    assert line == f"in effect on {', '.join(names(home))} (set version {present.version})"


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_three_become_five_and_three_again_under_load_and_a_key_is_rotated(
    home: Path, step: Callable[..., str]
) -> None:
    """Operators 1.7, 1.8, 1.10: no intent fails while validators come, go, and change keys."""
    first = open_session(home)
    with Load(first) as load:
        in_effect(home, step("add"), raft="2 -> 3 (spare 1 -> 1)", final="2 -> 3 (spare 1 -> 1)")
        in_effect(home, step("add"), raft="3 -> 3 (spare 1 -> 2)", final="3 -> 4 (spare 1 -> 1)")
        assert len(names(home)) == 5
        present = present_set(open_session(home))
        text = step("rotate-key", "validator-2")
        in_effect(home, text, raft="3 -> 3 (spare 2 -> 2)", final="4 -> 4 (spare 1 -> 1)")
        overlap = present_set(open_session(home)).document["former_keys"]
        assert overlap == {"validator-2": str(present.members[1].address)}
        leader = present_set(open_session(home)).leader_id or ""
        text = step("remove", leader)
        in_effect(home, text, raft="3 -> 3 (spare 2 -> 1)", final="4 -> 3 (spare 1 -> 1)")
        other = next(name for name in names(home) if name not in {leader, "validator-2"})
        target = next(name for name in names(home) if name != other)
        if present_set(open_session(home)).leader_id != target:
            step("transfer-leadership", target)
        text = step("remove", other)
        in_effect(home, text, raft="3 -> 2 (spare 1 -> 1)", final="3 -> 2 (spare 1 -> 1)")
        assert len(names(home)) == 3
        before = load.done
        prove_ready(open_session(home), quiet)
    assert load.failure is None
    assert load.done > 3
    assert before > 0
    session = open_session(home)
    assert [v.id for v in session.network.parameters.validators] == names(home)
    assert len(session.network.genesis.validators) == 3
    sets = session.rootlayer.get("/api/v1/validator-sets")["sets"]
    assert sets[-1]["version"] >= 5, "RootLayer follows the sets that sign"
    digests = {api.get("/api/v1/status")["validator_set"]["set_id"] for api in session.validators()}
    assert len(digests) == 1
    assert health(session)["differences"] == []
    assert [known["first_epoch"] for known in sets] == [
        0,
        *(
            entry["first_epoch"]
            for entry in present_set(session).api.get(f"{SET}/changes")["changes"][: len(sets) - 1]
        ),
    ], "RootLayer finds the first epochs of the ledger itself"
    # A key that was given up counts for nothing, whoever approves.
    old = next(member for member in present.members if member.id == "validator-2")
    assert old.address in present_set(session).document["tombstoned"]
    zombie = replace(old, id=ValidatorId("validator-9"))
    change = plan(session, present_set(session), SetAction.ADD, zombie)
    with pytest.raises(DependencyError, match="SN-V113"):
        send(session, present_set(session), change, None)
