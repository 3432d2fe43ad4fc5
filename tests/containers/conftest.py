"""What the container tests share: an image of exactly this commit, and one network that all of them use."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.containers.kit import IMAGE, ROOT, ContainerNetwork, docker

INSIDE = (
    *("services", "config", "requirements-build.lock", "scripts/build", "scripts/image-base"),
    *("deployment/docker/Dockerfile", "deployment/docker/entrypoint.sh", "deployment/freeze"),
)
"""What the image is made of."""


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


@pytest.fixture(scope="module")
def network(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerNetwork]:
    """A network in containers that is ready; its logs are shown when a test fails."""
    running = ContainerNetwork(directory=tmp_path_factory.mktemp("network"))
    try:
        seconds = running.up()
        print(f"start to ready: {seconds:.1f} s")
        yield running
    finally:
        print(running.logs()[-6000:])
        running.remove()


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
