"""A support bundle: a .tar.gz of parts that may leave the home. Closed unless proven harmless; collects nothing itself.

Three walls: only parts of the listed names are taken, every text is masked on the way in, and the finished file is read
again and looked through before it gets its name. What does not pass is deleted (SN-H090).
"""

import io
import json
import os
import re
import tarfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pinai_subnet.cli.known_secrets import KnownSecrets
from pinai_subnet.ports.errors import Refused
from pinai_subnet.runtime.errors import cannot_start
from pinai_subnet.runtime.logs import redact_text
from pinai_subnet.runtime.secret_names import MASK, is_secret_name

MANIFEST = "manifest.json"
MAX_PART_BYTES = 2 * 1024 * 1024
MAX_PARTS = 500
_ALLOWED = re.compile(
    r"(manifest|versions|environment|problems|status|disk)\.json"
    r"|config/[a-z_]+\.yaml"
    r"|members/[A-Za-z0-9_-]+/(metrics\.txt|log\.txt|[a-z-]+\.json)"
)
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")
_PASSES = 4


def of_member(member: str, part: str) -> str:
    """Return the name of a part that one member has told; ids are texts from outside."""
    return f"members/{_UNSAFE.sub('_', member)}/{part}"


@dataclass(slots=True)
class Bundle:
    """Parts by name, masked already."""

    secrets: KnownSecrets
    parts: dict[str, bytes] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    """What could not be had, and why."""

    def note(self, text: str) -> None:
        """Tell the reader of the bundle that something is missing."""
        self.notices.append(self._harmless(text))

    def add_text(self, name: str, text: str) -> None:
        """Take a text; its end, where it is too long."""
        if not _ALLOWED.fullmatch(name):
            raise ValueError(f"no part of a bundle: {name}")
        if len(self.parts) >= MAX_PARTS:
            self.note(f"{name} left out: {MAX_PARTS} parts are enough")
            return
        data = self._harmless(text).encode()
        if len(data) > MAX_PART_BYTES:
            self.note(f"{name}: the last {MAX_PART_BYTES} of {len(data)} bytes")
            data = data[-MAX_PART_BYTES:].partition(b"\n")[2]
        self.parts[name] = data

    def add_json(self, name: str, value: Any) -> None:
        """Take a document; what stands under the name of a secret is masked whatever it is."""
        self.add_text(name, json.dumps(self._masked(value), indent=2, default=str) + "\n")

    def _masked(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {
                str(key): MASK if is_secret_name(str(key)) else self._masked(item)
                for key, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [self._masked(item) for item in value]
        # Before quotes and line ends are escaped, where a secret would look different.
        return self._harmless(value) if isinstance(value, str) else value

    def _harmless(self, text: str) -> str:
        for _ in range(_PASSES):
            before, text = text, redact_text(self.secrets.masked(text))
            if text == before:
                break
        return text

    def write(self, path: Path) -> int:
        """Write the bundle with mode 0600 and return its size; nothing is left of one that is not harmless."""
        manifest = {
            "made_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "notices": self.notices,
            "parts": {name: len(data) for name, data in self.parts.items()},
        }
        self.add_json(MANIFEST, manifest)
        partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
        try:
            _write_new(partial, self.parts)
            findings = list(_findings(partial, self.secrets))
            if findings:
                raise Refused(
                    "SN-H090", f"no bundle was written, it was not harmless: {'; '.join(findings)}"
                )
            os.link(partial, path)  # never over another file
            return path.stat().st_size
        except OSError as error:
            raise cannot_start(
                "SN-H092",
                f"cannot write {path}: {error.strerror}",
                where=str(path),
                fix="name another file with --output",
            ) from error
        finally:
            partial.unlink(missing_ok=True)


def _write_new(path: Path, parts: Mapping[str, bytes]) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with (
        os.fdopen(descriptor, "wb") as file,
        tarfile.open(fileobj=file, mode="w:gz", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, data in sorted(parts.items()):
            # Names, sizes and the time; no owner, no path of this host.
            entry = tarfile.TarInfo(f"support/{name}")
            entry.size, entry.mode, entry.mtime = len(data), 0o600, int(time.time())
            archive.addfile(entry, io.BytesIO(data))


def _findings(path: Path, secrets: KnownSecrets) -> Iterator[str]:
    """Read a finished bundle as its receiver will and say, without any value, what must not be in it."""
    with tarfile.open(path, mode="r:gz") as archive:
        for entry in archive:
            name = entry.name.removeprefix("support/")
            file = archive.extractfile(entry) if entry.isreg() else None
            if file is None or not _ALLOWED.fullmatch(name):
                yield "a part that has no place in a bundle"
                continue
            data = file.read()
            yield from (f"{name} holds {origin}" for origin in secrets.found_in(data))
            text = data.decode("utf-8", errors="replace")
            if redact_text(text) != text:
                yield f"{name} holds something that looks like a secret"
