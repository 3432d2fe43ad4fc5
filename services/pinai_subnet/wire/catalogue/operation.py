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
        code="SN-C126",
        title="no join package",
        cause="The file is damaged, not what `deploy.sh invite` wrote, or written by another format of it.",
        remedy="Copy it again, or have a new one made: `deploy.sh invite --id ID --host ADDRESS`.",
    ),
    Entry(
        code="SN-C127",
        title="no list of hosts",
        cause="--hosts names none, too many, one twice or with a port, or not as many as --validators.",
        remedy="Write names or addresses without ports, separated by commas, this host first.",
    ),
    Entry(
        code="SN-C128",
        title="not for containers",
        cause="The command starts and stops processes of this host, and here they are containers.",
        remedy="Add: `deploy.sh invite` here, `deploy.sh join` on the other host. New key: `deploy.sh rotate-key ID`.",
    ),
    Entry(
        code="SN-K024",
        title="a secret would leave this host",
        cause="A configuration file that all members share holds the value of a secret variable of this .env.",
        remedy="Write ${NAME} there instead of the value, or take it out.",
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
        code="SN-N430",
        title="No intent type to try",
        cause="A dry run was asked for, and neither --type nor the file says which type of intent it is about.",
        remedy="Name the type with --type, or give a JSON file with an `intentType`, as intents are submitted.",
    ),
    Entry(
        code="SN-N431",
        title="The intent cannot be tried again",
        cause="Only an intent that failed or expired is submitted again: this one is done or still on its way.",
        remedy="See where it is with `subnetctl intent watch ID`; for the same work a second time use "
        "`subnetctl intent submit`.",
    ),
    Entry(
        code="SN-N432",
        title="The intent's own data stands in the way",
        cause="Agents are left out by a word in the new intent's metadata, and this metadata is not a JSON "
        "object; or RootLayer's record of it cannot be read.",
        remedy="Retry without --exclude, or submit the work anew with metadata that is a JSON object.",
    ),
    Entry(
        code="SN-N433",
        title="No key of the agent",
        cause="An agent's bids and earnings are told to its own key only, and the home's .env has none whose "
        "address the matcher knows as this agent's.",
        remedy="Name the agent's key file with --key-file, and check the agent's id with `subnetctl agents`.",
    ),
    Entry(
        code="SN-N434",
        title="The recording cannot be read or written",
        cause="The file is not a recording of this form, cannot be opened, or exists already where a new one is made.",
        remedy="Make one with `subnetctl recording save FILE`, under a name that does not exist yet.",
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
        code="SN-H080",
        title="too many validators were down at the same time",
        cause="A validator was restarted or stopped while another one was away; without a majority nothing is decided.",
        remedy="Restart one at a time with `deploy.sh restart`, which waits until each is ready; nothing was lost.",
    ),
    Entry(
        code="SN-H081",
        title="a validator has not taken its new key yet",
        cause="`deploy.sh rotate-key` was interrupted after the network had agreed on the key: what is started now "
        "would run with a key that counts no more.",
        remedy="Repeat `deploy.sh rotate-key VALIDATOR`, which goes on where it was interrupted.",
    ),
    Entry(
        code="SN-H082",
        title="a host does not take out its own validator",
        cause="`deploy.sh remove` is for a host that is lost or given up: whoever stays has to know the new set.",
        remedy="Run it on another host of the network.",
    ),
    Entry(
        code="SN-H083",
        title="the data was not converted",
        cause="While an upgrade had stopped everything, the new version found a data directory damaged, or could not "
        "convert it. Nothing of the new version was started; where converting had begun, `data/before-upgrade` has "
        "all data as it was.",
        remedy="Correct what is shown above it, then `deploy.sh upgrade --resume`, or back with `--rollback`.",
    ),
    Entry(
        code="SN-H084",
        title="going back would lose what came after the upgrade",
        cause="The data was converted and the new version started, so the former one can only go on from the copies of "
        "before that.",
        remedy="Stay with the new version; or `deploy.sh upgrade --rollback --i-know`, which keeps the present data "
        "aside.",
    ),
    Entry(
        code="SN-H085",
        title="there are no copies of the data to go back to",
        cause="The data was converted, and `data/before-upgrade` was deleted or no longer fits: `upgrade --finish`, a "
        "restore, a reset or another key of a validator came after.",
        remedy="Stay with the new version; for the former one make a deployment of its own and restore a backup there.",
    ),
    Entry(
        code="SN-H086",
        title="data of an older version that was not converted",
        cause="This version keeps its data in another format. It converts the older one, but only when it is told to, "
        "because the older version cannot read it afterwards.",
        remedy="In containers `deploy.sh upgrade IMAGE --stop`. Otherwise stop everything, copy the data directories, "
        "then `subnetctl migrate`.",
    ),
    Entry(
        code="SN-H064",
        title="the distribution is not whole",
        cause="A file of the distribution is missing, or its content is not what its checksum says.",
        remedy="Copy the distribution again, compare it with its .sha256 file, and unpack it into an empty directory.",
    ),
    Entry(
        code="SN-H070",
        title="an upgrade is not finished, or there is none",
        cause="An upgrade was interrupted or stopped at a node that did not get ready: two versions run side by side.",
        remedy="Finish it with `deploy.sh upgrade --resume`, or go back with `deploy.sh upgrade --rollback`.",
    ),
    Entry(
        code="SN-H071",
        title="this version cannot follow the one that runs",
        cause="It is older, or its data directories have another format: an older one, one that it does not convert "
        "to, or one that takes a stop of everything.",
        remedy="Take a newer version, or add `--stop` where the message says so; to go back to an older one restore a "
        "backup that was taken before the upgrade.",
    ),
    Entry(
        code="SN-H072",
        title="a service did not get ready with the new version",
        cause="The new version, or the new configuration, does not work here; that service runs the former one again.",
        remedy="Read its last lines, correct the cause and resume the upgrade, or roll it back.",
    ),
    Entry(
        code="SN-H073",
        title="a validator cannot be spared now",
        cause="Too few other validators take part: without this one nobody could lead, and nothing would become final.",
        remedy="Bring the other validators back first; `deploy.sh status` shows what each of them lacks.",
    ),
    Entry(
        code="SN-H074",
        title="the distribution is not signed by who it should be",
        cause="Its list of checksums has no signature, or one by a key that is not among the allowed signers.",
        remedy="Take the distribution from its publisher, and compare the allowed signers with what they publish.",
    ),
    Entry(
        code="SN-H075",
        title="the data is not deleted",
        cause="It was not confirmed, containers still run, or a remote RootLayer knows what these keys have signed.",
        remedy="Follow the fix that is shown; `deploy.sh init` elsewhere makes a new network with keys of its own.",
    ),
    Entry(
        code="SN-H090",
        title="the support bundle was not harmless",
        cause="The finished bundle held a secret of this home, or something that looks like one; it was deleted.",
        remedy="Report the part and the secret's place that the message names; until then send single files.",
    ),
    Entry(
        code="SN-H091",
        title="what is secret cannot be known",
        cause="A key file or a configuration file cannot be read, so its secrets cannot be looked for in a bundle.",
        remedy="Run the command as the user who may read the file, or move away what does not belong there.",
    ),
    Entry(
        code="SN-H092",
        title="the support bundle cannot be written",
        cause="The file exists already, or its directory cannot be written; bundles never replace a file.",
        remedy="Name another file with --output.",
    ),
)
