"""What the files of a data directory hold has a number, and nothing changes without another one."""

import hashlib

from pinai_subnet.adapters.signing_record import file as signing_record
from pinai_subnet.cli.migrate import DATABASES
from pinai_subnet.runtime.data_dir import DATA_FORMAT, OLDEST_DATA_FORMAT

MIGRATIONS = {
    1: {
        "registry": ["cb613bf778689943"],
        "matcher": ["03850f3647311754", "0744d00d1325dc2d", "8ccc124acc723154"],
        "validator": ["fe35c116f2e18675"],
        "simple-agent": ["f4fd3ff7f86f8f77"],
        "rootlayer": ["877d10afb53db4a4", "4ae66f07634c4a8d"],
    },
}
"""Data format to the beginnings of the SHA-256 of each database's migrations in it."""


def test_a_new_migration_comes_with_a_new_data_format_and_a_former_one_never_changes() -> None:
    """Whoever upgrades without a stop must be able to go back: the former version has to read all files."""
    found = {
        role: [hashlib.sha256(script.encode()).hexdigest()[:16] for script in scripts]
        for role, (_, scripts) in DATABASES.items()
    }
    assert found == MIGRATIONS[DATA_FORMAT], "raise DATA_FORMAT and add a row here"
    for role, scripts in found.items():
        for former in range(OLDEST_DATA_FORMAT, DATA_FORMAT):
            known = MIGRATIONS[former][role]
            assert scripts[: len(known)] == known, f"{role}: format {former} cannot be converted"


def test_a_signing_record_is_read_by_former_versions() -> None:
    """Whoever goes back keeps the newer one: what was signed is not forgotten. See decision 15."""
    assert signing_record._MAGIC == b"PINAISR1"
