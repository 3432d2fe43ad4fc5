"""The way of an operator: a distribution, install.sh, deploy.sh; and what is said where a host is not right."""

import os
import random
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.containers.deployment_kit import edited, run
from tests.containers.kit import IMAGE, ROOT, docker, until
from tests.containers.test_several_hosts import SEVERAL_SERVERS

from pinai_subnet.cli.ports import PortPlan

pytestmark = pytest.mark.containers

QUICK_START = {
    "tar xzf pinai-subnet-dist-*.tar.gz": "distribution",
    "cd pinai-subnet-dist-*/": "distribution",
    "./install.sh": "deployment",
    "./scripts/deploy.sh init --validators 3 --development": "deployment",
    "./scripts/deploy.sh": "test_it_starts_proves_itself_restarts_and_keeps_everything",
    "./scripts/deploy.sh status": "test_it_starts_proves_itself_restarts_and_keeps_everything",
    "./scripts/deploy.sh logs": "test_it_starts_proves_itself_restarts_and_keeps_everything",
    "./scripts/deploy.sh down": "test_it_starts_proves_itself_restarts_and_keeps_everything",
}
"""Every command of the quick start, and what runs it here."""


@pytest.fixture(scope="module")
def distribution(image: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A distribution, exported and unpacked elsewhere."""
    place = tmp_path_factory.mktemp("distribution")
    done = run(ROOT / "deployment/scripts/export-images.sh", "--out", place, "--image", IMAGE)
    assert done.returncode == 0, done.stderr
    tarball = Path(done.stdout.strip())
    print(f"tarball: {tarball.stat().st_size / 1e6:.1f} MB")
    assert run("tar", "xzf", tarball, cwd=place).returncode == 0
    return place / tarball.name.removesuffix(".tar.gz")


@pytest.fixture(scope="module")
def deployment(distribution: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An installed and configured deployment with a RootLayer of its own; nothing is started."""
    place = tmp_path_factory.mktemp("server") / "pinai-subnet"
    shutil.copytree(distribution, place)
    docker(
        "image",
        "rm",
        "--force",
        docker("image", "inspect", "--format", "{{.Id}}", IMAGE).stdout.strip(),
    )
    try:
        done = run("./install.sh", cwd=place)
        assert done.returncode == 0, done.stderr
    finally:
        if docker("image", "inspect", IMAGE, check=False).returncode:
            run("sh", "-c", "gzip -dc image.tar.gz | docker load", cwd=distribution)
    done = deploy(place, "init", "--validators", "3", "--development")
    assert done.returncode == 0, done.stderr
    number = random.randrange(10**6)  # noqa: S311
    ports = {
        f"{name}_PORT": endpoint.rpartition(":")[2]
        for name, endpoint in PortPlan.free(3).endpoints.items()
    }
    own = {
        "COMPOSE_PROJECT_NAME": f"pinai-deploy-{number}",
        "CONTAINER_PREFIX": f"pinai-deploy-{number}",
        "NETWORK_NAME": f"pinai-deploy-{number}",
        "SUBNET_CIDR": f"172.{random.randrange(20, 28)}.{random.randrange(256)}.0/24",  # noqa: S311
    }
    with (place / ".env").open("a") as file:
        file.writelines(f"{name}={value}\n" for name, value in {**ports, **own}.items())
    yield place
    deploy(place, "down")


def deploy(deployment: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run deploy.sh."""
    return run("./scripts/deploy.sh", *words, cwd=deployment)


def support_bundle(deployment: Path) -> dict[str, bytes]:
    """Make a support bundle and return its parts; it holds no key."""
    done = deploy(deployment, "debug")
    assert done.returncode == 0, done.stdout + done.stderr
    [path] = deployment.glob("pinai-support-*.tar.gz")
    assert path.stat().st_mode & 0o777 == 0o600
    with tarfile.open(path) as archive:
        files = {one.name.removeprefix("support/"): archive.extractfile(one) for one in archive}
        parts = {name: file.read() for name, file in files.items() if file}
    path.unlink()
    keys = re.findall(
        r"^\w*_KEY\w*=([0-9a-f]{64})$", (deployment / ".env").read_text(), re.MULTILINE
    )
    assert len(keys) >= 4
    assert not any(key.encode() in data for key in keys for data in parts.values())
    return parts


def test_every_command_of_the_quick_start_is_run_here() -> None:
    for name in ("QUICKSTART.md", "README.md", "ARCHITECTURE.md"):
        text = (ROOT / "deployment" / name).read_text(encoding="utf-8")
        blocks = re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        lines = {line.partition(" #")[0].strip() for block in blocks for line in block.splitlines()}
        run_here = {"QUICKSTART.md": set(QUICK_START), "README.md": set(SEVERAL_SERVERS)}
        assert lines == run_here.get(name, set()), name
    assert all(where in globals() for where in QUICK_START.values())


def test_a_flipped_byte_is_refused_with_the_name_of_the_file(
    distribution: Path, tmp_path: Path
) -> None:
    """Row 17."""
    copy = tmp_path / "copy"
    shutil.copytree(distribution, copy)
    for name in ("image.tar.gz", "config/matcher.yaml", "manifest.json"):
        content = bytearray((copy / name).read_bytes())
        content[len(content) // 2] ^= 1
        (copy / name).write_bytes(content)
        done = run("./install.sh", cwd=copy)
        assert done.returncode == 78
        assert f"SN-H064 {name} is corrupt" in done.stderr
        assert "fix:" in done.stderr
        shutil.copy(distribution / name, copy / name)


def test_a_distribution_for_another_processor_is_refused(
    distribution: Path, tmp_path: Path
) -> None:
    """Row 16."""
    copy = tmp_path / "copy"
    shutil.copytree(distribution, copy)
    manifest = copy / "manifest.json"
    arch = docker("version", "--format", "{{.Server.Arch}}").stdout.strip()
    manifest.write_text(manifest.read_text().replace(f'"{arch}"', '"riscv64"'))
    sums = run("sh", "-c", "grep -v manifest.json SHA256SUMS; sha256sum manifest.json", cwd=copy)
    (copy / "SHA256SUMS").write_text(sums.stdout)
    done = run("./install.sh", cwd=copy)
    assert done.returncode == 78
    assert "SN-H063 this distribution is for riscv64" in done.stderr


def test_without_keys_the_first_step_is_named(distribution: Path, tmp_path: Path) -> None:
    """Row 1."""
    copy = tmp_path / "copy"
    shutil.copytree(distribution, copy, ignore=shutil.ignore_patterns(".env", "image.tar.gz"))
    done = deploy(copy, "check")
    assert done.returncode == 78
    assert "SN-C032" in done.stderr
    assert "./scripts/deploy.sh init" in done.stderr


def test_keys_are_private_and_never_made_twice(deployment: Path) -> None:
    env = deployment / ".env"
    assert env.stat().st_mode & 0o777 == 0o600
    before = env.read_text()
    done = deploy(deployment, "init")
    assert done.returncode == 78
    assert "SN-C030" in done.stderr
    assert env.read_text() == before


def test_a_deployment_as_it_should_be_passes_the_check(deployment: Path) -> None:
    done = deploy(deployment, "check")
    assert done.returncode == 0, done.stderr
    assert not (deployment / "data").exists(), "a check changes nothing"


def test_a_readable_env_file_is_refused(deployment: Path) -> None:
    """Row 12."""
    env = deployment / ".env"
    env.chmod(0o644)
    try:
        done = deploy(deployment, "check")
    finally:
        env.chmod(0o600)
    assert done.returncode == 78
    assert "SN-C011" in done.stderr
    assert f"chmod 600 {env}" in done.stderr


def test_a_variable_given_twice_is_refused_with_both_lines(deployment: Path) -> None:
    """Row 13."""
    with edited(deployment / ".env", {"THRESHOLD_NUM=2\n": "THRESHOLD_NUM=2\nTHRESHOLD_NUM=1\n"}):
        done = deploy(deployment, "check")
    assert done.returncode == 78
    assert "SN-C009 THRESHOLD_NUM is set twice, at lines" in done.stderr


def test_quirks_of_env_files_mean_the_same_everywhere(deployment: Path) -> None:
    """Row 13: what Compose would read in another way is read by our parser, and arrives."""
    change = {"THRESHOLD_NUM=2\n": "export THRESHOLD_NUM = '2' # two thirds\r\n"}
    with edited(deployment / ".env", change):
        done = deploy(deployment, "check")
    assert done.returncode == 0, done.stderr


def test_everything_wrong_in_keys_and_configuration_is_told_at_once(deployment: Path) -> None:
    """Rows 1, 14 and 15, with the operator's own paths."""
    env = deployment / ".env"
    key = next(line for line in env.read_text().splitlines() if line.startswith("VALIDATOR_KEY_2="))
    with (
        edited(env, {key: "VALIDATOR_KEY_2="}),
        edited(
            deployment / "config/matcher.yaml", {"bidding_window_seconds:": "bid_window_seconds:"}
        ),
    ):
        done = deploy(deployment, "up")
    assert done.returncode == 78
    assert "SN-C001 VALIDATOR_KEY_2 is empty" in done.stderr
    assert f"{deployment}/config/matcher.yaml:" in done.stderr
    assert "SN-C004" in done.stderr
    assert key.partition("=")[2] not in done.stderr
    assert docker("ps", "--quiet", "--filter", "name=pinai-deploy").stdout == ""


def test_a_missing_rootlayer_is_named(deployment: Path) -> None:
    with edited(
        deployment / ".env",
        {"COMPOSE_PROFILES=dev": "COMPOSE_PROFILES=", "ROOTLAYER_GRPC=": "ROOTLAYER_GRPC=\nX="},
    ):
        done = deploy(deployment, "check")
    assert done.returncode == 78
    assert "SN-C033 ROOTLAYER_GRPC is empty" in done.stderr


def test_a_taken_port_is_named_with_its_holder_and_its_variable(deployment: Path) -> None:
    """Row 7."""
    [line] = [
        line for line in (deployment / ".env").read_text().splitlines()
        if line.startswith("VALIDATOR_2_GRPC_PORT=")
    ]  # fmt: skip
    port = line.partition("=")[2]
    holder = "pinai-port-holder"
    docker(
        *("run", "--detach", "--rm", "--name", holder, "--publish", f"127.0.0.1:{port}:8000"),
        *("--entrypoint", "sleep", IMAGE, "300"),
    )
    try:
        done = deploy(deployment, "up")
    finally:
        docker("rm", "--force", holder, check=False)
    assert done.returncode == 78
    assert f"SN-H001 port {port} is in use" in done.stderr
    assert "set VALIDATOR_2_GRPC_PORT in .env" in done.stderr


def test_an_overlapping_network_is_named_with_a_free_range(deployment: Path) -> None:
    """Row 39."""
    docker("network", "create", "--subnet", "172.19.0.0/16", "pinai-overlap", check=False)
    env = deployment / ".env"
    [line] = [one for one in env.read_text().splitlines() if one.startswith("SUBNET_CIDR=")]
    try:
        with edited(env, {line: "SUBNET_CIDR=172.19.7.0/24"}):
            done = deploy(deployment, "check")
    finally:
        docker("network", "rm", "pinai-overlap", check=False)
    assert done.returncode == 78
    assert "SN-H061" in done.stderr
    assert "of pinai-overlap" in done.stderr
    assert "set SUBNET_CIDR=172." in done.stderr


def test_a_second_operator_is_told_to_wait(deployment: Path) -> None:
    """Row 38."""
    holder = subprocess.Popen(
        ["flock", str(deployment / ".deploy.lock"), "sleep", "60"], start_new_session=True
    )
    try:

        def held() -> bool:
            probe = ["flock", "--nonblock", str(deployment / ".deploy.lock"), "true"]
            return subprocess.run(probe, check=False).returncode != 0

        until(held, "the lock is held")
        done = deploy(deployment, "up")
    finally:
        os.killpg(holder.pid, 15)
        holder.wait()
    assert done.returncode == 75
    assert "SN-H062" in done.stderr


def test_a_dry_run_changes_nothing(deployment: Path) -> None:
    done = deploy(deployment, "--dry-run", "up")
    assert done.returncode == 0, done.stderr
    assert "would" in done.stderr
    assert not (deployment / "data").exists()


def test_it_starts_proves_itself_restarts_and_keeps_everything(deployment: Path) -> None:
    """The whole way: ready is proven by an intent; a restart of all and a stop lose nothing. Row 11, row 30."""
    done = deploy(deployment)
    if "address already in use" in done.stderr:  # taken by another process since the check
        done = deploy(deployment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "NETWORK READY" in done.stderr
    print(done.stderr.strip().splitlines()[-2:])
    assert deploy(deployment, "up").returncode == 0, "again changes nothing"

    done = deploy(deployment, "status")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "validator-3" in done.stdout

    with pytest.raises(subprocess.TimeoutExpired) as following:
        subprocess.run(
            ["./scripts/deploy.sh", "logs"],
            cwd=deployment, capture_output=True, timeout=10, check=False,
        )  # fmt: skip
    assert b"validator_listening" in (following.value.stdout or b"")

    parts = support_bundle(deployment)
    assert b"validator_listening" in parts["members/validator-1/log.txt"]
    assert b"replication" in parts["members/validator-3/status.json"]
    assert b"subnet_matcher_" in parts["members/matcher/metrics.txt"]

    done = deploy(deployment, "restart", "validator-1", "validator-2")
    assert done.returncode == 0, done.stderr
    assert done.stderr.index("validator-1 ready") < done.stderr.index("validator-2 ready")

    kept = deployment / "data/validator-1/validator-1/signing-record.log"
    record = kept.read_bytes()
    assert record
    assert deploy(deployment, "down").returncode == 0
    assert "config/validator.yaml" in support_bundle(deployment), "of a network that is down"
    assert kept.read_bytes().startswith(record)

    os.chown(deployment / "data/validator-2", 0, 0)
    done = deploy(deployment, "up")
    assert done.returncode == 78
    assert (
        "SN-H003 data/validator-2 is owned by 0:0, the containers run as 1000:1000" in done.stderr
    )
    assert deploy(deployment, "fix-perms").returncode == 0
    done = deploy(deployment, "up")
    assert done.returncode == 0, done.stderr


def test_installing_again_in_place_keeps_what_was_configured(deployment: Path) -> None:
    network = (deployment / "config/network.yaml").read_text()
    done = run("./install.sh", cwd=deployment)
    assert done.returncode == 0, done.stderr
    assert "config/network.yaml was changed here; kept" in done.stdout
    assert (deployment / "config/network.yaml").read_text() == network


def test_a_new_version_keeps_env_configuration_and_data(
    deployment: Path, distribution: Path, tmp_path: Path
) -> None:
    place = tmp_path / "earlier"
    (place / "config").mkdir(parents=True)
    (place / ".env").write_text("SUBNET_ID=0x01\nMINE=1\nLOG_LEVEL=DEBUG\n")
    (place / ".env").chmod(0o600)
    (place / "config/matcher.yaml").write_text("mine: true\n")
    done = run("./install.sh", "--to", place, cwd=distribution)
    assert done.returncode == 0, done.stderr
    env = (place / ".env").read_text()
    assert env.startswith("SUBNET_ID=0x01\nMINE=1\nLOG_LEVEL=DEBUG\n")
    assert "SUBNET_CIDR=" in env
    assert env.count("LOG_LEVEL=") == 1
    assert (place / ".env").stat().st_mode & 0o777 == 0o600
    assert (place / ".env.bak").read_text() == "SUBNET_ID=0x01\nMINE=1\nLOG_LEVEL=DEBUG\n"
    assert (place / "config/matcher.yaml").read_text() == "mine: true\n"
    assert (place / "config/matcher.yaml.new").is_file()
    assert (place / "scripts/deploy.sh").is_file()
