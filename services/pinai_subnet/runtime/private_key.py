"""Reads a secp256k1 private key from a variable or a key file. Not a signer; the value is never shown."""

import stat
from pathlib import Path

from pydantic import SecretStr

from pinai_subnet.runtime.errors import StartupError, cannot_start

_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_DIGITS = frozenset("0123456789abcdefABCDEF")
_EXPECTED = "expected 64 hex digits, with or without 0x"


def read_private_key(value: SecretStr | None, file: Path | None, where: str) -> bytes:
    """Return the 32 key bytes from a value or a key file; `where` names the setting (`config/validator.yaml:4 signer`).

    A 0x prefix and surrounding white space are accepted. Raises `StartupError`: SN-K001 none given, SN-K002 malformed,
    SN-K003 the file is open to others, SN-K004 the file cannot be read, SN-K005 both given.
    """
    given = value.get_secret_value() if value is not None else ""
    if file is not None and given.strip():
        raise cannot_start(
            "SN-K005",
            "a private key and a private key file are both given",
            where=where,
            fix="keep one of the two",
        )
    if file is not None:
        return _parse(_file_text(file, where), f"{where} (file {file})")
    if not given.strip():
        raise cannot_start(
            "SN-K001",
            "no private key is configured",
            where=where,
            fix="generate one with `subnetctl keys new` and set its variable in .env or its key file",
        )
    return _parse(given, where)


def _file_text(file: Path, where: str) -> str:
    try:
        mode = file.stat().st_mode
        if not stat.S_ISREG(mode):
            raise _unreadable(file, where, "it is not a file")
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise cannot_start(
                "SN-K003",
                f"key file {file} has mode {stat.S_IMODE(mode):04o}: other users can access it; expected 0400 or 0600",
                where=where,
                fix=f"chmod 400 {file}",
            )
        return file.read_bytes()[:4096].decode("utf-8", errors="replace")
    except OSError as exc:
        raise _unreadable(file, where, exc.strerror or type(exc).__name__) from exc


def _unreadable(file: Path, where: str, why: str) -> StartupError:
    return cannot_start(
        "SN-K004",
        f"key file {file} cannot be read: {why}",
        where=where,
        fix="correct the path, or make the file readable for the user that runs this process",
    )


def _parse(text: str, where: str) -> bytes:
    body = text.removeprefix("\ufeff").strip()
    body = body[2:] if body[:2] in ("0x", "0X") else body
    problem = _fault(body)
    if problem is None:
        key = bytes.fromhex(body)
        if 0 < int.from_bytes(key, "big") < _ORDER:
            return key
        problem = "the number is outside the range of secp256k1 private keys"
    raise cannot_start(
        "SN-K002",
        f"the private key is malformed: {problem}; {_EXPECTED}",
        where=where,
        fix="copy the key again, or generate a new one with `subnetctl keys new`",
    )


def _fault(body: str) -> str | None:
    """Return length and class of the first offending character, never the value."""
    for position, character in enumerate(body):
        if character not in _DIGITS:
            return (
                f"{len(body)} characters, {_character_class(character)} at position {position + 1}"
            )
    if len(body) != 64:
        return f"{len(body)} hex digits"
    return None


def _character_class(character: str) -> str:
    if character in "\"'`":
        return "a quote"
    if character in "\r\n":
        return "a line break"
    if character.isspace():
        return "white space"
    if character.isalpha() and character.isascii():
        return "a letter other than a-f"
    return "a character that is not a hex digit" if character.isascii() else "a non-ASCII character"
