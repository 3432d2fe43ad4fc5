"""Catalogue entries of the area: backups, restoring, and members that must not come back as they are."""

from pinai_subnet.wire.catalogue.entry import Entry

ENTRIES: tuple[Entry, ...] = (
    Entry(
        code="SN-K010",
        title="Identity active elsewhere",
        cause="Another process with this validator's key takes part in the network: a copied directory, or the same "
        "member started on two hosts.",
        remedy="Stop one of the two. If the other one is lost or out of reach, start this one with `--takeover`.",
    ),
    Entry(
        code="SN-K011",
        title="Identity taken over",
        cause="Another process with this validator's key was started with `--takeover`; this one may not take part "
        "any more.",
        remedy="Do not start this copy again. To give the identity back to it, start it with `--takeover`.",
    ),
    Entry(
        code="SN-K107",
        title="Backup is encrypted",
        cause="The backup was written with a key, and none was given.",
        remedy="Name the file with its key: `--key-file FILE`.",
    ),
    Entry(
        code="SN-K108",
        title="Backup does not open with this key",
        cause="The backup was encrypted with another key, or its bytes have changed since.",
        remedy="Name the key file that was used when it was taken. If it is that one, use another copy of the backup.",
    ),
    Entry(
        code="SN-R019",
        title="Member without its memory",
        cause="The others know this validator as one that held data, and its data directory is empty.",
        remedy="Put the data back if it still exists. Otherwise start the validator once with `--rejoin-empty`; "
        "in containers: `deploy.sh rejoin VALIDATOR`.",
    ),
    Entry(
        code="SN-R070",
        title="Backup damaged",
        cause="The file is cut, changed or no backup, or its state is not the one its header names.",
        remedy="Use another backup; `subnetctl backup verify` tells good ones from bad ones.",
    ),
    Entry(
        code="SN-R071",
        title="Backup of another format",
        cause="The backup was taken by a build with another backup format.",
        remedy="Use the build that took it (`subnetctl backup inspect` of that build shows the version).",
    ),
    Entry(
        code="SN-R072",
        title="Backup of another subnet",
        cause="The backup belongs to another subnet than the network it is used with.",
        remedy="Name the right --home, or use a backup of this network.",
    ),
    Entry(
        code="SN-R073",
        title="Backup in progress",
        cause="This validator takes one backup at a time.",
        remedy="Try again in a moment, or ask another validator.",
    ),
    Entry(
        code="SN-R074",
        title="Backup mark missed",
        cause="The validator took its state from a snapshot while the backup waited for its place in the log.",
        remedy="Take the backup again.",
    ),
    Entry(
        code="SN-R075",
        title="Validators hold different states",
        cause="Another validator's signed digest of its state differs at the same log position.",
        remedy="Stop and compare state digests with `subnetctl status`: the validator named, or the one that logs "
        "this, runs other software or has lost data. Rebuild it from the others.",
    ),
    Entry(
        code="SN-R076",
        title="No digest of that log position",
        cause="The validator has not reached the position, was not asked to note its state there, or forgot it.",
        remedy="Nothing: who takes a backup asks again, or does without this validator's signature.",
    ),
    Entry(
        code="SN-R077",
        title="Backup not allowed",
        cause="A backup holds results, so only the validator's own host and callers with a validator key get one.",
        remedy="Run the command on the validator's host, or with a home that has a validator's key.",
    ),
    Entry(
        code="SN-R078",
        title="Scheduled backup not written",
        cause="The backup directory cannot be written.",
        remedy="Correct backup.directory in validator.yaml, its owner, or the disk.",
    ),
    Entry(
        code="SN-R079",
        title="Validator does not sign the backup",
        cause="Another validator did not answer, or not with a statement about its state.",
        remedy="Bring it back; a backup counts with a quorum of signatures.",
    ),
    Entry(
        code="SN-R080",
        title="A live quorum exists",
        cause="Restoring or recovering while a majority of validators works would make two networks of one.",
        remedy="Replace single validators instead. To give up what the network has done since, stop all validators "
        "first.",
    ),
    Entry(
        code="SN-R081",
        title="Cluster file unreadable",
        cause="The file that names the restored cluster in a validator's data directory is damaged.",
        remedy="Copy it from another validator of the network; it is the same for all.",
    ),
    Entry(
        code="SN-R082",
        title="Malformed restore id",
        cause="A restore id is 1 to 40 lower-case letters, digits and hyphens.",
        remedy="Use the one that the restore on the first host printed.",
    ),
    Entry(
        code="SN-R083",
        title="Log directory not empty",
        cause="A state can only be put into an empty log directory.",
        remedy="Move the directory aside and restore again.",
    ),
    Entry(
        code="SN-R084",
        title="No validator here",
        cause="The home's .env has no key of a validator in network.yaml.",
        remedy="Run the command in the home of a validator.",
    ),
    Entry(
        code="SN-R085",
        title="Drill reached another state",
        cause="A validator of the throw-away network holds another state than the backup names.",
        remedy="Do not rely on this backup; report it with the drill's logs.",
    ),
    Entry(
        code="SN-R086",
        title="No validator gave a backup",
        cause="None of the validators answered, or all refused; each reason is in the message.",
        remedy="A backup needs a quorum of running validators; see `subnetctl status`.",
    ),
    Entry(
        code="SN-R087",
        title="Too few signatures",
        cause="Fewer validators signed the backup's state than make a batch final, so it could be one validator's "
        "invention.",
        remedy="Take or use another backup. `restore --i-know` accepts it on your own responsibility.",
    ),
    Entry(
        code="SN-R088",
        title="Nothing to recover from",
        cause="No data directory of this home holds an intact log.",
        remedy="Restore the newest backup with `subnetctl backup restore`.",
    ),
    Entry(
        code="SN-R089",
        title="A validator still runs",
        cause="Its data directory is to be replaced, and its process is alive.",
        remedy="Stop it with `subnetctl down`, then run the command again.",
    ),
    Entry(
        code="SN-R090",
        title="A note about members is unreadable",
        cause="One of two small files in a validator's log directory is damaged: `fence`, which remembers other "
        "processes, or `REJOIN`, which says that this member has no vote yet.",
        remedy="Move the file that is named away and start the validator once with `--rejoin-empty`. If others then "
        "refuse it with SN-K011, start it with `--takeover`.",
    ),
)
