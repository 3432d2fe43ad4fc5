"""Upgrades in containers: who comes when, who can be spared, who leads next, and what `.env` gains."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from pinai_subnet.cli.home import Home
from pinai_subnet.cli.quorum_check import Answer
from pinai_subnet.cli.set_change import Present
from pinai_subnet.cli.set_files import write_env
from pinai_subnet.cli.upgrading import (
    merge_env,
    new_variables,
    pin,
    require_spare,
    successor,
    upgrade_order,
)
from pinai_subnet.ports.errors import Refused
from pinai_subnet.runtime.dotenv import parse_dotenv

SERVICES = [
    "rootlayer",
    "registry",
    "matcher",
    "validator-1",
    "validator-2",
    "validator-10",
    "agent-1",
]


def answers(*alive: int, of: int = 3) -> Sequence[Answer]:
    """Validators 1 to `of`; those in `alive` take part."""
    return [
        Answer(validator_id=f"validator-{n}", has_quorum=n in alive, index=n, reason="")
        for n in range(1, of + 1)
    ]


def present(*voters: int, learners: Sequence[int] = ()) -> Present:
    """A set as seen from outside, with these roles in the replication group."""
    roles = {**dict.fromkeys(voters, "voter"), **dict.fromkeys(learners, "learner")}
    group = [{"id": f"validator-{n}", "role": role} for n, role in roles.items()]
    api = SimpleNamespace(base="")
    return Present(version=1, members=(), document={"group": group}, api=api)  # type: ignore[arg-type]


def test_followers_come_first_and_the_leader_last() -> None:
    assert upgrade_order(SERVICES, "validator-2") == [
        *("validator-1", "validator-10", "matcher", "registry", "agent-1", "rootlayer"),
        "validator-2",
    ]


@pytest.mark.parametrize("leader", [None, "validator-7"])
def test_without_a_leader_here_every_validator_comes_first(leader: str | None) -> None:
    ordered = upgrade_order(SERVICES, leader)
    assert ordered[:3] == ["validator-1", "validator-2", "validator-10"]
    assert sorted(ordered) == sorted(SERVICES)


def test_a_host_with_one_validator_has_an_order_too() -> None:
    assert upgrade_order(["validator-4"], "validator-4") == ["validator-4"]


@pytest.mark.parametrize(("alive", "of"), [((1, 2, 3), 3), ((2, 3), 3), ((2, 3, 4), 5), ((), 1)])
def test_a_validator_can_be_spared_while_the_others_are_a_majority(
    alive: tuple[int, ...], of: int
) -> None:
    require_spare(answers(*alive, of=of), of, "validator-1")


@pytest.mark.parametrize(("alive", "of"), [((1, 2), 3), ((1,), 2), ((1, 2, 3), 5)])
def test_a_validator_whose_stop_would_cost_the_majority_is_not_stopped(
    alive: tuple[int, ...], of: int
) -> None:
    """Row 30."""
    with pytest.raises(Refused, match="validator-1 is not stopped") as refused:
        require_spare(answers(*alive, of=of), of, "validator-1")
    assert refused.value.code == "SN-H073"


def test_leadership_goes_to_an_upgraded_voter_if_there_is_one() -> None:
    group = present(1, 2, 3)
    assert successor(group, answers(1, 2, 3), "validator-1", ["validator-3"]) == "validator-3"
    assert successor(group, answers(1, 2), "validator-1", ["validator-3"]) == "validator-2"
    assert successor(present(1, learners=[2]), answers(1, 2), "validator-1", []) is None


def test_only_variables_with_a_value_that_are_not_there_are_added() -> None:
    there = parse_dotenv(b"export LOG_LEVEL=DEBUG\nMINE=1\n", name=".env")
    example = parse_dotenv(
        b"LOG_LEVEL=INFO\nNEW=5   # why\nKEY=\nPINAI_IMAGE=pinai-subnet:latest\n", name="example"
    )
    assert new_variables(there, example, None) == {"NEW": "5"}
    former = parse_dotenv(b"NEW=4\n", name="former")
    assert new_variables(there, example, former) == {}, "it was left out on purpose"


def test_a_deployment_from_before_the_console_is_given_a_token_for_it() -> None:
    example = parse_dotenv(b"CONSOLE_TOKEN=\nCONSOLE_HTTP=127.0.0.1:8088\n", name="example")
    found = new_variables(parse_dotenv(b"KEY=x\n", name=".env"), example, None)
    assert list(found) == ["CONSOLE_TOKEN"]
    assert len(found["CONSOLE_TOKEN"]) == 64
    present = parse_dotenv(b"CONSOLE_TOKEN=mine\n", name=".env")
    assert new_variables(present, example, None) == {}


def test_an_env_file_keeps_what_it_had(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text("# mine\nexport MINE=1\n")
    env.chmod(0o600)
    example = tmp_path / "example"
    example.write_text("NEW=5   # why\n")
    merge_env(example=example, home=tmp_path, dry_run=True)
    assert env.read_text() == "# mine\nexport MINE=1\n"
    (tmp_path / ".env.example").write_text("FORMER=1\n")
    example.write_text("FORMER=2\nNEW=5   # why\n")
    merge_env(example=example, home=tmp_path)
    assert env.read_text() == "# mine\nexport MINE=1\nNEW=5\n"
    assert (tmp_path / ".env.bak").read_text() == "# mine\nexport MINE=1\n"
    assert env.stat().st_mode & 0o777 == 0o600
    pin("pinai-subnet:1", home=tmp_path)
    pin("pinai-subnet:2", home=tmp_path)
    assert env.read_text().endswith("NEW=5\nPINAI_IMAGE=pinai-subnet:2\n")
    pin("pinai-subnet:1", home=tmp_path, without=["NEW"])
    assert env.read_text() == "# mine\nexport MINE=1\nPINAI_IMAGE=pinai-subnet:1\n"
    env.write_text("# mine\n\nMINE=1\n")
    pin("pinai-subnet:1", home=tmp_path, without=["", "MINE"])
    assert env.read_text() == "# mine\n\nPINAI_IMAGE=pinai-subnet:1\n", "empty lines stay"


def test_a_variable_with_export_is_replaced_and_not_given_twice(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text("export A=1\nB=2\n")
    env.chmod(0o600)
    write_env(Home(tmp_path), {"A": "3"})
    assert env.read_text() == "A=3\nB=2\n"
