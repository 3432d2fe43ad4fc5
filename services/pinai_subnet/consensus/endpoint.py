"""Endpoints of the replication port as text, and the listener on one. Knows nobody who connects."""

import socket

from pinai_subnet.ports.errors import Refused


def split_endpoint(endpoint: str) -> tuple[str, int]:
    """Return host and port of `host:port` or `[v6]:port`; raise `Refused` SN-R005 for anything else."""
    host, colon, port = endpoint.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise Refused("SN-R005", f"{endpoint!r} is not host:port")
    return host.strip("[]"), int(port)


def open_listener(endpoint: str) -> socket.socket:
    """Bind exactly the given endpoint and listen; raise `Refused` SN-R005 if that is not possible."""
    host, port = split_endpoint(endpoint)
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=64)
    except OSError as error:
        raise Refused(
            "SN-R005", f"cannot listen on {endpoint}: {error.strerror or error}"
        ) from error
    listener.setblocking(False)
    return listener
