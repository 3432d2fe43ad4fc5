"""Which tests show that a key of the shipped configuration changes behaviour. Numbers also arrive: `ARRIVAL`."""

ARRIVAL = (
    "integration/bootstrap/test_settings_arrive.py::test_every_number_of_the_configuration_arrives"
)

_BOOT = "integration/bootstrap/test_settings_change_processes.py::"
_LISTEN = (_BOOT + "test_listen_says_host_and_ports",)
_NETWORK = (_BOOT + "test_without_a_port_of_its_own_a_process_listens_where_the_network_file_says",)
_DOCS = (_BOOT + "test_docs_are_shown_where_they_are_switched_on",)
_CONSOLE = "integration/console/test_process.py::"
_DATA = (_BOOT + "test_data_is_kept_where_the_file_says",)
_KEY = (_BOOT + "test_a_key_comes_from_the_variable_or_from_a_file",)
_IDS = (_BOOT + "test_ids_name_the_owner_of_the_data",)
_TOLD = (_BOOT + "test_an_agent_is_told_whom_to_talk_to_and_who_it_is",)
_AUTH = "interop/test_auth_config.py::"
_MATCHER = "unit/matcher/test_settings_make_rules.py::"
_AUCTION = "unit/matcher/test_auction.py::"
_AGENT_RULES = "unit/matcher/test_agent_rules.py::"
_ASSIGN = "integration/matcher/test_assignments.py::"
_CANARY = "integration/matcher/test_canary.py::"
_VERIFY = "unit/validator/test_verification.py::"
_SWITCH = (_VERIFY + "test_every_switch_changes_the_verdict",)
_RULE = (_VERIFY + "test_each_rule_refuses_with_its_own_code",)
_TASKS = "unit/agent/test_tasks.py::"
_AGENT = "integration/agent/test_agent.py::"
_REPORT = "integration/validator/test_life_of_a_report.py::"
_BACKUP = ("e2e/test_backup.py::test_a_scheduled_backup_is_taken_encrypted_and_pruned",)
_TRACES = ("e2e/test_tracing.py::test_one_intent_is_one_trace_of_all_who_worked_on_it",)
_BAD = "e2e/test_bad_configuration.py::"
_OTHER_NETWORK = (_BAD + "test_data_of_another_network_is_left_alone",)
_THRESHOLD = ("unit/protocol/test_quorum.py::test_required_signatures_rounds_up",)
_DOMAIN = ("unit/protocol/test_digests.py::test_the_chain_and_the_contract_change_the_digest",)

PROOFS: dict[str, tuple[str, ...]] = {
    "agent.yaml:id": _IDS,
    "agent.yaml:private_key": _KEY,
    "agent.yaml:private_key_file": _KEY,
    "agent.yaml:chain_address": _TOLD,
    "agent.yaml:data_dir": _DATA,
    "agent.yaml:matcher": _TOLD,
    "agent.yaml:validators": _TOLD,
    "agent.yaml:tasks.echo.price": (
        "unit/agent/test_parts.py::test_prices_are_per_type_and_jitter_stays_within_its_part",
    ),
    "agent.yaml:tasks.json-transform.workers": (
        _TASKS + "test_expressions_are_evaluated_in_parallel_up_to_the_worker_count",
    ),
    "agent.yaml:tasks.json-transform.seconds": (
        _TASKS + "test_a_slow_expression_is_cut_off_and_the_next_one_works",
    ),
    "agent.yaml:tasks.script.commands": (_BOOT + "test_scripts_may_use_the_listed_commands_only",),
    "agent.yaml:tasks.script.limits.wall_seconds": (
        _TASKS + "test_a_command_that_waits_is_stopped_at_the_wall_clock",
    ),
    "agent.yaml:pricing.token": (
        "unit/agent/test_parts.py::test_prices_are_per_type_and_jitter_stays_within_its_part",
    ),
    "agent.yaml:pricing.jitter": (
        "unit/agent/test_parts.py::test_prices_are_per_type_and_jitter_stays_within_its_part",
    ),
    "agent.yaml:limits.capacity": (
        _AGENT + "test_tasks_run_side_by_side_up_to_the_capacity_and_the_rest_waits_or_is_declined",
    ),
    "agent.yaml:limits.backlog": (
        _AGENT + "test_tasks_run_side_by_side_up_to_the_capacity_and_the_rest_waits_or_is_declined",
    ),
    "agent.yaml:limits.task_seconds": (
        _AGENT + "test_failures_are_reported_with_code_and_message",
    ),
    "agent.yaml:limits.max_result_bytes": (
        _AGENT + "test_failures_are_reported_with_code_and_message",
    ),
    "agent.yaml:limits.rpc_seconds": (_AGENT + "test_a_bid_that_hangs_does_not_stop_the_next",),
    "agent.yaml:limits.drain_seconds": (
        _AGENT + "test_results_and_accepted_tasks_outlive_the_agent",
    ),
    "agent.yaml:registry.enabled": _TOLD,
    "agent.yaml:registry.endpoint": _TOLD,
    "agent.yaml:http.host": (
        _BOOT + "test_an_agent_serves_health_where_it_is_told_and_nowhere_by_default",
    ),
    "agent.yaml:http.port": (
        _BOOT + "test_an_agent_serves_health_where_it_is_told_and_nowhere_by_default",
    ),
    "auth_config.yaml:matcher.mode": (_AUTH + "test_modes_hold_for_each_service_alone",),
    "auth_config.yaml:validator.mode": (_AUTH + "test_modes_hold_for_each_service_alone",),
    "auth_config.yaml:timestamp_tolerance_seconds": (
        _AUTH + "test_the_tolerance_is_how_far_clocks_may_differ",
    ),
    "auth_config.yaml:nonce_expiry_seconds": (
        _AUTH + "test_the_expiry_is_how_long_a_nonce_is_remembered",
    ),
    "auth_config.yaml:max_nonces": (
        _AUTH + "test_the_number_of_nonces_is_bounded_and_no_signer_takes_them_all",
    ),
    "auth_config.yaml:foreign_chain_ids": (_AUTH + "test_foreign_chain_ids_count_as_unsigned",),
    "console.yaml:listen.host": _LISTEN,
    "console.yaml:listen.http_port": _LISTEN,
    "console.yaml:address": _NETWORK,
    "console.yaml:auth.mode": (
        _CONSOLE + "test_without_sign_in_it_does_not_start_where_others_can_connect",
        _CONSOLE + "test_with_a_token_it_asks_for_it",
    ),
    "console.yaml:auth.token": (_CONSOLE + "test_with_a_token_it_asks_for_it",),
    "console.yaml:auth.token_file": (_CONSOLE + "test_the_token_may_be_in_a_file",),
    "matcher.yaml:matcher_id": _IDS,
    "matcher.yaml:private_key": _KEY,
    "matcher.yaml:private_key_file": _KEY,
    "matcher.yaml:data_dir": _DATA,
    "matcher.yaml:listen.host": _LISTEN,
    "matcher.yaml:listen.grpc_port": _LISTEN,
    "matcher.yaml:listen.http_port": _LISTEN,
    "matcher.yaml:windows.bidding_window_seconds_by_type": (
        _MATCHER + "test_a_type_may_have_a_window_of_its_own",
    ),
    "matcher.yaml:windows.reopen_max_seconds": (
        (
            "unit/matcher/test_window.py::"
            "test_empty_windows_double_up_to_the_limit_and_a_bid_makes_them_ordinary_again"
        ),
    ),
    "matcher.yaml:windows.early_close": (_MATCHER + "test_early_close_can_be_switched",),
    "matcher.yaml:windows.early_close_waits_for": (_MATCHER + "test_who_is_awaited_can_be_chosen",),
    "matcher.yaml:bids.max_bids_per_intent": (
        "unit/matcher/test_admission.py::test_refusals_have_their_own_codes",
    ),
    "matcher.yaml:bids.bid_updates": (
        _MATCHER + "test_bids_may_be_final",
        (
            "unit/matcher/test_admission.py::"
            "test_the_same_offer_again_is_a_duplicate_and_another_one_an_update"
        ),
    ),
    "matcher.yaml:bids.accepted_tokens": (
        _MATCHER + "test_tokens_can_be_limited",
        "unit/matcher/test_admission.py::test_tokens_may_be_named_or_addressed",
    ),
    "matcher.yaml:tasks.max_attempts": (_ASSIGN + "test_attempts_are_bounded",),
    "matcher.yaml:tasks.response_timeout_seconds": (
        _ASSIGN + "test_the_runner_up_takes_over_and_the_failure_is_withdrawn",
    ),
    "matcher.yaml:tasks.lease_seconds": (
        _ASSIGN + "test_a_lease_that_runs_out_passes_the_task_on",
    ),
    "matcher.yaml:intents.outcome_grace_seconds": (
        _ASSIGN + "test_the_deadline_ends_what_nobody_reported",
    ),
    "matcher.yaml:canary.every_seconds": (
        _CANARY + "test_one_is_sent_again_and_again_and_a_switch_turns_it_off",
    ),
    "matcher.yaml:canary.timeout_seconds": (
        _CANARY + "test_without_progress_the_proof_is_gone_and_comes_back",
    ),
    "matcher.yaml:intents.keep_finished_seconds": (
        "integration/matcher/test_restart.py::test_ended_intents_leave_memory_but_not_the_record",
    ),
    "matcher.yaml:limits.calls_per_second": (
        "unit/matcher/test_small_parts.py::test_callers_are_limited_one_by_one",
    ),
    "matcher.yaml:limits.max_streams": (
        "unit/matcher/test_small_parts.py::test_streams_are_counted",
    ),
    "matcher.yaml:limits.stream_queue": (
        (
            "integration/matcher/test_bidding.py::"
            "test_a_listener_that_falls_behind_hears_everything_open_again"
        ),
    ),
    "matcher.yaml:limits.max_agents": (
        _AGENT_RULES + "test_the_book_forgets_the_longest_unseen_first",
    ),
    "matcher.yaml:limits.max_intents": (
        "integration/matcher/test_bidding.py::test_intents_beyond_the_limit_wait_at_root_layer",
    ),
    "matcher.yaml:docs": _DOCS,
    "matcher.yaml:tracing.endpoint": _TRACES,
    "network.yaml:restored": (
        (
            "e2e/test_backup.py::"
            "test_a_lost_network_comes_back_from_its_backup_and_never_signs_an_epoch_twice"
        ),
    ),
    "network.yaml:genesis": (
        "e2e/test_membership.py::test_three_become_five_and_three_again_under_load_and_a_key_is_rotated",
    ),
    "network.yaml:subnet_id": _OTHER_NETWORK,
    "network.yaml:chain.chain_id": _DOMAIN,
    "network.yaml:chain.intent_manager": _DOMAIN,
    "network.yaml:chain.checkpoint_manager": _DOMAIN,
    "network.yaml:threshold.numerator": _THRESHOLD,
    "network.yaml:threshold.denominator": _THRESHOLD,
    "network.yaml:validators.*.id": (
        _BAD + "test_an_unknown_key_and_an_unknown_id_are_told_apart",
    ),
    "network.yaml:validators.*.public_key": (_BAD + "test_the_key_of_another_validator_is_named",),
    "network.yaml:validators.*.grpc": _NETWORK,
    "network.yaml:validators.*.http": _NETWORK,
    "network.yaml:validators.*.raft": _NETWORK,
    "network.yaml:matchers": (_BAD + "test_a_matcher_with_a_key_that_the_network_does_not_name",),
    "network.yaml:endpoints.matcher_grpc": _NETWORK + _TOLD,
    "network.yaml:endpoints.matcher_http": _NETWORK,
    "network.yaml:endpoints.registry_http": _NETWORK + _TOLD,
    "network.yaml:endpoints.registry_grpc": _NETWORK,
    "network.yaml:endpoints.rootlayer_grpc": _NETWORK,
    "network.yaml:endpoints.rootlayer_http": _NETWORK,
    "network.yaml:endpoints.rootlayer_tls": (
        _BOOT + "test_a_remote_rootlayer_is_called_over_tls_where_it_is_switched_on",
    ),
    "policy_config.yaml:validator.unknown_assignment": (
        _REPORT + "test_policy_hold_keeps_the_report_until_the_assignment_comes",
    ),
    "policy_config.yaml:validator.default.policy_id": (
        _VERIFY + "test_the_book_prefers_the_types_own_policy",
    ),
    "policy_config.yaml:validator.default.version": (
        _REPORT + "test_a_policy_of_the_type_decides",
    ),
    "policy_config.yaml:validator.default.fail_fast": (
        _VERIFY + "test_fail_fast_stops_at_the_first_broken_rule",
    ),
    "policy_config.yaml:validator.default.weighted_scoring": (
        _VERIFY + "test_weighted_scoring_tolerates_what_weighs_little",
    ),
    "policy_config.yaml:validator.default.min_confidence": (
        _VERIFY + "test_weighted_scoring_tolerates_what_weighs_little",
    ),
    "policy_config.yaml:validator.default.weights.lease": (
        _VERIFY + "test_weighted_scoring_tolerates_what_weighs_little",
    ),
    **dict.fromkeys(
        (
            f"policy_config.yaml:validator.default.{name}"
            for name in (
                "check_lease",
                "check_evidence",
                "check_output",
                "max_ahead_seconds",
                "max_age_seconds",
                "before_assignment_seconds",
                "success_requires_result",
                "success_forbids_error",
                "accept_partial",
                "partial_requires_content",
                "verify_outputs_hash",
                "verify_inputs_hash",
            )
        ),
        _SWITCH,
    ),
    **dict.fromkeys(
        (
            f"policy_config.yaml:validator.default.{name}"
            for name in (
                "require_report_id",
                "require_signed_request",
                "require_report_signature",
                "blocked_agents",
                "max_result_bytes",
                "large_result_bytes",
                "required_evidence",
                "max_cpu_ms",
                "max_memory_mb",
                "max_io_ops",
                "max_network_bytes",
            )
        ),
        _RULE,
    ),
    "policy_config.yaml:validator.default.deadline_grace_seconds": (
        _VERIFY + "test_the_deadline_grace_is_live",
    ),
    "policy_config.yaml:validator.intent_types": (
        "unit/validator/test_policy_settings.py::test_a_type_overrides_only_what_it_writes",
    ),
    "policy_config.yaml:matcher.strategy.type": (_MATCHER + "test_the_strategy_can_be_chosen",),
    "policy_config.yaml:matcher.strategy.ties": (
        _MATCHER + "test_who_wins_among_equals_can_be_chosen",
        _AUCTION + "test_spread_ties_give_each_equal_agent_its_share_and_each_intent_one_winner",
    ),
    "policy_config.yaml:matcher.strategy.newcomers": (
        _MATCHER + "test_what_agents_without_history_are_worth_can_be_chosen",
        _AUCTION + "test_equal_newcomers_stand_beside_the_proven_and_before_those_who_fail",
    ),
    "policy_config.yaml:matcher.strategy.weights.price": (_AUCTION + "test_weights_are_relative",),
    "policy_config.yaml:matcher.strategy.weights.reputation": (
        _AUCTION + "test_reputation_outweighs_a_small_price_difference",
    ),
    "policy_config.yaml:matcher.strategy.weights.latency": (
        _AUCTION + "test_a_faster_agent_wins_between_equals",
    ),
    "policy_config.yaml:matcher.strategy.min_score": (
        _AUCTION + "test_bids_below_the_minimum_score_do_not_win",
    ),
    "policy_config.yaml:matcher.reputation.half_life_hours": (
        _AGENT_RULES + "test_a_stranger_is_in_the_middle_and_old_outcomes_fade",
    ),
    "policy_config.yaml:matcher.cooldown.after_failures": (
        _ASSIGN + "test_agents_that_keep_failing_pause",
    ),
    "policy_config.yaml:matcher.cooldown.first_seconds": (
        _AGENT_RULES + "test_a_pause_starts_after_failures_in_a_row_and_grows_to_its_limit",
    ),
    "policy_config.yaml:matcher.cooldown.longest_seconds": (
        _AGENT_RULES + "test_a_pause_starts_after_failures_in_a_row_and_grows_to_its_limit",
    ),
    "policy_config.yaml:matcher.eligibility.allow_unregistered": (
        _MATCHER + "test_eligibility_is_what_the_policy_says",
        _AGENT_RULES + "test_unregistered_agents_depend_on_the_policy",
    ),
    "policy_config.yaml:matcher.eligibility.unlisted_types": (
        _MATCHER + "test_eligibility_is_what_the_policy_says",
        _AGENT_RULES + "test_the_capability_rule",
    ),
    "policy_config.yaml:matcher.eligibility.capabilities_by_type": (
        _MATCHER + "test_eligibility_is_what_the_policy_says",
        _AGENT_RULES + "test_the_capability_rule",
    ),
    "registry.yaml:listen.host": _LISTEN,
    "registry.yaml:listen.http_port": _LISTEN,
    "registry.yaml:listen.grpc_port": _LISTEN,
    "registry.yaml:data_dir": _DATA,
    "registry.yaml:require_signed": (
        "integration/registry/test_registry_process.py::test_signatures_can_be_required_of_everybody",
    ),
    "registry.yaml:bind_validators": (
        _BOOT + "test_validators_ids_are_bound_to_their_keys_where_it_is_switched_on",
    ),
    "registry.yaml:docs": _DOCS,
    "rootlayer.yaml:listen.host": _LISTEN,
    "rootlayer.yaml:listen.grpc_port": _LISTEN,
    "rootlayer.yaml:listen.http_port": _LISTEN,
    "rootlayer.yaml:data_dir": _DATA,
    "rootlayer.yaml:request_headers.mode": (
        (
            "integration/rootlayer/test_rootlayer_process.py::"
            "test_required_headers_are_demanded_from_grpc_calls_and_http_callbacks_only"
        ),
    ),
    "rootlayer.yaml:expiry.grace_seconds": (
        (
            "unit/rootlayer/test_recording.py::"
            "test_unassigned_intents_expire_at_their_deadline_assigned_ones_after_the_grace_period"
        ),
    ),
    "rootlayer.yaml:streams.max_subscribers": (
        (
            "unit/rootlayer/test_subscriptions.py::"
            "test_there_is_a_limit_to_listeners_and_leaving_makes_room"
        ),
    ),
    "rootlayer.yaml:settlement.balance_batches": (
        (
            "integration/rootlayer/test_funds.py::"
            "test_an_empty_account_refuses_new_batches_repeats_old_answers_and_pays_after_a_deposit"
        ),
    ),
    "rootlayer.yaml:docs": _DOCS,
    "validator.yaml:private_key": _KEY,
    "validator.yaml:private_key_file": _KEY,
    "validator.yaml:listen.host": _LISTEN,
    "validator.yaml:listen.grpc_port": _LISTEN,
    "validator.yaml:listen.http_port": _LISTEN,
    "validator.yaml:listen.raft_port": _LISTEN,
    "validator.yaml:data_dir": _DATA,
    "validator.yaml:docs": _DOCS,
    "validator.yaml:tracing.endpoint": _TRACES,
    "validator.yaml:intake.reports_per_second": (
        (
            "integration/validator/test_published_services.py::"
            "test_rates_are_counted_per_signer_and_allow_bursts"
        ),
    ),
    "validator.yaml:intake.burst": (
        (
            "integration/validator/test_published_services.py::"
            "test_rates_are_counted_per_signer_and_allow_bursts"
        ),
    ),
    "validator.yaml:intake.unknown_assignment_wait_seconds": (
        _REPORT + "test_a_report_waits_for_its_assignment",
    ),
    "validator.yaml:seal.max_open_epochs": (
        (
            "unit/validator/test_ledger_epochs.py::"
            "test_several_epochs_may_wait_for_signatures_up_to_the_limit"
        ),
    ),
    "validator.yaml:settle.refused_attempts": (
        _REPORT + "test_a_batch_that_is_refused_as_a_whole_ends_after_some_attempts",
    ),
    "validator.yaml:registry.enabled": (
        _BOOT + "test_validators_register_where_it_is_switched_on",
    ),
    "validator.yaml:health.min_free_mb": (
        "unit/runtime/test_disk.py::test_writing_ends_at_the_floor_and_begins_again_clearly_above_it",
        (
            "unit/validator/test_health_and_registration.py::"
            "test_the_log_is_paused_below_the_floor_and_resumed_with_clear_room"
        ),
    ),
    "validator.yaml:health.warn_free_percent": (
        "unit/runtime/test_disk.py::test_less_free_than_the_wanted_part_is_warned_of_with_both_figures",
    ),
    "validator.yaml:health.warn_full_in_days": (
        (
            "unit/runtime/test_disk.py::"
            "test_a_disk_that_will_be_full_within_the_wanted_days_is_warned_of"
        ),
    ),
    "validator.yaml:backup.directory": _BACKUP,
    "validator.yaml:backup.key_file": _BACKUP,
    "validator.yaml:replication.election_min_seconds": (
        "unit/consensus/test_seams.py::test_options_that_cannot_work_are_refused",
    ),
}
"""`file:key` -> tests. A number that is not named here is proven by its arrival where it is used."""
