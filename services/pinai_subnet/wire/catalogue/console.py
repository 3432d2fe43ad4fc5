"""Catalogue entries of the area: the web console."""

from pinai_subnet.wire.catalogue.entry import Entry

ENTRIES: tuple[Entry, ...] = (
    Entry(
        code="SN-C140",
        title="Console open to everybody",
        cause="AUTH_MODE=none asks nobody who they are, and the console would listen where other hosts can connect.",
        remedy="Set AUTH_MODE=token and CONSOLE_TOKEN, or listen on 127.0.0.1 (CONSOLE_LISTEN_HOST).",
    ),
    Entry(
        code="SN-C141",
        title="No usable console token",
        cause="AUTH_MODE=token needs one token of at least 32 printable characters, from a variable or from a file.",
        remedy="Set CONSOLE_TOKEN in .env, for example to what `openssl rand -hex 32` prints.",
    ),
    Entry(
        code="SN-C142",
        title="Console token file cannot be used",
        cause="The file named by auth.token_file cannot be read, is no file, or other users may read it.",
        remedy="Correct the path; give the file to the user that runs the console, mode 0400.",
    ),
    Entry(
        code="SN-N120",
        title="Console asked by another name",
        cause="Without sign-in the console answers only requests to localhost, so that no page of another site can "
        "read it by pointing a name at this host.",
        remedy="Open it as http://127.0.0.1 with its port, or set AUTH_MODE=token to use other names.",
    ),
    Entry(
        code="SN-N121",
        title="Not signed in",
        cause="The console wants to know who reads it (AUTH_MODE=token), and the request proves nothing.",
        remedy="Sign in with CONSOLE_TOKEN, or send it as `Authorization: Bearer`.",
    ),
    Entry(
        code="SN-N122",
        title="Wrong console token",
        cause="What was given is not the console's token.",
        remedy="Use the value of CONSOLE_TOKEN in .env, or the content of the console's token file.",
    ),
    Entry(
        code="SN-N123",
        title="Too many wrong console tokens",
        cause="Wrong tokens came from this network address more often than auth.attempts_per_minute allows.",
        remedy="Wait a minute. Who is signed in already is not affected.",
    ),
    Entry(
        code="SN-N124",
        title="Too many live pages",
        cause="As many pages as max_streams allows are kept up to date already, or the console is stopping.",
        remedy="Close pages that nobody looks at, reload by hand, or raise max_streams in console.yaml.",
    ),
    Entry(
        code="SN-N125",
        title="Member does not know that",
        cause="A member was asked for something that it does not have.",
        remedy="Compare the id with `subnetctl intent list`; what was deleted after its retention time is gone.",
    ),
    Entry(
        code="SN-N126",
        title="Member silent",
        cause="The console asked a member and got no answer in time; what it would have told is missing on the page.",
        remedy="`subnetctl status` shows who runs; the page fills up by itself when the member is back.",
    ),
    Entry(
        code="SN-N127",
        title="Member answers with something else",
        cause="A member refused a question of the console, or its answer is no JSON object of bearable size.",
        remedy="Compare the endpoints in network.yaml with what listens there, and the versions of the members.",
    ),
    Entry(
        code="SN-N128",
        title="Console out of date",
        cause="The console has not been able to look at the network for several intervals.",
        remedy="Read the console's log; restart it if its loop hangs.",
    ),
    Entry(
        code="SN-N129",
        title="No such phase",
        cause="The list of intents was asked for a phase that does not exist.",
        remedy="Choose one of the phases that the page offers.",
    ),
    Entry(
        code="SN-N130",
        title="No such page",
        cause="The console has no page, file or code of that name.",
        remedy="Begin again at the overview.",
    ),
    Entry(
        code="SN-N131",
        title="Malformed address",
        cause="A part of the address is not what the page expects, for example an offset that is no number.",
        remedy="Follow the links of the page instead of writing its address by hand.",
    ),
    Entry(
        code="SN-N132",
        title="Form of another site",
        cause="A page of another site sent the console's form; browsers say so, and the console refuses.",
        remedy="Sign in on the console's own page.",
    ),
)
