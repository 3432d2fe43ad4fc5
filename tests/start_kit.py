"""Starts real executables with a configuration that is wrong on purpose, and reads what they say about it."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from tests.free_ports import free_plan

from pinai_subnet.cli.home import Home, is_secret, public_environment
from pinai_subnet.cli.initialise import initialise
from pinai_subnet.cli.local_network import Member, members
from pinai_subnet.runtime.dotenv import read_dotenv

START_SECONDS = 120
BLOCK = re.compile(
    r"^(?P<code>SN-[A-Z]\d{3}) (?P<message>.+?)(?:\n  where: (?P<where>.+?))?\n  fix:   (?P<fix>.+)$",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One problem as an operator reads it."""

    code: str
    message: str
    where: str
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A finished command."""

    status: int
    stdout: str
    stderr: str

    @property
    def problems(self) -> list[Said]:
        """Return the problem blocks of stderr (of stdout for commands that print a report), in order."""
        found = []
        for part in re.split(r"\n\n|\n(?=SN-)", f"{self.stderr}\n\n{self.stdout}"):
            text = part.strip("\n")
            text = text[text.index("SN-") :] if "SN-" in text else ""
            if match := BLOCK.match(text):
                found.append(
                    Said(**{name: value or "" for name, value in match.groupdict().items()})
                )
        return found

    def problem(self, code: str) -> Said:
        """Return the only problem with this code."""
        (found,) = [problem for problem in self.problems if problem.code == code]
        return found


class Place:
    """A home made by `subnetctl init` whose files a test may spoil."""

    def __init__(self, root: Path, *, validators: int = 3) -> None:
        self.home = Home(root)
        ports = free_plan(validators)
        initialise(self.home, validators=validators, agents=1, ports=ports, subnet_id=None)

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables of `.env`, also where its mode is wrong."""
        return dict(read_dotenv(self.home.env_file).values)

    def set(self, **variables: str | None) -> None:
        """Change variables of `.env`; None removes one."""
        lines = self.home.env_file.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if line.partition("=")[0] not in variables]
        kept += [f"{name}={value}" for name, value in variables.items() if value is not None]
        self.home.env_file.write_text("\n".join(kept) + "\n", encoding="utf-8")

    def edit(self, file: str, old: str, new: str) -> int:
        """Replace text of a configuration file; return the line where it now begins."""
        path = self.home.config / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} is not once in {file}"
        path.write_text(text.replace(old, new), encoding="utf-8")
        return text[: text.index(old)].count("\n") + 1

    def member(self, name: str) -> Member:
        """Return one process of the network."""
        return next(member for member in members(self.environment) if member.name == name)

    def variables(self, member: Member, **changes: str) -> dict[str, str]:
        """Return what `subnetctl up` would give this process."""
        environment = self.environment
        own = {name: environment.get(source, "") for name, source in member.secrets.items()}
        data = {"DATA_DIR": str(self.home.data.resolve())}
        return public_environment(environment) | own | data | changes

    def begin(
        self, name: str, *, output: int | None = None, **changes: str
    ) -> subprocess.Popen[str]:
        """Start one process of the network and return at once."""
        member = self.member(name)
        return subprocess.Popen(
            member.command(self.home),
            env=self.variables(member, **changes),
            cwd=self.home.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if output is None else output,
            stderr=subprocess.PIPE if output is None else output,
            text=True,
        )

    def start(self, name: str, **changes: str) -> Ended:
        """Start one process that is expected to refuse; return how it ended."""
        process = self.begin(name, **changes)
        try:
            out, err = process.communicate(timeout=START_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"{name} started:\n{err[-3000:]}") from None
        return Ended(status=process.returncode, stdout=out, stderr=err)

    @contextmanager
    def running(self, name: str, **changes: str) -> Iterator[Path]:
        """Run one process of the network while the block lasts; yield its log file."""
        log = self.home.logs / f"{name}.log"
        with log.open("a", encoding="utf-8") as file:
            process = self.begin(name, output=file.fileno(), **changes)
        try:
            yield log
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def subnetctl(self, *words: str, **variables: str) -> Ended:
        """Run subnetctl on this home."""
        return subnetctl(*words, "--home", str(self.home.root), **variables)

    def secrets(self) -> list[str]:
        """Return every secret value of `.env`."""
        raw = self.home.env_file.read_text(encoding="utf-8")
        pairs = (line.partition("=") for line in raw.splitlines())
        return [value for name, _, value in pairs if is_secret(name) and len(value) > 8]

    def fingerprint(self) -> dict[str, str]:
        """Return what is on disk: every file but logs and locks, with the digest of its content."""
        return {
            str(path.relative_to(self.home.root)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.home.root.rglob("*"))
            if path.is_file() and self.home.logs not in path.parents and path.name != "process.lock"
        }

    def refuse(self, name: str, *codes: str, **changes: str) -> Ended:
        """Start a process that must refuse with exactly these codes, exit 78, show no secret and change no file."""
        before = self.fingerprint()
        ended = self.start(name, **changes)
        self.assert_refused(ended, *codes, before=before, hidden=[*changes.values()])
        return ended

    def assert_refused(
        self, ended: Ended, *codes: str, before: Mapping[str, str], hidden: list[str] | None = None
    ) -> None:
        """Assert what every refusal has in common."""
        said = ended.stderr + ended.stdout
        assert ended.status == 78, said
        assert sorted(problem.code for problem in ended.problems) == sorted(codes), said
        for problem in ended.problems:
            assert problem.fix, said
            assert "\n" not in problem.fix, said
            assert problem.where, said
        for secret in [*self.secrets(), *(value for value in hidden or [] if len(value) > 40)]:
            assert secret.removeprefix("0x") not in said, "a secret was shown"
        assert "Traceback" not in said
        after = self.fingerprint()
        assert {path: after.get(path) for path in before} == dict(before), "files were changed"


def subnetctl(*words: str, **variables: str) -> Ended:
    """Run subnetctl with a minimal environment."""
    host = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-m", "pinai_subnet", "subnetctl", *words],
        env=host | {"COLUMNS": "200"} | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    return Ended(status=done.returncode, stdout=done.stdout, stderr=done.stderr)


def wait_for(what: str, found: Callable[[], bool], *, seconds: float = 90) -> None:
    """Poll until something holds, or fail naming it."""
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.1)


def probe(address: str, path: str) -> tuple[int, str]:
    """Return status and text of one GET; (0, error) where nothing answers."""
    try:
        answer = httpx.get(f"http://{address}{path}", timeout=15)
    except httpx.HTTPError as error:
        return 0, type(error).__name__
    return answer.status_code, answer.text
