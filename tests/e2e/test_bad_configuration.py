"""What an operator writes wrongly: each refusal has code, exit 78, place and fix; nothing is shown, nothing is lost."""

import json
import socket
from pathlib import Path

import pytest
from tests.start_kit import Place, probe, subnetctl, wait_for

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.cli.home import Home
from pinai_subnet.cli.keys import new_private_key

PORTS = {
    "registry": ("REGISTRY_HTTP", "REGISTRY_GRPC"),
    "matcher": ("MATCHER_GRPC", "MATCHER_HTTP"),
    "rootlayer": ("ROOTLAYER_GRPC", "ROOTLAYER_HTTP"),
    "validator-1": ("VALIDATOR_1_GRPC", "VALIDATOR_1_HTTP", "VALIDATOR_1_RAFT"),
}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A home with three validators and one agent, right until a test spoils it."""
    return Place(tmp_path / "home")


def address_of(key: str) -> str:
    """The address of a key of 64 hex digits."""
    return LocalSigner(bytes.fromhex(key)).address


def check(place: Place, *codes: str) -> list[tuple[str, str]]:
    """`subnetctl config check` finds exactly these; return place and message of each."""
    before = place.fingerprint()
    ended = place.subnetctl("config", "check")
    place.assert_refused(ended, *codes, before=before)
    return [(problem.where, problem.message) for problem in ended.problems]


@pytest.mark.parametrize("name", ["registry", "matcher", "validator-1", "rootlayer", "agent-1"])
def test_an_empty_variable_of_the_network_stops_every_role(place: Place, name: str) -> None:
    """Row 1: a variable without which nothing works."""
    problem = place.refuse(name, "SN-C001", SUBNET_ID="").problem("SN-C001")
    assert problem.message == "SUBNET_ID is empty"
    assert problem.where.endswith("config/network.yaml:2 subnet_id")
    assert "SUBNET_ID" in problem.fix


def test_a_missing_key_is_named_by_its_variable_and_line(place: Place) -> None:
    """Row 1: `VALIDATOR_KEY_2 is empty (.env:14)`; removed altogether it is missed too."""
    place.refuse("validator-2", "SN-K001", VALIDATOR_KEY="")
    place.set(VALIDATOR_KEY_2="")
    line = place.home.env_file.read_text().splitlines().index("VALIDATOR_KEY_2=") + 1
    [(where, message)] = check(place, "SN-C001")
    assert where.endswith(f".env:{line}")
    assert message == "VALIDATOR_KEY_2 is empty"
    place.set(VALIDATOR_KEY_2=None, MATCHER_PRIVATE_KEY=None)
    assert {message for _, message in check(place, "SN-C001", "SN-C001")} == {
        "VALIDATOR_KEY_2 is not set",
        "MATCHER_PRIVATE_KEY is not set",
    }


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda key: key[:-1], "63 hex digits"),
        (lambda key: key + "00", "66 hex digits"),
        (lambda key: "g" + key[1:], "a letter other than a-f at position 1"),
        (lambda key: f'"{key}"', "a quote at position 1"),
        (lambda key: key[:32] + "\n" + key[32:], "a line break at position 33"),
        (lambda key: key[:32] + " " + key[32:], "white space at position 33"),
        (lambda key: "0" * len(key), "outside the range"),
    ],
    ids=["short", "long", "letter", "quotes", "newline", "blank", "zero"],
)
def test_a_malformed_key_is_described_but_never_shown(
    place: Place, spoil: object, told: str
) -> None:
    """Row 2: length and offending character, not the value."""
    key = place.environment["VALIDATOR_KEY_1"]
    ended = place.refuse("validator-1", "SN-K002", VALIDATOR_KEY=spoil(key))  # type: ignore[operator]
    assert told in ended.problem("SN-K002").message
    assert key[:16] not in ended.stderr
    assert key[-16:] not in ended.stderr


def test_two_malformed_keys_are_two_problems_with_their_variables(place: Place) -> None:
    """Row 2: the validators share one file, so the variable says whose key it is."""
    place.set(VALIDATOR_KEY_1="abc", VALIDATOR_KEY_3="abc")
    found = check(place, "SN-K002", "SN-K002")
    assert [where.split(" ")[0] for where, _ in found] == ["VALIDATOR_KEY_1", "VALIDATOR_KEY_3"]


@pytest.mark.parametrize("dress", ["0x{}", "  {}  ", "0X{}\n"])
def test_a_key_with_prefix_or_blanks_is_accepted(place: Place, dress: str) -> None:
    """Row 2: what is safe to understand is understood: the right key, whatever surrounds it."""
    member = place.member("validator-1")
    key = dress.format(place.environment["VALIDATOR_KEY_1"])
    with place.running("validator-1", VALIDATOR_KEY=key):
        wait_for("alive", lambda: probe(member.http or "", "/healthz")[0] == 200)


def test_the_key_of_another_validator_is_named(place: Place) -> None:
    """Row 3: whose key it is instead."""
    key = place.environment["VALIDATOR_KEY_3"]
    problem = place.refuse("validator-2", "SN-V102", VALIDATOR_KEY=key).problem("SN-V102")
    assert "that is validator-3's" in problem.message
    assert "config/validator.yaml:" in problem.where
    place.set(VALIDATOR_KEY_2=key)
    [(where, _)] = check(place, "SN-V102")
    assert where.startswith("VALIDATOR_KEY_2 in ")


def test_an_unknown_key_and_an_unknown_id_are_told_apart(place: Place) -> None:
    """Row 3: a key of nobody; and an id that network.yaml does not know."""
    stranger = new_private_key().hex()
    problem = place.refuse("validator-2", "SN-V102", VALIDATOR_KEY=stranger).problem("SN-V102")
    assert "belongs to no validator" in problem.message
    place.edit("network.yaml", "id: validator-2", "id: validator-9")
    problem = place.refuse("validator-2", "SN-V103").problem("SN-V103")
    assert "validator-1, validator-9, validator-3" in problem.message


@pytest.mark.parametrize("name", ["registry", "validator-3", "agent-1"])
def test_one_key_for_two_validators_stops_every_role(place: Place, name: str) -> None:
    """Row 4: one process could sign twice."""
    env = place.environment
    place.set(VALIDATOR_PUBKEY_2=env["VALIDATOR_PUBKEY_1"], VALIDATOR_KEY_2=env["VALIDATOR_KEY_1"])
    problem = place.refuse(name, "SN-C121").problem("SN-C121")
    assert problem.message == "validator-2 and validator-1 have the same public_key"
    assert "network.yaml:" in problem.where


@pytest.mark.parametrize("name", ["matcher", "validator-1"])
def test_a_matcher_with_a_validators_key_stops_every_role(place: Place, name: str) -> None:
    """Row 4: whoever assigns must not judge."""
    key = place.environment["VALIDATOR_KEY_1"]
    place.set(MATCHER_PRIVATE_KEY=key, MATCHER_ADDRESS=address_of(key))
    problem = place.refuse(name, "SN-C124").problem("SN-C124")
    assert "same key as validator-1" in problem.message


def test_a_matcher_with_a_key_that_the_network_does_not_name(place: Place) -> None:
    """Row 3, for the matcher: a stranger's key, and a validator's."""
    for key in (new_private_key().hex(), place.environment["VALIDATOR_KEY_1"]):
        problem = place.refuse("matcher", "SN-M041", MATCHER_PRIVATE_KEY=key).problem("SN-M041")
        assert address_of(key) in problem.message
        assert place.environment["MATCHER_ADDRESS"] in problem.message


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_an_open_env_file_is_refused(place: Place, mode: int) -> None:
    """Row 12: and what is in it is not printed."""
    place.home.env_file.chmod(mode)
    before = place.fingerprint()
    for words in (["config", "check"], ["status"], ["up"]):
        ended = place.subnetctl(*words)
        place.assert_refused(ended, "SN-C011", before=before)
        assert ended.problem("SN-C011").fix == f"chmod 600 {place.home.env_file}"
        assert f"{mode:04o}" in ended.problem("SN-C011").message


def test_quirks_of_env_files_are_understood(place: Place) -> None:
    """Row 13: byte order mark, CRLF, export, quotes, blanks and comments change nothing."""
    lines = place.home.env_file.read_text().splitlines()
    dressed = [
        line
        if line.startswith("#")
        else f'export {line.partition("=")[0]} = "{line.partition("=")[2]}"  # said so'
        for line in lines
    ]
    place.home.env_file.write_bytes(("\ufeff" + "\r\n".join(dressed) + "\r\n").encode())
    ended = place.subnetctl("config", "check")
    assert (ended.status, ended.stdout.strip()) == (0, "configuration is correct")


def test_a_variable_given_twice_is_refused_with_both_lines(place: Place) -> None:
    """Row 13: nobody can know which one was meant; other bad lines are told at once."""
    with place.home.env_file.open("a") as file:
        file.write('CHAIN_ID=1\nCHAIN_ID=2\nBAD-NAME=1\nLOG_LEVEL="open\n')
    place.home.env_file.chmod(0o644)
    count = len(place.home.env_file.read_text().splitlines())
    before = place.fingerprint()
    ended = place.subnetctl("config", "check")
    place.assert_refused(ended, "SN-C009", "SN-C010", "SN-C010", "SN-C011", before=before)
    assert f"lines {count - 3} and {count - 2}" in ended.problem("SN-C009").message


def test_a_misspelled_key_is_suggested(place: Place) -> None:
    """Row 14: file, line and the key that was meant."""
    line = place.edit("matcher.yaml", "  bidding_window_seconds:", "  bidding_window_second:")
    problem = place.refuse("matcher", "SN-C004").problem("SN-C004")
    assert problem.where.endswith(f"config/matcher.yaml:{line} windows.bidding_window_second")
    assert "did you mean bidding_window_seconds?" in problem.message


@pytest.mark.parametrize(
    "case",
    [
        ("matcher", "matcher.yaml", "lease_seconds: 300", "lease_seconds: 5m", "without a unit"),
        ("matcher", "matcher.yaml", "lease_seconds: 300", "lease_seconds: -1", "greater than 0"),
        ("registry", "registry.yaml", "sweep_seconds: 30", "sweep_seconds: [30]", "valid number"),
        ("validator-1", "validator.yaml", "max_batch: 200", "max_batch: many", "valid integer"),
        ("rootlayer", "rootlayer.yaml", "window_seconds: 300", "window_seconds: soon", "number"),
        ("agent-1", "agent.yaml", "jitter: 0", "jitter: 2", "less than 1"),
        (
            "matcher",
            "auth_config.yaml",
            "matcher:\n  mode: accept",
            "matcher:\n  mode: on",
            "'require'",
        ),
    ],
)
def test_a_wrong_type_unit_or_range_is_refused(place: Place, case: tuple[str, ...]) -> None:
    """Row 14: what is expected is said, with file and line."""
    name, file, old, new, told = case
    line = place.edit(file, old, new) + new.count("\n")
    problem = place.refuse(name, "SN-C005").problem("SN-C005")
    assert told in problem.message
    assert f"config/{file}:{line} " in problem.where


def test_an_unresolved_variable_is_named_with_its_line(place: Place) -> None:
    """Row 15: the message of `${VAR:?message}` is shown; a form that is none is its own problem."""
    line = place.edit(
        "registry.yaml", "sweep_seconds: 30", "sweep_seconds: ${SWEEP:?say how often}"
    )
    place.edit("registry.yaml", "max_entries: 10000", "max_entries: ${MAX-5}")
    ended = place.refuse("registry", "SN-C001", "SN-C012")
    problem = ended.problem("SN-C001")
    assert problem.message == "SWEEP is not set: say how often"
    assert problem.where.endswith(f"config/registry.yaml:{line} sweep_seconds")
    assert "${MAX-5}" in ended.problem("SN-C012").message


def test_a_secret_in_yaml_is_refused_and_not_shown(place: Place) -> None:
    """Row 2, row 37: a key belongs in .env or in a key file."""
    key = place.environment["VALIDATOR_KEY_1"]
    place.edit("validator.yaml", "private_key: ${VALIDATOR_KEY:-}", f"private_key: {key}")
    assert "SN-C007" in {p.code for p in place.start("validator-1").problems}
    assert key not in place.start("validator-1").stderr


@pytest.mark.parametrize(
    ("name", "threshold", "told"),
    [
        ("validator-1", "4/3", "more signatures would be needed than there are validators"),
        ("matcher", "1/2", "two groups of validators"),
        ("rootlayer", "0/3", "at least 1"),
    ],
)
def test_an_impossible_threshold_is_explained(
    place: Place, name: str, threshold: str, told: str
) -> None:
    """Row 22: and that it is not the Raft majority."""
    numerator, _, denominator = threshold.partition("/")
    place.set(THRESHOLD_NUM=numerator, THRESHOLD_DENOM=denominator)
    problem = place.refuse(name, "SN-C120").problem("SN-C120")
    assert told in problem.message
    assert "independent of the Raft majority (2 of 3)" in problem.message
    assert "network.yaml:" in problem.where


@pytest.mark.parametrize("name", list(PORTS))
def test_every_port_in_use_is_named_before_anything_is_touched(place: Place, name: str) -> None:
    """Row 7: all ports of a process at once, and no data directory is made."""
    taken = [place.environment[variable] for variable in PORTS[name]]
    sockets = [socket.create_server(("127.0.0.1", int(a.rpartition(":")[2]))) for a in taken]
    try:
        ended = place.refuse(name, *["SN-H001"] * len(taken))
    finally:
        for one in sockets:
            one.close()
    assert sorted(p.where.split(" ")[0] for p in ended.problems) == sorted(taken)
    assert all("listen." in p.where for p in ended.problems)
    assert not list(place.home.data.iterdir())


def test_ports_of_the_whole_network_are_checked_before_up(place: Place) -> None:
    """Row 7: nothing is started while one member could not be."""
    taken = [place.environment[name] for name in ("REGISTRY_HTTP", "VALIDATOR_3_RAFT")]
    sockets = [socket.create_server(("127.0.0.1", int(a.rpartition(":")[2]))) for a in taken]
    before = place.fingerprint()
    try:
        ended = place.subnetctl("up")
    finally:
        for one in sockets:
            one.close()
    place.assert_refused(ended, "SN-H001", "SN-H001", before=before)
    assert {p.where.split(" ")[0] for p in ended.problems} == {"REGISTRY_HTTP", "VALIDATOR_3_RAFT"}
    assert not list(place.home.run.iterdir())


@pytest.mark.parametrize("name", ["registry", "matcher", "rootlayer", "validator-1", "agent-1"])
def test_data_of_another_network_is_left_alone(place: Place, name: str) -> None:
    """Row 25, row 20: the directory belongs to one subnet."""
    stamp = _made_data(place, name)
    first = place.environment["SUBNET_ID"]
    place.set(SUBNET_ID="0x" + "ab" * 32)
    problem = place.refuse(name, "SN-H004").problem("SN-H004")
    assert first in problem.message
    assert "0x" + "ab" * 32 in problem.message
    assert problem.where == str(stamp)


def test_data_of_another_node_is_left_alone(place: Place) -> None:
    """Row 25: a directory that was copied or swapped."""
    stamp = _made_data(place, "validator-1")
    other = place.home.data / "validator-2"
    stamp.parent.rename(other)
    problem = place.refuse("validator-2", "SN-H004").problem("SN-H004")
    assert "node_id validator-1, this process is configured for validator-2" in problem.message


def _made_data(place: Place, name: str) -> Path:
    """Let a member make its data directory; return its stamp."""
    stamp = place.home.data / name / "identity.json"
    with place.running(name) as log:
        wait_for("started", lambda: "process_started" in log.read_text())
    assert json.loads(stamp.read_text())["subnet_id"] == place.environment["SUBNET_ID"]
    return stamp


def test_five_mistakes_of_one_start_are_told_at_once(place: Place) -> None:
    """Rule 1 of operators' bad input: one start, five mistakes in three files and a variable, five problems."""
    place.set(THRESHOLD_NUM="4")
    place.edit("validator.yaml", "  max_batch: 200", "  max_batsh: 200")
    place.edit("validator.yaml", "  enabled: ${VALIDATOR_REGISTER:-true}", "  enabled: ${REGISTER}")
    place.edit("policy_config.yaml", "    max_age_seconds: 2100", "    max_age_seconds: 35min")
    ended = place.refuse(
        "validator-1",
        *("SN-C120", "SN-C004", "SN-C001", "SN-C005", "SN-K002"),
        VALIDATOR_KEY="no key at all, and rather long so that it would be seen",
    )
    assert len({problem.where for problem in ended.problems}) == 5


def test_mistakes_of_all_members_are_told_by_one_check_and_by_up(place: Place) -> None:
    """Rule 1: `config check` and `up` load every member's settings, also where network.yaml itself is wrong."""
    place.set(VALIDATOR_KEY_2="abc", THRESHOLD_NUM="1", THRESHOLD_DENOM="2")
    place.edit("matcher.yaml", "  early_close: true", "  early_clos: true")
    place.edit("registry.yaml", "sweep_seconds: 30", "sweep_seconds: often")
    codes = ("SN-C120", "SN-K002", "SN-C004", "SN-C005")
    check(place, *codes)
    before = place.fingerprint()
    place.assert_refused(place.subnetctl("up"), *codes, before=before)


def test_init_refuses_to_overwrite_and_commands_say_where_no_network_is(place: Place) -> None:
    """Nothing lost: keys that exist are never made again."""
    before = place.fingerprint()
    place.assert_refused(place.subnetctl("init"), "SN-C030", before=before)
    for words in (["status"], ["config", "check"], ["up", "--validators", "0"], ["down"]):
        nowhere = Home(place.home.root / "nowhere")
        ended = subnetctl(*words, "--home", str(nowhere.root))
        assert ended.status == 78, ended
        assert {p.code for p in ended.problems} <= {"SN-C032", "SN-C031"}
        assert not nowhere.exists
