"""Catalogue entries of the area: config."""

from pinai_subnet.wire.catalogue.entry import Entry

ENTRIES: tuple[Entry, ...] = (
    Entry(
        code="SN-C001",
        title="Variable has no value",
        cause="A setting names ${VARIABLE}, and the variable is not set or empty.",
        remedy="Set the variable in .env or in the environment; write ${VARIABLE:-} where empty is meant.",
    ),
    Entry(
        code="SN-C002",
        title="Not valid YAML",
        cause="The file is not plain YAML in UTF-8: mappings, lists and values, no anchors, aliases or tags.",
        remedy="Correct the file at the line named.",
    ),
    Entry(
        code="SN-C003",
        title="Key given twice",
        cause="One mapping has the same key twice, so one of the two values would be ignored.",
        remedy="Keep one of the two lines named.",
    ),
    Entry(
        code="SN-C004",
        title="Unknown key",
        cause="The key is not a setting of this file; most often it is misspelled or stands at the wrong level.",
        remedy="Rename it to the key suggested, or remove it.",
    ),
    Entry(
        code="SN-C005",
        title="Wrong value",
        cause="The value has the wrong type, unit or range, or contradicts another value.",
        remedy="Correct the value at the line named; the message says what is expected.",
    ),
    Entry(
        code="SN-C006",
        title="Required key missing",
        cause="A setting that has no default is not given.",
        remedy="Add the key at the place named.",
    ),
    Entry(
        code="SN-C007",
        title="Secret written in YAML",
        cause="A secret is written in a YAML file, which is copied, shown and backed up in the clear.",
        remedy="Move it to .env and write ${VARIABLE} in its place, or use a key file; treat the old value as leaked.",
    ),
    Entry(
        code="SN-C008",
        title="File cannot be read",
        cause="A configuration file does not exist or this user may not read it.",
        remedy="Make it with `subnetctl init`, or correct --config-dir and the permissions.",
    ),
    Entry(
        code="SN-C009",
        title="Variable set twice",
        cause="The .env file sets the same name twice, so one of the two values would be ignored.",
        remedy="Keep one of the two lines named.",
    ),
    Entry(
        code="SN-C010",
        title="Line of .env not understood",
        cause="A line is not NAME=value: a bad name, no =, an unclosed quote, or text after the closing quote.",
        remedy='Write NAME=value or NAME="value" on that line.',
    ),
    Entry(
        code="SN-C011",
        title=".env is open to other users",
        cause="The file holds secrets and its mode lets other users access it.",
        remedy="chmod 600 the file, and replace its secrets if other users work on this machine.",
    ),
    Entry(
        code="SN-C012",
        title="Malformed variable",
        cause="A text has ${...} that is neither ${VAR}, ${VAR:-default} nor ${VAR:?message}.",
        remedy="Correct the form; write $$ for a literal dollar sign before a brace.",
    ),
    Entry(
        code="SN-C120",
        title="Impossible signature threshold",
        cause="The threshold in network.yaml is not more than 1/2 and at most 1/1 of the "
        "validators. At 1/2 or less two groups could each finalise a different result; "
        "above 1/1 nothing could ever be final. The Raft majority, which only orders the "
        "log, is separate and not configurable.",
        remedy="Set the threshold in network.yaml to e.g. 2/3 (three validators then tolerate the "
        "loss of one) and copy the file to every process of the network.",
    ),
)
