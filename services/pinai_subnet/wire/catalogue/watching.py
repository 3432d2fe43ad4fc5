"""Catalogue entries of the area: what `subnetctl status` and the console find wrong with a running network."""

from pinai_subnet.wire.catalogue.entry import Entry

ENTRIES: tuple[Entry, ...] = (
    Entry(
        code="SN-M025",
        title="canaries and other work are kept apart",
        cause="An agent bid on one of the matcher's canary intents, or called itself by the canary's reserved name.",
        remedy="Give the agent another id than `canary`, and take `pinai.canary` out of its intent types.",
    ),
    Entry(
        code="SN-M026",
        title="an intent from outside calls itself a canary",
        cause="RootLayer listed an intent with the reserved type or beginning of an id; it is not worked on.",
        remedy="Its requester has to use another intent type than `pinai.canary`, and a random intent id.",
    ),
    Entry(
        code="SN-M027",
        title="canaries are switched off",
        cause="A proof without cost was asked for, and the matcher's configuration says that none is ever sent.",
        remedy="Set canary.every_seconds of matcher.yaml (`CANARY_SECONDS`) above 0 and restart the matcher.",
    ),
    Entry(
        code="SN-N420",
        title="the validators have no leader",
        cause="Fewer validators than a majority are ready, or an election is under way at this moment.",
        remedy="Bring validators back: `subnetctl status` names who is missing. Where a majority is lost for good, see "
        "`subnetctl recover`.",
    ),
    Entry(
        code="SN-N421",
        title="nothing can be finalised",
        cause="Fewer validators are ready than signatures are needed to make a batch final.",
        remedy="Bring validators back, or take lost ones out of the set with `subnetctl validator remove ID`.",
    ),
    Entry(
        code="SN-N422",
        title="no validator can be spared",
        cause="A validator is missing already, and the next loss would stop elections or finalisation.",
        remedy="Bring the missing validator back, or put another in its place: `subnetctl validator replace ID`.",
    ),
    Entry(
        code="SN-N423",
        title="a member is not ready",
        cause="The process answers, and says itself why it cannot be given work.",
        remedy="Do what the code in its reason asks for: `subnetctl explain CODE`.",
    ),
    Entry(
        code="SN-N424",
        title="validators are configured differently",
        cause="Something that all validators must share, such as threshold, members or policies, differs between them.",
        remedy="Give the validators that `subnetctl status` names the same network.yaml, policy_config.yaml and "
        "variables as the others, and restart them one after the other.",
    ),
    Entry(
        code="SN-N425",
        title="the canary does not come through",
        cause="The intent without cost that the matcher sends through the whole network was not finalised in time.",
        remedy="`subnetctl status` shows how far it came and what else is wrong; correct that, and the "
        "next canary says so.",
    ),
    Entry(
        code="SN-N426",
        title="the matcher is not ready",
        cause="Without the matcher no intent is given to an agent.",
        remedy="Start it, or do what its reason says: `subnetctl explain CODE`.",
    ),
    Entry(
        code="SN-N427",
        title="RootLayer is slow or limits its callers",
        cause="RootLayer took more than a second, or said that it is overloaded: intents and batches are late.",
        remedy="Look at its load and at the way to it; nothing is lost meanwhile.",
    ),
    Entry(
        code="SN-N428",
        title="two validators do not reach each other",
        cause="At least one of the two says that it has no connection to the other.",
        remedy="Open the raft port of both hosts for each other. Where one direction works, it is an inbound firewall.",
    ),
    Entry(
        code="SN-N429",
        title="validators run different versions",
        cause="An upgrade is under way or was left half done; neighbouring versions work together.",
        remedy="Finish it: upgrade the validators that `subnetctl status` shows with the older version.",
    ),
    Entry(
        code="SN-H065",
        title="a TLS certificate is not good, or not for long",
        cause="It has expired or soon will, is for another name, or its authority is not trusted by this host.",
        remedy="Put a new certificate on the endpoint that is named, or correct the name or the trusted authorities.",
    ),
    Entry(
        code="SN-H066",
        title="this host is short of something",
        cause="Slow durable writes, little memory or few file descriptors slow a network down or stop it under load.",
        remedy="Do what the suggestion beside the measured value says.",
    ),
    Entry(
        code="SN-H067",
        title="the doctor could not change something",
        cause="A file or directory could not be changed, or the doctor's journal could not be read.",
        remedy="Correct it by hand as the user who owns it, then run `subnetctl doctor` again.",
    ),
    Entry(
        code="SN-H068",
        title="the doctor has nothing to undo",
        cause="There is no journal: nothing was changed, or it has been taken back already.",
        remedy="There is nothing to do: `subnetctl doctor --fix` writes the journal when it changes something.",
    ),
    Entry(
        code="SN-H069",
        title="a note of a process that is gone",
        cause="The process was killed or the host restarted; the note in the run directory stayed.",
        remedy="`subnetctl doctor --fix` removes it, and so does the next start.",
    ),
)
