"""Listening addresses: claims one, or says exactly why not. Not a server."""

import errno
import socket

from pinai_subnet.runtime.errors import StartupError, cannot_start


def bind(host: str, port: int) -> socket.socket:
    """Return a bound, not yet listening TCP socket; raise `StartupError` SN-H001 or SN-H002 if it cannot be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as exc:
        raise _cannot_bind(host, port, exc) from exc
    claimed = socket.socket(family, kind, protocol)
    try:
        claimed.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        claimed.bind(address)
    except OSError as exc:
        claimed.close()
        raise _cannot_bind(host, port, exc) from exc
    return claimed


def address_text(host: str, port: int) -> str:
    """Return `host:port`, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def in_use(host: str, port: int) -> StartupError:
    """Return the error of an address that another process listens on."""
    where = address_text(host, port)
    return cannot_start(
        "SN-H001",
        f"port {port} is in use: another process listens on {where}",
        where=where,
        fix=f"stop that process (`ss -ltnp 'sport = :{port}'` names it) or configure another port",
    )


def _cannot_bind(host: str, port: int, error: OSError) -> StartupError:
    if error.errno == errno.EADDRINUSE:
        return in_use(host, port)
    where = address_text(host, port)
    return cannot_start(
        "SN-H002",
        f"cannot listen on {where}: {error.strerror or error}",
        where=where,
        fix="configure an address of this host and a port from 1024 up",
    )
