"""Backups, restoring one, and beginning again, through deploy.sh; and distributions that are signed."""

import re
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.containers.deployment_kit import Deployment, edited, export, installed, run, unpacked

pytestmark = pytest.mark.containers


@pytest.fixture(scope="module")
def signed(image: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A signed distribution, unpacked; the allowed signers are beside it."""
    place = tmp_path_factory.mktemp("signed")
    for name in ("key", "other"):
        words = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", place / name)
        assert run(*words).returncode == 0
        signer = f"{name}@example.org {(place / f'{name}.pub').read_text()}"
        (place / f"{name}.allowed").write_text(signer)
    return unpacked(export(place, "--image", image, "--sign", str(place / "key")), place)


@pytest.fixture(scope="module")
def deployment(signed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A network that runs."""
    running = installed(signed, tmp_path_factory.mktemp("server") / "pinai-subnet")
    running.start()
    yield running
    running.remove()


def ok(done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    """Require success."""
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_a_signature_is_verified(signed: Path, tmp_path: Path) -> None:
    place = signed.parent
    done = ok(
        run("./install.sh", "--verify", signed, "--verify-with", place / "key.allowed", cwd=signed)
    )
    assert "signed by key@example.org" in done.stdout
    done = run("./install.sh", "--verify-with", place / "other.allowed", cwd=signed)
    assert done.returncode == 78
    assert "SN-H074 SHA256SUMS is not signed by anybody in" in done.stderr
    assert "fix:" in done.stderr


def test_files_that_nobody_signed_are_refused(signed: Path) -> None:
    stranger = signed / "scripts/lib/more.sh"
    stranger.write_text("")
    try:
        done = run("./install.sh", "--verify", signed, cwd=signed)
    finally:
        stranger.unlink()
    assert done.returncode == 78
    assert "SN-H064 scripts/lib/more.sh is not among the files" in done.stderr


def test_the_distribution_says_where_the_sources_are(signed: Path) -> None:
    text = (signed / "SOURCES.md").read_text()
    assert re.search(
        r"\| libc6 \| glibc \| 2\.36\S* \| https://snapshot\.debian\.org/package/glibc/2\.36", text
    )
    assert re.search(r"\| busybox \| busybox \|", text)
    rows = re.findall(
        r"^\| (\S+) \| (\S+) \| (.*?) \| (.*?) \|$", text.partition("## Python")[2], re.MULTILINE
    )
    libraries = [row for row in rows if row[0] not in {"library", "---"}]
    assert len(libraries) > 40
    assert [name for name, _, licence, where in libraries if not licence or not where] == []


def test_a_backup_is_saved_listed_verified_and_proven(deployment: Deployment) -> None:
    deployment.finalised(deployment.submit(b"in the backup"))
    done = ok(deployment.deploy("backup", "save"))
    assert "signed by" in done.stdout
    [file] = (deployment.place / "backups").glob("*.snb")
    assert str(file) in done.stdout
    listed = ok(deployment.deploy("backup", "list")).stdout
    assert re.search(rf"{file.name} +\d+ +\d+ +\S+ +intact", listed)
    assert re.search(
        "signatures [23] of 2 needed ok", ok(deployment.deploy("backup", "verify", file)).stdout
    )
    done = ok(deployment.deploy("backup", "drill", file))
    print(done.stdout.strip())
    assert "drill passed after" in done.stdout


def test_a_damaged_backup_is_found(deployment: Deployment, tmp_path: Path) -> None:
    [file] = (deployment.place / "backups").glob("*.snb")
    copy = tmp_path / file.name
    content = bytearray(file.read_bytes())
    content[-10] ^= 1
    copy.write_bytes(content)
    done = deployment.deploy("backup", "verify", copy)
    assert done.returncode == 1
    assert "SN-R07" in done.stderr


def test_keys_are_asked_for_until_they_are_in_a_backup(
    deployment: Deployment, tmp_path: Path
) -> None:
    reminder = "the keys in .env are in no backup yet"
    assert reminder in deployment.deploy("status").stderr
    ok(deployment.deploy("backup", "identity", "--to", tmp_path))
    assert reminder not in deployment.deploy("status").stderr
    [file] = tmp_path.glob("pinai-identity-*.tar.gz")
    assert file.stat().st_mode & 0o777 == 0o600
    with tarfile.open(file) as archive:
        names = set(archive.getnames())
    assert {".env", "config/network.yaml", "docker/docker-compose.yml"} <= names


def test_a_restore_is_refused_while_the_network_lives(deployment: Deployment) -> None:
    """Journey 1.11, row 29: a second life beside the first would be a fork."""
    [file] = (deployment.place / "backups").glob("*.snb")
    done = deployment.deploy("restore", file)
    assert done.returncode == 1
    assert "SN-R080" in done.stderr
    assert deployment.deploy("status").returncode == 0


def test_a_backup_is_restored(deployment: Deployment) -> None:
    """The validators begin a new life from it, data of before is kept aside, and work goes on."""
    [file] = (deployment.place / "backups").glob("*.snb")
    done = ok(deployment.deploy("restore", file, "--i-know"))
    assert "restored validator-1, validator-2, validator-3 at entry" in done.stdout
    assert "NETWORK READY" in done.stderr
    [aside] = (deployment.place / "data").glob("before-restore-*")
    assert {path.name for path in aside.iterdir()} == {"validator-1", "validator-2", "validator-3"}
    deployment.finalised(deployment.submit(b"in the new life"))


def test_data_is_deleted_only_when_that_is_meant(deployment: Deployment) -> None:
    done = deployment.deploy("reset", "--yes")
    assert done.returncode == 78
    assert "SN-H075 containers still run" in done.stderr
    done = deployment.deploy("--non-interactive", "reset", "--down")
    assert done.returncode == 78
    assert "SN-H075 reset deletes all data and nobody can be asked" in done.stderr
    with edited(deployment.place / ".env", {"COMPOSE_PROFILES=dev": "COMPOSE_PROFILES="}):
        done = deployment.deploy("reset", "--down", "--yes")
    assert done.returncode == 78
    assert "SN-H075 RootLayer is a remote one" in done.stderr
    assert deployment.deploy("status").returncode == 0


def test_a_reset_takes_a_backup_and_keeps_keys_and_configuration(deployment: Deployment) -> None:
    env = (deployment.place / ".env").read_bytes()
    saved = len(list((deployment.place / "backups").iterdir()))
    done = ok(deployment.deploy("--non-interactive", "reset", "--down", "--yes"))
    assert "deleted: agent-1" in done.stderr
    assert len(list((deployment.place / "backups").iterdir())) == saved + 1
    assert (deployment.place / ".env").read_bytes() == env
    assert not (deployment.place / "data/validator-1").exists()
    deployment.start()
    deployment.finalised(deployment.submit(b"without a history"))
