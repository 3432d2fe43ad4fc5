"""What the container tests share: an image of exactly this commit, and one network that all of them use."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.containers.deployment_kit import export, unpacked
from tests.containers.figures import Figures
from tests.containers.kit import IMAGE, ROOT, ContainerNetwork, docker
from tests.containers.other_build import MAJOR, build_major, remove_images

FIGURES = pytest.StashKey[Figures]()
INSIDE = (
    *("services", "config", "requirements-build.lock", "scripts/build", "scripts/image-base"),
    *("deployment/docker/Dockerfile", "deployment/docker/entrypoint.sh", "deployment/freeze"),
)
"""What the image is made of."""


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = Figures()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Show what was measured, as one table at the end."""
    for line in config.stash[FIGURES].table():
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> Figures:
    """Where tests put what they measure."""
    return pytestconfig.stash[FIGURES]


@pytest.fixture(scope="session")
def image() -> str:
    """The image, built from what is checked out here."""
    label = '{{index .Config.Labels "org.opencontainers.image.revision"}}'
    found = docker("image", "inspect", "--format", label, IMAGE, check=False).stdout.strip()
    revision = found.removesuffix("-changed")
    same = subprocess.run(
        ["git", "diff", "--quiet", revision or "none", "HEAD", "--", *INSIDE],
        cwd=ROOT, capture_output=True, check=False,
    )  # fmt: skip
    assert same.returncode == 0, f"{IMAGE} is of {found or 'nothing'}: make build image"
    return IMAGE


@pytest.fixture(scope="session")
def major(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The image of a version whose data has another format, really built."""
    yield build_major(tmp_path_factory.mktemp("major"))
    remove_images(MAJOR)


@pytest.fixture(scope="module")
def network(
    image: str, figures: Figures, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ContainerNetwork]:
    """`docker compose up` in a clean clone, until all is ready; its logs are shown when a test fails."""
    running = ContainerNetwork(directory=tmp_path_factory.mktemp("clone") / "repo", contract=True)
    try:
        figures.add("start to ready, 9 containers", running.up(), "s")
        yield running
    finally:
        print(running.logs()[-6000:])
        running.remove()


@pytest.fixture(scope="session")
def distribution(image: str, figures: Figures, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A distribution, exported and unpacked elsewhere; the tarball is beside it."""
    place = tmp_path_factory.mktemp("distribution")
    tarball = export(place, "--image", image)
    figures.add("tarball of a distribution", tarball.stat().st_size / 1e6, "MB")
    return unpacked(tarball, place)


@pytest.fixture(scope="session")
def image_tree(image: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every file of the image, as the engine would show it."""
    tree = tmp_path_factory.mktemp("image")
    container = docker("create", image, "subnetctl").stdout.strip()
    try:
        with subprocess.Popen(["docker", "export", container], stdout=subprocess.PIPE) as export:
            subprocess.run(["tar", "-x", "-C", str(tree)], stdin=export.stdout, check=True)
        assert export.returncode == 0
    finally:
        docker("rm", container)
    return tree
