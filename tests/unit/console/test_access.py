"""Who may read the console: loopback without a word, elsewhere with the token only."""

from pathlib import Path

import pytest

from pinai_subnet.console.access import (
    Access,
    Visitor,
    check_binding,
    is_loopback,
    read_token,
)
from pinai_subnet.console.settings import AuthSection, ConsoleAuth
from pinai_subnet.protocol.errors import Exhausted, Forbidden, Unauthenticated
from pinai_subnet.runtime.clock import ManualClock
from pinai_subnet.runtime.errors import StartupError

TOKEN = "t" * 40


def section(**changes: object) -> AuthSection:
    return AuthSection.model_validate({"mode": "token", "token": TOKEN} | changes)


def access(clock: ManualClock | None = None, **changes: object) -> Access:
    return Access(section(**changes), TOKEN.encode(), clock=clock or ManualClock())


def visitor(**changes: str) -> Visitor:
    return Visitor(**({"address": "10.0.0.9", "host": "console.example"} | changes))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.8.8", "localhost", "LOCALHOST", "::1", "[::1]"]
)
def test_addresses_of_this_host_only_are_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "10.0.0.1", "", "localhost.evil.example", "128.0.0.1"]
)
def test_everything_else_is_not(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "console"])
def test_nobody_listens_to_the_world_without_sign_in(host: str) -> None:
    with pytest.raises(StartupError) as refused:
        check_binding(ConsoleAuth.NONE, host, where="console.yaml:3")
    assert refused.value.problems[0].code == "SN-C140"
    check_binding(ConsoleAuth.TOKEN, host, where="console.yaml:3")
    check_binding(ConsoleAuth.NONE, "127.0.0.1", where="console.yaml:3")


@pytest.mark.parametrize("token", ["", "short", "x" * 31, "ü" * 40, "a" * 40 + "\nb"])
def test_a_token_that_is_too_weak_or_unprintable_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(StartupError) as refused:
        read_token(section(token=token), where="console.yaml:9")
    assert refused.value.problems[0].code == "SN-C141"
    assert not token or token not in str(refused.value)


def test_a_token_comes_from_one_place(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    file.chmod(0o400)
    assert read_token(section(token="", token_file=file), where="w") == TOKEN.encode()
    assert read_token(section(), where="w") == TOKEN.encode()
    assert read_token(AuthSection(), where="w") == b""
    with pytest.raises(StartupError, match="SN-C141"):
        read_token(section(token_file=file), where="w")


def test_a_token_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    file.chmod(0o644)
    for path in (file, tmp_path / "absent", tmp_path):
        with pytest.raises(StartupError) as refused:
            read_token(section(token="", token_file=path), where="w")
        assert refused.value.problems[0].code == "SN-C142"
        assert TOKEN not in str(refused.value)


def test_without_sign_in_only_this_hosts_own_names_are_answered() -> None:
    """A page of another site that has its name point at 127.0.0.1 reads nothing."""
    open_to_all = Access(AuthSection(), b"", clock=ManualClock())
    open_to_all.check_host(visitor(host="127.0.0.1"))
    open_to_all.check(visitor())
    with pytest.raises(Forbidden, match="SN-N120"):
        open_to_all.check_host(visitor(host="evil.example"))
    access().check_host(visitor())


def test_a_cookie_counts_until_its_time_and_for_its_token_only() -> None:
    clock = ManualClock()
    door = access(clock, session_seconds=60)
    cookie = door.sign_in(f" {TOKEN}\n", visitor())
    door.check(visitor(cookie=cookie))
    until, _, seal = cookie.partition(".")
    for forged in (
        "",
        ".",
        f"{int(until) + 1}.{seal}",
        f"{until}.",
        f"{until}.{'0' * 64}",
        f"{'9' * 5000}.{seal}",
        f"{until}.{seal}\u00e9",
        f"١٢.{seal}",
    ):
        with pytest.raises(Unauthenticated, match="SN-N121"):
            door.check(visitor(cookie=forged))
    other = Access(section(token="u" * 40), b"u" * 40, clock=clock)
    with pytest.raises(Unauthenticated):
        other.check(visitor(cookie=cookie))
    clock.advance(61)
    with pytest.raises(Unauthenticated):
        door.check(visitor(cookie=cookie))


def test_a_bearer_token_is_as_good_as_a_sign_in() -> None:
    access().check(visitor(authorization=f"Bearer {TOKEN}"))
    with pytest.raises(Unauthenticated, match="SN-N122"):
        access().check(visitor(authorization="Bearer nope"))
    with pytest.raises(Unauthenticated, match="SN-N121"):
        access().check(visitor(authorization=f"Basic {TOKEN}"))


def test_guessing_is_stopped_for_the_one_who_guesses() -> None:
    clock = ManualClock()
    door = access(clock, attempts_per_minute=3)
    for _ in range(3):
        with pytest.raises(Unauthenticated, match="SN-N122"):
            door.sign_in("wrong", visitor())
    with pytest.raises(Exhausted, match="SN-N123"):
        door.sign_in(TOKEN, visitor())
    door.sign_in(TOKEN, visitor(address="10.0.0.8"))
    clock.advance(60)
    for _ in range(9):
        door.sign_in(TOKEN, visitor())
