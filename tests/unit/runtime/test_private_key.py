"""Private keys: what is accepted, what is said about the rest, and that no value ever shows."""

from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import SecretStr

from pinai_subnet.runtime.errors import StartupError
from pinai_subnet.runtime.settings import read_private_key

KEY = "0f" * 32
RAW = bytes.fromhex(KEY)


def refused(value: str | None = None, file: Path | None = None) -> tuple[str, str]:
    with pytest.raises(StartupError) as caught:
        read_private_key(None if value is None else SecretStr(value), file, "validator.yaml:3 key")
    (problem,) = caught.value.problems
    assert "validator.yaml:3 key" in str(problem.where)
    return problem.code, problem.message


@pytest.mark.parametrize(
    "text", [KEY, "0x" + KEY, "0X" + KEY.upper(), f"  {KEY}\n", f"0x{KEY}\r\n"]
)
def test_a_prefix_and_white_space_around_are_accepted(text: str) -> None:
    """operators.md row 2."""
    assert read_private_key(SecretStr(text), None, "here") == RAW


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (KEY[:-1], "63 hex digits"),
        (KEY + "a", "65 hex digits"),
        (f'"{KEY}"', "66 characters, a quote at position 1"),
        (KEY[:10] + "\n" + KEY[10:], "65 characters, a line break at position 11"),
        (KEY[:10] + " " + KEY[10:], "65 characters, white space at position 11"),
        ("g" + KEY[1:], "64 characters, a letter other than a-f at position 1"),
        ("é" + KEY[1:], "a non-ASCII character at position 1"),
        ("0" * 64, "outside the range"),
        ("f" * 64, "outside the range"),
    ],
)
def test_a_malformed_key_is_described_and_never_shown(text: str, words: str) -> None:
    """operators.md row 2: length and offending character class, never the value."""
    code, message = refused(text)
    assert code == "SN-K002"
    assert words in message
    assert text not in message
    assert KEY[2:12] not in message


@given(st.text(alphabet="0123456789abcdef xyz'\n", min_size=20, max_size=80))
def test_no_part_of_a_refused_key_is_in_the_message(text: str) -> None:
    stripped = text.strip()
    assume(len(stripped.removeprefix("0x")) != 64)
    with pytest.raises(StartupError) as caught:
        read_private_key(SecretStr(text), None, "here")
    for start in range(len(stripped) - 12):
        assert stripped[start : start + 12] not in str(caught.value)


def test_no_key_and_two_keys_are_refused(tmp_path: Path) -> None:
    """operators.md row 1; K2: a missing key is never replaced by a new one."""
    assert refused()[0] == "SN-K001"
    assert refused("  \n")[0] == "SN-K001"
    assert refused(KEY, tmp_path / "key")[0] == "SN-K005"


def test_a_key_file_is_read_when_it_is_private(tmp_path: Path) -> None:
    """K5: a private key file is supported."""
    path = tmp_path / "key"
    path.write_text(f"0x{KEY}\n")
    path.chmod(0o400)
    assert read_private_key(None, path, "here") == RAW
    assert read_private_key(SecretStr(""), path, "here") == RAW


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620])
def test_a_key_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    path.write_text(KEY)
    path.chmod(mode)
    code, message = refused(file=path)
    assert code == "SN-K003"
    assert f"{mode:04o}" in message
    assert KEY not in message


def test_a_key_file_that_is_missing_or_not_a_file_is_refused(tmp_path: Path) -> None:
    assert refused(file=tmp_path / "none")[0] == "SN-K004"
    assert refused(file=tmp_path)[0] == "SN-K004"


def test_a_malformed_key_file_is_described(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"\xff\x00" * 40)
    path.chmod(0o600)
    assert refused(file=path)[0] == "SN-K002"
