"""What starts and stops processes, or knows their directories, is refused where the members are containers."""

from pathlib import Path

import pytest
from tests.start_kit import Place

from pinai_subnet.cli.main import main
from pinai_subnet.cli.restoring import targets
from pinai_subnet.cli.session import open_session
from pinai_subnet.runtime.errors import StartupError

CONFIGURATION = 78


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path / "home")
    (made.home.root / "docker").mkdir()
    (made.home.root / "docker/docker-compose.yml").write_text("services: {}\n")
    return made


@pytest.mark.parametrize(
    ("words", "instead"),
    [
        (["up"], "./scripts/deploy.sh up"),
        (["down"], "./scripts/deploy.sh down"),
        (["recover"], "./scripts/deploy.sh restore FILE"),
    ],
)
def test_the_verb_of_deploy_is_named(
    place: Place, words: list[str], instead: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(place.home.root.rglob("*"))
    assert main([*words, "--home", str(place.home.root)]) == CONFIGURATION
    told = capsys.readouterr().err
    assert "SN-C128" in told
    assert instead in told
    assert sorted(place.home.root.rglob("*")) == before


def test_a_backup_is_restored_into_volumes_by_deploy_only(place: Place) -> None:
    session = open_session(place.home.root)
    with pytest.raises(StartupError, match="SN-C128"):
        targets(session)
    inside = [one.path.relative_to(place.home.data) for one in targets(session, containers=True)]
    assert inside == [Path(f"validator-{n}/validator-{n}") for n in (1, 2, 3)]
