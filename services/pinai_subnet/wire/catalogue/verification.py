"""Catalogue entries of the area: verification, that is rules of reports, intake and the validator's queries."""

from pinai_subnet.wire.catalogue.entry import Entry

ENTRIES: tuple[Entry, ...] = (
    Entry(
        code="SN-V050",
        title="A report lacks an id",
        cause="The report has no assignment, intent or agent id, or the policy asks for a "
        "report id and there is none.",
        remedy="Send every id of the task that was assigned; the task's id is the assignment id.",
    ),
    Entry(
        code="SN-V051",
        title="The report names another assignment",
        cause="The assignment id of the report is not that of the assignment it was filed under.",
        remedy="Report with the id of the task as it was received.",
    ),
    Entry(
        code="SN-V052",
        title="The report names another intent",
        cause="The intent id of the report is not the intent of its assignment.",
        remedy="Copy the intent id from the task that was received.",
    ),
    Entry(
        code="SN-V053",
        title="The report names another agent",
        cause="The agent of the report is neither the assigned agent's name nor its address.",
        remedy="Only the assigned agent may report; check that two agents do not share a task "
        "stream.",
    ),
    Entry(
        code="SN-V054",
        title="The report was sent under another key",
        cause="The request that carried the report was signed by a key that is not the assigned"
        " agent's, or was not signed although the policy requires it "
        "(`require_signed_request`).",
        remedy="Configure the agent with the private key of the address it bids with.",
    ),
    Entry(
        code="SN-V055",
        title="The agent is blocked by policy",
        cause="The agent is in `blocked_agents` of the validation policy.",
        remedy="Remove it from policy_config.yaml on every validator if it may work again.",
    ),
    Entry(
        code="SN-V056",
        title="The report states no status",
        cause="The status of the report is unspecified.",
        remedy="Send SUCCESS, FAILED or PARTIAL.",
    ),
    Entry(
        code="SN-V057",
        title="The agent reported a failure",
        cause="The agent says that it did not complete the work (`agent_reported_failure`). "
        "Nothing is submitted to RootLayer; the runner-up may get the intent.",
        remedy="Read the error in the report with `subnetctl intent explain` and look at the "
        "agent's log.",
    ),
    Entry(
        code="SN-V058",
        title="Partial results are not taken",
        cause="The report is PARTIAL and the policy does not accept partial results.",
        remedy="Finish the work before reporting, or set `accept_partial` for the intent type.",
    ),
    Entry(
        code="SN-V059",
        title="The report's time is in the future",
        cause="The agent's timestamp is further ahead of the validators' clock than "
        "`max_ahead_seconds`; both times are in the reason.",
        remedy="Synchronise the agent's clock (NTP).",
    ),
    Entry(
        code="SN-V060",
        title="The report's time is too old",
        cause="The agent's timestamp is further back than `max_age_seconds`; both times are in "
        "the reason.",
        remedy="Synchronise the agent's clock, and report as soon as the work is done.",
    ),
    Entry(
        code="SN-V061",
        title="The report predates its assignment",
        cause="The agent's timestamp lies before the assignment by more than "
        "`before_assignment_seconds`.",
        remedy="Synchronise the clocks of agent and matcher.",
    ),
    Entry(
        code="SN-V062",
        title="The report came after the deadline",
        cause="The report was received later than the deadline plus `deadline_grace_seconds`.",
        remedy="Bid only on work that can be finished in time, or ask the requester for a later "
        "deadline.",
    ),
    Entry(
        code="SN-V063",
        title="Success without a result",
        cause="The report says SUCCESS but its result is empty and the policy requires one "
        "(`success_requires_result`).",
        remedy="Send the result in result_data, or relax the policy for this intent type.",
    ),
    Entry(
        code="SN-V064",
        title="Success with an error",
        cause="The report says SUCCESS and carries an error at the same time "
        "(`success_forbids_error`).",
        remedy="Send FAILED or PARTIAL when there was an error.",
    ),
    Entry(
        code="SN-V065",
        title="Partial without content",
        cause="The report says PARTIAL but holds neither a result nor an error "
        "(`partial_requires_content`).",
        remedy="Send what was achieved, or the reason why it is not complete.",
    ),
    Entry(
        code="SN-V066",
        title="The result is too large",
        cause="The result is longer than `max_result_bytes` of the policy.",
        remedy="Return a reference to the data instead of the data, or raise the limit for this "
        "intent type.",
    ),
    Entry(
        code="SN-V067",
        title="A large result lacks its proof",
        cause="The result is longer than `large_result_bytes` and comes without a transcript "
        "root and an external reference.",
        remedy="Send both in the evidence, or raise `large_result_bytes`.",
    ),
    Entry(
        code="SN-V068",
        title="Required evidence is missing",
        cause="The policy's `required_evidence` names parts that the report does not have.",
        remedy="Send the parts that the reason names. Agents on the published SDK cannot send any.",
    ),
    Entry(
        code="SN-V069",
        title="The outputs hash is wrong",
        cause="The evidence's outputs_hash is not keccak256 of the result.",
        remedy="Hash exactly the bytes that are sent as result_data.",
    ),
    Entry(
        code="SN-V070",
        title="The inputs hash is wrong",
        cause="The evidence's inputs_hash is not the hash of the intent's payload.",
        remedy="Hash the task's data exactly as it was received, with keccak256.",
    ),
    Entry(
        code="SN-V071",
        title="Resource usage over the limit",
        cause="The usage that the agent measured is over a limit of the policy.",
        remedy="Bid on work that fits, or raise the limits for this intent type.",
    ),
    Entry(
        code="SN-V079",
        title="The report is not signed by its agent",
        cause="The report's own signature is not of the assigned agent, or the policy requires "
        "one and there is none (`require_report_signature`).",
        remedy="Give the agent the key of the address it bids with; agents without a key cannot "
        "serve intent types whose policy requires signatures.",
    ),
    Entry(
        code="SN-V072",
        title="The confidence is too low",
        cause="Weighted scoring is on, and the rules that hold weigh less than "
        "`min_confidence`. The reason lists the broken ones.",
        remedy="Mend what the reason lists, or change weights or `min_confidence`.",
    ),
    Entry(
        code="SN-V080",
        title="Malformed report",
        cause="A field of the report has a form that cannot be read: an unknown status number, "
        "a time that is none, an over-long text.",
        remedy="Read the message; it names the field, the value and what was expected.",
    ),
    Entry(
        code="SN-V081",
        title="The caller speaks for another agent",
        cause="The signed request comes from a key that is not the agent named in the report.",
        remedy="Sign with the key of the assigned agent, or send the request unsigned where the "
        "validator accepts that.",
    ),
    Entry(
        code="SN-V082",
        title="Too many reports",
        cause="The caller is over its rate limit (`intake.reports_per_second`, `intake.burst`).",
        remedy="Wait for the time that the message names and send again; batches count each "
        "report.",
    ),
    Entry(
        code="SN-V083",
        title="Report too large",
        cause="One report is larger than `intake.max_report_bytes`, or a batch holds more than "
        "`intake.max_batch` reports.",
        remedy="Send smaller results or smaller batches.",
    ),
    Entry(
        code="SN-V084",
        title="Unknown assignment",
        cause="No validator has heard from the matcher about this assignment within "
        "`intake.unknown_assignment_wait_seconds`.",
        remedy="Check that the matcher reaches the validators (`subnetctl status`) and that the "
        "report names the assigned task.",
    ),
    Entry(
        code="SN-V085",
        title="The report is not durable yet",
        cause="The validators could not commit the report in time: no leader or no majority. "
        "Its outcome is unknown.",
        remedy="Send the same report again; it is counted once. See `subnetctl status` for the "
        "validators.",
    ),
    Entry(
        code="SN-V086",
        title="The intake is full",
        cause="More reports are waiting for the log than `intake.queue` allows.",
        remedy="Send again a little later; if it lasts, look at the validators' disks and links.",
    ),
    Entry(
        code="SN-V087",
        title="Batch stopped",
        cause="An earlier report of the batch was refused and the batch did not allow partial "
        "success.",
        remedy="Correct the refused report, or set partial_ok.",
    ),
    Entry(
        code="SN-V088",
        title="Empty batch",
        cause="The batch holds no reports.",
        remedy="Send at least one report.",
    ),
    Entry(
        code="SN-V089",
        title="Not found",
        cause="The validators know no such report, epoch, checkpoint or validator; old ones are"
        " kept for `archive.keep_days`.",
        remedy="Check the id with the List call or on another validator.",
    ),
    Entry(
        code="SN-V090",
        title="Malformed query or submission",
        cause="A field of the request cannot be read; the message names it.",
        remedy="Send the field in the form that the message names.",
    ),
    Entry(
        code="SN-V091",
        title="Only validators may do this",
        cause="The call is reserved for members of the validator set, and the caller has not "
        "proven to be one.",
        remedy="Sign the request with a validator's key.",
    ),
    Entry(
        code="SN-V092",
        title="Another header",
        cause="The proposed header is not the one that this validator computed from the log for"
        " that epoch.",
        remedy="Compare it with GetCheckpoint; validators sign only what they computed themselves.",
    ),
    Entry(
        code="SN-V093",
        title="The signature does not count",
        cause="The submitted signature is not a member's signature over the header of a known "
        "epoch.",
        remedy="Sign the header hash of the sealed epoch with the validator's own key.",
    ),
    Entry(
        code="SN-V094",
        title="This validator cannot finalise",
        cause="A loop of the validator (verify, sign or settle) has work and has made none of "
        "it for too long.",
        remedy="Read the reason in /health and the log; `subnetctl status` shows both quorums.",
    ),
    Entry(
        code="SN-V095",
        title="The recomputed batch differs",
        cause="What this validator computed from its own records is not what was sealed; it "
        "does not sign the epoch.",
        remedy="Compare the epoch on all validators with `subnetctl status`; a validator with "
        "another version or damaged data must be replaced.",
    ),
    Entry(
        code="SN-V096",
        title="The archive cannot be written",
        cause="The archive of results and verdicts on this validator failed; agreement goes on "
        "without it.",
        remedy="Free disk space or repair the data directory; the archive catches up by itself.",
    ),
    Entry(
        code="SN-V097",
        title="Contradictory policy",
        cause="A policy is contradictory: unknown evidence field, negative limit or weights "
        "that are all zero.",
        remedy="Correct the key that the message names in policy_config.yaml.",
    ),
    Entry(
        code="SN-V098",
        title="RootLayer's answer does not fit",
        cause="RootLayer answered a batch with another number of results than it has items. The"
        " batch is sent again.",
        remedy="Check the version of RootLayer; the protocol wants one result per item, in order.",
    ),
    Entry(
        code="SN-V099",
        title="The validators have no quorum",
        cause="No leader is known, or fewer validators are connected than a majority, or than "
        "the signatures that a batch needs.",
        remedy="Start the missing validators and check the links between them: /api/v1/status "
        "lists each peer.",
    ),
    Entry(
        code="SN-V100",
        title="The clocks of the validators differ",
        cause="The log holds times that are seconds ahead of this machine's clock; the reason "
        "names both.",
        remedy="Synchronise the clocks of all validators (NTP or chrony).",
    ),
    Entry(
        code="SN-V101",
        title="Disk nearly full",
        cause="The file system of the data directory has less free space than "
        "`health.min_free_mb`. This validator stops writing: it takes no reports, signs nothing and "
        "takes no part in agreement, but answers questions from what it has.",
        remedy="Free space or enlarge the disk; nothing is lost meanwhile, and it goes on by itself "
        "without a restart. A backup and another host are the way out if neither is possible.",
    ),
    Entry(
        code="SN-V106",
        title="Disk fills up",
        cause="The file system of the data directory has less free space than "
        "`health.warn_free_percent`, or is full in fewer days than `health.warn_full_in_days` at the "
        "rate of the last day. Everything still works.",
        remedy="Look at what grows (`subnet_validator_disk_free_bytes`), lower `archive.keep_days` or "
        "`archive.max_records`, or enlarge the disk before `health.min_free_mb` is reached.",
    ),
    Entry(
        code="SN-V107",
        title="The validator only reads for now",
        cause="Its disk has no room, so it takes no report and signs nothing that it could not store.",
        remedy="Send the report to another validator or a little later; the operator frees space "
        "on this one, and it goes on by itself.",
    ),
    Entry(
        code="SN-V102",
        title="Not this validator's key",
        cause="The configured private key belongs to another validator, or to nobody in "
        "network.yaml.",
        remedy="Give each validator the key whose public key network.yaml lists under its id "
        "(`subnetctl keys pubkey`).",
    ),
    Entry(
        code="SN-V103",
        title="Unknown validator id",
        cause="The id given on the command line is not in network.yaml, or none was given.",
        remedy="Start the validator with --id and one of the ids in network.yaml.",
    ),
    Entry(
        code="SN-V104",
        title="Catching up",
        cause="The validator started a moment ago, or with a ledger far behind the others, and "
        "has not applied yet what was acknowledged before its start.",
        remedy="Wait; if the entry named in the reason stands still, check the links to the "
        "other validators: /api/v1/status lists each peer.",
    ),
    Entry(
        code="SN-V105",
        title="A validator reported another answer of RootLayer",
        cause="A majority of the validators was given one answer for an epoch, the named "
        "validator says it was given another. The majority's answer counts.",
        remedy="Compare the RootLayer address and the log of the named validator; if both are "
        "in order, treat its key as compromised. `subnetctl status` and /api/v1/status list "
        "what it claimed.",
    ),
)
