"""What goes into a support bundle, and from where. Whatever cannot be had becomes a notice; nothing is masked here."""

import os
import platform
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import yaml

from pinai_subnet.bootstrap.version import version_text
from pinai_subnet.cli.bundle import Bundle, of_member
from pinai_subnet.cli.home import Home
from pinai_subnet.cli.initialise import CONFIG_FILES, templates
from pinai_subnet.cli.local_network import members
from pinai_subnet.cli.preflight import settings_problems
from pinai_subnet.cli.session import Session, open_session
from pinai_subnet.cli.status import look, targets
from pinai_subnet.insight.answers import Target
from pinai_subnet.insight.readers import at_once
from pinai_subnet.ports.errors import DependencyError
from pinai_subnet.runtime.errors import StartupError
from pinai_subnet.runtime.json_text import parse_json
from pinai_subnet.runtime.secret_names import MASK
from pinai_subnet.runtime.settings import show as show_settings
from pinai_subnet.wire.network_file import FILE_NAME

LOG_BYTES = 256 * 1024
"""The newest of each member's log."""
MAX_ANSWER_BYTES = 2 * 1024 * 1024
TIMEOUT_SECONDS = 5.0
MAX_FILES = 1000
"""Of the data directory that are listed."""
_LIBRARIES = ("grpcio", "protobuf", "pydantic", "fastapi", "uvicorn", "httpx", "pysyncobj")
_PROBES = {"health.json": "/health", "ready.json": "/readyz", "metrics.txt": "/metrics"}
_DOCUMENTS: Mapping[str, Mapping[str, str]] = {
    "validator": {
        "status.json": "/api/v1/status",
        "validator-set.json": "/api/v1/validator-set",
        "set-changes.json": "/api/v1/validator-set/changes",
        "double-signs.json": "/api/v1/double-signs",
    },
    "matcher": {"summary.json": "/api/v1/summary", "agents.json": "/api/v1/agents"},
    "registry": {"agents.json": "/agents", "validators.json": "/validators"},
    "rootlayer": {"validator-sets.json": "/api/v1/validator-sets"},
}
"""Nothing that holds what users sent or got: no intents, no reports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What a member answered; `problem` says why there is nothing."""

    text: str = ""
    document: Any = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Collects from one home, whether its network runs or not."""

    home: Home
    logs: Path
    """Where the members' logs are, each as NAME.log."""
    bundle: Bundle
    say: Callable[[str], None]

    def collect(self) -> None:
        """Add everything that can be had."""
        self.say("collecting versions, configuration and disk facts")
        self.bundle.add_json("versions.json", versions())
        self.bundle.add_json("environment.json", self._names())
        self._configuration()
        with self._noted("disk.json"):
            self.bundle.add_json("disk.json", disk(self.home))
        self.say("collecting logs")
        for name in self._member_names():
            self._log(name)
        with self._noted("status.json"):
            session = open_session(self.home.root)
            self.say("asking the members")
            self._answers(session)

    @contextmanager
    def _noted(self, part: str) -> Iterator[None]:
        try:
            yield
        except (StartupError, DependencyError, OSError) as error:
            self.bundle.note(f"{part}: {error}")

    def _names(self) -> dict[str, Any]:
        """Return the names of variables and whether they have a value; never the value."""
        env = self.home.read_env()
        here = {name for name in os.environ if name in env.values or name.startswith("LOG_")}
        return {
            "set": sorted(name for name, value in env.values.items() if value),
            "empty": sorted(name for name, value in env.values.items() if not value),
            "notices": list(env.notices),
            "also_in_the_environment": sorted(here),
        }

    def _configuration(self) -> None:
        environment = self.home.environment()
        for name in (FILE_NAME, *CONFIG_FILES):
            if not (self.home.config / name).is_file():
                self.bundle.note(f"config/{name}: there is no such file")
                continue
            with self._noted(f"config/{name}"):
                shown = yaml.safe_load(show_settings(self.home.config / name, environ=environment))
                template = yaml.safe_load((templates() / name).read_text(encoding="utf-8"))
                known = yaml.safe_dump(only_known(shown, template), sort_keys=False)
                self.bundle.add_text(f"config/{name}", known)
        with self._noted("problems.json"):
            found = settings_problems(self.home)
            problems = [{"code": p.code, "where": p.where, "message": p.message} for p in found]
            self.bundle.add_json("problems.json", problems)

    def _member_names(self) -> list[str]:
        return [member.name for member in members(self.home.environment())]

    def _log(self, name: str) -> None:
        path = self.logs / f"{name}.log"
        try:
            text = end_of(path, LOG_BYTES)
        except OSError as error:
            self.bundle.note(f"log of {name}: {error.strerror}")
            return
        self.bundle.add_text(of_member(name, "log.txt"), text)

    def _answers(self, session: Session) -> None:
        self.bundle.add_json("status.json", look(session).document())
        asked = [
            (target, part, path)
            for target in targets(session)
            if target.http is not None
            for part, path in {**_PROBES, **_DOCUMENTS.get(target.role, {})}.items()
        ]
        answers = at_once([partial(fetched, target, path) for target, _, path in asked])
        told: dict[str, list[tuple[str, Fetched]]] = {}
        for (target, part, _), answer in zip(asked, answers, strict=True):
            told.setdefault(target.name, []).append((part, answer))
        for name, parts in told.items():
            if all(answer.problem for _, answer in parts):
                self.bundle.note(f"{name} does not answer: {parts[0][1].problem}")
                continue
            for part, answer in parts:
                self._keep(name, part, answer)

    def _keep(self, name: str, part: str, answer: Fetched) -> None:
        if answer.problem:
            self.bundle.note(f"{part} of {name}: {answer.problem}")
        elif part.endswith(".json"):
            self.bundle.add_json(of_member(name, part), answer.document)
        else:
            self.bundle.add_text(of_member(name, part), answer.text)


def fetched(target: Target, path: str) -> Fetched:
    """Ask one member for one document, whatever its status code; never raises, never takes more than is bounded."""
    base = str(target.http)
    url = (base if "://" in base else f"http://{base}") + path
    data = bytearray()
    try:
        with (
            httpx.Client(trust_env=False, timeout=TIMEOUT_SECONDS) as client,
            client.stream("GET", url) as answer,
        ):
            for piece in answer.iter_bytes():
                data += piece
                if len(data) > MAX_ANSWER_BYTES:
                    return Fetched(problem=f"more than {MAX_ANSWER_BYTES} bytes")
            is_json = "json" in answer.headers.get("content-type", "")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Fetched(problem=str(error) or type(error).__name__)
    text = data.decode("utf-8", errors="replace")
    if not is_json:
        return Fetched(text=text, document={"text": text})
    try:
        return Fetched(text=text, document=parse_json(text.encode()))
    except ValueError as error:
        return Fetched(problem=f"it is no JSON: {error}")


def only_known(shown: Any, template: Any) -> Any:
    """Return the values of keys that the shipped file has; what else somebody wrote there is not shown."""
    if isinstance(shown, dict):
        known = template if isinstance(template, dict) else {}
        return {
            key: only_known(value, known[key]) if key in known else MASK
            for key, value in shown.items()
        }
    if isinstance(shown, list):
        first = template[0] if isinstance(template, list) and template else None
        return [only_known(value, first) for value in shown]
    return shown


def end_of(path: Path, size: int) -> str:
    """Return the last whole lines of a file, so many bytes at most."""
    with path.open("rb") as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(max(0, length - size))
        data = file.read(size)
    if length > size:
        data = data.partition(b"\n")[2]
    return data.decode("utf-8", errors="replace")


def versions() -> dict[str, Any]:
    """Return what runs here."""
    return {
        "subnetctl": version_text("subnetctl"),
        "python": platform.python_version(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "processors": os.cpu_count(),
        "libraries": {name: _library(name) for name in _LIBRARIES},
    }


def _library(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def disk(home: Home) -> dict[str, Any]:
    """Return how full the file systems are and what the home holds; names are relative to it."""
    places = {"home": home.root, "data": home.data, "logs": home.logs}
    usage = {name: shutil.disk_usage(path) for name, path in places.items() if path.is_dir()}
    paths = (path for place in (home.data, home.logs) for path in sorted(place.rglob("*")))
    listed = islice(filter(None, map(_file_facts, paths)), MAX_FILES)
    return {
        "file_systems": {
            name: {"total_bytes": one.total, "free_bytes": one.free} for name, one in usage.items()
        },
        "files": [{**facts, "name": str(path.relative_to(home.root))} for path, facts in listed],
    }


def _file_facts(path: Path) -> tuple[Path, dict[str, Any]] | None:
    """Return size, mode and time of a file; None of what is no file, or has gone meanwhile."""
    with suppress(OSError):
        facts = path.lstat()
        if stat.S_ISREG(facts.st_mode):
            mode = f"{stat.S_IMODE(facts.st_mode):04o}"
            return path, {
                "bytes": facts.st_size,
                "mode": mode,
                "changed_at": int(facts.st_mtime),
            }
    return None
