"""Catalogue entries of the area: validation."""

from pinai_subnet.wire.catalogue.entry import Entry

ENTRIES: tuple[Entry, ...] = (
    # V001 to V039: the ledger.
    Entry(
        code="SN-V001",
        title="Unreadable ledger command",
        cause="A log entry is no command that this build can read: damaged, or of a version or "
        "kind it does not know.",
        remedy="Run the same release on all validators; `subnetctl status` shows each one's "
        "version. The entry itself is skipped by all of them alike.",
    ),
    Entry(
        code="SN-V002",
        title="Ledger command not signed by a validator",
        cause="A command names a proposer outside the validator set, or its signature is not "
        "that validator's.",
        remedy="Compare the validators' ids and public keys in network.yaml on all nodes; they "
        "must be the same everywhere and match the key each validator holds.",
    ),
    Entry(
        code="SN-V003",
        title="Ledger command out of bounds",
        cause="A command has no request id, an impossible time, too many items, or a text that "
        "is too long.",
        remedy="Send fewer or shorter items. If one of our processes sent it, check that it runs "
        "the same release as the validators.",
    ),
    Entry(
        code="SN-V004",
        title="Log position applied twice",
        cause="The replication engine delivered a log position that the ledger already has.",
        remedy="Nothing is changed by it. If it repeats, stop this validator, keep its data "
        "directory for a report, and let it rejoin with an empty one.",
    ),
    Entry(
        code="SN-V005",
        title="Assignment not acceptable",
        cause="An assignment is not active, is malformed, or its matcher is not one of the "
        "network's matchers.",
        remedy="Put the matcher's address under `matchers` in network.yaml of every validator, "
        "then restart them one by one.",
    ),
    Entry(
        code="SN-V006",
        title="Assignment signature wrong",
        cause="The matcher's signature over an assignment or its record belongs to another key.",
        remedy="Check that the matcher's key is the one whose address network.yaml names, and "
        "that chain id and contract addresses are the same on both sides.",
    ),
    Entry(
        code="SN-V007",
        title="Assignment recorded with other content",
        cause="The same assignment id was recorded before with other fields. The first one stays.",
        remedy="An assignment never changes once signed; give a new attempt a new assignment id.",
    ),
    Entry(
        code="SN-V008",
        title="Assignment deadline not usable",
        cause="The deadline has passed, or is further ahead than the validators keep assignments.",
        remedy="Compare the clocks of matcher and validators; assign only intents whose deadline "
        "is ahead and within the limit shown.",
    ),
    Entry(
        code="SN-V009",
        title="Intent already decided",
        cause="Another assignment of the intent has a verified result, so no further attempt is "
        "taken.",
        remedy="Nothing to do: the matcher learns the result from the outcome stream.",
    ),
    Entry(
        code="SN-V010",
        title="Too many attempts",
        cause="The intent has as many assignments as the validators keep for one intent.",
        remedy="Let the intent end; check why its agents keep failing with `subnetctl intent "
        "explain`.",
    ),
    Entry(
        code="SN-V011",
        title="Ledger full",
        cause="The validators hold as many assignments as they may.",
        remedy="Wait until open ones end and deadlines pass. If it lasts, check that batches "
        "become final and that RootLayer answers.",
    ),
    Entry(
        code="SN-V012",
        title="Assignment not known",
        cause="A report names an assignment that the validators do not have, and policy does "
        "not let it wait.",
        remedy="Send the report for the task the matcher gave, with its ids unchanged, and after "
        "the task arrived.",
    ),
    Entry(
        code="SN-V013",
        title="Not the assigned agent",
        cause="The report's agent id, or the key that signed its request, is not the assigned "
        "agent's.",
        remedy="Report under the name or address the bid was made with and sign with that "
        "address's key.",
    ),
    Entry(
        code="SN-V014",
        title="Report names another intent",
        cause="The report's intent id is not the intent of its assignment.",
        remedy="Copy intent id and assignment id from the same task.",
    ),
    Entry(
        code="SN-V015",
        title="Report too late",
        cause="The assignment's deadline passed before the first report came.",
        remedy="Finish and report before the task's deadline; check the agent's clock.",
    ),
    Entry(
        code="SN-V016",
        title="No room for reports now",
        cause="Too many reports, or too many bytes of results, wait for verification or for "
        "their assignment.",
        remedy="Send the same report again later. If it lasts, check that a majority of "
        "validators is up and verifies.",
    ),
    Entry(
        code="SN-V017",
        title="Report too large",
        cause="The report, or what it holds beside the result, is larger than the ledger takes.",
        remedy="Store large results elsewhere and report their hash and place as an external "
        "reference.",
    ),
    Entry(
        code="SN-V018",
        title="Another attempt won",
        cause="Another assignment of the same intent was verified first, so this one ended.",
        remedy="Nothing to do: an intent is settled once, for the first verified report.",
    ),
    Entry(
        code="SN-V019",
        title="Report never assigned",
        cause="A report waited for its assignment, which did not come in time, so it was dropped.",
        remedy="Check that the matcher reaches the validators (SN-N codes in its log) and that "
        "the ids in the report are right.",
    ),
    Entry(
        code="SN-V020",
        title="Verdict without a report",
        cause="A validator judged a report that the ledger does not have, or has forgotten.",
        remedy="Nothing to do if it is rare: a very late verdict. Otherwise the validator is far "
        "behind; see `subnetctl validators`.",
    ),
    Entry(
        code="SN-V021",
        title="Verdict about another report",
        cause="A verdict names a report digest other than the ledger's for that assignment.",
        remedy="The validators may run different releases; run the same one on all.",
    ),
    Entry(
        code="SN-V022",
        title="Second, different verdict",
        cause="A validator gave two different verdicts on one report. The first counts.",
        remedy="Two processes may run with one validator's key, or its policy changed in "
        "between: stop the second process.",
    ),
    Entry(
        code="SN-V023",
        title="Verdict signature wrong",
        cause="A verdict is not signed by the validator that sent it.",
        remedy="Check that the validator's key matches its public key in network.yaml.",
    ),
    Entry(
        code="SN-V024",
        title="Malformed verdict",
        cause="A verdict names too many rules, fails without a code, or passes with one.",
        remedy="The validator runs another release than the network; run the same one on all.",
    ),
    Entry(
        code="SN-V025",
        title="Not enough verdicts in time",
        cause="Too few validators judged the report within the time allowed, so it ended.",
        remedy="Bring the missing validators back: `subnetctl validators` shows who is behind.",
    ),
    Entry(
        code="SN-V026",
        title="No report before the deadline",
        cause="The agent did not report until the assignment's deadline.",
        remedy="Nothing to do on the validators; the agent's own log says why it did not report.",
    ),
    Entry(
        code="SN-V030",
        title="Not the next epoch",
        cause="A seal names an epoch other than the next one.",
        remedy="Nothing to do: two leaders sealed at once and the first won. The next seal takes "
        "what is left.",
    ),
    Entry(
        code="SN-V031",
        title="Batch not sealable",
        cause="A seal lists no items, too many, one that is not verified, or one intent twice.",
        remedy="The validators may run different releases; run the same one on all.",
    ),
    Entry(
        code="SN-V032",
        title="Too many epochs open",
        cause="Sealed epochs wait for signatures or for RootLayer, so no new one may open yet.",
        remedy="Check that enough validators sign (`subnetctl validators`) and that RootLayer "
        "answers.",
    ),
    Entry(
        code="SN-V033",
        title="Seal time ahead",
        cause="A seal carries a time ahead of its proposer's own clock, or far ahead of what a "
        "majority of the validators' clocks have reached.",
        remedy="Synchronise the clock of the validator that proposed it.",
    ),
    Entry(
        code="SN-V034",
        title="Epoch not known",
        cause="A signature is for an epoch that is not sealed, or was settled long ago.",
        remedy="Nothing to do if it is rare: a very late signature.",
    ),
    Entry(
        code="SN-V035",
        title="Signature over something else",
        cause="A validator signed another batch or header for the epoch than the ledger has. It "
        "is kept as evidence.",
        remedy="Run the same release on all validators; if two signatures of one validator "
        "exist, treat its key as compromised.",
    ),
    Entry(
        code="SN-V036",
        title="Epoch signature wrong",
        cause="A signature for an epoch is not made by the validator that sent it.",
        remedy="Check that the validator's key matches its public key in network.yaml.",
    ),
    Entry(
        code="SN-V037",
        title="Settlement not acceptable",
        cause="RootLayer's answer is for an epoch that is not final, has another number of "
        "items, or contradicts the recorded one.",
        remedy="Nothing to do if it is rare. Otherwise compare the RootLayer address of the "
        "validator that reported it with the others'.",
    ),
    Entry(
        code="SN-V038",
        title="RootLayer refused the result",
        cause="RootLayer took the batch but refused this item for good; the reason is its own.",
        remedy="Read the reason with `subnetctl intent explain`; compare intent and assignment "
        "with RootLayer's copy.",
    ),
    Entry(
        code="SN-V039",
        title="Snapshot unusable",
        cause="A ledger snapshot is damaged, of another version, or of another subnet. Nothing "
        "of it is used.",
        remedy="Check that the data directory belongs to this network. If so, move it away: the "
        "validator fetches the state from the others.",
    ),
    Entry(
        code="SN-V110",
        title="The change of the validator set is not possible",
        cause="The validator to add is one already, the one to change is none, it is the last one, or the set is full.",
        remedy="Look at `subnetctl validator list` and correct the command.",
    ),
    Entry(
        code="SN-V111",
        title="A change of the validator set is malformed",
        cause="A name, key, endpoint or subnet in it is wrong, or it changes more than it says.",
        remedy="Make the change with subnetctl and send it unchanged.",
    ),
    Entry(
        code="SN-V112",
        title="The change was made for another set",
        cause="The set has changed since, or the change was made for another network.",
        remedy="Make the change again; approvals of the old one are worth nothing.",
    ),
    Entry(
        code="SN-V113",
        title="The key is or was another member's",
        cause="A key that was ever a validator's, or is a matcher's, never becomes another validator's.",
        remedy="Make a new key: `subnetctl keys new FILE`.",
    ),
    Entry(
        code="SN-V114",
        title="The proof of possession is wrong",
        cause="The new key did not sign this change.",
        remedy="Make the change with the new key at hand.",
    ),
    Entry(
        code="SN-V115",
        title="The change is not approved",
        cause="The signature is not a validator's, or not enough validators have approved.",
        remedy="Let more validators approve: `subnetctl validator approve`.",
    ),
    Entry(
        code="SN-V116",
        title="Another change of the validator set is under way",
        cause="One change at a time: it waits for approvals, or for its replica to catch up.",
        remedy="Finish it, or withdraw it, and repeat the command.",
    ),
    Entry(
        code="SN-V117",
        title="There is no such change",
        cause="It was enacted, withdrawn, or never proposed here.",
        remedy="Look at `subnetctl validator list`.",
    ),
    Entry(
        code="SN-V118",
        title="This validator does not lead",
        cause="Only the leader can hand the leadership over.",
        remedy="Ask the leader, which the status names.",
    ),
    Entry(
        code="SN-V119",
        title="The headers do not prove from which epoch a set counts",
        cause="A set of validators was announced to RootLayer without signed headers that lead to its first epoch.",
        remedy="Compare the sender's `subnetctl validator list` with the others'; the leader announces sets itself.",
    ),
    Entry(
        code="SN-V120",
        title="Nobody invited this validator",
        cause="Who asks to join shows no invitation signed by a present validator, one that has expired, or one for "
        "another id or other addresses.",
        remedy="Have a new one made on a host of the network: `deploy.sh invite --id ID --host ADDRESS`.",
    ),
    Entry(
        code="SN-V121",
        title="Nobody asks to join with this key",
        cause="No validator was asked lately by one whose key has the named address: it was mistyped, the newcomer "
        "does not run, or reaches nobody.",
        remedy="Compare the address with what `deploy.sh join` printed on the new host, and see that it still waits.",
    ),
    Entry(
        code="SN-V122",
        title="The candidate changes what a shadow run cannot try",
        cause="A candidate policy file differs from the active one outside validator.default and "
        "validator.intent_types: in the matcher's section, or in unknown_assignment. Those would change untried.",
        remedy="Begin with a copy of config/policy_config.yaml, change only the policies in it, and try again.",
    ),
    Entry(
        code="SN-V123",
        title="No policy runs in shadow",
        cause="There is no config/policy_shadow.yaml, or no validator has read one.",
        remedy="Install a candidate with `subnetctl policy shadow FILE --restart` and let it judge some reports.",
    ),
    Entry(
        code="SN-V124",
        title="The candidate policy is not proven",
        cause="Every validator must answer, run exactly the installed candidate in shadow, have judged reports with "
        "it and failed at none, and judge by the same active policies as the others.",
        remedy="Look at `subnetctl policy diff`, correct what the message names, and promote again.",
    ),
    Entry(
        code="SN-V125",
        title="A policy file cannot be read or written",
        cause="The configuration directory or a file in it cannot be opened by this user, or has no room.",
        remedy="Run the command as the user who owns the home; `subnetctl doctor` shows modes and free space.",
    ),
)
