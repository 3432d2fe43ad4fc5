"""Who may read the console: nobody is asked on loopback, elsewhere one token is. Not the pages that ask for it.

A sign-in gives the browser a cookie that says until when it counts, sealed with a key that is derived from the token:
the console remembers no sessions, survives a restart, and another token ends them all.
"""

import hmac
import ipaddress
import stat
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from pinai_subnet.console.settings import AuthSection, ConsoleAuth
from pinai_subnet.protocol.errors import Exhausted, Forbidden, Unauthenticated
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.errors import StartupError, cannot_start
from pinai_subnet.runtime.limits import RateLimiter

COOKIE = "console_session"
MIN_TOKEN = 32
_LOOPBACK_NAMES = frozenset({"localhost", "ip6-localhost"})


def is_loopback(host: str) -> bool:
    """Say whether only processes of this host can reach this address."""
    if host.lower() in _LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_binding(mode: ConsoleAuth, host: str, *, where: str) -> None:
    """Raise `StartupError` SN-C140 where anybody on the network could read without signing in."""
    if mode is ConsoleAuth.NONE and not is_loopback(host):
        raise cannot_start(
            "SN-C140",
            f"the console would listen on {host} and ask nobody who they are (auth.mode none)",
            where=where,
            fix="set AUTH_MODE=token and CONSOLE_TOKEN, or listen on 127.0.0.1",
        )


def read_token(auth: AuthSection, *, where: str) -> bytes:
    """Return the token; empty where none is needed. Raises `StartupError` SN-C141 or SN-C142; never shows it."""
    if auth.mode is ConsoleAuth.NONE:
        return b""
    given = auth.token.get_secret_value().strip()
    if given and auth.token_file is not None:
        raise _no_token("a token and a token file are both given", where)
    if auth.token_file is not None:
        given = _file_text(auth.token_file, where)
    if not given:
        raise _no_token("no token is configured (auth.mode token)", where)
    if len(given) < MIN_TOKEN or not given.isascii() or not given.isprintable():
        raise _no_token(
            f"the token has {len(given)} characters; expected at least {MIN_TOKEN} printable ones",
            where,
        )
    return given.encode()


def _no_token(message: str, where: str) -> StartupError:
    return cannot_start(
        "SN-C141",
        message,
        where=where,
        fix="set CONSOLE_TOKEN in .env, for example to what `openssl rand -hex 32` prints",
    )


def _file_text(file: Path, where: str) -> str:
    try:
        mode = file.stat().st_mode
        if not stat.S_ISREG(mode) or mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise cannot_start(
                "SN-C142",
                f"token file {file} has mode {stat.S_IMODE(mode):04o} or is no file; expected 0400 or 0600",
                where=where,
                fix=f"chmod 400 {file}",
            )
        return file.read_bytes()[:4096].decode("utf-8", errors="replace").strip()
    except OSError as exc:
        raise cannot_start(
            "SN-C142",
            f"token file {file} cannot be read: {exc.strerror or type(exc).__name__}",
            where=where,
            fix="correct the path, or make the file readable for the user that runs the console",
        ) from exc


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """What a request shows of who sent it."""

    address: str
    """Network address, for counting attempts."""
    host: str
    """The `Host` header without its port."""
    cookie: str = ""
    authorization: str = ""


class Access:
    """Decides about every request, and makes the cookie of a sign-in."""

    def __init__(self, auth: AuthSection, token: bytes, *, clock: Clock) -> None:
        """Take the checked settings and the token that `read_token` returned."""
        self.mode = auth.mode
        self.session_seconds = auth.session_seconds
        self._token = token
        self._seal_key = hmac.digest(token, b"console session", sha256)
        self._clock = clock
        self._wrong = RateLimiter(
            per_second=auth.attempts_per_minute / 60, burst=auth.attempts_per_minute, max_keys=1000
        )

    @property
    def open_to_all(self) -> bool:
        """Whether nobody is asked who they are."""
        return self.mode is ConsoleAuth.NONE

    def check_host(self, visitor: Visitor) -> None:
        """Raise `Forbidden` SN-N120 for a page of another site that had its name point at this host."""
        if self.open_to_all and not is_loopback(visitor.host):
            raise Forbidden(
                "SN-N120",
                f"this console answers on this host's own names only, not on {visitor.host[:80]!r}",
            )

    def check(self, visitor: Visitor) -> None:
        """Raise `Unauthenticated` SN-N121 for who has not signed in, SN-N122 for a wrong token."""
        if self.open_to_all or self._sealed(visitor.cookie):
            return
        scheme, _, token = visitor.authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated("SN-N121", "sign in first")
        self._prove(token, visitor)

    def sign_in(self, token: str, visitor: Visitor) -> str:
        """Return the cookie for a right token; raise `Unauthenticated` SN-N122 or `Exhausted` SN-N123."""
        self._prove(token, visitor)
        until = str(int(self._clock.now()) + self.session_seconds)
        return f"{until}.{self._seal(until)}"

    def _prove(self, token: str, visitor: Visitor) -> None:
        now = self._clock.monotonic()
        if self._wrong.retry_after_seconds(visitor.address, now=now) > 0:
            raise Exhausted("SN-N123", "too many wrong tokens from this address; wait a minute")
        if not self._token or not hmac.compare_digest(token.strip().encode(), self._token):
            self._wrong.admit(visitor.address, now=now)
            raise Unauthenticated("SN-N122", "the token is wrong")

    def _sealed(self, cookie: str) -> bool:
        until, _, seal = cookie.partition(".")
        if len(until) > 12 or not (until.isascii() and until.isdigit()):
            return False
        right = hmac.compare_digest(seal.encode(), self._seal(until).encode())
        return right and int(until) > self._clock.now()

    def _seal(self, until: str) -> str:
        return hmac.digest(self._seal_key, until.encode(), sha256).hex()
