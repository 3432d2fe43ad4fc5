"""The way of an operator: a distribution, install.sh, deploy.sh; and what is said where a host is not right."""

import os
import random
import re
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.containers.deployment_kit import edited, run
from tests.containers.figures import Figures
from tests.containers.kit import IMAGE, docker, path_without_engine, until

from pinai_subnet.cli.home import Home, is_secret
from pinai_subnet.cli.ports import PortPlan

pytestmark = pytest.mark.containers

KEYS = {
    "registry": set[str](),
    "rootlayer": set[str](),
    "matcher": {"MATCHER_PRIVATE_KEY"},
    "console": {"CONSOLE_TOKEN"},
    **{f"validator-{number}": {f"VALIDATOR_KEY_{number}"} for number in (1, 2, 3)},
    **{f"agent-{number}": {f"AGENT_PRIVATE_KEY_{number}"} for number in (1, 2, 3)},
}
"""Which secrets a service is given."""


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


def contents(deployment: Path) -> dict[str, tuple[int, bytes]]:
    """Every file that an operator could lose, with its mode and what is in it."""
    return {
        path.relative_to(deployment).as_posix(): (path.stat().st_mode, path.read_bytes())
        for path in sorted(deployment.rglob("*"))
        if path.is_file() and path.name not in {".deploy.lock", "image.tar.gz"}
    }


def started(deployment: Path) -> str:
    """Which containers of this deployment run."""
    prefix = Home(deployment).environment()["CONTAINER_PREFIX"]
    return docker("ps", "--quiet", "--filter", f"name={prefix}-").stdout


@pytest.fixture
def unchanged(deployment: Path) -> Iterator[None]:
    """Whatever is refused, nothing is lost: every file is afterwards what it was, and no container was started."""
    before = contents(deployment)
    yield
    assert contents(deployment) == before
    assert started(deployment) == ""


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
    os.truncate(copy / "image.tar.gz", 10**6)
    done = run("./install.sh", cwd=copy)
    assert done.returncode == 78
    assert "SN-H064 image.tar.gz is corrupt" in done.stderr


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


@pytest.mark.usefixtures("unchanged")
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


@pytest.mark.usefixtures("unchanged")
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


@pytest.mark.usefixtures("unchanged")
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


@pytest.mark.usefixtures("unchanged")
def test_everything_wrong_in_keys_and_configuration_is_told_at_once(deployment: Path) -> None:
    """Rows 1 and 14, with the operator's own paths."""
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
    assert started(deployment) == ""


@pytest.mark.usefixtures("unchanged")
def test_an_unset_variable_of_the_configuration_is_named_with_file_and_line(
    deployment: Path,
) -> None:
    """Row 15."""
    change = {"bidding_window_seconds: ": "bidding_window_seconds: ${WINDOW_OF_NOBODY} # "}
    with edited(deployment / "config/matcher.yaml", change):
        done = deploy(deployment, "check")
    assert done.returncode == 78
    assert "SN-C001 WINDOW_OF_NOBODY is not set" in done.stderr
    assert re.search(rf"where: {deployment}/config/matcher\.yaml:\d+ ", done.stderr)
    assert "fix:" in done.stderr


@pytest.mark.usefixtures("unchanged")
def test_a_missing_rootlayer_is_named(deployment: Path) -> None:
    with edited(
        deployment / ".env",
        {"COMPOSE_PROFILES=dev": "COMPOSE_PROFILES=", "ROOTLAYER_GRPC=": "ROOTLAYER_GRPC=\nX="},
    ):
        done = deploy(deployment, "check")
    assert done.returncode == 78
    assert "SN-C033 ROOTLAYER_GRPC is empty" in done.stderr


FAKES = {
    "too old": (
        'case "$1" in version) echo 19.3.1 ;; compose) echo 2.2.3 ;; esac',
        [
            "Docker 19.3.1 is too old",
            "fix:   sudo apt-get install --only-upgrade docker-ce",
            "Compose is 2.2.3",
        ],
    ),
    "without Compose": (
        'case "$1" in version) echo 26.1.5 ;; compose) exit 1 ;; esac',
        ["Compose is none", "fix:   install the Compose plugin: https://"],
    ),
    "without its daemon": (
        "echo 'Cannot connect to the Docker daemon at unix:///var/run/docker.sock.' >&2; exit 1",
        ["the container engine does not answer", "fix:   sudo systemctl start docker"],
    ),
    "closed to this user": (
        "echo 'permission denied while trying to connect to the Docker daemon socket' >&2; exit 1",
        ["may not use the container engine", "fix:   sudo usermod -aG docker"],
    ),
    "absent": (None, ["Docker is not installed", "fix:   install Docker: https://"]),
}
"""An engine that cannot be used -> what its client answers, what an operator is told."""


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("engine", FAKES)
def test_an_engine_that_cannot_be_used_is_told_with_the_command_that_helps(
    engine: str, deployment: Path, tmp_path: Path
) -> None:
    """Row 18."""
    answers, told = FAKES[engine]
    path = path_without_engine(tmp_path / "bin", answers)
    for verb in ("check", "up"):
        done = run("./scripts/deploy.sh", verb, cwd=deployment, PATH=path)
        assert done.returncode == 78
        assert "SN-H060" in done.stderr
        assert not [text for text in told if text not in done.stderr], done.stderr
    if engine != "too old":
        done = run("./install.sh", cwd=deployment, PATH=path)
        assert done.returncode == 78
        assert "SN-H060" in done.stderr


@pytest.mark.usefixtures("unchanged")
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


@pytest.mark.usefixtures("unchanged")
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


@pytest.mark.usefixtures("unchanged")
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


def kill_while_it_starts(deployment: Path) -> None:
    """Start `deploy.sh up` and kill all of it once the first container is there."""
    env = dict(
        line.split("=", 1) for line in (deployment / ".env").read_text().splitlines() if "=" in line
    )
    starting = subprocess.Popen(
        ["./scripts/deploy.sh", "up"],
        cwd=deployment, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    label = f"label=com.docker.compose.project={env['COMPOSE_PROJECT_NAME']}"
    until(
        lambda: docker("ps", "--all", "--quiet", "--filter", label).stdout, "a container is there"
    )
    os.killpg(starting.pid, 9)
    assert starting.wait() == -9


def keys_in(deployment: Path, container: str) -> set[str]:
    """Which secrets of `.env` the engine tells of a container, or its own processes can see."""
    seen = docker("inspect", container).stdout
    seen += docker("exec", container, "sh", "-c", "env; cat /proc/[0-9]*/cmdline").stdout
    variables = Home(deployment).environment()
    return {
        name for name, value in variables.items() if is_secret(name) and value and value in seen
    }


def test_it_starts_proves_itself_restarts_and_keeps_everything(
    deployment: Path, figures: Figures
) -> None:
    """The whole way: ready is proven by an intent; a restart of all and a stop lose nothing. Rows 11, 30 and 38."""
    before = (deployment / ".env").read_bytes()
    kill_while_it_starts(deployment)
    assert (deployment / ".env").read_bytes() == before

    begun = time.monotonic()
    done = deploy(deployment)
    if "address already in use" in done.stderr:  # taken by another process since the check
        done = deploy(deployment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "NETWORK READY" in done.stderr
    figures.add("deploy.sh, check to proven readiness", time.monotonic() - begun, "s")
    assert deploy(deployment, "up").returncode == 0, "again changes nothing"
    prefix = Home(deployment).environment()["CONTAINER_PREFIX"]
    for service, own in KEYS.items():
        assert keys_in(deployment, f"{prefix}-{service}") == own, service

    parts = support_bundle(deployment)
    assert b"validator_listening" in parts["members/validator-1/log.txt"]
    assert b"replication" in parts["members/validator-3/status.json"]
    assert b"subnet_matcher_" in parts["members/matcher/metrics.txt"]

    done = deploy(deployment, "restart", "validator-1", "validator-2")
    assert done.returncode == 0, done.stderr
    assert done.stderr.index("validator-1 ready") < done.stderr.index("validator-2 ready")

    assert "SN-H080" not in deploy(deployment, "status").stderr
    docker("stop", f"{prefix}-validator-3")
    docker("restart", f"{prefix}-validator-2")
    done = deploy(deployment, "status")
    assert done.returncode == 1, "validator-3 is still away"
    assert "SN-H080 warning: validator-2 validator-3 of 3 validators" in done.stderr
    assert "fix:   restart one after the other: ./scripts/deploy.sh restart" in done.stderr
    until(
        lambda: "validator-1 is not ready" not in deploy(deployment, "status").stderr,
        "validator-1 takes part again",
    )
    done = deploy(deployment, "restart", "validator-1")
    assert done.returncode == 1, "validator-3 is away: nobody can be spared"
    assert "SN-H073" in done.stderr

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
