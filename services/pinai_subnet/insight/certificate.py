"""Whether an endpoint's TLS certificate is good, and for how long: connects once, trusts nothing it is told."""

import socket
import ssl
import time
from dataclasses import dataclass

from pinai_subnet.insight.checks import Check, Verdict

_DAY_SECONDS = 86_400
WARN_DAYS = (30, 7, 1)
_EXPIRED, _NOT_YET, _WRONG_NAME = 10, 9, 62
_NEW = "put a new certificate on it; clients take it at their next connection"


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What a handshake showed. Either `days_left`, or `failure` with the code of OpenSSL's verification."""

    days_left: float | None = None
    failure: str = ""
    verify_code: int = 0
    reachable: bool = True


def fetch(
    endpoint: str, *, timeout_seconds: float = 5.0, context: ssl.SSLContext | None = None
) -> Certificate:
    """Shake hands with host:port by the system's authorities, or those of `context`; never raises for its answer."""
    host, _, port = endpoint.rpartition(":")
    trusted = context or ssl.create_default_context()
    name = host.strip("[]")
    try:
        with (
            socket.create_connection((name, int(port)), timeout=timeout_seconds) as plain,
            trusted.wrap_socket(plain, server_hostname=name) as secured,
        ):
            told = secured.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        return Certificate(failure=error.verify_message, verify_code=error.verify_code)
    except ssl.SSLError as error:
        return Certificate(failure=error.reason or "no TLS is spoken there", verify_code=-1)
    except OSError as error:
        return Certificate(failure=error.strerror or str(error), reachable=False)
    ends = ssl.cert_time_to_seconds(str(told["notAfter"]))
    return Certificate(days_left=(ends - time.time()) / _DAY_SECONDS)


def judged(name: str, certificate: Certificate) -> Check:
    """Return the line of the report: what is wrong with it, or how long it lasts (operators row 23)."""
    if not certificate.reachable:
        return _line(name, Verdict.FAIL, certificate.failure, "start it, or correct its endpoint")
    if certificate.days_left is not None:
        return _lasting(name, certificate.days_left)
    reasons = {
        _EXPIRED: ("expired", _NEW),
        _NOT_YET: ("not valid yet", "correct the clock of this host or of the issuer"),
        _WRONG_NAME: (
            "for another name",
            "name the endpoint as the certificate does, or issue one for this name",
        ),
        -1: (certificate.failure, "serve TLS there, or set rootlayer_tls of network.yaml to false"),
    }
    unknown = (
        f"not trusted: {certificate.failure}",
        "add its authority to this host's trusted certificates",
    )
    measured, suggestion = reasons.get(certificate.verify_code, unknown)
    return _line(name, Verdict.FAIL, measured, suggestion)


def _lasting(name: str, days: float) -> Check:
    bound = next((limit for limit in sorted(WARN_DAYS) if days <= limit), None)
    if bound is None:
        return _line(name, Verdict.OK, f"{days:.0f} d left", "")
    return _line(name, Verdict.WARN, f"{days:.1f} d left, at most {bound}", _NEW)


def _line(name: str, verdict: Verdict, measured: str, suggestion: str) -> Check:
    code = "" if verdict is Verdict.OK else "SN-H065"
    return Check(
        category="chain",
        test=f"{name} certificate",
        verdict=verdict,
        measured=measured,
        suggestion=suggestion,
        code=code,
    )
