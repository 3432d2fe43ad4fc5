"""Catalogue entries of the area: replication."""

from pinai_subnet.wire.catalogue.entry import Entry

_REBUILD = (
    "Nothing was deleted: check the disk, then let this validator fetch everything from the others "
    "(prepare its replication directory for rejoining; it has no vote until it caught up). Never "
    "start it with an empty directory instead: it would have forgotten what it acknowledged. If more "
    "than a minority is damaged, restore directories from backups."
)

ENTRIES: tuple[Entry, ...] = (
    Entry(
        code="SN-R001",
        title="Replication options do not fit together",
        cause="A timing, limit or threshold of the replicated log contradicts another one.",
        remedy=(
            "Correct the option named in the message; all validators should use the same values."
        ),
    ),
    Entry(
        code="SN-R002",
        title="The election engine is not the expected version",
        cause=(
            "The installed pysyncobj differs from the pinned version, or behaves differently "
            "from what our parts around it rely on."
        ),
        remedy=(
            "Install exactly the locked dependencies (make setup); do not upgrade pysyncobj by "
            "hand."
        ),
    ),
    Entry(
        code="SN-R003",
        title="Data directory in use",
        cause="Another process holds the lock of this validator's replication directory.",
        remedy="Stop the other process, or give each validator a directory of its own.",
    ),
    Entry(
        code="SN-R004",
        title="Data directory of another network or node",
        cause="The files name another cluster id or another validator id than the configuration.",
        remedy=(
            "Point the validator to its own data directory, or correct its id or the network "
            "configuration."
        ),
    ),
    Entry(
        code="SN-R005",
        title="Replication endpoint cannot be used",
        cause=(
            "The listen endpoint is malformed, not an address of this host, or taken by another "
            "process."
        ),
        remedy="Free the port or change the validator's replication listen endpoint.",
    ),
    Entry(
        code="SN-R006",
        title="Group and key do not match",
        cause=(
            "Two members share an id or a key, or this node's key is not the one that the group "
            "expects under its id."
        ),
        remedy="Correct the validator set in network.yaml, or give this validator its own key.",
    ),
    Entry(
        code="SN-R010",
        title="Journal segment damaged",
        cause=(
            "Bytes of the log changed after they were written (disk fault, manual change, wrong "
            "copy). The file was put into quarantine."
        ),
        remedy=_REBUILD,
    ),
    Entry(
        code="SN-R011",
        title="Term and vote damaged or missing",
        cause=(
            "The meta file fails its check or is gone while log entries exist; guessing could "
            "allow two leaders in one term."
        ),
        remedy=_REBUILD,
    ),
    Entry(
        code="SN-R012",
        title="Journal incomplete",
        cause=(
            "A segment, or bytes that were durable before, are missing: the directory was "
            "copied or restored partially."
        ),
        remedy=_REBUILD,
    ),
    Entry(
        code="SN-R013",
        title="Snapshot damaged",
        cause="The stored state does not match its digest. The file was put into quarantine.",
        remedy=_REBUILD,
    ),
    Entry(
        code="SN-R014",
        title="Snapshot and journal do not meet",
        cause=(
            "The journal begins behind the end of the newest snapshot: one of them is older "
            "than the other, or missing."
        ),
        remedy=_REBUILD,
    ),
    Entry(
        code="SN-R015",
        title="Disk refuses a write",
        cause=(
            "A write, sync or rename of the log failed (disk full, fault, permissions). The "
            "node stopped so as not to acknowledge what is not stored."
        ),
        remedy=(
            "Free space: then it goes on by itself. Repair a faulty disk and restart the validator; "
            "it continues from what is durable."
        ),
    ),
    Entry(
        code="SN-R016",
        title="Unknown file format",
        cause="The log, meta file or snapshot was written by a build with another format version.",
        remedy=(
            "Start the build that wrote it, or upgrade this one; formats are never converted "
            "silently."
        ),
    ),
    Entry(
        code="SN-R017",
        title="Directory marked as damaged",
        cause=(
            "An earlier start found damage here and put a file into quarantine; what is left is "
            "incomplete."
        ),
        remedy=_REBUILD,
    ),
    Entry(
        code="SN-R018",
        title="Nothing to rejoin",
        cause="Rejoining was asked for a directory without a log, or for a group of one member.",
        remedy="Start the validator normally; a single validator can only be restored from a backup.",
    ),
    Entry(
        code="SN-R020",
        title="No quorum in time",
        cause=(
            "No majority of validators took the command before the timeout; whether it is "
            "committed is unknown."
        ),
        remedy=(
            "See subnetctl status: a majority must run and reach each other. The caller may "
            "repeat the same request."
        ),
    ),
    Entry(
        code="SN-R021",
        title="Command too large",
        cause="One command exceeds the limit of the replicated log.",
        remedy="Split the work; raise max_command_bytes only on all validators together.",
    ),
    Entry(
        code="SN-R022",
        title="Too many commands waiting",
        cause=(
            "More commands wait for the log than this node may hold: no quorum, a slow disk, or "
            "more load than it can take."
        ),
        remedy="Retry later; if it lasts, look at quorum, disk latency and load.",
    ),
    Entry(
        code="SN-R023",
        title="Replicated log not running",
        cause="The node is starting or shutting down.",
        remedy="Send the request to another validator, or retry after the start.",
    ),
    Entry(
        code="SN-R024",
        title="This member takes no part for now",
        cause=(
            "Its disk has no room for the log, so it stepped aside and keeps what it has. What was "
            "under way may still be committed by the others."
        ),
        remedy="Free space on its disk; it takes part again by itself, without a restart.",
    ),
    Entry(
        code="SN-R030",
        title="State machine broke an invariant",
        cause=(
            "Applying a committed command, or serialising the state, raised an error. The node "
            "stopped, the others may go on."
        ),
        remedy=(
            "Report it with the log of this node. Do not restart in a loop: the same command "
            "will be applied again."
        ),
    ),
    Entry(
        code="SN-R031",
        title="Replication loop broke",
        cause="An unexpected error ended the engine's loop; its traceback is in the log.",
        remedy="Report it with the log of this node, then restart the validator.",
    ),
    Entry(
        code="SN-R032",
        title="Committed entry would be replaced",
        cause=(
            "A leader's log contradicts what is committed here: a member lost its data or its "
            "memory of votes."
        ),
        remedy=(
            "Stop this node, compare state digests of all validators, and find the one whose "
            "data directory was reset or restored."
        ),
    ),
    Entry(
        code="SN-R033",
        title="Unknown kind of log entry",
        cause="The log holds an entry that this build does not know, probably from a newer one.",
        remedy="Start the build that wrote it, or upgrade this one.",
    ),
    Entry(
        code="SN-R040",
        title="Peer of another cluster",
        cause=(
            "A node of another network connected to the replication port, or this node to one "
            "of theirs."
        ),
        remedy="Correct the endpoints or the cluster id; the connection was closed.",
    ),
    Entry(
        code="SN-R041",
        title="Unknown peer",
        cause=(
            "Who connected is not a configured member, or another member answers at the "
            "configured endpoint."
        ),
        remedy=(
            "Correct the validator set and endpoints in network.yaml; otherwise find out who "
            "connects."
        ),
    ),
    Entry(
        code="SN-R042",
        title="Peer has the wrong key",
        cause="The peer's signature does not recover to the address configured for its id.",
        remedy=(
            "Correct the address in network.yaml or the peer's key; otherwise somebody "
            "impersonates that validator."
        ),
    ),
    Entry(
        code="SN-R043",
        title="Peer speaks another protocol version",
        cause="The two validators run builds whose replication protocols differ.",
        remedy="Upgrade the older one.",
    ),
    Entry(
        code="SN-R044",
        title="Malformed replication message",
        cause="Bytes on the replication port are no valid message; nothing of them was executed.",
        remedy=(
            "If it comes from a member, compare versions; otherwise restrict who can reach the "
            "port."
        ),
    ),
    Entry(
        code="SN-R045",
        title="Replication frame too large",
        cause="A frame or snapshot exceeds the limit; it was not read.",
        remedy="Use the same limits on all validators; otherwise restrict who can reach the port.",
    ),
    Entry(
        code="SN-R046",
        title="Replication frame changed on the way",
        cause=(
            "The authentication code of a frame does not match: bytes were changed, repeated or "
            "left out."
        ),
        remedy="The connection is rebuilt by itself; if it repeats, suspect the network path.",
    ),
    Entry(
        code="SN-R047",
        title="Handshake not finished",
        cause=(
            "Who connected did not prove itself in time, or too many connections were unproven "
            "at once."
        ),
        remedy=(
            "Restrict who can reach the replication port; if it is a member, look at its load "
            "and clock."
        ),
    ),
    Entry(
        code="SN-R048",
        title="Peer connection ended",
        cause=(
            "The peer closed or refused the connection, usually because it stops, starts or is "
            "down."
        ),
        remedy="Nothing, if the peer is known to be down; it is reached again by itself.",
    ),
    Entry(
        code="SN-R049",
        title="Peer not reachable",
        cause="The peer is silent for too long or its host name does not resolve.",
        remedy="Check the peer's process, its endpoint in network.yaml and the network between.",
    ),
    Entry(
        code="SN-R050",
        title="Peer's build is too far from this one",
        cause=(
            "The two validators' ledger rules differ so much that they would come to different "
            "states from one log."
        ),
        remedy="Upgrade the older one; go through the releases in between, one validator at a time.",
    ),
    Entry(
        code="SN-R051",
        title="Peer of another chain or contract",
        cause="The two validators' network files name another chain id or other contracts.",
        remedy="Compare `chain` in both network.yaml files and .env with `subnetctl status`.",
    ),
    Entry(
        code="SN-R060",
        title="This change of the membership is not possible",
        cause=(
            "The member to add exists already or its key belongs to another one, the member to "
            "change does not exist, or the last voter would go."
        ),
        remedy="Look at the members (subnetctl validator list) and correct the command.",
    ),
    Entry(
        code="SN-R061",
        title="Another change of the membership is under way",
        cause=(
            "Members change one at a time, and a new leader first commits an entry of its own: two "
            "changes at once could make two majorities that do not overlap."
        ),
        remedy="Repeat the command in a moment.",
    ),
    Entry(
        code="SN-R062",
        title="The change would cost the quorum, or the learner is not ready",
        cause=(
            "With the members that are connected now, the new group could not commit anything; or "
            "the learner has not received everything yet."
        ),
        remedy=(
            "Bring absent validators back or remove those first; for a learner, wait until its lag "
            "is small."
        ),
    ),
    Entry(
        code="SN-R063",
        title="Only the leader changes the membership",
        cause="The validator that was asked does not lead, or lost the leadership just now.",
        remedy="Ask the leader, which the status names.",
    ),
)
