"""No row of the published implementation's known defects is true of ours: each has a test, or a reason why it cannot.

Rows are named in the docstrings of the tests that show them; this file shows the structural ones and keeps the account.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.protocol.ids import parse_bytes32
from pinai_subnet.protocol.quorum import required_signatures
from pinai_subnet.wire import pb

ROOT = Path(__file__).parents[2]
SERVICES = ROOT / "services/pinai_subnet"
ROWS = [
    f"{letter}{number}"
    for letter, last in {
        "L": 22,
        "A": 19,
        "K": 7,
        "S": 20,
        "C": 18,
        "V": 10,
        "M": 7,
        "D": 13,
        "R": 6,
    }.items()
    for number in range(1, last + 1)
]
NOT_OURS = {
    "A5": "there is no gossip: signatures travel in the replicated log, over authenticated connections (A6)",
    "A13": "there is no chain membership check; who is in the network is network.yaml and the registry",
    "A17": "only the connection to RootLayer has TLS; between members, Raft is authenticated and requests are signed",
    "S17": "the intent's signature is the published protocol's; what it leaves out is outside our power",
    "S18": "the digests are the published protocol's",
    "C17": "there is no CometBFT mode",
    "V3": "scores decide nothing unless weighted_scoring is on, and then they come from the checks (policy tests)",
    "D13": "the end-to-end tests in tests/e2e and tests/interop run three validators on real processes",
}


def sources() -> Iterator[tuple[str, str]]:
    for file in sorted(SERVICES.rglob("*.py")):
        name = file.relative_to(SERVICES).as_posix()
        if not name.startswith("wire/pb/"):
            yield name, file.read_text(encoding="utf-8")


def test_every_row_has_a_test_or_a_reason() -> None:
    named: set[str] = set()
    for file in (ROOT / "tests").rglob("*.py"):
        named |= set(re.findall(r"\b([LAKSCVMDR]\d{1,2})\b", file.read_text(encoding="utf-8")))
    assert [row for row in ROWS if row not in named and row not in NOT_OURS] == []


def test_no_reason_is_kept_for_a_row_that_does_not_exist() -> None:
    assert set(NOT_OURS) <= set(ROWS)


def test_no_server_offers_reflection() -> None:
    """A19."""
    assert not [name for name, text in sources() if "grpc_reflection" in text]


def test_no_key_is_in_the_repository() -> None:
    """K3, K4: no 64-digit hex text stands next to a key's name in any tracked file but the tests' published vectors."""
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    pattern = re.compile(
        r"(?i)(private_?key|secret|validator_key)\w*\s*[=:]\s*[\"']?(0x)?[0-9a-f]{64}\b"
    )
    found = []
    for name in tracked.splitlines():
        file = ROOT / name
        if name.startswith("tests/") or not file.is_file():
            continue
        if pattern.search(file.read_text(encoding="utf-8", errors="replace")):
            found.append(name)
    assert found == []


def test_a_signer_has_no_way_to_hand_out_its_key() -> None:
    """K6."""
    signer = LocalSigner(b"\x11" * 32)
    public = [name for name in dir(signer) if not name.startswith("_")]
    assert sorted(public) == ["address", "public_key", "sign", "sign_eip191"]
    assert "11" * 8 not in repr(signer)


def test_nothing_that_is_signed_covers_a_time_that_nobody_transmits() -> None:
    """S12, S14: digests are functions of transmitted fields; pure modules cannot even read a clock or testing code."""
    for name, text in sources():
        if name.startswith("protocol/"):
            assert not re.search(
                r"^\s*(import|from) (time|datetime|random|secrets)\b", text, re.MULTILINE
            ), name


def test_no_test_code_is_in_the_product() -> None:
    """S20."""
    assert not [
        name
        for name, text in sources()
        if re.search(r"^\s*(import|from) (pytest|unittest|hypothesis)", text, re.M)
    ]


def test_contract_addresses_have_no_placeholder() -> None:
    """S19: the shipped addresses are the documented ones, and an address that is none stops the start."""
    text = (ROOT / "config/network.yaml").read_text(encoding="utf-8")
    assert not re.search(r"0x(1111|5555|9999|0000)", text)


def test_the_validator_set_has_no_default() -> None:
    """C13, C14: identities and endpoints come from one file that everybody shares; nothing is invented."""
    text = (ROOT / "config/network.yaml").read_text(encoding="utf-8")
    assert text.count("public_key: ${VALIDATOR_PUBKEY_") == 3
    assert ":-" not in "".join(re.findall(r"public_key: .*", text))


@pytest.mark.parametrize(("members", "needed"), [(1, 1), (3, 2), (4, 3), (5, 4), (7, 5)])
def test_signatures_are_counted_not_weighed(members: int, needed: int) -> None:
    """C16, C18: one rule, computed from the set and the shared threshold."""
    assert required_signatures(members, 2, 3) == needed


def test_a_real_subnet_id_is_accepted() -> None:
    """D3: 66 characters are the form of an id."""
    assert parse_bytes32("0x" + "ab" * 32, "subnet_id") == "0x" + "ab" * 32


def test_nothing_is_left_for_later() -> None:
    """D6, V7: no unfinished marks, no bodies that only pretend."""
    unfinished = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    assert not [name for name, text in sources() if unfinished.search(text)]


def test_errors_are_not_swallowed() -> None:
    """D7: an exception is never caught to do nothing with it."""
    assert not [name for name, text in sources() if re.search(r"except[^\n]*:\n\s+pass\b", text)]


def test_log_lines_are_events_with_fields() -> None:
    """D8: no printf verbs, no interpolation in an event's name."""
    call = re.compile(r"log\.(debug|info|warning|error)\(\s*(f[\"']|[\"'][^\"']*%[sd])")
    assert not [name for name, text in sources() if call.search(text)]


def test_no_script_kills_by_name() -> None:
    """D9: processes are ended by id."""
    scripts = [*sorted((ROOT / "scripts").iterdir()), ROOT / "Makefile", ROOT / ".ci/run"]
    for script in scripts:
        assert not re.search(r"\b(pkill|killall)\b", script.read_text(encoding="utf-8")), script


def test_generated_code_speaks_what_the_development_rootlayer_serves() -> None:
    """D12: the RootLayer for development serves the same gRPC package as the real one."""
    directory = Path(pb.__file__).parent
    assert (directory / "rootlayer/service_pb2_grpc.py").is_file()
