"""Catalogue entries of the area: network."""

from pinai_subnet.wire.catalogue.entry import Entry

ENTRIES: tuple[Entry, ...] = (
    Entry(
        code="SN-N101",
        title="Malformed bytes32 id",
        cause="An intent, bid, assignment or subnet id is not 0x followed by 64 hex digits. "
        "Ids are never padded or cut to fit, because two parties would then mean different things.",
        remedy="Send the id exactly as RootLayer or the agent made it: 0x and 64 hex digits. "
        "A small subnet id is written with leading zeros.",
    ),
    Entry(
        code="SN-N102",
        title="Malformed address",
        cause="A value that must be a chain address is not 0x followed by 40 hex digits, "
        "or its capital letters do not match the EIP-55 checksum.",
        remedy="Copy the address again from the wallet or from `subnetctl keys address FILE`. "
        "An agent puts its address into the bid's chain_address metadata, not its name.",
    ),
    Entry(
        code="SN-N103",
        title="Malformed name",
        cause="An agent or validator name is empty, longer than 128 characters, starts with "
        "punctuation, or holds a character other than letters, digits and . _ : @ -",
        remedy="Choose a name such as agent-1 and use it unchanged in the configuration of "
        "the process and in everything that refers to it.",
    ),
    Entry(
        code="SN-N110",
        title="Signature of wrong length",
        cause="A signature is not exactly 65 bytes r, s, v. DER and 64-byte forms are not "
        "accepted.",
        remedy="Sign with a library that returns r, s and v (eth-account, coincurve, the agent "
        "SDK) and send the 65 bytes unchanged.",
    ),
    Entry(
        code="SN-N111",
        title="Signature with a wrong v",
        cause="The last byte of the signature is not one of the two values this place uses: 27 or "
        "28 in messages, 0 or 1 in the request headers of agents.",
        remedy="Add or subtract 27 from the last byte; the rest of the signature stays as it is.",
    ),
    Entry(
        code="SN-N112",
        title="Signature with a high s",
        cause="The signature is the mirrored form of a valid one. Only the low form counts, here "
        "and on chain, so that one signature cannot be counted twice.",
        remedy="Use a signer that produces low-s signatures; every current Ethereum library does.",
    ),
    Entry(
        code="SN-N113",
        title="Impossible signature",
        cause="r or s of the signature is zero or beyond the curve's order, or no key can have "
        "made it: the bytes are damaged or not a signature.",
        remedy="Sign again. If it happens repeatedly, look for software between signer and "
        "receiver that changes bytes (text encodings, truncation).",
    ),
    Entry(
        code="SN-N114",
        title="Malformed public key",
        cause="A public key is not 65 bytes starting with 04, or is not a point of secp256k1.",
        remedy="Copy the uncompressed public key (130 hex digits starting with 04) from its owner "
        "again.",
    ),
    Entry(
        code="SN-N115",
        title="Hash of wrong length",
        cause="A hash that enters a digest is not 32 bytes. It is never padded or cut to fit, "
        "because two parties would then sign different things.",
        remedy="Look at the field the message names; its sender has to send the full 32 bytes.",
    ),
    Entry(
        code="SN-N116",
        title="Number out of range",
        cause="A number that enters a digest is negative or too large for its field.",
        remedy="Look at the field the message names; amounts, times and epochs are unsigned "
        "numbers.",
    ),
    Entry(
        code="SN-N201",
        title="Unreadable registry request",
        cause="The body is not a JSON object, or a key of it has the wrong type.",
        remedy="Send a JSON object such as "
        '{"id": "agent-1", "capabilities": ["echo"], "endpoint": "host:port"}.',
    ),
    Entry(
        code="SN-N202",
        title="Incomplete registration",
        cause="id, capabilities (for agents) or endpoint (for validators) is missing or empty.",
        remedy="Send id and at least one capability for an agent, id and endpoint for a validator.",
    ),
    Entry(
        code="SN-N203",
        title="Malformed endpoint",
        cause="The endpoint is neither host:port nor an http(s) URL, or it is too long.",
        remedy="Register the address under which others reach the member, e.g. 10.0.0.5:9095.",
    ),
    Entry(
        code="SN-N204",
        title="Too many or malformed capabilities",
        cause="A registration names more capabilities than the registry takes, or one of them is "
        "empty, too long, or holds control characters.",
        remedy="Register only the intent types the agent serves; the limits are in registry.yaml "
        "under limits.",
    ),
    Entry(
        code="SN-N205",
        title="Unknown status",
        cause="A status is not one of the AgentStatus names or numbers.",
        remedy="Send AGENT_STATUS_ACTIVE, AGENT_STATUS_INACTIVE or AGENT_STATUS_UNHEALTHY.",
    ),
    Entry(
        code="SN-N206",
        title="Too many calls at the registry",
        cause="This signer, or the unsigned callers of this address together, called more often than "
        "`limits.calls_per_second` in registry.yaml allows.",
        remedy="Wait as long as the message says. Sign requests: then no neighbour uses up your share.",
    ),
    Entry(
        code="SN-N210",
        title="Registry entry needs a signature",
        cause="The entry is bound to a key and the request is unsigned, or this registry takes "
        "signed requests only.",
        remedy="Configure the member's private key, so that its requests to the registry are signed.",
    ),
    Entry(
        code="SN-N211",
        title="Registry entry belongs to another key",
        cause="The id is bound to one key and the request is signed by another. Either two members "
        "share an id, or one member's key was replaced.",
        remedy="Give every member its own id. After replacing a key, choose a new id, or wait "
        "lifetimes.forgotten_seconds of registry.yaml after the old key's last request. A "
        "validator's key is the one in network.yaml.",
    ),
    Entry(
        code="SN-N212",
        title="Not registered",
        cause="No such member is on the registry's lists: it never registered, was unregistered, or "
        "has been silent for too long.",
        remedy="Register the member again; `subnetctl agents` shows who is there.",
    ),
    Entry(
        code="SN-N214",
        title="Registry full",
        cause="The registry holds as many entries of this kind as it is configured to.",
        remedy="Raise lifetimes.max_entries in registry.yaml, or set require_signed if strangers "
        "fill it.",
    ),
    Entry(
        code="SN-N230",
        title="Registry unreachable",
        cause="The registry did not answer, or answered that it cannot serve now.",
        remedy="Check endpoints.registry_http in network.yaml and that the registry runs; members "
        "retry by themselves.",
    ),
    Entry(
        code="SN-N231",
        title="Registry refused the member",
        cause="The registry answered a registration or a heartbeat with an error of its own.",
        remedy="The message quotes the registry's code; explain that code.",
    ),
)
