"""The image: small, without source and secrets, without rights, and clear about what it refuses."""

import json
import re
import time
from pathlib import Path

import pytest
from tests.containers.figures import Figures
from tests.containers.kit import CONFINED, IMAGE, ROOT, docker, run_image

from pinai_subnet.cli.compose_file import container_ports
from pinai_subnet.cli.home import is_secret
from pinai_subnet.cli.initialise import new_variables
from pinai_subnet.cli.ports import PortPlan

LIMIT_MB = 80
SECRET_FILE = re.compile(r"(\.env|.*\.(key|pem|p12|pfx|jks|keystore)|id_(rsa|ed25519).*|\.netrc)")
SECRET_TEXT = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----|(?:PRIVATE_KEY|VALIDATOR_KEY_\d+)=[0-9a-fA-Fx]{64}"
)
PUBLIC = {"cacert.pem", "roots.pem"}
"""Certificates that libraries bring along."""

pytestmark = [pytest.mark.containers, pytest.mark.usefixtures("image")]


def test_it_is_small(figures: Figures) -> None:
    size = int(docker("image", "inspect", "--format", "{{.Size}}", IMAGE).stdout) / 1e6
    figures.add("image, uncompressed", size, "MB")
    assert size <= LIMIT_MB


def test_it_holds_no_source(image_tree: Path) -> None:
    found = [path for path in image_tree.rglob("*") if re.search(r"\.(py|pyi|proto)$", path.name)]
    assert found == []
    line = b"from pinai_subnet.bootstrap.arguments import Arguments"
    files = [path for path in image_tree.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(files) > 100
    assert [path for path in files if line in path.read_bytes()] == []


def test_it_holds_no_secret(image_tree: Path) -> None:
    files = [path for path in image_tree.rglob("*") if path.is_file() and not path.is_symlink()]
    named = {path.name for path in files if SECRET_FILE.fullmatch(path.name)}
    assert named <= PUBLIC
    assert [path for path in files if SECRET_TEXT.search(path.read_bytes())] == []


@pytest.mark.parametrize(
    "text", [b"-----BEGIN EC PRIVATE KEY-----", b"VALIDATOR_KEY_2=" + b"ab" * 32]
)
def test_secrets_would_be_found(text: bytes) -> None:
    assert SECRET_TEXT.search(text)


def test_nothing_in_it_has_rights_of_another_user(image_tree: Path) -> None:
    assert [path for path in image_tree.rglob("*") if path.lstat().st_mode & 0o6000] == []


def test_it_says_what_it_is_and_who_runs_in_it() -> None:
    facts = json.loads(docker("image", "inspect", IMAGE).stdout)[0]["Config"]
    assert facts["User"] == "1000:1000"
    labels = {name.removeprefix("org.opencontainers.image.") for name in facts["Labels"]}
    assert labels >= {"title", "description", "version", "revision", "created"}
    assert not [name for name in facts["Env"] if re.search("KEY|TOKEN|SECRET|PASSWORD", name)]


def test_the_parts_list_names_every_library_and_every_package() -> None:
    parts = json.loads((ROOT / "build/image/pinai-subnet.cdx.json").read_text())
    assert parts["bomFormat"] == "CycloneDX"
    names = {part["purl"].split("@")[0] for part in parts["components"]}
    locked = re.findall(
        r"^([a-z0-9-]+)==", (ROOT / "requirements-build.lock").read_text(), re.MULTILINE
    )
    assert {"pkg:pypi/grpcio", "pkg:pypi/coincurve", "pkg:deb/debian/libc6"} <= names
    pypi = {name.removeprefix("pkg:pypi/") for name in names if name.startswith("pkg:pypi/")}
    assert pypi <= {name.replace("_", "-") for name in locked}
    assert all(part["version"] for part in parts["components"])


def test_every_program_runs_without_rights_network_or_anything_writable() -> None:
    for name in (
        "registry",
        "matcher",
        "validator",
        "simple-agent",
        "rootlayer",
        "console",
        "subnetctl",
    ):
        done = docker("run", *CONFINED, "--entrypoint", f"/app/bin/{name}", IMAGE, "--version")
        assert done.stdout.startswith(f"{name} ")


def test_it_runs_as_any_user() -> None:
    done = run_image("subnetctl", "keys", "new", "/tmp/key", options=("--user", "4711:4711"))
    assert done.returncode == 0, done.stderr


def test_certificates_are_found() -> None:
    words = ("-c", "BEGIN CERTIFICATE", "/etc/ssl/certs/ca-certificates.crt")
    done = run_image(*words, options=("--entrypoint", "grep"))
    assert int(done.stdout) > 100


@pytest.mark.parametrize("words", [("sh",), ("validatr", "--id", "validator-1"), ()])
def test_unknown_roles_are_refused(words: tuple[str, ...]) -> None:
    done = run_image(*words)
    assert done.returncode == 64
    assert (
        "expected one of: registry matcher validator simple-agent rootlayer console" in done.stderr
    )


def config(tmp_path: Path) -> tuple[str, ...]:
    """The shipped configuration, readable for the image's user, as a mount."""
    folder = tmp_path / "config"
    folder.mkdir(mode=0o755)
    for file in (ROOT / "config").glob("*.yaml"):
        (folder / file.name).write_bytes(file.read_bytes())
    tmp_path.chmod(0o755)
    return ("--volume", f"{folder}:/app/config:ro")


def test_missing_variables_are_named_all_at_once_with_file_and_line(tmp_path: Path) -> None:
    """Rows 1 and 15: one start names everything that is missing."""
    done = run_image("validator", "--id", "validator-1", options=config(tmp_path))
    assert done.returncode == 78
    assert "SN-C001 SUBNET_ID is not set" in done.stderr
    assert re.search(r"where: /app/config/network\.yaml:\d+ subnet_id", done.stderr)
    for name in ("VALIDATOR_PUBKEY_1", "VALIDATOR_PUBKEY_3", "MATCHER_ADDRESS"):
        assert f"{name} is not set" in done.stderr
    assert "SN-K001" in done.stderr
    assert "fix:" in done.stderr


def test_a_misspelled_key_is_named_with_the_right_one(tmp_path: Path) -> None:
    """Row 14."""
    mount = config(tmp_path)
    path = tmp_path / "config" / "matcher.yaml"
    path.write_text(path.read_text().replace("bidding_window_seconds:", "bidding_window_second:"))
    done = run_image("matcher", options=mount)
    assert done.returncode == 78
    assert "did you mean bidding_window_seconds?" in done.stderr
    assert "/app/config/matcher.yaml:" in done.stderr


def test_data_that_cannot_be_written_is_refused_with_the_owner_it_needs(tmp_path: Path) -> None:
    """Row 11, where a container is started without deploy.sh: read-only, or of another user."""
    mount = config(tmp_path)
    variables = [
        f"--env={name}={value}"
        for name, value in new_variables(
            3, 0, PortPlan(container_ports(3)), "0x" + "ab" * 32
        ).items()
        if not is_secret(name)
    ]
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    for options in ((f"--volume={data}:/app/data:ro",), (f"--volume={data}:/app/data",)):
        done = run_image("registry", options=(*mount, *variables, *options))
        assert done.returncode == 78, done.stderr
        assert "SN-H003" in done.stderr
        assert "fix:" in done.stderr
    assert list(data.iterdir()) == []


def test_a_wrong_configuration_is_held_and_not_retried_hotly(tmp_path: Path) -> None:
    """With HOLD_SECONDS the reason is shown and the container waits, until it is told to stop."""
    name = f"pinai-hold-{tmp_path.name}"
    words = [word for word in CONFINED if word != "--rm"]
    docker(
        *("run", "--detach", "--name", name, *words, *config(tmp_path)),
        *("--env", "HOLD_SECONDS=300", IMAGE, "registry"),
    )
    try:
        deadline = time.monotonic() + 60
        while "looking again in 300 s" not in docker("logs", name).stderr:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        begun = time.monotonic()
        docker("stop", "--time", "20", name)
        assert time.monotonic() - begun < 15
        assert docker("inspect", "--format", "{{.State.ExitCode}}", name).stdout.strip() == "78"
    finally:
        docker("rm", "--force", name)
