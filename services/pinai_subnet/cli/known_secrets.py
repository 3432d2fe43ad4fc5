"""Every secret that a home knows, and how to find one again in text or bytes. Shows none.

What cannot be read cannot be looked for: then nothing may leave the home (SN-H091).
"""

import base64
import json
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from pinai_subnet.cli.home import LOGGING, Home, is_secret
from pinai_subnet.cli.initialise import templates
from pinai_subnet.runtime.errors import StartupError, cannot_start
from pinai_subnet.runtime.expansion import expand
from pinai_subnet.runtime.secret_names import MASK, is_secret_name, looks_like_private_key

MIN_NAMED = 4
"""Characters of a secret that can be told from other text, where its name says that it is one."""
MIN_UNKNOWN = 8
"""Likewise of a value whose name says nothing."""
_MAX_FILE_BYTES = 1_048_576
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)")
_YAML_LINE = re.compile(r"^[\s-]*[\"']?([\w.-]+)[\"']?\s*:\s*(\S.*?)\s*$", re.MULTILINE)
_ENV_LINE = re.compile(r"^\s*(?:export\s+)?(\w+)\s*=\s*[\"']?(.*?)[\"']?\s*$", re.MULTILINE)
_HARMLESS = re.compile(r"[\d.:/]*|true|false|yes|no", re.IGNORECASE)
_KEY_FILES = ("*.key", "*.pem", "secrets/*")
_OTHERS = {*LOGGING, "LOG_FORMAT", "DATA_DIR", "CONFIG_DIR"}
_CASE_MATTERS_NOT = re.IGNORECASE


@dataclass(frozen=True, slots=True)
class KnownSecrets:
    """Secrets by where they come from; the values stay in here."""

    values: Mapping[str, str]

    def masked(self, text: str) -> str:
        """Return the text without any of them, in whatever form."""
        forms = sorted({form for value in self.values.values() for form in _texts(value)}, key=len)
        if not forms:
            return text
        pattern = "|".join(re.escape(form) for form in reversed(forms))
        return re.sub(pattern, lambda _: MASK, text, flags=_CASE_MATTERS_NOT)

    def found_in(self, data: bytes) -> list[str]:
        """Return where the secrets come from that these bytes hold."""
        folded = data.lower()
        return [
            origin
            for origin, value in self.values.items()
            if any(form.lower().encode() in folded for form in _texts(value))
            or any(raw in data for raw in _raw(value))
        ]


def _texts(value: str) -> Iterator[str]:
    """Return the ways in which a secret may be written down."""
    yield value
    yield quote(value, safe="")
    yield json.dumps(value)[1:-1]
    for raw in (value.encode(), *_raw(value)):
        for encoded in (base64.b64encode(raw), base64.urlsafe_b64encode(raw)):
            yield encoded.decode("ascii").rstrip("=")
    if looks_like_private_key(value):
        body = value[-64:]
        yield body
        yield str(int(body, 16))


def _raw(value: str) -> Iterator[bytes]:
    if looks_like_private_key(value):
        yield bytes.fromhex(value[-64:])


def known_secrets(home: Home, environ: Mapping[str, str]) -> KnownSecrets:
    """Collect what `.env` and its copies, this command's environment, configuration and key files hold.

    Raises `StartupError`: of `.env` as always, SN-H091 where a key file or a configuration file cannot be read.
    """
    env = home.environment()
    found = dict(_of_variables(env, str(home.env_file), strict=True))
    found |= dict(_of_variables(environ, "environment", strict=False))
    for path in home.root.glob(".env?*"):  # kept by an installation that added variables
        found |= dict(_of_variables(dict(_ENV_LINE.findall(_text(path))), str(path), strict=True))
    variables = {**environ, **env}
    files = {home.root / path for path in _named_files(variables)}
    for path in sorted(home.config.glob("*.y*ml")):
        for number, (name, value) in enumerate(_yaml_values(_text(path)), start=1):
            text = expand(value, variables).text.strip()
            if is_secret_name(name) and len(text) >= MIN_NAMED:
                found[f"{name} in {path}, value {number}"] = text
            elif _names_a_secret_file(name) and text:
                files.add(home.root / text)
    files |= {path for pattern in _KEY_FILES for path in home.root.glob(pattern)}
    files |= {path for pattern in _KEY_FILES for path in home.config.glob(pattern)}
    for path in sorted(files):
        found |= dict(_of_key_file(path))
    return KnownSecrets(found)


def public_names() -> set[str]:
    """Return the variables of the shipped configuration that hold no secret; numbers in them stand for any number."""
    texts = (path.read_text(encoding="utf-8") for path in templates().glob("*.yaml"))
    names = {name for text in texts for name in _VARIABLE.findall(text)} | _OTHERS
    return {_numberless(name) for name in names if not _named_secret(name)}


def _named_secret(name: str) -> bool:
    return is_secret(name) or is_secret_name(name)


def _numberless(name: str) -> str:
    return re.sub(r"\d+", "#", name)


def _of_variables(
    variables: Mapping[str, str], origin: str, *, strict: bool
) -> Iterator[tuple[str, str]]:
    """Return secrets by name; `strict` also takes what nobody has said to be public."""
    public = public_names()
    for name, given in variables.items():
        value = given.strip()
        if _named_secret(name):
            wanted = len(value) >= MIN_NAMED
        else:
            unknown = strict and _numberless(name) not in public and not name.endswith("_FILE")
            wanted = unknown and len(value) >= MIN_UNKNOWN and not _HARMLESS.fullmatch(value)
        if wanted:
            yield f"{name} in {origin}", value


def _names_a_secret_file(name: str) -> bool:
    stem = re.sub(r"_(file|path)$", "", name, flags=re.IGNORECASE)
    return stem != name and is_secret_name(stem)


def _named_files(variables: Mapping[str, str]) -> Iterator[str]:
    for name, value in variables.items():
        if _names_a_secret_file(name) and value.strip():
            yield value.strip()


def _yaml_values(text: str) -> Iterator[tuple[str, str]]:
    """Return every text with the name it stands under; of a file that is no YAML, line by line."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError:
        yield from ((name, value.strip("\"'")) for name, value in _YAML_LINE.findall(text))
        return
    yield from _leaves(document, "")


def _leaves(node: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        for key, value in node.items():
            # What stands below a secret's name belongs to the secret.
            yield from _leaves(value, name if is_secret_name(name) else str(key))
    elif isinstance(node, list):
        for value in node:
            yield from _leaves(value, name)
    elif node is not None and not isinstance(node, bool):
        yield name, str(node)


def _of_key_file(path: Path) -> Iterator[tuple[str, str]]:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unsure(path, error.strerror or type(error).__name__) from error
    lines = [line.strip() for line in _text(path).splitlines()]
    for number, line in enumerate(lines):
        if len(line) >= MIN_UNKNOWN and not line.startswith(("-----", "#")):
            yield f"{path}:{number + 1}", line


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
        if len(data) > _MAX_FILE_BYTES:
            raise _unsure(path, f"it has more than {_MAX_FILE_BYTES} bytes")
        return data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _unsure(path, getattr(error, "strerror", "") or type(error).__name__) from error


def _unsure(path: Path, why: str) -> StartupError:
    return cannot_start(
        "SN-H091",
        f"what is secret in {path} cannot be known: {why}",
        where=str(path),
        fix="run the command as the user who may read the file, or correct or move the file",
    )
