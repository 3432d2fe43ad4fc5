"""The `.env` reader: one parser, its quirks tested once."""

from pathlib import Path

import pytest

from pinai_subnet.runtime.dotenv import parse_dotenv, read_dotenv
from pinai_subnet.runtime.errors import StartupError


def refused(raw: bytes) -> list[tuple[str, str, str | None]]:
    with pytest.raises(StartupError) as caught:
        parse_dotenv(raw, name=".env")
    return [(p.code, p.message, p.where) for p in caught.value.problems]


def test_quotes_dollars_spaces_export_and_comments() -> None:
    """operators.md row 13."""
    text = (
        "# comment\n\nPLAIN=a b c  \nexport EXPORTED=x\nSINGLE='a $B \"c\" # d'\n"
        'DOUBLE="a\\n$B ${C} # d"\nINLINE=value # comment\nHASH=a#b\nDOLLAR=pa$$w${X}rd\nEMPTY=\n'
        "SPACED = y\nURL=http://h:1/?a=b&c=d\n"
    )
    result = parse_dotenv(text.encode(), name=".env")
    assert result.values == {
        "PLAIN": "a b c",
        "EXPORTED": "x",
        "SINGLE": 'a $B "c" # d',
        "DOUBLE": "a\n$B ${C} # d",
        "INLINE": "value",
        "HASH": "a#b",
        "DOLLAR": "pa$$w${X}rd",
        "EMPTY": "",
        "SPACED": "y",
        "URL": "http://h:1/?a=b&c=d",
    }
    assert result.notices == ()
    assert result.origins["PLAIN"] == ".env:3"
    assert result.origins["INLINE"] == ".env:7"


def test_windows_line_ends_and_byte_order_mark_are_tolerated_with_a_notice() -> None:
    """operators.md row 13."""
    result = parse_dotenv(b"\xef\xbb\xbfA=1\r\nB='2'\r\n", name=".env")
    assert result.values == {"A": "1", "B": "2"}
    assert len(result.notices) == 2


def test_every_duplicate_is_fatal_with_both_lines() -> None:
    """operators.md row 13."""
    found = refused(b"A=1\nB=2\n\nA=3\nexport B=4\n")
    assert [(code, where) for code, _, where in found] == [
        ("SN-C009", ".env:4"),
        ("SN-C009", ".env:5"),
    ]
    assert "lines 1 and 4" in found[0][1]


@pytest.mark.parametrize(
    "line", ["KEY='secret-value", "NO_VALUE", "1A=secret-value", "A-B=secret-value", "A='x' y"]
)
def test_a_line_that_is_not_understood_is_fatal_and_not_shown(line: str) -> None:
    """operators.md row 13."""
    ((code, message, where),) = refused(f"GOOD=1\n{line}\n".encode())
    assert (code, where) == ("SN-C010", ".env:2")
    assert "secret-value" not in message


def test_bytes_that_are_not_utf8_are_fatal() -> None:
    assert refused(b"A=\xff")[0][0] == "SN-C010"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_file_open_to_others_is_refused_with_the_fix(tmp_path: Path, mode: int) -> None:
    """operators.md row 12."""
    path = tmp_path / ".env"
    path.write_text("A=secret-value\n")
    path.chmod(mode)
    with pytest.raises(StartupError) as caught:
        read_dotenv(path)
    (problem,) = caught.value.problems
    assert problem.code == "SN-C011"
    assert problem.fix == f"chmod 600 {path}"
    assert "secret-value" not in str(problem)


def test_a_private_file_is_read_and_a_missing_one_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("A=1\n")
    path.chmod(0o600)
    assert read_dotenv(path).values == {"A": "1"}
    with pytest.raises(StartupError, match="SN-C008"):
        read_dotenv(tmp_path / "none")
