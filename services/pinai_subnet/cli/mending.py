"""What `subnetctl doctor --fix` may put right by itself, and back again: modes, missing directories, stale notes.

Nothing here touches keys, configuration or data. Every step is written into a journal before it is done, so that
`doctor --undo` finds what an interrupted run had begun.
"""

import base64
import json
import stat
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from pinai_subnet.cli.home import Home
from pinai_subnet.cli.local_network import Running
from pinai_subnet.runtime.errors import cannot_start
from pinai_subnet.runtime.files import write_private

JOURNAL = "doctor-journal.json"
_DIRECTORIES = ("data", "logs", "run")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mend:
    """One safe step. `before` is what undo needs: a mode in octal, or a small file's content in Base64."""

    kind: Literal["mode", "directory", "stale"]
    path: str
    reason: str
    words: str
    code: str
    needed: bool
    """Whether something does not work without it."""
    before: str = ""
    after: str = ""


def wanted_mends(home: Home) -> list[Mend]:
    """Return every safe step that this home needs."""
    return [*_modes(home), *_missing(home), *_stale(home)]


def mend(home: Home, steps: Sequence[Mend]) -> None:
    """Write the journal, then do the steps; raise `StartupError` SN-H067 for the first that cannot be done."""
    journal = json.dumps([asdict(step) for step in steps], indent=1).encode()
    write_private(home.root / JOURNAL, journal)
    for step in steps:
        path = Path(step.path)
        try:
            if step.kind == "mode":
                path.chmod(int(step.after, 8))
            elif step.kind == "directory":
                path.mkdir(mode=0o700, exist_ok=True)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise _failed(step.path, error) from error


def undo(home: Home) -> list[Mend]:
    """Take the last run's steps back, the last first; return them. A directory in use by now stays."""
    journal = home.root / JOURNAL
    if not journal.is_file():
        raise cannot_start(
            "SN-H068",
            "there is nothing to undo",
            where=str(journal),
            fix="`subnetctl doctor --fix` writes this journal when it changes something",
        )
    try:
        steps = [Mend(**row) for row in json.loads(journal.read_text(encoding="utf-8"))]
        for step in reversed(steps):
            _take_back(step)
        journal.unlink()
    except (OSError, ValueError, TypeError) as error:
        raise _failed(str(journal), error) from error
    return steps


def _take_back(step: Mend) -> None:
    path = Path(step.path)
    if step.kind == "mode":
        if path.exists():
            path.chmod(int(step.before, 8))
    elif step.kind == "directory":
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    elif not path.exists():
        write_private(path, base64.b64decode(step.before))


def _modes(home: Home) -> Iterator[Mend]:
    for path in (home.env_file, *home.root.glob("*.key"), *(home.root / "keys").glob("*")):
        if not path.is_file():
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield Mend(
                kind="mode",
                path=str(path),
                reason=f"mode {mode:04o}: other users can access the secrets in it",
                words=f"chmod {mode & 0o700:03o}",
                code="SN-C011",
                needed=True,
                before=f"{mode:o}",
                after=f"{mode & 0o700:o}",
            )


def _missing(home: Home) -> Iterator[Mend]:
    if home.in_containers:  # whose members keep their data elsewhere, and which deploy.sh makes
        return
    present = [name for name in _DIRECTORIES if (home.root / name).is_dir()]
    for name in _DIRECTORIES if present else ():
        if name not in present:
            yield Mend(
                kind="directory",
                path=str(home.root / name),
                reason="the directory is missing",
                words="mkdir",
                code="SN-H003",
                needed=True,
            )


def _stale(home: Home) -> Iterator[Mend]:
    for record in sorted(home.run.glob("*.json")):
        content = record.read_bytes()
        try:
            alive = Running(**json.loads(content)).alive
            reason = "the process it tells of is gone"
        except (ValueError, TypeError):
            alive, reason = False, "it cannot be read"
        if not alive:
            yield Mend(
                kind="stale",
                path=str(record),
                reason=reason,
                words="remove",
                code="SN-H069",
                needed=False,
                before=base64.b64encode(content).decode(),
            )


def _failed(path: str, error: Exception) -> Exception:
    return cannot_start(
        "SN-H067",
        f"{path}: {error}",
        where=path,
        fix="correct it by hand as the user who owns it, then run `subnetctl doctor` again",
    )
