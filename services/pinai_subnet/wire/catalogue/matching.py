"""Catalogue entries of the area: matching: bids, tasks, what ends an assignment, what ends an intent."""

from pinai_subnet.wire.catalogue.entry import Entry

ENTRIES: tuple[Entry, ...] = (
    Entry(
        code="SN-M001",
        title="Intent not found",
        cause="The bid or question names an intent this matcher does not have: it is "
        "unknown, of another subnet, or ended a while ago.",
        remedy="Use the intent id of a NEW_INTENT or EXISTING_INTENT update; look at GET "
        "/api/v1/intents/ID for ended ones.",
    ),
    Entry(
        code="SN-M002",
        title="Bidding window closed",
        cause="The bid came after the window closed; agents that bid on MATCHED or "
        "WINDOW_CLOSED updates see this normally.",
        remedy="Bid on NEW_INTENT and EXISTING_INTENT only. If good bids come too late, "
        "raise windows.bidding_window_seconds in matcher.yaml.",
    ),
    Entry(
        code="SN-M003",
        title="Price above the budget",
        cause="The bid asks for more than the requester offers.",
        remedy="Lower the agent's price, or leave such intents to others.",
    ),
    Entry(
        code="SN-M004",
        title="Price out of range",
        cause="A price must be an unsigned 64-bit number.",
        remedy="Send the price in the token's smallest unit as a whole number.",
    ),
    Entry(
        code="SN-M005",
        title="Bid without an address",
        cause="Neither the bid's metadata, nor its agent id, nor the request's signer, "
        "nor the registry says which address is paid.",
        remedy="Put the address into the bid's metadata as chain_address, or run the agent"
        " with a private key.",
    ),
    Entry(
        code="SN-M006",
        title="Bid for another address",
        cause="The address in the bid is not the one that signed the request.",
        remedy="Remove chain_address from the agent's strategy or make it the address of "
        "its private key.",
    ),
    Entry(
        code="SN-M007",
        title="Agent id belongs to another key",
        cause="This agent id was registered or used before with another address.",
        remedy="Choose another agent id, use the original key, or unregister the old entry"
        " with its key.",
    ),
    Entry(
        code="SN-M008",
        title="Missing capability",
        cause="The agent's registration has none of the capabilities this intent type needs.",
        remedy="Register the agent with one of the named capabilities, or change "
        "matcher.eligibility in policy_config.yaml.",
    ),
    Entry(
        code="SN-M009",
        title="Agent not registered",
        cause="Only registered agents may bid here and the registry does not list this one.",
        remedy="Register the agent (POST /agents), or set "
        "matcher.eligibility.allow_unregistered in policy_config.yaml.",
    ),
    Entry(
        code="SN-M010",
        title="Agent pauses after failures",
        cause="The agent failed several times in a row and may not bid for a while.",
        remedy="Repair the agent; GET /api/v1/agents shows its failures and when the pause"
        " ends. See matcher.cooldown in policy_config.yaml.",
    ),
    Entry(
        code="SN-M011",
        title="Agent failed this intent before",
        cause="An assignment of this very intent to the agent failed, so its bids on it "
        "count no more.",
        remedy="Nothing; the agent may bid on other intents. GET /api/v1/intents/ID shows "
        "why it failed.",
    ),
    Entry(
        code="SN-M012",
        title="Too many bids",
        cause="The intent has as many bids as it takes.",
        remedy="Bid earlier, or raise bids.max_bids_per_intent in matcher.yaml.",
    ),
    Entry(
        code="SN-M013",
        title="Token not accepted",
        cause="The bid's token is not the intent's budget token, nor a name accepted for it.",
        remedy="Bid in the intent's token, or list the name in bids.accepted_tokens of "
        "matcher.yaml.",
    ),
    Entry(
        code="SN-M014",
        title="Bid id taken",
        cause="Another agent's bid on the same intent has this id.",
        remedy="Make bid ids at random: 0x and 64 hex digits.",
    ),
    Entry(
        code="SN-M015",
        title="Bids are final",
        cause="The agent has bid already and this matcher takes no changed bids.",
        remedy="Bid once per intent, or set bids.bid_updates in matcher.yaml.",
    ),
    Entry(
        code="SN-M016",
        title="Batch stopped",
        cause="An earlier bid of the batch was refused and the batch did not allow for that.",
        remedy="Correct the refused bid, or send the batch with partial_ok.",
    ),
    Entry(
        code="SN-M017",
        title="Registry not loaded yet",
        cause="Only registered agents may bid and the registry has not answered since the"
        " matcher started.",
        remedy="Wait a moment; if it lasts, see whether the registry runs and "
        "endpoints.registry_http in network.yaml is right.",
    ),
    Entry(
        code="SN-M018",
        title="Agent without heartbeat",
        cause="The registry has not heard of the agent for too long and it holds no stream here.",
        remedy="Restart the agent or its heartbeats.",
    ),
    Entry(
        code="SN-M019",
        title="Too many calls",
        cause="The caller exceeded the rate this matcher allows.",
        remedy="Slow down, or raise limits.calls_per_second and limits.burst in matcher.yaml.",
    ),
    Entry(
        code="SN-M020",
        title="Incomplete request",
        cause="A part of the request that the call is about is missing or far too long.",
        remedy="Fill in the field the message names.",
    ),
    Entry(
        code="SN-M021",
        title="Batch id used twice",
        cause="The same batch id was sent before with other bids.",
        remedy="Make a new batch id for every new batch.",
    ),
    Entry(
        code="SN-M022",
        title="Batch too large",
        cause="The batch has more bids than this matcher takes at once.",
        remedy="Split the batch, or raise bids.max_batch_bids in matcher.yaml.",
    ),
    Entry(
        code="SN-M023",
        title="Bid field too long",
        cause="A text or the metadata of the bid exceeds its limit.",
        remedy="Shorten the field the message names.",
    ),
    Entry(
        code="SN-M024",
        title="Too many streams",
        cause="The matcher holds as many open streams as it may, or one caller half of them.",
        remedy="Close unused streams, or raise limits.max_streams in matcher.yaml.",
    ),
    Entry(
        code="SN-M035",
        title="Not the agent the requester wants",
        cause="The intent's metadata, which its requester signed, names the only agents that may "
        "work on it, or agents that may not.",
        remedy="Leave such intents to others. A requester that meant otherwise submits the intent "
        "again with other `agents.only` or `agents.exclude` in its metadata.",
    ),
    Entry(
        code="SN-M036",
        title="Bid and declined",
        cause="The agent has bid in this window and then said that it does not bid.",
        remedy="Nothing is lost: the bid stands. An agent that cannot do the work declines the task.",
    ),
    Entry(
        code="SN-M037",
        title="Too many declines",
        cause="As many agents as are noted have declined this intent already.",
        remedy="Nothing is lost: the agent's word is not in the intent's story, and no bid of it counts.",
    ),
    Entry(
        code="SN-M038",
        title="Agent unknown to the matcher",
        cause="The question names an agent that has not called this matcher since its record began.",
        remedy="Check the agent's id, and that it talks to this matcher: `subnetctl agents` lists "
        "all that do.",
    ),
    Entry(
        code="SN-M030",
        title="Intent in another state",
        cause="A step was tried that the intent's state does not allow.",
        remedy="Nothing an operator can mend: report it with the intent's story from GET "
        "/api/v1/intents/ID.",
    ),
    Entry(
        code="SN-M040",
        title="Auction without weights",
        cause="All weights of the auction in policy_config.yaml are zero, so every bid "
        "would be equal.",
        remedy="Give at least one of price, reputation, capability and latency a weight.",
    ),
    Entry(
        code="SN-M041",
        title="Wrong key for the matcher",
        cause="The matcher's private key does not belong to an address listed under "
        "matchers in network.yaml; validators would refuse its assignments.",
        remedy="Set MATCHER_PRIVATE_KEY to the right key, or correct MATCHER_ADDRESS. "
        "`subnetctl keys address` prints a key's address.",
    ),
    Entry(
        code="SN-M101",
        title="Task not found",
        cause="The task is unknown, was given to somebody else, or its assignment ended.",
        remedy="Nothing; the agent should drop the task. GET /api/v1/intents/ID tells what"
        " happened.",
    ),
    Entry(
        code="SN-M102",
        title="Another agent's task",
        cause="The answer names an agent that the task is not assigned to.",
        remedy="Answer with the agent id that the task carries.",
    ),
    Entry(
        code="SN-M103",
        title="Not allowed to speak for this agent",
        cause="The request is signed by another key than the agent's.",
        remedy="Sign with the agent's own key; a name belongs to the key that registered "
        "or first used it.",
    ),
    Entry(
        code="SN-M104",
        title="Agent must sign",
        cause="This agent signed its requests before, so unsigned ones in its name are refused.",
        remedy="Run the agent with its private key.",
    ),
    Entry(
        code="SN-M105",
        title="Not a matcher",
        cause="Only matchers of this network publish matching results.",
        remedy="Sign with the key of an address listed under matchers in network.yaml.",
    ),
    Entry(
        code="SN-M201",
        title="Task rejected by the agent",
        cause="The agent said no to a task it had bid for.",
        remedy="Nothing; the next bid was tried. An agent that does this often should bid less.",
    ),
    Entry(
        code="SN-M202",
        title="No answer to the task",
        cause="The agent did not answer its oldest task in time.",
        remedy="See whether the agent runs and is connected (GET /api/v1/agents); "
        "tasks.response_timeout_seconds in matcher.yaml sets the time.",
    ),
    Entry(
        code="SN-M203",
        title="No report within the lease",
        cause="The agent accepted the task and did not report in time.",
        remedy="See the agent's log; tasks.lease_seconds in matcher.yaml sets the time.",
    ),
    Entry(
        code="SN-M204",
        title="Report rejected",
        cause="The validators found the report bad and named no rule.",
        remedy="See the validators' verdicts for the assignment.",
    ),
    Entry(
        code="SN-M205",
        title="Assignment expired",
        cause="No good report reached the validators before the deadline.",
        remedy="See whether the agent runs and reaches a validator; give intents longer deadlines.",
    ),
    Entry(
        code="SN-M206",
        title="Assignment refused by the validators",
        cause="The validators did not take the matcher's signed assignment.",
        remedy="Read the reason beside it; most often keys, addresses or clocks differ "
        "between members.",
    ),
    Entry(
        code="SN-M207",
        title="Another assignment won",
        cause="An earlier assignment of the intent was settled after all, or has a "
        "verified result.",
        remedy="Nothing; the intent is served.",
    ),
    Entry(
        code="SN-M208",
        title="The agent had no capacity",
        cause="The agent gave the task back because it was full (SN-M506) or had no room on its disk (SN-H011). "
        "That is not held against it: it stays away from this intent while others bid, and counts again when "
        "there is nobody else.",
        remedy="Nothing if it passes; otherwise raise limits.capacity in agent.yaml or add agents.",
    ),
    Entry(
        code="SN-M301",
        title="No acceptable bid",
        cause="Nobody made an acceptable bid before the intent could no longer be assigned.",
        remedy="See the story's ineligible agents and refused bids; raise the budget or "
        "the deadline, or start agents for the type.",
    ),
    Entry(
        code="SN-M302",
        title="Every attempt failed",
        cause="As many assignments of the intent failed as are allowed.",
        remedy="See each attempt's reason in GET /api/v1/intents/ID; tasks.max_attempts in"
        " matcher.yaml sets the number.",
    ),
    Entry(
        code="SN-M303",
        title="Deadline passed",
        cause="The intent's deadline passed without a good result.",
        remedy="See the attempts' reasons in GET /api/v1/intents/ID; give intents longer "
        "deadlines.",
    ),
    Entry(
        code="SN-M304",
        title="Settlement refused",
        cause="RootLayer refused the verified result for good.",
        remedy="Read the reason beside it and RootLayer's log.",
    ),
    Entry(
        code="SN-M306",
        title="Outcome unknown",
        cause="A report was made, but the validators never told what became of it.",
        remedy="See the assignment at a validator; if validators lost data, restore them.",
    ),
    Entry(
        code="SN-M310",
        title="No validator reachable",
        cause="None of the validators took assignments or told outcomes; assignments "
        "wait, no task goes out.",
        remedy="See whether a majority of the validators runs and whether their grpc "
        "addresses in network.yaml are right.",
    ),
    Entry(
        code="SN-M311",
        title="Registry unreachable",
        cause="The registry's list of agents could not be loaded; the last one stays in use.",
        remedy="See whether the registry runs and endpoints.registry_http in network.yaml "
        "is right.",
    ),
    Entry(
        code="SN-M312",
        title="RootLayer unreachable",
        cause="Intents cannot be heard or assignments not be posted; both are tried again.",
        remedy="See whether RootLayer runs and endpoints.rootlayer_grpc in network.yaml is right.",
    ),
)
