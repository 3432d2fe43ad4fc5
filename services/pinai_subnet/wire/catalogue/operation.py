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
        code="SN-C124",
        title="matcher and validator share a key",
        cause="An address among the matchers of network.yaml belongs to a validator; one stolen key could assign and "
        "judge.",
        remedy="Make a key for the matcher (`subnetctl keys new FILE`), set MATCHER_PRIVATE_KEY and MATCHER_ADDRESS.",
    ),
    Entry(
        code="SN-K020",
        title="key file exists",
        cause="A command that makes a key would have overwritten one.",
        remedy="Choose another file name; a lost key cannot be made again.",
    ),
    Entry(
        code="SN-K021",
        title="no key for test intents",
        cause="A command that submits an intent needs TEST_PRIVATE_KEY, and .env has none.",
        remedy="Add TEST_PRIVATE_KEY=<64 hex digits> to .env; `subnetctl keys new FILE` makes a key.",
    ),
    Entry(
        code="SN-N401",
        title="a member does not answer",
        cause="subnetctl could not reach the HTTP API of a member of the network.",
        remedy="`subnetctl status` shows who runs; start what is missing with `subnetctl up`.",
    ),
    Entry(
        code="SN-N402",
        title="a member refused without a code",
        cause="The HTTP API answered with an error that carries no code of this network: probably another program.",
        remedy="Compare the endpoints in network.yaml with what listens there.",
    ),
    Entry(
        code="SN-N403",
        title="an intent has not ended in time",
        cause="The intent was submitted but is neither completed nor failed yet.",
        remedy="`subnetctl intent explain ID` shows where it waits; `subnetctl status` whether the network is healthy.",
    ),
    Entry(
        code="SN-N404",
        title="an intent ended without being completed",
        cause="Nobody bid, nobody finished in time, or the validators rejected the result.",
        remedy="`subnetctl intent explain ID` tells who is at fault and why.",
    ),
    Entry(
        code="SN-N405",
        title="nobody knows the intent",
        cause="Neither RootLayer nor matcher nor validators have an intent of that id.",
        remedy="`subnetctl intent list` shows the intents of this network; check --home and the id.",
    ),
    Entry(
        code="SN-N406",
        title="a settled batch does not verify",
        cause="Recomputing a digest or recovering a signature from the published data gave something else.",
        remedy="Keep the data directories and logs; a member is faulty or lying, and the message names what differs.",
    ),
    Entry(
        code="SN-N407",
        title="the validators do not agree yet",
        cause="There is no single leader, or the validators' ledgers differ after the time they were given.",
        remedy="`subnetctl status` shows role, index and state digest of each; read the log of the one that differs.",
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
    Entry(
        code="SN-C125",
        title="the change would stop the network",
        cause="With the validators that are here now, the new set could not elect or finalise.",
        remedy="Bring absent validators back first, or remove those instead.",
    ),
    Entry(
        code="SN-K022",
        title="no validator's key is here",
        cause="The command needs a signature that no key in this .env can make.",
        remedy="Run it on the host of a validator.",
    ),
    Entry(
        code="SN-K023",
        title="the key here is not this validator's",
        cause="The validator's variable in this .env holds another key than the one in the set, e.g. an older one.",
        remedy="Put the validator's present key there, or run the command where that key is.",
    ),
    Entry(
        code="SN-N408",
        title="the effect of a command was not seen in time",
        cause="The change was sent, but the running network does not show it yet.",
        remedy="Look at `subnetctl validator list` and the logs; repeating the command is safe.",
    ),
    Entry(
        code="SN-C033",
        title="no RootLayer is configured",
        cause="The deployment has no development RootLayer, and .env does not say where the remote one is.",
        remedy="Set ROOTLAYER_GRPC and ROOTLAYER_HTTP in .env, or COMPOSE_PROFILES=dev to try the network out.",
    ),
    Entry(
        code="SN-H060",
        title="no usable container engine",
        cause="Docker or Compose is missing, too old, not running, or not open to this user.",
        remedy="Follow the fix that is shown; `docker info` and `docker compose version` must both answer.",
    ),
    Entry(
        code="SN-H061",
        title="the network's address range is taken",
        cause="The range of SUBNET_CIDR overlaps with another network of this host; traffic would go astray.",
        remedy="Set SUBNET_CIDR in .env to the free range that is shown.",
    ),
    Entry(
        code="SN-H062",
        title="another deploy.sh works here",
        cause="Two operators, or a terminal that was left, change the same deployment at the same time.",
        remedy="Wait until the other one has ended; its lock ends with it, however it ends.",
    ),
    Entry(
        code="SN-H063",
        title="the image is missing or for another processor",
        cause="The engine has no image of this name, or one that was built for another architecture.",
        remedy="Load it with install.sh of the distribution for this architecture, or build it from source.",
    ),
    Entry(
        code="SN-H064",
        title="the distribution is not whole",
        cause="A file of the distribution is missing, or its content is not what its checksum says.",
        remedy="Copy the distribution again, compare it with its .sha256 file, and unpack it into an empty directory.",
    ),
)
