"""The candidate policy file of a home: checked, put beside the active one, made the active one. Asks no validator."""

from dataclasses import dataclass
from pathlib import Path

from pinai_subnet.cli.home import Home, public_environment
from pinai_subnet.protocol.errors import InvalidInput, NotFound
from pinai_subnet.runtime.errors import StartupError
from pinai_subnet.runtime.files import write_private
from pinai_subnet.runtime.settings import SettingsLoader
from pinai_subnet.validator.policy_settings import (
    FILE_NAME,
    SHADOW_NAME,
    PolicyFile,
    read_policy_file,
)
from pinai_subnet.validator.status import policies_digest


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyText:
    """One policy file: its bytes, and what they amount to in this home."""

    path: Path
    data: bytes
    file: PolicyFile

    @property
    def digest(self) -> str:
        """The digest that validators tell of the same policies."""
        return policies_digest(self.file.validator.book())

    @property
    def named(self) -> str:
        """Id and version of the default policy."""
        default = self.file.validator.default
        return f"{default.policy_id} {default.version}"


def read_policy_text(home: Home, path: Path) -> PolicyText:
    """Read and check a file as a validator of this home would; raise `StartupError` with all its problems."""
    env = home.read_env()
    loader = SettingsLoader(public_environment(env.values), origins=env.origins)
    file = read_policy_file(loader, path)
    if file is None or loader.problems:
        raise StartupError(loader.problems)
    try:
        return PolicyText(path=path, data=path.read_bytes(), file=file)
    except OSError as error:
        raise _unusable(path, error) from error


def active_policy(home: Home) -> PolicyText:
    """Return the active policy file."""
    return read_policy_text(home, home.config / FILE_NAME)


def installed_candidate(home: Home) -> PolicyText:
    """Return the candidate of this home; raise `NotFound` SN-V123 where there is none."""
    path = home.config / SHADOW_NAME
    if not path.is_file():
        raise NotFound("SN-V123", f"there is no {path}")
    return read_policy_text(home, path)


def require_tryable(active: PolicyText, candidate: PolicyText) -> None:
    """Raise `InvalidInput` SN-V122 where the candidate changes more than policies."""
    differing = [
        name
        for name, was, would_be in (
            ("matcher", active.file.matcher, candidate.file.matcher),
            (
                "validator.unknown_assignment",
                active.file.validator.unknown_assignment,
                candidate.file.validator.unknown_assignment,
            ),
        )
        if was != would_be
    ]
    if differing:
        raise InvalidInput(
            "SN-V122", f"{candidate.path} and {active.path} differ in {' and '.join(differing)}"
        )


def install(active: PolicyText, candidate: PolicyText) -> Path:
    """Put a candidate beside the active file, readable by whoever can read that; return its path."""
    path = active.path.with_name(SHADOW_NAME)
    _write(path, candidate.data, like=active.path)
    return path


def make_active(active: PolicyText, candidate: PolicyText) -> Path:
    """Keep the active file as `.bak`, replace it by the candidate and remove that; return the kept one's path."""
    kept = active.path.with_name(FILE_NAME + ".bak")
    _write(kept, active.data, like=active.path)
    _write(active.path, candidate.data, like=active.path)
    try:
        candidate.path.unlink(missing_ok=True)
    except OSError as error:
        raise _unusable(candidate.path, error) from error
    return kept


def _write(path: Path, data: bytes, *, like: Path) -> None:
    """Write a file whole or not at all, with another file's mode: in containers another user reads it."""
    fresh = path.with_name(path.name + ".new")
    try:
        mode = like.stat().st_mode & 0o777
        write_private(fresh, data)
        fresh.chmod(mode)
        fresh.replace(path)
    except OSError as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: OSError) -> Exception:
    return InvalidInput("SN-V125", f"{path}: {error.strerror or error}")
