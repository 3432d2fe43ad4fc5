"""Every command that deployment/*.md shows is run, in the order of the document, on the engine, as written."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.containers import test_journey, test_several_hosts
from tests.containers.contract import assert_contract
from tests.containers.kit import ROOT, docker
from tests.containers.story import Story, commands_of

pytestmark = pytest.mark.containers

PLACE = ROOT / "deployment"
DOCUMENTS = {path.name: path.read_text(encoding="utf-8") for path in PLACE.glob("*.md")}
STORIES = {"QUICKSTART.md": "test_the_quick_start_works_as_written"}
"""Documents that are read here from their first line to their last."""
ELSEWHERE = {
    "README.md": (
        (test_several_hosts, test_several_hosts.SEVERAL_SERVERS),
        (test_journey, test_journey.SEVERAL_SERVERS),
    )
}
"""Documents that several servers tell: the modules that run their commands, and by what each of them."""


@pytest.fixture
def server(distribution: Path, tmp_path: Path) -> Iterator[Path]:
    """A directory with nothing in it but the tarball that an operator has copied there."""
    tarball = distribution.with_name(distribution.name + ".tar.gz")
    shutil.copy(tarball, tmp_path)
    yield tmp_path
    for script in tmp_path.glob("*/scripts/deploy.sh"):
        Story(place=script.parents[1]).run("./scripts/deploy.sh down")


def test_no_document_has_a_command_that_nobody_runs() -> None:
    with_commands = {name for name, text in DOCUMENTS.items() if commands_of(text)}
    assert with_commands == {*STORIES, *ELSEWHERE}
    assert all(test in globals() for test in STORIES.values())
    for name, parts in ELSEWHERE.items():
        told = [command for _, commands in parts for command in commands]
        assert sorted(commands_of(DOCUMENTS[name])) == sorted(told), name
        for module, commands in parts:
            assert all(hasattr(module, where) for where in commands.values()), name


@pytest.mark.parametrize(
    "text", ["```yaml\na: 1\n```\n", "```console\n$ ls\n```\n", "```\nls\n", "  ```\nls\n```\n"]
)
def test_a_block_that_is_neither_commands_nor_output_is_noticed(text: str) -> None:
    with pytest.raises(ValueError, match=r"block|fence"):
        commands_of(text)


def test_a_reader_goes_from_line_to_line_and_stops_where_one_fails(tmp_path: Path) -> None:
    story = Story(place=tmp_path)
    story.read(
        "```\nmkdir one # made\ncd one\n```\nwords\n```text\nrm -rf two\n```\n```sh\npwd\n```\n"
    )
    assert story.told["pwd"] == f"{tmp_path}/one\n"
    with pytest.raises(AssertionError, match="status 3"):
        story.read("```\nexit 3\ntouch never\n```\n")
    with pytest.raises(AssertionError, match="ended by itself"):
        story.read("```\ntrue\n```\n", follows={"true": "words"})
    story.read("```\necho on; sleep 60\n```\n", follows={"echo on; sleep 60": "on"})
    assert list((tmp_path / "one").iterdir()) == []


def test_the_quick_start_works_as_written(server: Path) -> None:
    """With the names, ports and addresses of the contract: nothing is set that the document does not set."""
    story = Story(place=server)
    story.read(
        DOCUMENTS["QUICKSTART.md"],
        follows={"./scripts/deploy.sh logs": "validator_listening"},
        before={"./scripts/deploy.sh down": lambda _: assert_contract("deployment")},
    )
    assert "NETWORK READY" in story.told["./scripts/deploy.sh"]
    assert "validator-3" in story.told["./scripts/deploy.sh status"]
    names = docker("ps", "--all", "--filter", "name=pinai-", "--format", "{{.Names}}").stdout
    assert not {"pinai-registry", "pinai-matcher"} & set(names.split())
    assert (story.place / "data/validator-1").is_dir(), "data stays"
    assert (story.place / ".env").stat().st_mode & 0o777 == 0o600
