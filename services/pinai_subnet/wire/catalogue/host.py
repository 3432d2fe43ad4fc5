"""Catalogue entries of the area: host."""

from pinai_subnet.wire.catalogue.entry import Entry

ENTRIES: tuple[Entry, ...] = (
    Entry(
        code="SN-H001",
        title="Port in use",
        cause="Another process listens on the address that this one is configured for.",
        remedy="Stop it (`ss -ltnp` names it) or configure another port.",
    ),
    Entry(
        code="SN-H002",
        title="Address cannot be used",
        cause="The address is not one of this host, its name does not resolve, or the port needs privileges.",
        remedy="Configure an address of this host and a port from 1024 up.",
    ),
    Entry(
        code="SN-H003",
        title="Data directory cannot be used",
        cause="The data directory cannot be created, or this user may not write to it.",
        remedy="Give the directory to the user that runs the process: sudo chown -R USER DIRECTORY.",
    ),
    Entry(
        code="SN-H004",
        title="Data of another node or network",
        cause="The data directory or database carries the stamp of another subnet, role or node.",
        remedy="Configure this process's own data directory; never edit the stamp.",
    ),
    Entry(
        code="SN-H005",
        title="Data of a version that this one cannot follow",
        cause="The data was written by a newer version, or by one so old that this one does not convert it; nothing "
        "was changed.",
        remedy="Run that version again, or restore a backup taken before the upgrade.",
    ),
    Entry(
        code="SN-H006",
        title="Stored data damaged",
        cause="A database or stamp failed its integrity check, or a database differs from the digest (`.seal`) that "
        "its last clean stop wrote beside it; the message names the file.",
        remedy="Keep a copy of the file and its seal, then restore both from a backup. A validator's archive.sqlite "
        "and a registry's database may also be moved away, seal included: the archive begins again with what the "
        "ledger still holds, and members register anew.",
    ),
    Entry(
        code="SN-H007",
        title="Migration failed",
        cause="Bringing the database to this version's format failed and was undone.",
        remedy="Free disk space if it is full and start again; otherwise restore a backup.",
    ),
    Entry(
        code="SN-H008",
        title="Database cannot be opened",
        cause="SQLite cannot open or lock the database file.",
        remedy="Check owner, permissions and free space of its directory, and that no other process uses it.",
    ),
    Entry(
        code="SN-H009",
        title="Database queue full",
        cause="More reads or writes wait for the database than the queue holds; the disk is too slow for the load.",
        remedy="Try again; if it lasts, look at disk latency and lower the load.",
    ),
    Entry(
        code="SN-H010",
        title="Data directory in use",
        cause="Another process holds the lock of this data directory.",
        remedy="Stop the process named, or give each process its own directory.",
    ),
    Entry(
        code="SN-H011",
        title="No room on the disk",
        cause="The disk is full, so the database took nothing of the request; what is stored stays.",
        remedy="Free space: then it goes on by itself, without a restart. Send the request again later.",
    ),
    Entry(
        code="SN-H020",
        title="Request too large",
        cause="The body of an HTTP request exceeds the limit.",
        remedy="Send less in one request.",
    ),
    Entry(
        code="SN-H021",
        title="Request too slow",
        cause="The body of an HTTP request did not arrive in time.",
        remedy="Try again on a better connection.",
    ),
    Entry(
        code="SN-H022",
        title="Answer too slow",
        cause="The server did not answer an HTTP request in time; the outcome may be unknown.",
        remedy="Ask for the state before trying again; if it lasts, look at the server's health and load.",
    ),
    Entry(
        code="SN-H023",
        title="Invalid request",
        cause="The body or parameters of an HTTP request do not have the documented form.",
        remedy="Correct the fields named; the OpenAPI document describes them.",
    ),
    Entry(
        code="SN-H024",
        title="Request refused",
        cause="The path or method of an HTTP request does not exist here.",
        remedy="Compare the request with the OpenAPI document.",
    ),
    Entry(
        code="SN-H025",
        title="Message cannot be decoded",
        cause="The bytes of a gRPC message are not the declared message type.",
        remedy="Use client code generated from the published .proto files.",
    ),
    Entry(
        code="SN-H026",
        title="Method not implemented",
        cause="The gRPC method is declared but this server does not serve it.",
        remedy="Call the process that serves it.",
    ),
    Entry(
        code="SN-H029",
        title="Internal error",
        cause="A request failed in a way that nobody foresaw; the server logged the cause.",
        remedy="Read the ERROR line of that moment in the server's log and report it.",
    ),
    Entry(
        code="SN-H040",
        title="Process is not running yet or any more",
        cause="The process is still starting or already stopping.",
        remedy="Wait; if it stays so, read its log.",
    ),
    Entry(
        code="SN-H041",
        title="No progress",
        cause="Work is pending and none of it moved for too long.",
        remedy="Read the other reasons of the health report and the log; restart the process if nothing else is wrong.",
    ),
    Entry(
        code="SN-H050",
        title="A validator's clock is a little off",
        cause="Its clock and this host's are more than 0.2 s apart; one of the two is wrong.",
        remedy="Let NTP set the clocks of both hosts, e.g. `timedatectl set-ntp true`.",
    ),
    Entry(
        code="SN-H051",
        title="A validator's clock is wrong",
        cause="Its clock and this host's are more than 2 s apart: deadlines and signed requests are judged wrongly.",
        remedy="Let NTP set the clocks of both hosts, e.g. `timedatectl set-ntp true`.",
    ),
)
