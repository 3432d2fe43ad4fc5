"""Which tests show each row of bad input: all forty of the operators' design page, section 2; all tests exist."""

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]

ROWS: dict[int, dict[str, tuple[str, ...]]] = {
    1: {
        "e2e/test_bad_configuration.py": (
            "test_an_empty_variable_of_the_network_stops_every_role",
            "test_a_missing_key_is_named_by_its_variable_and_line",
        ),
        "containers/test_deployment.py": (
            "test_without_keys_the_first_step_is_named",
            "test_everything_wrong_in_keys_and_configuration_is_told_at_once",
        ),
        "containers/test_image.py": (
            "test_missing_variables_are_named_all_at_once_with_file_and_line",
        ),
    },
    2: {
        "e2e/test_bad_configuration.py": (
            "test_a_malformed_key_is_described_but_never_shown",
            "test_two_malformed_keys_are_two_problems_with_their_variables",
            "test_a_key_with_prefix_or_blanks_is_accepted",
        ),
        "unit/runtime/test_private_key.py": (
            "test_a_prefix_and_white_space_around_are_accepted",
            "test_a_malformed_key_is_described_and_never_shown",
            "test_no_part_of_a_refused_key_is_in_the_message",
        ),
    },
    3: {
        "e2e/test_bad_configuration.py": (
            "test_the_key_of_another_validator_is_named",
            "test_an_unknown_key_and_an_unknown_id_are_told_apart",
            "test_a_matcher_with_a_key_that_the_network_does_not_name",
        ),
    },
    4: {
        "e2e/test_bad_configuration.py": (
            "test_one_key_for_two_validators_stops_every_role",
            "test_a_matcher_with_a_validators_key_stops_every_role",
        ),
        "e2e/test_bad_members.py": ("test_one_id_with_another_key_cannot_join",),
        "e2e/test_membership_commands.py": ("test_key_of_another_member_is_refused",),
    },
    5: {
        "integration/runtime/test_data_dir.py": (
            "test_the_same_directory_is_not_used_twice",
            "test_the_lock_of_a_killed_process_is_free_again",
        ),
        "integration/consensus/test_identity.py": (
            "test_a_copy_on_another_host_is_refused_and_takes_over_when_told_to",
        ),
        "unit/consensus/test_fence.py": (
            "test_a_second_life_is_refused_while_the_first_is_connected",
            "test_a_claim_ends_the_former_life_also_after_a_restart_of_who_remembers",
        ),
        "e2e/test_recovery.py": ("test_a_copied_identity_is_refused_and_takes_over_when_told_to",),
    },
    6: {
        "e2e/test_bad_members.py": ("test_one_id_with_another_key_cannot_join",),
    },
    7: {
        "e2e/test_bad_configuration.py": (
            "test_every_port_in_use_is_named_before_anything_is_touched",
            "test_ports_of_the_whole_network_are_checked_before_up",
        ),
        "unit/cli/test_check.py": ("test_a_taken_port_names_who_has_it",),
        "containers/test_deployment.py": (
            "test_a_taken_port_is_named_with_its_holder_and_its_variable",
        ),
    },
    8: {
        "unit/insight/test_peers.py": (
            "test_one_way_only_is_an_inbound_firewall_on_the_other_side",
            "test_who_reaches_nobody_while_others_do_has_an_outbound_firewall",
            "test_a_name_that_nobody_knows_is_no_firewall",
        ),
        "unit/validator/test_peer_dials.py": (
            "test_a_listener_a_closed_port_and_a_name_that_nobody_knows_are_told_apart",
        ),
        "e2e/test_joining.py": ("test_both_sides_are_asked_who_reaches_whom",),
        "containers/test_several_hosts.py": (
            "test_all_sides_reach_each_other_and_a_closed_port_is_named_with_its_host",
        ),
    },
    9: {
        "unit/validator/test_peer_clocks.py": (
            "test_old_entries_read_again_do_not_make_a_clock_slow",
            "test_offset_of_every_peer_is_a_metric",
        ),
        "unit/validator/test_ledger_time.py": ("test_member_whose_clock_is_behind_shows_it_too",),
        "unit/insight/test_clocks.py": ("test_bounds_are_those_operators_know",),
        "e2e/test_bad_members.py": (
            "test_wrong_clocks_are_warned_of_refused_and_measured",
            "test_a_callers_wrong_clock_is_told_with_both_times",
        ),
    },
    10: {
        "unit/runtime/test_disk.py": (
            "test_less_free_than_the_wanted_part_is_warned_of_with_both_figures",
            "test_a_disk_that_will_be_full_within_the_wanted_days_is_warned_of",
        ),
        "unit/validator/test_health_and_registration.py": (
            "test_the_log_is_paused_below_the_floor_and_resumed_with_clear_room",
            "test_a_validator_that_only_reads_gives_that_as_its_one_reason_and_stays_alive",
        ),
        "unit/validator/test_signing_duty.py": (
            "test_without_room_nothing_is_remembered_or_signed_until_there_is_some",
            "test_a_disk_that_runs_full_under_the_record_delays_the_signature_and_loses_no_epoch",
        ),
        "integration/consensus/test_full_disk.py": (
            "test_a_leader_that_pauses_hands_over_refuses_for_now_and_catches_up",
            "test_a_disk_that_runs_full_under_the_log_costs_nothing_that_was_acknowledged",
        ),
        "integration/bootstrap/test_full_disk.py": (
            "test_a_registry_without_room_refuses_and_forgets_nobody_it_has_answered",
            "test_a_rootlayer_without_room_refuses_and_keeps_every_intent_it_took",
            "test_a_matcher_without_room_refuses_bids_and_goes_on_by_itself",
            "test_an_agent_without_room_declines_new_tasks_and_reports_what_it_took_when_it_can",
        ),
        "e2e/test_full_disk.py": (
            "test_validators_on_a_full_disk_only_read_and_go_on_without_a_restart",
        ),
        "containers/test_harsh_host.py": (
            "test_a_validator_on_a_full_disk_only_reads_and_goes_on_without_a_restart",
        ),
    },
    11: {
        "integration/runtime/test_data_dir.py": (
            "test_a_directory_of_another_owner_says_how_to_give_it",
            "test_a_path_that_cannot_be_a_directory_is_refused",
        ),
        "containers/test_deployment.py": (
            "test_it_starts_proves_itself_restarts_and_keeps_everything",
        ),
        "containers/test_image.py": (
            "test_data_that_cannot_be_written_is_refused_with_the_owner_it_needs",
        ),
    },
    12: {
        "e2e/test_bad_configuration.py": ("test_an_open_env_file_is_refused",),
        "unit/runtime/test_dotenv.py": ("test_a_file_open_to_others_is_refused_with_the_fix",),
        "unit/cli/test_check.py": (
            "test_doctor_fixes_modes_directories_and_notes_and_takes_them_back",
        ),
        "containers/test_deployment.py": ("test_a_readable_env_file_is_refused",),
    },
    13: {
        "e2e/test_bad_configuration.py": (
            "test_quirks_of_env_files_are_understood",
            "test_a_variable_given_twice_is_refused_with_both_lines",
        ),
        "unit/runtime/test_dotenv.py": (
            "test_quotes_dollars_spaces_export_and_comments",
            "test_windows_line_ends_and_byte_order_mark_are_tolerated_with_a_notice",
            "test_every_duplicate_is_fatal_with_both_lines",
        ),
        "containers/test_deployment.py": (
            "test_quirks_of_env_files_mean_the_same_everywhere",
            "test_a_variable_given_twice_is_refused_with_both_lines",
        ),
    },
    14: {
        "e2e/test_bad_configuration.py": (
            "test_a_misspelled_key_is_suggested",
            "test_a_wrong_type_unit_or_range_is_refused",
        ),
        "unit/runtime/test_settings.py": (
            "test_an_unknown_key_names_file_line_and_the_nearest_key",
            "test_a_number_with_a_unit_is_explained",
        ),
        "containers/test_image.py": ("test_a_misspelled_key_is_named_with_the_right_one",),
        "containers/test_deployment.py": (
            "test_everything_wrong_in_keys_and_configuration_is_told_at_once",
        ),
    },
    15: {
        "e2e/test_bad_configuration.py": ("test_an_unresolved_variable_is_named_with_its_line",),
        "unit/runtime/test_settings.py": (
            "test_every_unresolved_variable_is_reported_at_once_with_its_line",
        ),
        "containers/test_deployment.py": (
            "test_everything_wrong_in_keys_and_configuration_is_told_at_once",
            "test_an_unset_variable_of_the_configuration_is_named_with_file_and_line",
        ),
        "containers/test_image.py": (
            "test_missing_variables_are_named_all_at_once_with_file_and_line",
        ),
    },
    16: {
        "containers/test_deployment.py": ("test_a_distribution_for_another_processor_is_refused",),
    },
    17: {
        "containers/test_deployment.py": (
            "test_a_flipped_byte_is_refused_with_the_name_of_the_file",
        ),
        "containers/test_upgrade.py": ("test_a_damaged_distribution_is_refused_before_anything",),
        "containers/test_systemd.py": (
            "test_binaries_come_out_of_a_distribution_without_an_engine",
        ),
    },
    18: {
        "unit/deployment/test_engine_check.py": (
            "test_an_engine_that_cannot_be_used_is_told_with_the_exact_command",
        ),
        "containers/test_deployment.py": (
            "test_an_engine_that_cannot_be_used_is_told_with_the_command_that_helps",
        ),
    },
    19: {
        "e2e/test_bad_members.py": (
            "test_a_validator_waits_for_absent_peers_and_becomes_ready_with_them",
            "test_matcher_and_agent_start_before_everybody_else",
        ),
        "integration/consensus/test_group.py": (
            "test_unresolvable_or_silent_peer_does_not_disturb_the_others",
        ),
    },
    20: {
        "e2e/test_bad_members.py": (
            "test_a_validator_of_another_subnet_cannot_join",
            "test_a_validator_of_another_chain_cannot_join",
            "test_a_caller_of_another_subnet_is_told_both",
        ),
        "e2e/test_bad_configuration.py": ("test_data_of_another_network_is_left_alone",),
    },
    21: {
        "unit/validator/test_shared_configuration.py": (
            "test_a_different_network_file_is_seen",
            "test_a_different_policy_is_seen",
        ),
        "e2e/test_bad_members.py": (
            "test_status_names_who_has_another_configuration",
            "test_a_healthy_network_has_no_differences",
        ),
    },
    22: {
        "e2e/test_bad_configuration.py": ("test_an_impossible_threshold_is_explained",),
        "e2e/test_membership_commands.py": ("test_impossible_threshold_is_refused",),
    },
    23: {
        "unit/insight/test_checks.py": (
            "test_a_certificate_is_read_from_the_endpoint_and_its_fault_is_named",
            "test_a_certificate_that_ends_soon_is_warned_of_at_thirty_seven_and_one_days",
        ),
        "integration/rootlayer/test_certificates.py": (
            "test_a_certificate_that_is_not_good_is_a_coded_failure_with_its_name",
        ),
    },
    24: {
        "unit/consensus/test_journal_damage.py": (
            "test_flipped_bit_anywhere_is_an_error_or_the_true_entries",
            "test_truncated_newest_segment_is_cut_to_whole_entries_and_older_ones_refused",
            "test_zeroed_page_inside_the_log_is_refused",
            "test_missing_meta_is_an_error_and_never_term_zero",
        ),
        "unit/consensus/test_snapshot.py": ("test_flipped_bit_or_truncation_anywhere_is_an_error",),
        "unit/adapters/test_file_signing_record.py": (
            "test_a_flipped_bit_anywhere_is_never_believed",
            "test_every_truncation_keeps_all_whole_records",
            "test_a_zeroed_stretch_between_records_is_refused",
        ),
        "integration/runtime/test_sqlite.py": (
            "test_a_flipped_bit_anywhere_in_a_file_that_was_closed_is_refused",
            "test_lost_pages_in_every_region_are_refused_or_change_no_value",
            "test_damage_that_is_met_while_running_is_a_coded_error",
        ),
        "integration/bootstrap/test_damaged_files.py": (
            "test_a_damaged_file_is_named_with_a_code_and_left_as_it_is",
        ),
    },
    25: {
        "integration/runtime/test_sqlite.py": ("test_a_database_of_another_program_is_refused",),
        "integration/runtime/test_data_dir.py": (
            "test_a_directory_with_foreign_files_is_not_taken",
        ),
        "e2e/test_bad_configuration.py": (
            "test_data_of_another_network_is_left_alone",
            "test_data_of_another_node_is_left_alone",
        ),
    },
    26: {
        "integration/consensus/test_identity.py": (
            "test_a_member_that_lost_its_directory_comes_back_without_a_vote_when_told_so",
        ),
        "unit/consensus/test_fence.py": ("test_a_known_member_without_its_memory_has_to_say_so",),
        "e2e/test_recovery.py": ("test_a_validator_without_its_data_comes_back_only_when_told_to",),
    },
    27: {
        "integration/runtime/test_sqlite.py": (
            "test_data_of_a_newer_version_is_refused_untouched",
        ),
        "unit/consensus/test_fence.py": ("test_a_memory_of_a_newer_format_is_refused_and_kept",),
        "unit/validator/test_backup_file.py": ("test_a_newer_format_is_refused_with_the_reason",),
        "e2e/test_recovery.py": (
            "test_a_downgrade_is_refused_with_the_reason_and_the_data_untouched",
        ),
    },
    28: {
        "integration/consensus/test_hostile.py": (
            "test_members_of_builds_too_far_apart_are_told_on_both_sides",
        ),
        "unit/consensus/test_handshake.py": (
            "test_longer_message_of_a_newer_protocol_is_refused_by_its_number",
            "test_neighbouring_builds_work_together",
        ),
        "unit/validator/test_old_log.py": (
            "test_log_of_every_build_that_this_one_works_with_gives_the_state_it_gave_then",
        ),
    },
    29: {
        "integration/consensus/test_identity.py": (
            "test_a_group_is_founded_by_all_at_once_or_by_a_majority_after_a_while",
            "test_a_lost_majority_does_not_found_the_network_again",
        ),
        "unit/consensus/test_founders.py": (
            "test_all_members_found_at_once_a_majority_after_a_while_a_minority_never",
        ),
    },
    30: {
        "unit/cli/test_upgrading.py": (
            "test_a_validator_whose_stop_would_cost_the_majority_is_not_stopped",
        ),
        "unit/insight/test_network_status.py": (
            "test_a_lost_validator_degrades_and_the_next_loss_is_announced_with_what_to_type",
        ),
        "containers/test_deployment.py": (
            "test_it_starts_proves_itself_restarts_and_keeps_everything",
        ),
        "containers/test_upgrade.py": ("test_a_validator_that_cannot_be_spared_is_not_taken",),
    },
    31: {
        "unit/cli/test_check.py": (
            "test_a_root_layer_that_is_away_or_slow_is_told_with_a_code_and_what_to_do",
        ),
        "e2e/test_rootlayer_outage.py": (
            "test_work_goes_on_without_rootlayer_and_is_delivered_exactly_once_afterwards",
        ),
        "integration/validator/test_canary.py": (
            "test_canaries_get_epochs_of_their_own_and_are_final_while_root_layer_is_away",
        ),
    },
    32: {
        "integration/validator/test_life_of_a_report.py": (
            "test_without_funds_settlement_waits_says_so_and_goes_on_by_itself",
        ),
        "integration/rootlayer/test_funds.py": (
            "test_an_empty_account_refuses_new_batches_repeats_old_answers_and_pays_after_a_deposit",
            "test_the_words_of_chains_are_understood",
        ),
    },
    33: {
        "e2e/test_hostile_input.py": (
            "test_malformed_messages_on_every_rpc_get_a_coded_answer",
            "test_malformed_bodies_on_every_http_route_get_a_coded_answer",
            "test_oversized_messages_are_refused_on_every_grpc_server",
            "test_oversized_bodies_are_refused_on_every_http_server",
            "test_random_bytes_on_every_port_stop_nobody",
        ),
        "e2e/test_bad_members.py": ("test_oversized_and_hostile_content_is_refused_by_its_size",),
        "integration/runtime/test_floods.py": (
            "test_a_message_that_grows_when_it_is_unpacked_is_refused_by_its_real_size",
            "test_silent_grpc_connections_are_bounded_and_time_out",
            "test_silent_http_connections_are_bounded_and_time_out",
        ),
        "integration/matcher/test_bid_flood.py": (
            "test_a_hundred_thousand_bids_cost_what_a_hundred_cost",
        ),
        "integration/registry/test_registry_process.py": (
            "test_a_flood_meets_a_limit_per_address_and_signers_have_their_own",
        ),
        "integration/validator/test_published_services.py": (
            "test_rates_are_counted_per_signer_and_allow_bursts",
        ),
        "unit/matcher/test_small_parts.py": ("test_callers_are_limited_one_by_one",),
        "integration/validator/test_slow_readers.py": (
            "test_followers_that_read_nothing_hold_up_nobody_and_cost_bounded_memory",
        ),
        "integration/matcher/test_bidding.py": (
            "test_a_listener_that_falls_behind_hears_everything_open_again",
        ),
        "unit/rootlayer/test_subscriptions.py": (
            "test_a_listener_that_falls_behind_is_told_and_let_go_while_others_go_on",
        ),
        "fuzz/test_ports.py": (
            "test_no_grpc_message_breaks_a_method",
            "test_no_http_request_breaks_a_validator",
        ),
        "fuzz/test_surfaces.py": ("test_random_bytes_are_refused_with_a_code_or_taken",),
    },
    34: {
        "e2e/test_bad_members.py": (
            "test_a_caller_of_another_subnet_is_told_both",
            "test_an_agent_of_another_subnet_is_told_at_registration",
            "test_an_agent_without_registration_or_capability_is_told_which",
        ),
    },
    35: {
        "containers/test_network.py": (
            "test_a_health_probe_works_with_a_quarter_of_a_processor",
            "test_every_container_becomes_healthy",
        ),
    },
    36: {
        "unit/runtime/test_log_volume.py": (
            "test_the_first_line_passes_and_a_count_follows_when_the_interval_is_over",
            "test_who_varies_a_field_meets_the_limit_of_the_event_and_memory_stays_bounded",
            "test_every_process_holds_back_its_own_and_its_libraries_repeats",
            "test_a_process_keeps_so_many_files_of_such_a_size_and_loses_no_line",
        ),
        "containers/test_network.py": ("test_a_clean_clone_gives_the_network_of_the_contract",),
    },
    37: {
        "e2e/test_secrets.py": (
            "test_no_key_is_on_any_command_line",
            "test_every_process_sees_its_own_key_only",
            "test_no_key_is_in_any_file_but_env",
            "test_no_key_is_in_any_answer",
        ),
        "e2e/test_support_bundle.py": ("test_no_canary_is_in_the_bundle",),
        "e2e/test_bad_configuration.py": ("test_a_secret_in_yaml_is_refused_and_not_shown",),
        "containers/test_network.py": ("test_each_service_has_its_own_key_only",),
        "containers/test_image.py": ("test_it_holds_no_secret",),
    },
    38: {
        "integration/runtime/test_sqlite.py": ("test_a_failed_migration_is_undone",),
        "containers/test_deployment.py": (
            "test_a_second_operator_is_told_to_wait",
            "test_it_starts_proves_itself_restarts_and_keeps_everything",
        ),
        "containers/test_upgrade.py": ("test_what_was_killed_in_the_middle_is_resumed",),
    },
    39: {
        "containers/test_deployment.py": (
            "test_an_overlapping_network_is_named_with_a_free_range",
        ),
        "containers/test_harsh_host.py": (
            "test_a_proxy_of_the_engine_is_not_asked_for_what_is_inside",
        ),
    },
    40: {
        "containers/test_several_hosts.py": (
            "test_a_host_that_moves_is_followed_and_the_network_keeps_working",
        ),
        "integration/consensus/test_membership.py": (
            "test_member_continues_at_another_endpoint_with_another_key_while_the_former_is_accepted",
        ),
        "e2e/test_membership_commands.py": ("test_validator_that_moved_is_the_same_validator",),
    },
}
"""Row -> file -> tests."""


@cache
def functions_of(file: str) -> frozenset[str]:
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    return frozenset(
        node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


@pytest.mark.parametrize("row", ROWS)
def test_every_test_of_a_row_exists(row: int) -> None:
    missing = [
        f"{file}::{name}"
        for file, names in ROWS[row].items()
        for name in names
        if not (TESTS / file).is_file() or name not in functions_of(file)
    ]
    assert missing == []


def test_all_forty_rows_are_shown_in_their_order() -> None:
    assert list(ROWS) == list(range(1, 41))


def test_every_row_has_tests_and_none_twice() -> None:
    for files in ROWS.values():
        assert files
        assert all(names and len(set(names)) == len(names) for names in files.values())
