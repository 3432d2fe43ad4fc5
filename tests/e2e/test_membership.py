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
from pinai_subnet.cli.set_change import plan, present_set, send
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


def subnetctl(home: Path, *words: str) -> None:
    assert main(["validator", *words, "--home", str(home)]) == 0, words


def names(home: Path) -> list[str]:
    return [member.id for member in present_set(open_session(home)).members]


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_three_become_five_and_three_again_under_load_and_a_key_is_rotated(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Operators 1.7, 1.8, 1.10: no intent fails while validators come, go, and change keys."""
    first = open_session(home)
    with Load(first) as load:
        subnetctl(home, "add")
        subnetctl(home, "add")
        assert len(names(home)) == 5
        present = present_set(open_session(home))
        subnetctl(home, "rotate-key", "validator-2")
        leader = present_set(open_session(home)).leader_id or ""
        subnetctl(home, "remove", leader)
        other = next(name for name in names(home) if name not in {leader, "validator-2"})
        target = next(name for name in names(home) if name != other)
        if present_set(open_session(home)).leader_id != target:
            subnetctl(home, "transfer-leadership", target)
        subnetctl(home, "remove", other)
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
    # A key that was given up counts for nothing, whoever approves.
    old = next(member for member in present.members if member.id == "validator-2")
    assert old.address in present_set(session).document["tombstoned"]
    capsys.readouterr()
    subnetctl(home, "add", "--dry-run")
    assert "make a batch final: 2 -> 3" in capsys.readouterr().out
    assert len(names(home)) == 3
    zombie = replace(old, id=ValidatorId("validator-9"))
    change = plan(session, present_set(session), SetAction.ADD, zombie)
    with pytest.raises(DependencyError, match="SN-V113"):
        send(session, present_set(session), change, None)
