"""Hosts without a container engine: the units are right, and what they say starts a network that works.

The services are started here exactly as their units say: command, environment, credential and state directory, each
with nothing else; what systemd itself would enforce is read by `systemd-analyze`.
"""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from tests.containers.deployment_kit import run
from tests.containers.kit import ROOT, path_without_engine, until

from pinai_subnet.cli.canary import prove_ready
from pinai_subnet.cli.home import Home
from pinai_subnet.cli.initialise import initialise
from pinai_subnet.cli.ports import PortPlan
from pinai_subnet.cli.session import open_session

pytestmark = pytest.mark.containers

INSTALL = ROOT / "deployment/systemd/install.sh"
MEMBERS = (
    "registry",
    "rootlayer",
    "matcher",
    "validator-1",
    "validator-2",
    "validator-3",
    "agent-1",
    "console",
)
EXPOSURE_LIMIT = 2.5
"""Of ten, by systemd's own count; a service without any of the settings has 9.6."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A network as `subnetctl init` makes it, on free ports."""
    made = Home(tmp_path_factory.mktemp("home") / "network")
    initialise(made, validators=3, agents=1, ports=PortPlan.free(3), subnet_id=None)
    return made


@pytest.fixture(scope="module")
def installed(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with everything that an installation puts on a host."""
    root = tmp_path_factory.mktemp("root")
    done = run(INSTALL, "--home", home.root, "--root", root, "--development")
    assert done.returncode == 0, done.stderr
    names = [line for line in done.stdout.splitlines() if line.endswith(".service")]
    assert sorted(names) == sorted(f"{unit_of(member)[0]}" for member in MEMBERS)
    return root


def unit_of(member: str) -> tuple[str, str, str]:
    """Return the name of a member's service, the file it comes from, and the instance."""
    kind, _, number = member.partition("-")
    if not number:
        return f"pinai-{kind}.service", f"pinai-{kind}.service", ""
    return f"pinai-{kind}@{number}.service", f"pinai-{kind}@.service", number


@dataclass
class Unit:
    """What a unit and the settings common to all say, with the specifiers filled in."""

    member: str
    root: Path
    settings: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read the files as systemd does: later lines add to lists."""
        _, file, instance = unit_of(self.member)
        units = self.root / "etc/systemd/system"
        places = {
            "%i": instance,
            "%S": f"{self.root}/var/lib",
            "%d": f"{self.root}/run/{self.member}",
        }
        for path in (units / "pinai-.service.d/10-common.conf", units / file):
            for line in path.read_text().splitlines():
                name, equals, value = line.partition("=")
                if equals and not line.startswith("#"):
                    for specifier, text in places.items():
                        value = value.replace(specifier, text)
                    self.settings.setdefault(name, []).append(value)

    def one(self, name: str) -> str:
        """Return a setting that is given once."""
        [value] = self.settings[name]
        return value

    def environment(self) -> dict[str, str]:
        """Return the whole environment of the process; that of the file goes last, as in systemd."""
        given = dict(text.split("=", 1) for text in self.settings["Environment"])
        lines = Path(self.one("EnvironmentFile")).read_text().splitlines()
        read = [shlex.split(line)[0].split("=", 1) for line in lines if not line.startswith("#")]
        return given | dict(read)

    def start(self) -> subprocess.Popen[bytes]:
        """Put state directory and credential in place, and start the command."""
        for state in self.settings.get("StateDirectory", ()):  # the console keeps nothing
            (self.root / "var/lib" / state).mkdir(mode=0o700, parents=True, exist_ok=True)
        for credential in self.settings.get("LoadCredential", ()):
            name, _, source = credential.partition(":")
            target = self.root / "run" / self.member / name
            target.parent.mkdir(mode=0o500, parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            target.chmod(0o400)
        with (self.root / f"{self.member}.log").open("ab") as log:
            return subprocess.Popen(
                shlex.split(self.one("ExecStart")),
                env=self.environment(), cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip


@pytest.fixture(scope="module")
def running(installed: Path) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Every service, started as its unit says."""
    started: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for member in MEMBERS:
            started[member] = Unit(member, installed).start()
        yield started
    finally:
        for process in started.values():
            process.terminate()
        for member, process in started.items():
            process.wait(timeout=30)
            print(member, (installed / f"{member}.log").read_text()[-1500:])


def test_units_and_their_hardening_are_what_systemd_understands(installed: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not on this host: apt-get install systemd")
    units = installed / "etc/systemd/system"
    services = [unit_of(member)[0] for member in MEMBERS]
    environment = {
        "PATH": os.environ["PATH"],
        "SYSTEMD_UNIT_PATH": f"{units}:/lib/systemd/system:/usr/lib/systemd/system",
    }
    for service in (*services, "pinai-subnet.target"):
        source = re.sub(r"@\w+\.", "@.", service)
        if source != service:
            (units / service).symlink_to(source)
    done = subprocess.run(
        [analyze, "verify", "--man=no", *(str(units / name) for name in (*services, "pinai-subnet.target"))],
        capture_output=True, text=True, check=False, env=environment, timeout=60,
    )  # fmt: skip
    ours = [line for line in done.stderr.splitlines() if "pinai" in line]
    assert ours == []
    for member in MEMBERS:
        done = subprocess.run(
            [analyze, "security", "--offline=true", "--no-pager", unit_of(member)[0]],
            capture_output=True, text=True, check=False, env=environment, timeout=60,
        )  # fmt: skip
        found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
        assert found, done.stdout + done.stderr
        assert float(found[1]) <= EXPOSURE_LIMIT, done.stdout


@pytest.mark.parametrize("member", MEMBERS)
def test_a_service_is_given_its_own_key_only_and_cannot_loop_on_a_wrong_configuration(
    member: str, installed: Path, home: Home
) -> None:
    """Exit status 78 ends the restarts; keys are credentials, in no environment and no command line."""
    unit = Unit(member, installed)
    assert unit.one("Restart") == "always"
    assert unit.one("RestartPreventExitStatus") == "78"
    assert unit.one("DynamicUser") == "yes"
    assert unit.one("ProtectSystem") == "strict"
    assert unit.one("NoNewPrivileges") == "yes"
    assert int(unit.one("TimeoutStopSec")) >= 30
    credentials = [text.partition(":")[2] for text in unit.settings.get("LoadCredential", ())]
    expected = [f"{installed}/etc/pinai-subnet/keys/{member}.key"]
    assert credentials == ([] if member in {"registry", "rootlayer"} else expected)
    secrets = {
        text
        for name, text in home.environment().items()
        if re.search(r"_(KEY(_\d+)?|TOKEN)$", name)
    }
    told = " ".join([*unit.environment().values(), unit.one("ExecStart")])
    assert not [secret for secret in secrets if secret in told]


def ready(address: str) -> bool:
    """Ask a member."""
    try:
        return httpx.get(f"http://{address}/readyz", timeout=5.0).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def test_services_started_as_their_units_say_are_a_network_that_works(
    running: dict[str, subprocess.Popen[bytes]], home: Home, installed: Path
) -> None:
    environment = home.environment()
    for member in MEMBERS:
        http = environment.get(f"{member.upper().replace('-', '_')}_HTTP")
        if http is not None:
            until(lambda address=http: ready(address), f"{member} is ready")
    proof = prove_ready(open_session(home.root), print)
    assert proof.intent_id
    for member, process in running.items():
        assert process.poll() is None, member
    assert (installed / "var/lib/pinai-subnet/validator-1/validator-1/signing-record.log").is_file()


def test_installing_again_keeps_keys_and_configuration(installed: Path, home: Home) -> None:
    etc = installed / "etc/pinai-subnet"
    changed = etc / "config/matcher.yaml"
    text = changed.read_text() + "# mine\n"
    changed.write_text(text)
    keys = {path.name: path.read_bytes() for path in (etc / "keys").iterdir()}
    done = run(INSTALL, "--home", home.root, "--root", installed, "registry", "validator-2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == ["pinai-registry.service", "pinai-validator@2.service"]
    assert changed.read_text() == text
    assert {path.name: path.read_bytes() for path in (etc / "keys").iterdir()} == keys


def test_binaries_come_out_of_a_distribution_without_an_engine(
    distribution: Path, tmp_path: Path
) -> None:
    """The same binaries as in the image; a flipped byte is refused."""
    root = tmp_path / "root"
    path = path_without_engine(tmp_path / "bin")
    done = run(distribution / "systemd/install.sh", "--root", root, PATH=path)
    assert done.returncode == 0, done.stderr
    assert "next: " in done.stdout
    commit = re.search(r'"commit": "(.*)"', (distribution / "manifest.json").read_text())
    assert commit
    assert commit[1] in run(root / "opt/pinai-subnet/bin/validator", "--version").stdout
    copy = tmp_path / "copy"
    shutil.copytree(distribution, copy)
    with (copy / "image.tar.gz").open("r+b") as file:
        file.seek(10**6)
        byte = file.read(1)
        file.seek(10**6)
        file.write(bytes([byte[0] ^ 1]))
    done = run(copy / "systemd/install.sh", "--root", tmp_path / "other")
    assert done.returncode == 78
    assert "SN-H064 image.tar.gz is corrupt" in done.stderr
