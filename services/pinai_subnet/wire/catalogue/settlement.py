"""Catalogue entries of the area: settlement, that is RootLayer as a process and as a dependency."""

from pinai_subnet.wire.catalogue.entry import Entry

ENTRIES: tuple[Entry, ...] = (
    Entry(
        code="SN-S002",
        title="Malformed field",
        cause="A field of an intent, assignment or batch does not have the form the protocol gives "
        "it: a hash that is not 32 bytes, an enum number without a name, a count out of "
        "range.",
        remedy="Correct the field that the message names; wire-contract section 2 gives every form.",
    ),
    Entry(
        code="SN-S003",
        title="Malformed amount",
        cause="A budget or tip is not a decimal uint256.",
        remedy="Write the amount in the token's smallest unit, digits only, for example "
        "100000000000000.",
    ),
    Entry(
        code="SN-S004",
        title="Malformed time",
        cause="A time is negative or absurdly large, which usually means milliseconds or an "
        "overflow.",
        remedy="Send unix seconds, for example the output of `date +%s`.",
    ),
    Entry(
        code="SN-S005",
        title="Bad intent type",
        cause="The intent type is empty, too long or holds control characters.",
        remedy="Give the intent a short printable type such as e2e-test; limits.intent_type_bytes of"
        " rootlayer.yaml is the longest.",
    ),
    Entry(
        code="SN-S006",
        title="Intent parameters too large",
        cause="intent_raw and metadata together are larger than RootLayer takes.",
        remedy="Shrink the payload or pass a reference to it; or raise limits.params_bytes in "
        "rootlayer.yaml.",
    ),
    Entry(
        code="SN-S007",
        title="Deadline has passed",
        cause="The intent's deadline is not in the future, or is closer than the shortest time "
        "RootLayer accepts.",
        remedy="Submit with a later deadline; compare the requester's clock with RootLayer's.",
    ),
    Entry(
        code="SN-S008",
        title="Deadline too far away",
        cause="The intent's deadline is later than RootLayer accepts; often milliseconds were sent "
        "for seconds.",
        remedy="Send unix seconds within limits.max_deadline_seconds of rootlayer.yaml.",
    ),
    Entry(
        code="SN-S009",
        title="Other subnet",
        cause="The intent or batch names a subnet that this RootLayer does not serve.",
        remedy="Use the subnet_id of network.yaml; it is written with all 64 hex digits.",
    ),
    Entry(
        code="SN-S010",
        title="Intent exists already",
        cause="The same intent was submitted before; nothing was changed.",
        remedy="Nothing to do. In a batch, treat_exists_as_ok counts it as success.",
    ),
    Entry(
        code="SN-S011",
        title="Intent id taken",
        cause="Another intent with other content has this id.",
        remedy="Choose a fresh random id for every intent.",
    ),
    Entry(
        code="SN-S012",
        title="Intent unknown",
        cause="RootLayer has no intent of this id.",
        remedy="Check the id; an intent must be accepted before it can be assigned.",
    ),
    Entry(
        code="SN-S013",
        title="Intent not signed by its requester",
        cause="The signature over the intent recovers to another address than the requester. A "
        "differing chain id, contract address, type, deadline, budget or payload has the same"
        " effect.",
        remedy="Sign the digest of wire-contract 3.4 with the requester's key, with chain_id and "
        "intent_manager of network.yaml.",
    ),
    Entry(
        code="SN-S014",
        title="Request too large",
        cause="A batch has no entries or more than RootLayer takes at once, or its id is too long.",
        remedy="Split the batch; limits.batch_items in rootlayer.yaml is the largest.",
    ),
    Entry(
        code="SN-S015",
        title="Bad query",
        cause="A filter, page number or sort order of a query cannot be understood.",
        remedy="Correct the parameter that the message names; page counts from 1 and page_size goes "
        "to 100.",
    ),
    Entry(
        code="SN-S016",
        title="Bad chain name",
        cause="settle_chain is too long or holds characters other than letters, digits and . _ : @ "
        "-",
        remedy="Name the chain as in base_sepolia, or leave it empty.",
    ),
    Entry(
        code="SN-S020",
        title="Matcher not configured",
        cause="An assignment names a matcher that is not in the network's list.",
        remedy="Add the matcher's address to matchers in network.yaml of every member, or stop the "
        "stranger.",
    ),
    Entry(
        code="SN-S021",
        title="Assignment not signed by its matcher",
        cause="The signature over the assignment recovers to another address than matcher_id.",
        remedy="Check that the matcher's key belongs to its address in network.yaml and that "
        "chain_id and intent_manager agree.",
    ),
    Entry(
        code="SN-S022",
        title="Intent cannot be assigned",
        cause="The intent has ended: it is completed, expired or failed.",
        remedy="Nothing to do; the matcher drops the intent.",
    ),
    Entry(
        code="SN-S023",
        title="Intent is assigned already",
        cause="Another assignment of this intent is active.",
        remedy="Post that one as FAILED before a runner-up is assigned; two active matchers must not"
        " share one subnet.",
    ),
    Entry(
        code="SN-S024",
        title="Assignment id taken",
        cause="An assignment with other content has this id.",
        remedy="Choose a fresh assignment id; look the first one up with GET "
        "/api/v1/assignments?intent_id=.",
    ),
    Entry(
        code="SN-S025",
        title="Assignment has failed already",
        cause="An assignment that was posted as FAILED cannot become active again.",
        remedy="Assign the runner-up under a new assignment id.",
    ),
    Entry(
        code="SN-S030",
        title="Malformed batch",
        cause="A validation batch has no items or signatures, or numbers that cannot be.",
        remedy="This is a fault of the sender; keep the batch and report it.",
    ),
    Entry(
        code="SN-S031",
        title="Items hash does not fit",
        cause="The hash in the batch is not the hash of its items in their order.",
        remedy="The items must be sent in the order that was signed; compare the validator versions.",
    ),
    Entry(
        code="SN-S032",
        title="Signature is not the validator's",
        cause="A signature of the batch does not recover to the validator named beside it.",
        remedy="Check that all members have the same chain_id, intent_manager and subnet_id in "
        "network.yaml.",
    ),
    Entry(
        code="SN-S033",
        title="Signer is no validator",
        cause="A batch is signed by an address that is not in the validator set.",
        remedy="Bring the validators of network.yaml into agreement on all members and on RootLayer.",
    ),
    Entry(
        code="SN-S034",
        title="Validator signed twice",
        cause="One validator appears more than once among the signatures of a batch.",
        remedy="This is a fault of the sender; keep the batch and report it.",
    ),
    Entry(
        code="SN-S035",
        title="Too few signatures",
        cause="A batch has fewer valid signatures than the threshold of network.yaml demands.",
        remedy="Wait for more validators to sign; compare the threshold on validators and RootLayer.",
    ),
    Entry(
        code="SN-S036",
        title="Assignment unknown",
        cause="An item names an assignment that RootLayer has not seen.",
        remedy="The matcher must post it; the batch can then be repeated.",
    ),
    Entry(
        code="SN-S037",
        title="Item contradicts its assignment",
        cause="An item's intent or agent is not the one of its assignment.",
        remedy="Look the assignment up with GET /api/v1/assignments?intent_id= and compare.",
    ),
    Entry(
        code="SN-S038",
        title="Assignment is not active",
        cause="An item names an assignment that its matcher has declared failed.",
        remedy="Nothing to do; the result came too late.",
    ),
    Entry(
        code="SN-S039",
        title="Epoch settled with other content",
        cause="A batch for this epoch was settled before and this one differs. It was kept as "
        "evidence.",
        remedy="Two groups of validators signed different results for one epoch: compare both with "
        "GET /api/v1/batches/{epoch} and find the members that signed both.",
    ),
    Entry(
        code="SN-S040",
        title="Intent is not open",
        cause="An item's intent is completed, expired or failed, so it cannot be completed by this "
        "item.",
        remedy="Nothing to do if it is completed. If it expired, settle sooner or raise "
        "expiry_grace_seconds in rootlayer.yaml.",
    ),
    Entry(
        code="SN-S041",
        title="Item appears twice",
        cause="Two items of one batch complete the same intent.",
        remedy="This is a fault of the sender; keep the batch and report it.",
    ),
    Entry(
        code="SN-S042",
        title="Not applied",
        cause="Another entry of the same request was refused and the request did not allow partial "
        "success.",
        remedy="Correct the refused entry, or set partial_ok.",
    ),
    Entry(
        code="SN-S043",
        title="Batch unknown",
        cause="No batch of this epoch was settled here.",
        remedy="List the settled epochs with GET /api/v1/batches.",
    ),
    Entry(
        code="SN-S050",
        title="Request headers missing",
        cause="A call to RootLayer carries no or incomplete x-signer-id, x-timestamp and "
        "x-signature headers.",
        remedy="Sign the call (wire-contract 3.10), or set request_headers.mode to accept or off in "
        "rootlayer.yaml.",
    ),
    Entry(
        code="SN-S051",
        title="Request headers too old",
        cause="x-timestamp differs from RootLayer's clock by more than the allowed window.",
        remedy="Synchronise the clocks; request_headers.window_seconds in rootlayer.yaml is the "
        "window.",
    ),
    Entry(
        code="SN-S052",
        title="Request headers not signed by the signer",
        cause="x-signature does not recover to x-signer-id for this method, subnet and time.",
        remedy="Check the sender's key and subnet_id; the signed text is "
        "<subnet_id>:<method>:<timestamp>.",
    ),
    Entry(
        code="SN-S053",
        title="Request headers of another subnet",
        cause="x-chain-id is not the subnet that this RootLayer serves.",
        remedy="Use the subnet_id of network.yaml.",
    ),
    Entry(
        code="SN-S060",
        title="Subscriber too slow",
        cause="A subscriber did not read its events fast enough; its stream was ended so that it "
        "knows it missed some.",
        remedy="Reconnect and list what was missed. Raise streams.queue_events in rootlayer.yaml if "
        "it happens often.",
    ),
    Entry(
        code="SN-S061",
        title="Too many subscribers",
        cause="The number of open streams has reached its limit.",
        remedy="Close unused subscriptions or raise streams.max_subscribers in rootlayer.yaml.",
    ),
    Entry(
        code="SN-S045",
        title="The settlement account has no funds",
        cause="This development RootLayer was given a balance (`settlement.balance_batches`), and it is used up.",
        remedy='POST {"batches": 100} to its /api/v1/balance; what was refused is taken when it is sent again.',
    ),
    Entry(
        code="SN-S062",
        title="RootLayer is stopping",
        cause="The process is shutting down and ends its streams.",
        remedy="Reconnect when it is back.",
    ),
    Entry(
        code="SN-S070",
        title="RootLayer not reachable",
        cause="RootLayer did not answer in time or the connection broke; the outcome of the call is"
        " unknown.",
        remedy="Nothing if it passes: calls are repeated. Otherwise check rootlayer_grpc in "
        "network.yaml and that the process runs.",
    ),
    Entry(
        code="SN-S071",
        title="RootLayer refused",
        cause="RootLayer answered and refused the call for the reason in the message.",
        remedy="Follow the code that the message carries.",
    ),
    Entry(
        code="SN-S072",
        title="RootLayer does not accept our identity",
        cause="RootLayer refused the signed request headers. Calls are repeated, so nothing is lost"
        " once it is mended.",
        remedy="Synchronise the clocks and compare subnet_id and the key with RootLayer's "
        "configuration.",
    ),
    Entry(
        code="SN-S073",
        title="RootLayer's answer does not fit",
        cause="RootLayer answered with another number of results than were asked for, or with data "
        "that cannot be understood.",
        remedy="Check that the address leads to a RootLayer that speaks rootlayer.v1; the call is "
        "repeated.",
    ),
    Entry(
        code="SN-S074",
        title="RootLayer cannot take a result yet",
        cause="RootLayer does not know the assignment of a result yet, or is busy. The matcher posts assignments on "
        "its own time, after an outage too.",
        remedy="Nothing while the matcher runs: the batch is sent again. If it goes on, start the matcher and look "
        "for `root_layer_refused_assignment` in its log.",
    ),
    Entry(
        code="SN-S075",
        title="Settlement waits for funds",
        cause="RootLayer says that the settlement account has no funds (gas, balance). Intents become final all the "
        "same; their batches wait in the log, in order.",
        remedy="Fund the settlement account. Validators try again by themselves, every `settle.retry_max_seconds` at "
        "the latest; `subnetctl status` and `subnet_validator_settlement_backlog_epochs` show what waits.",
    ),
    Entry(
        code="SN-S054",
        title="RootLayer was not told of the new validator set",
        cause="Its HTTP endpoint did not answer, or failed; batches under the new set wait.",
        remedy="Check rootlayer_http in network.yaml and RootLayer's log; it is tried again.",
    ),
    Entry(
        code="SN-S055",
        title="RootLayer refused a change of the validator set",
        cause="It knows another history of sets, or does not follow changes at all.",
        remedy="Compare its /api/v1/validator-sets with `subnetctl validator list`.",
    ),
)
