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
)
