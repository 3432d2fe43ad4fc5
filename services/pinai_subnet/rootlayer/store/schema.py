"""The tables, as migrations: the list is only ever appended to."""

DATABASE = "rootlayer.sqlite"
"""Its file in the data directory."""

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE intents (
        position          INTEGER PRIMARY KEY AUTOINCREMENT,
        intent_id         TEXT NOT NULL UNIQUE,
        subnet_id         TEXT NOT NULL,
        requester         TEXT NOT NULL,
        settle_chain      TEXT NOT NULL,
        intent_type       TEXT NOT NULL,
        intent_raw        BLOB NOT NULL,
        metadata          BLOB NOT NULL,
        params_hash       BLOB NOT NULL,
        tips_token        TEXT NOT NULL,
        tips              TEXT NOT NULL, -- 78 digits, so that texts compare as numbers
        budget_token      TEXT NOT NULL,
        budget            TEXT NOT NULL, -- 78 digits
        deadline          INTEGER NOT NULL,
        intent_expiration INTEGER NOT NULL,
        status            INTEGER NOT NULL,
        created_at        INTEGER NOT NULL,
        signature         BLOB NOT NULL
    ) STRICT;
    CREATE INDEX intents_by_status ON intents (status, created_at, position);
    CREATE INDEX intents_by_creation ON intents (created_at, position);
    CREATE INDEX intents_by_requester ON intents (requester, created_at, position);
    CREATE INDEX open_intents_by_deadline ON intents (deadline) WHERE status IN (1, 2, 3);

    CREATE TABLE history (
        sequence   INTEGER PRIMARY KEY AUTOINCREMENT,
        intent_id  TEXT NOT NULL REFERENCES intents (intent_id),
        old_status INTEGER NOT NULL,
        new_status INTEGER NOT NULL,
        reason     TEXT NOT NULL,
        at_ms      INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX history_by_intent ON history (intent_id, sequence);

    CREATE TABLE assignments (
        position         INTEGER PRIMARY KEY AUTOINCREMENT,
        assignment_id    TEXT NOT NULL UNIQUE,
        intent_id        TEXT NOT NULL REFERENCES intents (intent_id),
        bid_id           TEXT NOT NULL,
        agent            TEXT NOT NULL,
        status           INTEGER NOT NULL,
        matcher          TEXT NOT NULL,
        signature        BLOB NOT NULL, -- over the current status
        active_signature BLOB NOT NULL, -- over the earlier, active status; empty while there is none
        posted_at_ms     INTEGER NOT NULL,
        failed_at_ms     INTEGER NOT NULL -- 0 while active
    ) STRICT;
    CREATE INDEX assignments_by_intent ON assignments (intent_id, position);
    CREATE UNIQUE INDEX one_active_assignment ON assignments (intent_id) WHERE status = 1;

    CREATE TABLE batches (
        subnet_id      TEXT NOT NULL,
        epoch          INTEGER NOT NULL,
        kind           TEXT NOT NULL, -- batch, or the assignment id of a single bundle
        digest         BLOB NOT NULL,
        content        BLOB NOT NULL, -- the whole signed batch
        received_at_ms INTEGER NOT NULL,
        PRIMARY KEY (subnet_id, epoch, kind)
    ) STRICT;

    CREATE TABLE batch_results (
        subnet_id  TEXT NOT NULL,
        epoch      INTEGER NOT NULL,
        kind       TEXT NOT NULL,
        item       INTEGER NOT NULL,
        ok         INTEGER NOT NULL,
        message    TEXT NOT NULL,
        receipt_id TEXT NOT NULL,
        PRIMARY KEY (subnet_id, epoch, kind, item)
    ) STRICT;

    CREATE TABLE conflicting_batches (
        subnet_id      TEXT NOT NULL,
        epoch          INTEGER NOT NULL,
        digest         BLOB NOT NULL,
        content        BLOB NOT NULL,
        received_at_ms INTEGER NOT NULL,
        PRIMARY KEY (subnet_id, epoch, digest)
    ) STRICT;
    """,
    """
    CREATE TABLE validator_sets (
        version  INTEGER PRIMARY KEY,
        document TEXT NOT NULL -- the signed change that made it, and its first epoch as its headers show
    ) STRICT;
    """,
)
