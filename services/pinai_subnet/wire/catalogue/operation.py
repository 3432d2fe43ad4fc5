"""Catalogue entries of the area: setting up and operating a network with subnetctl."""

from pinai_subnet.wire.catalogue.entry import Entry

ENTRIES: tuple[Entry, ...] = (
    Entry(
        code="SN-C030",
        title="directory holds a network already",
        cause="`subnetctl init` found keys or configuration in the directory it was asked to create.",
        remedy="Choose another --home. If the old network is not needed, move its directory away yourself.",
    ),
    Entry(
        code="SN-C031",
        title="number of validators is out of range",
        cause="A network has 1 to 15 validators.",
        remedy="Choose 3 (survives one loss) or 5 (survives two).",
    ),
    Entry(
        code="SN-C032",
        title="no network here",
        cause="The directory has no .env: `subnetctl init` has not been run in it.",
        remedy="Run `subnetctl init --home DIR`, or name the right directory with --home.",
    ),
    Entry(
        code="SN-C121",
        title="two validators share something that must be their own",
        cause="The same id, public key or endpoint stands at two validators of network.yaml.",
        remedy="Give every validator its own key (`subnetctl keys new FILE`), id and ports.",
    ),
    Entry(
        code="SN-C122",
        title="endpoint is not host:port",
        cause="An endpoint of network.yaml lacks its host or its port, or carries a scheme.",
        remedy="Write for example 127.0.0.1:9090.",
    ),
    Entry(
        code="SN-C123",
        title="nonces are forgotten while requests are still valid",
        cause="nonce_expiry_seconds is shorter than twice timestamp_tolerance_seconds, so a request could be replayed.",
        remedy="Set nonce_expiry_seconds to at least twice timestamp_tolerance_seconds.",
    ),
    Entry(
        code="SN-K020",
        title="key file exists",
        cause="A command that makes a key would have overwritten one.",
        remedy="Choose another file name; a lost key cannot be made again.",
    ),
    Entry(
        code="SN-H030",
        title="a process ended while starting",
        cause="One of the network's processes exited before it was ready; its last lines are shown.",
        remedy="Correct what those lines say and start again.",
    ),
    Entry(
        code="SN-H031",
        title="network did not become ready in time",
        cause="At least one process still answers that it is not ready, with the reason shown.",
        remedy="Follow the reason; `subnetctl status` shows the present state, the logs the rest.",
    ),
)
