"""Who calls RootLayer: the signed headers of wire-contract 3.10. Proves a key; what is allowed is decided elsewhere."""

import re
from collections.abc import Mapping
from enum import StrEnum

from pinai_subnet.protocol.errors import Unauthenticated
from pinai_subnet.protocol.ids import Address, SubnetId, parse_address
from pinai_subnet.protocol.request_signing import (
    CHAIN_HEADER,
    SIGNATURE_HEADER,
    SIGNER_HEADER,
    TIMESTAMP_HEADER,
    root_layer_digest,
)
from pinai_subnet.protocol.signatures import recover
from pinai_subnet.runtime.clock import Clock

_SIGNED = (SIGNATURE_HEADER, SIGNER_HEADER, TIMESTAMP_HEADER)
_SIGNATURE = re.compile(r"(0x)?[0-9a-fA-F]{130}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


class HeaderMode(StrEnum):
    """How strict RootLayer is about signed headers."""

    REQUIRE = "require"
    """Unsigned calls are refused."""
    ACCEPT = "accept"
    """Unsigned calls are served; headers that are present must be right."""
    OFF = "off"
    """Headers are ignored."""


class HeaderVerifier:
    """Checks the headers of one call. The body is not covered and there is no nonce: content is signed on its own."""

    def __init__(
        self, *, mode: HeaderMode, window_seconds: float, subnet_id: SubnetId, clock: Clock
    ) -> None:
        """Accept clocks that differ by at most `window_seconds`."""
        self._mode = mode
        self._window = window_seconds
        self._subnet_id = subnet_id
        self._clock = clock

    def verify(self, headers: Mapping[str, str], method: str) -> Address | None:
        """Return who signed the call to this full method path, or None for an unsigned one.

        Raises `Unauthenticated`: SN-S050 missing or malformed, SN-S051 outside the window, SN-S052 not signed by the
        signer, SN-S053 another subnet.
        """
        if self._mode is HeaderMode.OFF:
            return None
        present = [name for name in _SIGNED if headers.get(name)]
        if not present and self._mode is HeaderMode.ACCEPT:
            return None
        if len(present) < len(_SIGNED):
            missing = ", ".join(name for name in _SIGNED if name not in present)
            raise Unauthenticated("SN-S050", f"{method}: the headers {missing} are missing")
        if not _SIGNATURE.fullmatch(headers[SIGNATURE_HEADER]) or not _TIMESTAMP.fullmatch(
            headers[TIMESTAMP_HEADER]
        ):
            raise Unauthenticated("SN-S050", f"{method}: x-signature or x-timestamp is malformed")
        chain_id = headers.get(CHAIN_HEADER, self._subnet_id)
        if chain_id != self._subnet_id:
            raise Unauthenticated(
                "SN-S053", f"signed for {chain_id[:80]!r}; this RootLayer serves {self._subnet_id}"
            )
        return self._proven(headers, method)

    def _proven(self, headers: Mapping[str, str], method: str) -> Address:
        timestamp = int(headers[TIMESTAMP_HEADER])
        apart = abs(self._clock.now() - timestamp)
        if apart > self._window:
            raise Unauthenticated(
                "SN-S051", f"clocks are {apart:.0f} s apart; {self._window:.0f} s are allowed"
            )
        signer = parse_address(headers[SIGNER_HEADER], SIGNER_HEADER)
        signature = bytes.fromhex(headers[SIGNATURE_HEADER].removeprefix("0x"))
        digest = root_layer_digest(subnet_id=self._subnet_id, method=method, timestamp=timestamp)
        made_by = recover(digest, signature)
        if made_by != signer:
            raise Unauthenticated(
                "SN-S052", f"{method}: x-signature was made by {made_by}, not by {signer}"
            )
        return signer
