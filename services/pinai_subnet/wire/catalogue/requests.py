"""Catalogue entries of the area: proving who sent a request."""

from pinai_subnet.wire.catalogue.entry import Entry

ENTRIES: tuple[Entry, ...] = (
    Entry(
        code="SN-N301",
        title="request is not signed",
        cause="This service requires signed requests (auth_config.yaml, mode: require) and the call carried no "
        "x- headers, or was signed for the chain id of an unconfigured agent.",
        remedy="Give the agent a private key and this network's subnet id, or set the service's mode to accept.",
    ),
    Entry(
        code="SN-N302",
        title="signature headers are incomplete or malformed",
        cause="A signed request needs x-signature (130 hex digits), x-signer-id, x-timestamp and x-nonce together.",
        remedy="Use an unmodified agent SDK, or compare the headers with wire-contract 3.8.",
    ),
    Entry(
        code="SN-N303",
        title="request is signed for another network",
        cause="The header x-chain-id differs from this network's subnet id.",
        remedy="Set the agent's subnet_id to the one that `subnetctl config show` prints.",
    ),
    Entry(
        code="SN-N304",
        title="request is outside the clock window",
        cause="The caller's clock and ours are further apart than timestamp_tolerance_seconds; the message shows both.",
        remedy="Synchronise the clock that is wrong (NTP). Only then consider a wider timestamp_tolerance_seconds.",
    ),
    Entry(
        code="SN-N305",
        title="signature does not match signer and request",
        cause="The request was changed on its way, signed by another key, or signed over another canonical text.",
        remedy="Check that x-signer-id is the address of the agent's key; a proxy must not rewrite requests.",
    ),
    Entry(
        code="SN-N306",
        title="nonce was used before",
        cause="The same signed request arrived twice: a replay, or a client that repeats one without signing anew.",
        remedy="Sign every attempt anew with a fresh nonce. If nobody repeats requests, somebody recorded one.",
    ),
    Entry(
        code="SN-N307",
        title="too many nonces are remembered",
        cause="More signed requests than max_nonces, or half of that from one signer, arrived in nonce_expiry_seconds.",
        remedy="Retry in a few seconds; raise max_nonces in auth_config.yaml if the load is genuine (200 bytes each).",
    ),
)
