"""The operators' table of bad input: every row that process mode has to answer is held by tests that exist."""

import ast
from pathlib import Path

HERE = Path(__file__).parent
CONFIGURATION, MEMBERS = "test_bad_configuration.py", "test_bad_members.py"

PROVEN = {
    1: (
        f"{CONFIGURATION}::test_an_empty_variable_of_the_network_stops_every_role",
        f"{CONFIGURATION}::test_a_missing_key_is_named_by_its_variable_and_line",
    ),
    2: (
        f"{CONFIGURATION}::test_a_malformed_key_is_described_but_never_shown",
        f"{CONFIGURATION}::test_two_malformed_keys_are_two_problems_with_their_variables",
        f"{CONFIGURATION}::test_a_key_with_prefix_or_blanks_is_accepted",
        f"{CONFIGURATION}::test_a_secret_in_yaml_is_refused_and_not_shown",
    ),
    3: (
        f"{CONFIGURATION}::test_the_key_of_another_validator_is_named",
        f"{CONFIGURATION}::test_an_unknown_key_and_an_unknown_id_are_told_apart",
        f"{CONFIGURATION}::test_a_matcher_with_a_key_that_the_network_does_not_name",
    ),
    4: (
        f"{CONFIGURATION}::test_one_key_for_two_validators_stops_every_role",
        f"{CONFIGURATION}::test_a_matcher_with_a_validators_key_stops_every_role",
        f"{MEMBERS}::test_one_id_with_another_key_cannot_join",
    ),
    6: (f"{MEMBERS}::test_one_id_with_another_key_cannot_join",),
    7: (
        f"{CONFIGURATION}::test_every_port_in_use_is_named_before_anything_is_touched",
        f"{CONFIGURATION}::test_ports_of_the_whole_network_are_checked_before_up",
    ),
    9: (f"{MEMBERS}::test_a_callers_wrong_clock_is_told_with_both_times",),
    12: (f"{CONFIGURATION}::test_an_open_env_file_is_refused",),
    13: (
        f"{CONFIGURATION}::test_quirks_of_env_files_are_understood",
        f"{CONFIGURATION}::test_a_variable_given_twice_is_refused_with_both_lines",
    ),
    14: (
        f"{CONFIGURATION}::test_a_misspelled_key_is_suggested",
        f"{CONFIGURATION}::test_a_wrong_type_unit_or_range_is_refused",
    ),
    15: (f"{CONFIGURATION}::test_an_unresolved_variable_is_named_with_its_line",),
    19: (
        f"{MEMBERS}::test_a_validator_waits_for_absent_peers_and_becomes_ready_with_them",
        f"{MEMBERS}::test_matcher_and_agent_start_before_everybody_else",
    ),
    20: (
        f"{MEMBERS}::test_a_validator_of_another_subnet_cannot_join",
        f"{MEMBERS}::test_a_caller_of_another_subnet_is_told_both",
        f"{CONFIGURATION}::test_data_of_another_network_is_left_alone",
    ),
    21: (
        f"{MEMBERS}::test_status_names_who_has_another_configuration",
        f"{MEMBERS}::test_a_healthy_network_has_no_differences",
    ),
    22: (f"{CONFIGURATION}::test_an_impossible_threshold_is_explained",),
    25: (
        f"{CONFIGURATION}::test_data_of_another_network_is_left_alone",
        f"{CONFIGURATION}::test_data_of_another_node_is_left_alone",
    ),
    33: (
        f"{MEMBERS}::test_oversized_and_hostile_content_is_refused_by_its_size",
        "test_hostile_input.py::test_malformed_messages_on_every_rpc_get_a_coded_answer",
        "test_hostile_input.py::test_oversized_messages_are_refused_on_every_grpc_server",
    ),
    34: (
        f"{MEMBERS}::test_an_agent_of_another_subnet_is_told_at_registration",
        f"{MEMBERS}::test_an_agent_without_registration_or_capability_is_told_which",
    ),
}
"""Row of the table -> tests. 7 and 9 go beyond what process mode owes."""

OWED = {1, 2, 3, 4, 6, 12, 13, 14, 15, 19, 20, 21, 22, 25, 33, 34}


def functions_of(file: str) -> dict[str, str]:
    """Test name -> docstring of one file."""
    tree = ast.parse((HERE / file).read_text(encoding="utf-8"))
    return {
        node.name: ast.get_docstring(node) or ""
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_every_owed_row_has_a_test() -> None:
    assert sorted(OWED - set(PROVEN)) == []


def test_every_named_test_exists() -> None:
    named = {test for tests in PROVEN.values() for test in tests}
    files = {test.partition("::")[0] for test in named}
    existing = {f"{file}::{name}" for file in files for name in functions_of(file)}
    assert sorted(named - existing) == []


def test_every_test_of_bad_input_says_its_row() -> None:
    for file in (CONFIGURATION, MEMBERS):
        for name, text in functions_of(file).items():
            if name.startswith("test_"):
                assert text.startswith(("Row ", "Rule 1", "Nothing lost")), name
