"""What bounds every queue, cache and table: the limits with the tests that reach them, and what each container obeys.

A container is an attribute that begins as an empty collection, a cache decorator or an SQLite table. It obeys limits
(keys of `LIMITS`), or it says in words why it cannot grow: those are bounded by something that is not a number of ours.
"""

_LEDGER = "unit/validator/test_ledger_"
_LIMITS_V = "unit/validator/test_limits.py::"
_LIMITS_M = "unit/matcher/test_limits.py::"
_LIMITS_A = "unit/agent/test_limits.py::"
_SMALL = "unit/matcher/test_small_parts.py::"
_RUNTIME = "unit/runtime/test_health_metrics_limits.py::"
_GROUP = "integration/consensus/test_group.py::"
_HISTORY = _LEDGER + "history.py::"
_INTAKE = _LEDGER + "intake.py::"
_EPOCHS = _LEDGER + "epochs.py::"
_SHADOW = "unit/validator/test_shadow.py::"

LIMITS: dict[str, tuple[str, ...]] = {
    "validator/candidates.py:MAX_CANDIDATES": (
        "unit/validator/test_candidates.py::test_many_keys_on_one_invitation_take_a_bounded_place",
    ),
    # module:name of the limit -> tests that reach it
    "validator/limits.py:max_assignments": (
        _LIMITS_V + "test_ended_assignments_take_a_place_until_they_are_forgotten",
    ),
    "validator/limits.py:max_open": (
        _INTAKE + "test_a_full_ledger_refuses_new_assignments_for_now",
    ),
    "validator/limits.py:max_ended": (
        _HISTORY
        + "test_ended_assignments_are_forgotten_beyond_the_limit_but_not_before_their_deadline",
        _HISTORY + "test_memory_stays_flat_over_many_intents",
    ),
    "validator/limits.py:max_attempts": (
        _INTAKE + "test_an_intent_has_a_bounded_number_of_attempts",
    ),
    "validator/limits.py:max_held": (
        _INTAKE + "test_held_reports_are_bounded_in_all_and_per_assignment",
    ),
    "validator/limits.py:max_held_per_assignment": (
        _INTAKE + "test_held_reports_are_bounded_in_all_and_per_assignment",
    ),
    "validator/limits.py:max_report_bytes": (
        _LIMITS_V + "test_a_report_has_a_bounded_number_of_bytes",
    ),
    "validator/limits.py:max_evidence_bytes": (
        _INTAKE + "test_a_report_of_somebody_else_or_malformed_is_refused_and_takes_no_place",
    ),
    "validator/limits.py:max_result_bytes": (
        _INTAKE
        + "test_results_waiting_for_verification_are_bounded_and_the_refusal_can_be_retried",
    ),
    "validator/limits.py:max_command_items": (
        _LIMITS_V + "test_a_command_has_a_bounded_number_of_items",
    ),
    "validator/limits.py:max_items": (
        _EPOCHS + "test_a_seal_of_anything_but_the_next_epochs_verified_work_is_refused",
    ),
    "validator/limits.py:max_open_epochs": (
        _EPOCHS + "test_several_epochs_may_wait_for_signatures_up_to_the_limit",
    ),
    "validator/limits.py:max_unsettled_epochs": (
        _EPOCHS + "test_epochs_that_root_layer_has_not_answered_are_bounded",
    ),
    "validator/limits.py:retained_epochs": (
        _HISTORY + "test_the_parent_of_the_next_epoch_is_known_after_it_was_forgotten",
    ),
    "validator/limits.py:max_sealed_intents": (
        _HISTORY + "test_memory_stays_flat_over_many_intents",
    ),
    "validator/limits.py:max_double_signs": (
        _EPOCHS + "test_evidence_is_bounded_and_the_oldest_stays",
    ),
    "validator/limits.py:max_settlement_disputes": (
        _LEDGER + "settlement.py::test_disputes_are_bounded_and_the_oldest_stays",
    ),
    "validator/limits.py:max_request_ids": (
        _HISTORY + "test_kept_requests_are_bounded_by_number_and_by_replies",
    ),
    "validator/limits.py:max_kept_replies": (
        _HISTORY + "test_kept_requests_are_bounded_by_number_and_by_replies",
    ),
    "validator/grouping.py:max_waiting": (
        "unit/validator/test_grouping.py::test_too_many_waiting_items_are_refused",
    ),
    "validator/grouping.py:in_flight": (
        "unit/validator/test_grouping.py::test_two_commits_may_be_in_flight",
    ),
    "validator/arrivals.py:max_waiting": (
        _LIMITS_V + "test_only_so_many_reports_wait_for_their_assignment_at_a_time",
    ),
    "validator/archive.py:max_records": (
        _LIMITS_V + "test_the_archive_keeps_at_most_so_many_records",
    ),
    "validator/loops/archive.py:max_result_bytes": (
        _LIMITS_V + "test_results_that_wait_for_the_archive_are_bounded_in_bytes",
    ),
    "validator/loops/rota.py:_MAX_KNOWN": (
        _LIMITS_V + "test_patience_remembers_a_bounded_number_of_things",
    ),
    "validator/loops/sign.py:_MAX_REFUSED": (
        _LIMITS_V + "test_refusals_to_sign_are_remembered_up_to_a_number",
    ),
    "validator/command_items.py:maxsize": (
        _LIMITS_V + "test_decoded_texts_are_remembered_up_to_a_number",
    ),
    "validator/marks.py:_KEPT": (
        _LIMITS_V + "test_the_newest_marks_of_the_state_are_kept_and_no_more",
    ),
    "validator/shadow.py:MAX_WAITING": (
        _SHADOW + "test_more_reports_than_can_wait_are_skipped_and_counted",
    ),
    "validator/shadow.py:MAX_WAITING_BYTES": (
        _SHADOW + "test_results_that_wait_are_bounded_in_bytes",
    ),
    "validator/shadow.py:KEPT": (_SHADOW + "test_the_newest_differences_are_kept_and_no_more",),
    "validator/peer_clocks.py:_SAMPLES": (
        _LIMITS_V + "test_a_members_times_are_remembered_up_to_a_number",
    ),
    "validator/internal_api.py:_MAX_STREAMS": (
        "integration/validator/test_slow_readers.py::test_outcome_streams_are_bounded_in_number",
    ),
    "validator/internal_api.py:_MAX_RECORDS": (
        "integration/validator/test_slow_readers.py::test_records_of_one_call_are_bounded",
    ),
    "consensus/options.py:max_pending_requests": (
        _GROUP + "test_too_many_waiting_commands_are_refused",
        "unit/consensus/test_requests.py::test_limits_count_until_release_wherever_the_request_is",
    ),
    "consensus/options.py:max_pending_bytes": (
        "unit/consensus/test_requests.py::test_bytes_are_limited_too",
    ),
    "consensus/options.py:max_command_bytes": (
        _GROUP + "test_large_commands_are_replicated_from_a_follower",
    ),
    "consensus/options.py:send_buffer_bytes": (
        (
            "unit/consensus/test_transport_limits.py::"
            "test_a_peer_that_reads_nothing_is_sent_no_more_than_its_buffer_holds"
        ),
    ),
    "consensus/options.py:compact_after_entries": (
        _GROUP + "test_lagging_member_catches_up_by_snapshot_and_keeps_following",
    ),
    "consensus/options.py:compact_after_bytes": (
        _GROUP + "test_the_log_is_cut_after_so_many_bytes_too",
    ),
    "consensus/options.py:keep_entries": (
        (
            "unit/consensus/test_journal.py::"
            "test_entries_kept_behind_a_snapshot_are_bounded_by_number_and_bytes"
        ),
    ),
    "consensus/transport.py:_MAX_UNPROVEN": (
        "integration/consensus/test_hostile.py::test_silent_connections_are_closed_and_bounded",
    ),
    "consensus/fence.py:_REMEMBERED": ("unit/consensus/test_fence.py::test_the_memory_is_bounded",),
    "consensus/repeats.py:_REMEMBERED": (
        (
            "unit/consensus/test_repeats.py::"
            "test_what_is_remembered_is_bounded_and_the_longest_unseen_goes_first"
        ),
    ),
    "matcher/settings.py:max_intents": (
        "integration/matcher/test_bidding.py::test_intents_beyond_the_limit_wait_at_root_layer",
    ),
    "matcher/settings.py:max_attempts": (
        "integration/matcher/test_assignments.py::test_attempts_are_bounded",
    ),
    "matcher/settings.py:max_bids_per_intent": (
        "unit/matcher/test_admission.py::test_a_full_intent_still_takes_changes_of_bids_it_has",
    ),
    "matcher/settings.py:max_streams": (_SMALL + "test_streams_are_counted",),
    "matcher/settings.py:max_agents": (
        "unit/matcher/test_agent_rules.py::test_the_book_forgets_the_longest_unseen_first",
    ),
    "matcher/settings.py:stream_queue": (
        _SMALL + "test_an_overflow_drops_the_queue_and_tells_everything_open",
        _LIMITS_M + "test_a_watcher_that_falls_behind_keeps_the_newest_events_of_its_queue",
    ),
    "matcher/settings.py:retention_intents": (
        "integration/matcher/test_asking.py::test_the_journal_keeps_the_newest_intents_only",
    ),
    "matcher/settings.py:retention_seconds": (
        "integration/matcher/test_restart.py::test_ended_intents_leave_memory_but_not_the_record",
    ),
    "matcher/moves.py:KEPT": ("unit/matcher/test_moves.py::test_the_oldest_steps_are_forgotten",),
    "matcher/bidding.py:MAX_DECLINES": (
        "integration/matcher/test_declining.py::test_declines_are_bounded",
    ),
    "matcher/case.py:MAX_NOTES": (
        _LIMITS_M + "test_notes_of_a_story_are_bounded_and_the_newest_stay",
    ),
    "matcher/eligible.py:MAX_SURVEYED": (
        _LIMITS_M + "test_a_survey_lists_a_bounded_number_of_agents_for_a_bounded_number_of_types",
    ),
    "matcher/batches.py:capacity": (
        _SMALL + "test_batch_answers_are_remembered_for_signed_callers_only",
    ),
    "matcher/timers.py:_compact": (_SMALL + "test_timers_do_not_grow_with_rescheduling",),
    "agent/bidder.py:_QUEUED": (
        _LIMITS_A + "test_bids_that_wait_are_bounded_and_further_ones_are_dropped",
    ),
    "agent/settings.py:capacity": (
        _LIMITS_A + "test_tasks_in_hand_are_bounded_by_capacity_and_backlog",
        (
            "integration/agent/test_agent.py::"
            "test_tasks_run_side_by_side_up_to_the_capacity_and_the_rest_waits_or_is_declined"
        ),
    ),
    "agent/worker.py:MAX_UNDELIVERED": (
        _LIMITS_A + "test_no_task_is_taken_while_too_many_reports_wait_for_a_validator",
    ),
    "agent/journal.py:KEPT_CLOSED": (
        _LIMITS_A + "test_done_tasks_are_remembered_up_to_a_number",
        _LIMITS_A + "test_the_journal_keeps_a_bounded_number_of_closed_tasks",
    ),
    "agent/settings.py:workers": (
        (
            "unit/agent/test_tasks.py::"
            "test_expressions_are_evaluated_in_parallel_up_to_the_worker_count"
        ),
    ),
    "console/sharing.py:remembered": (
        "unit/console/test_sharing.py::test_few_questions_run_side_by_side_and_few_answers_are_kept",
    ),
    "registry/settings.py:max_entries": (
        (
            "unit/registry/test_roster.py::"
            "test_a_full_roster_gives_up_idle_open_entries_first_and_then_refuses"
        ),
    ),
    "rootlayer/settings.py:max_subscribers": (
        (
            "unit/rootlayer/test_subscriptions.py::"
            "test_there_is_a_limit_to_listeners_and_leaving_makes_room"
        ),
    ),
    "rootlayer/subscriptions.py:capacity": (
        (
            "integration/rootlayer/test_rootlayer_process.py::"
            "test_a_subscriber_that_does_not_read_is_ended_with_resource_exhausted"
        ),
    ),
    "rootlayer/settings.py:batch_items": (
        "integration/rootlayer/test_rootlayer_process.py::test_limits_of_a_batch_are_kept",
    ),
    "adapters/signing_record/file.py:_KEPT": (
        "unit/adapters/test_file_signing_record.py::test_compaction_keeps_the_newest_epochs_and_the_height",
    ),
    "runtime/limits.py:max_keys": (
        _RUNTIME + "test_the_number_of_keys_is_bounded_and_the_least_recent_goes_first",
    ),
    "runtime/disk.py:_REMEMBERED": (
        ("unit/runtime/test_disk.py::test_a_burst_is_no_forecast_and_yesterdays_rate_is_forgotten"),
    ),
    "runtime/log_repeats.py:_MAX_KINDS": (
        (
            "unit/runtime/test_log_volume.py::"
            "test_who_varies_a_field_meets_the_limit_of_the_event_and_memory_stays_bounded"
        ),
    ),
    "runtime/metrics.py:max_series": (_RUNTIME + "test_label_sets_are_bounded",),
    "runtime/tracing.py:MAX_WAITING": (
        "unit/runtime/test_tracing.py::test_spans_beyond_the_limit_are_dropped_and_counted",
    ),
    "runtime/sqlite.py:max_queued": (
        "integration/runtime/test_sqlite.py::test_the_queue_is_bounded_and_closing_flushes_it",
    ),
    "protocol/ids.py:maxsize": (
        "unit/protocol/test_caches.py::test_a_cache_remembers_up_to_a_number",
    ),
    "protocol/signatures.py:maxsize": (
        "unit/protocol/test_caches.py::test_a_cache_remembers_up_to_a_number",
    ),
    "wire/nonces.py:capacity": (
        "unit/wire/test_authentication.py::test_a_full_nonce_memory_refuses_instead_of_forgetting",
        "unit/wire/test_authentication.py::test_one_signer_fills_at_most_half_of_the_nonce_memory",
    ),
}

_MEMBERS = "one entry for each member of the set of validators"
_CONFIGURED = "as many as the configuration or the code names"
_BY_OPERATORS = "one entry for each change of the set that the validators' operators agreed on"
_KEPT_FOR_GOOD = (
    "the development RootLayer stands for a chain, which forgets nothing; it is on disk"
)
_REQUEST = "lives as long as one command, request or start"

_ASKED = "one member's answer, of at most MAX_ANSWER_BYTES, for one look"

CONTAINERS: dict[str, tuple[str, ...]] = {
    # module:attribute -> the limits that it obeys, or why it needs none
    "adapters/ledger/grpc.py:_targets": (_MEMBERS,),
    "adapters/ledger/grpc.py:_channels": (_MEMBERS,),
    "adapters/signing_record/file.py:_signed": ("adapters/signing_record/file.py:_KEPT",),
    "insight/answers.py:Answer.status": (_ASKED,),
    "insight/answers.py:Answer.summary": (_ASKED,),
    "agent/bidder.py:_queue": ("agent/bidder.py:_QUEUED",),
    "agent/bidder.py:_declines": ("agent/bidder.py:_QUEUED",),
    "agent/client.py:_handlers": (_CONFIGURED,),
    "agent/execution.py:_handlers": (_CONFIGURED,),
    "agent/journal.py:table tasks": (
        "agent/settings.py:capacity",
        "agent/worker.py:MAX_UNDELIVERED",
        "agent/journal.py:KEPT_CLOSED",
    ),
    "agent/pricing.py:_prices": (_CONFIGURED,),
    "agent/reporter.py:_validators": (_CONFIGURED,),
    "agent/reporter.py:_pending": ("agent/worker.py:MAX_UNDELIVERED",),
    "agent/tasks/json_transform.py:_idle": ("agent/settings.py:workers",),
    "agent/tasks/script.py:_commands": (_CONFIGURED,),
    "agent/worker.py:_held": ("agent/settings.py:capacity",),
    "agent/worker.py:_done": ("agent/journal.py:KEPT_CLOSED",),
    "agent/worker.py:_jobs": ("agent/settings.py:capacity",),
    "bootstrap/arguments.py:Arguments.origins": (_CONFIGURED,),
    "consensus/connection.py:Connection._out": ("consensus/options.py:send_buffer_bytes",),
    "consensus/elections.py:_pre_votes": (_MEMBERS,),
    "consensus/elections.py:_voters": (_MEMBERS,),
    "consensus/engine.py:_results": ("consensus/options.py:max_pending_requests",),
    "consensus/fence.py:_Memory.claims": ("consensus/fence.py:_REMEMBERED",),
    "consensus/fence.py:_Memory.met": ("consensus/fence.py:_REMEMBERED",),
    "consensus/fence.py:_refused_since": (_MEMBERS,),
    "consensus/group.py:_entries": ("consensus/options.py:compact_after_entries",),
    "consensus/journal.py:_pending": ("consensus/options.py:max_pending_bytes",),
    "consensus/journal.py:_parts": (
        "consensus/options.py:compact_after_entries",
        "consensus/options.py:compact_after_bytes",
    ),
    "consensus/journal.py:_entries": (
        "consensus/options.py:compact_after_entries",
        "consensus/options.py:compact_after_bytes",
        "consensus/options.py:keep_entries",
    ),
    "consensus/membership.py:_leaving": (_MEMBERS,),
    "consensus/membership.py:_left": (_MEMBERS,),
    "consensus/names.py:_running": (_MEMBERS,),
    "consensus/node.py:_open_requests": ("consensus/options.py:max_pending_requests",),
    "consensus/repeats.py:_seen": ("consensus/repeats.py:_REMEMBERED",),
    "consensus/replicas.py:_outgoing": (_MEMBERS,),
    "consensus/requests.py:_queue": (
        "consensus/options.py:max_pending_requests",
        "consensus/options.py:max_pending_bytes",
        "consensus/options.py:max_command_bytes",
    ),
    "consensus/requests.py:_again": ("consensus/options.py:max_pending_requests",),
    "consensus/requests.py:_placed": ("consensus/options.py:max_pending_requests",),
    "consensus/requests.py:_asked": ("consensus/options.py:max_pending_requests",),
    "consensus/transport.py:_invited": (_MEMBERS,),
    "consensus/transport.py:_links": (_MEMBERS,),
    "consensus/transport.py:_unproven": ("consensus/transport.py:_MAX_UNPROVEN",),
    "consensus/transport.py:_unsent": (_MEMBERS,),
    "matcher/agents.py:_states": (
        "matcher/settings.py:max_agents",
        "matcher/settings.py:max_streams",
    ),
    "matcher/batches.py:_answers": ("matcher/batches.py:capacity",),
    "matcher/bid_events.py:Watcher.queue": ("matcher/settings.py:stream_queue",),
    "matcher/bid_events.py:_watchers": ("matcher/settings.py:max_streams",),
    "matcher/board.py:_cases": ("matcher/settings.py:max_intents",),
    "matcher/board.py:_tasks": (
        "matcher/settings.py:max_intents",
        "matcher/settings.py:max_attempts",
    ),
    "matcher/board.py:_open": ("matcher/settings.py:max_intents",),
    "matcher/callers.py:_streams": ("matcher/settings.py:max_streams",),
    "matcher/case.py:Attempt.delivered_at_ms": ("matcher/case.py:MAX_NOTES",),
    "matcher/case.py:Attempt.steps": ("matcher/case.py:MAX_NOTES",),
    "matcher/case.py:Case.bids": ("matcher/settings.py:max_bids_per_intent",),
    "matcher/attendance.py:_agents": ("matcher/settings.py:max_agents",),
    "matcher/moves.py:_kept": ("matcher/moves.py:KEPT",),
    "matcher/case.py:Case.declined": ("matcher/bidding.py:MAX_DECLINES",),
    "matcher/store.py:CaseState.declined": ("matcher/bidding.py:MAX_DECLINES",),
    "matcher/case.py:Case.excluded": ("matcher/settings.py:max_attempts",),
    "matcher/case.py:Case.ineligible": ("matcher/eligible.py:MAX_SURVEYED",),
    "matcher/case.py:Case.rounds": ("matcher/case.py:MAX_NOTES",),
    "matcher/case.py:Case.refused": ("matcher/case.py:MAX_NOTES",),
    "matcher/case.py:Case.attempts": ("matcher/settings.py:max_attempts",),
    "matcher/eligible.py:_surveys": ("matcher/eligible.py:MAX_SURVEYED",),
    "matcher/journal.py:_Marks.new": ("matcher/settings.py:max_intents",),
    "matcher/journal.py:_Marks.cases": ("matcher/settings.py:max_intents",),
    "matcher/journal.py:_Marks.bids": (
        "matcher/settings.py:max_intents",
        "matcher/settings.py:max_bids_per_intent",
    ),
    "matcher/journal.py:_Marks.attempts": (
        "matcher/settings.py:max_intents",
        "matcher/settings.py:max_attempts",
    ),
    "matcher/journal.py:_Marks.agents": ("matcher/settings.py:max_agents",),
    "matcher/journal.py:_Marks.outbox": (
        "matcher/settings.py:max_intents",
        "matcher/settings.py:max_attempts",
    ),
    "matcher/journal.py:_waiters": (_REQUEST,),
    "matcher/outbox.py:_waiting": (
        "matcher/settings.py:max_intents",
        "matcher/settings.py:max_attempts",
    ),
    "matcher/recorder.py:_waiting": (
        "matcher/settings.py:max_intents",
        "matcher/settings.py:max_attempts",
    ),
    "matcher/store.py:CaseState.excluded": ("matcher/settings.py:max_attempts",),
    "matcher/store.py:CaseState.ineligible": ("matcher/eligible.py:MAX_SURVEYED",),
    "matcher/store.py:CaseState.rounds": ("matcher/case.py:MAX_NOTES",),
    "matcher/store.py:CaseState.refused": ("matcher/case.py:MAX_NOTES",),
    "matcher/store.py:table intents": ("matcher/settings.py:retention_intents",),
    "matcher/store.py:table bids": (
        "matcher/settings.py:retention_intents",
        "matcher/settings.py:max_bids_per_intent",
    ),
    "matcher/store.py:table attempts": (
        "matcher/settings.py:retention_intents",
        "matcher/settings.py:max_attempts",
    ),
    "matcher/store.py:table agents": ("matcher/settings.py:retention_seconds",),
    "matcher/store.py:table outbox": (
        "matcher/settings.py:max_intents",
        "matcher/settings.py:max_attempts",
    ),
    "matcher/store.py:table marks": (_CONFIGURED,),
    "matcher/tasks.py:TaskStream.sent": (
        "matcher/settings.py:max_intents",
        "matcher/settings.py:max_attempts",
    ),
    "matcher/tasks.py:_open": (
        "matcher/settings.py:max_intents",
        "matcher/settings.py:max_attempts",
    ),
    "matcher/tasks.py:_streams": ("matcher/settings.py:max_streams",),
    "matcher/timers.py:_due": ("matcher/settings.py:max_intents",),
    "matcher/timers.py:_heap": ("matcher/timers.py:_compact",),
    "matcher/updates.py:Listener.queue": ("matcher/settings.py:stream_queue",),
    "matcher/updates.py:_listeners": ("matcher/settings.py:max_streams",),
    "matcher/updates.py:_signed": ("matcher/settings.py:max_streams",),
    "protocol/ids.py:_checksummed": ("protocol/ids.py:maxsize",),
    "protocol/signatures.py:_address": ("protocol/signatures.py:maxsize",),
    "console/rendering.py:_always": (_CONFIGURED,),
    "console/static_files.py:_files": (_CONFIGURED,),
    "console/runbooks.py:_pages": ("one page for each alert that is shipped",),
    "console/sharing.py:_answers": ("console/sharing.py:remembered",),
    "console/streams.py:_events": ("one entry for each of the two topics",),
    "registry/roster.py:_owners": (_CONFIGURED,),
    "registry/roster.py:_entries": ("registry/settings.py:max_entries",),
    "registry/roster.py:_capable": ("registry/settings.py:max_entries",),
    "registry/roster.py:_changes": ("registry/settings.py:max_entries",),
    "registry/service.py:_unsaved": ("registry/settings.py:max_entries",),
    "registry/store.py:table members": ("registry/settings.py:max_entries",),
    "rootlayer/service.py:_writing": (_REQUEST,),
    "rootlayer/sets.py:_sets": (_KEPT_FOR_GOOD,),
    "rootlayer/store/schema.py:table intents": (_KEPT_FOR_GOOD,),
    "rootlayer/store/schema.py:table history": (_KEPT_FOR_GOOD,),
    "rootlayer/store/schema.py:table assignments": (_KEPT_FOR_GOOD,),
    "rootlayer/store/schema.py:table batches": (
        _KEPT_FOR_GOOD,
        "rootlayer/settings.py:batch_items",
    ),
    "rootlayer/store/schema.py:table batch_results": (_KEPT_FOR_GOOD,),
    "rootlayer/store/schema.py:table conflicting_batches": (_KEPT_FOR_GOOD,),
    "rootlayer/store/schema.py:table validator_sets": (_KEPT_FOR_GOOD,),
    "rootlayer/subscriptions.py:_queue": ("rootlayer/subscriptions.py:capacity",),
    "rootlayer/subscriptions.py:_subscriptions": ("rootlayer/settings.py:max_subscribers",),
    "runtime/clock.py:_sleepers": ("a clock of tests",),
    "runtime/disk.py:_samples": ("runtime/disk.py:_REMEMBERED",),
    "runtime/health.py:_checks": (_CONFIGURED,),
    "runtime/lifecycle.py:_drains": (_CONFIGURED,),
    "runtime/lifecycle.py:_tasks": (_CONFIGURED,),
    "runtime/limits.py:_buckets": ("runtime/limits.py:max_keys",),
    "runtime/log_repeats.py:_kinds": ("runtime/log_repeats.py:_MAX_KINDS",),
    "runtime/log_repeats.py:_events": ("runtime/log_repeats.py:_MAX_KINDS",),
    "runtime/log_repeats.py:_ended": ("runtime/log_repeats.py:_MAX_KINDS",),
    "runtime/metrics.py:_children": ("runtime/metrics.py:max_series",),
    "runtime/metrics.py:_refreshers": (_CONFIGURED,),
    "runtime/metrics.py:labels": (_CONFIGURED,),
    "runtime/tracing.py:_waiting": ("runtime/tracing.py:MAX_WAITING",),
    "runtime/otlp.py:_resource": (_CONFIGURED,),
    "runtime/tracing.py:Span.facts": ("a few facts that we name ourselves",),
    "runtime/vitals.py:_queues": (_CONFIGURED,),
    "runtime/problems.py:ProblemDetails.headers": (_REQUEST,),
    "runtime/settings.py:problems": (_REQUEST,),
    "runtime/sqlite.py:_jobs": ("runtime/sqlite.py:max_queued",),
    "runtime/stop.py:_calls": (_REQUEST,),
    "runtime/yaml_text.py:Document.lines": (_REQUEST,),
    "runtime/yaml_text.py:Document.problems": (_REQUEST,),
    "runtime/yaml_text.py:_Loader.yaml_implicit_resolvers": (_CONFIGURED,),
    "validator/marks.py:_marks": ("validator/marks.py:_KEPT",),
    "validator/peer_clocks.py:_samples": (_MEMBERS, "validator/peer_clocks.py:_SAMPLES"),
    "validator/archive.py:table assignments": ("validator/archive.py:max_records",),
    "validator/archive.py:table epochs": ("validator/archive.py:max_records",),
    "validator/archive.py:table progress": (_CONFIGURED,),
    "validator/arrivals.py:_waiting": ("validator/arrivals.py:max_waiting",),
    "validator/command_items.py:_hex": ("validator/command_items.py:maxsize",),
    "validator/command_items.py:_address": ("validator/command_items.py:maxsize",),
    "validator/feed.py:_waiting": (
        "emptied by the next turn of the event loop; what one turn can bring is in the log's own limits",
        "consensus/options.py:max_pending_requests",
    ),
    "validator/feed.py:_signals": (
        _CONFIGURED,
        "validator/internal_api.py:_MAX_STREAMS",
    ),
    "validator/feed.py:_callbacks": (_CONFIGURED,),
    "validator/grouping.py:_waiting": ("validator/grouping.py:max_waiting",),
    "validator/grouping.py:_running": ("validator/grouping.py:in_flight",),
    "validator/internal_api.py:_streams": (
        "two counters",
        "validator/internal_api.py:_MAX_STREAMS",
        "validator/internal_api.py:_MAX_RECORDS",
    ),
    "validator/loops/archive.py:assignments": (
        "validator/limits.py:max_assignments",
        "validator/loops/archive.py:max_result_bytes",
    ),
    "validator/loops/archive.py:epochs": ("validator/limits.py:retained_epochs",),
    "validator/loops/follow.py:_leaving": (_MEMBERS,),
    "validator/candidates.py:_found": ("validator/candidates.py:MAX_CANDIDATES",),
    "validator/peer_dials.py:_found": (_MEMBERS,),
    "validator/loops/rota.py:_since": ("validator/loops/rota.py:_MAX_KNOWN",),
    "validator/loops/settle.py:_refusals": ("validator/limits.py:max_unsettled_epochs",),
    "validator/loops/settle.py:_early": ("validator/limits.py:max_unsettled_epochs",),
    "validator/loops/sign.py:_refused": ("validator/loops/sign.py:_MAX_REFUSED",),
    "validator/policy.py:PolicyBook.overrides": (_CONFIGURED,),
    "validator/records.py:AssignmentState.times": ("one entry for each stage",),
    "validator/records.py:AssignmentState.verdicts": (_MEMBERS,),
    "validator/records.py:AssignmentState.verdict_times": (_MEMBERS,),
    "validator/records.py:EpochState.signatures": (_MEMBERS,),
    "validator/records.py:EpochState.strays": (_MEMBERS,),
    "validator/records.py:EpochState.claims": (_MEMBERS, "validator/limits.py:max_items"),
    "validator/records.py:ProposedChange.approvals": (_MEMBERS,),
    "validator/sets.py:_cached": (_BY_OPERATORS,),
    "validator/shadow.py:_waiting": (
        "validator/shadow.py:MAX_WAITING",
        "validator/shadow.py:MAX_WAITING_BYTES",
    ),
    "validator/shadow.py:_counts": ("one entry for each result",),
    "validator/shadow.py:_codes": ("one entry for each pair of codes of the rules",),
    "validator/shadow.py:_differences": ("validator/shadow.py:KEPT",),
    "validator/state.py:LedgerState.clocks": (_MEMBERS,),
    "validator/state.py:LedgerState.assignments": (
        "validator/limits.py:max_assignments",
        "validator/limits.py:max_open",
        "validator/limits.py:max_ended",
        "validator/limits.py:max_attempts",
        "validator/limits.py:max_report_bytes",
        "validator/limits.py:max_evidence_bytes",
        "validator/limits.py:max_result_bytes",
    ),
    "validator/state.py:LedgerState.held": (
        "validator/limits.py:max_held",
        "validator/limits.py:max_held_per_assignment",
    ),
    "validator/state.py:LedgerState.epochs": (
        "validator/limits.py:max_open_epochs",
        "validator/limits.py:max_unsettled_epochs",
        "validator/limits.py:retained_epochs",
    ),
    "validator/state.py:LedgerState.sealed_intents": ("validator/limits.py:max_sealed_intents",),
    "validator/state.py:LedgerState.double_signs": ("validator/limits.py:max_double_signs",),
    "validator/state.py:LedgerState.settlement_disputes": (
        "validator/limits.py:max_settlement_disputes",
    ),
    "validator/state.py:LedgerState.requests": (
        "validator/limits.py:max_request_ids",
        "validator/limits.py:max_kept_replies",
    ),
    "validator/state.py:LedgerState.sets": (_BY_OPERATORS,),
    "validator/state.py:LedgerState.tombstones": (_BY_OPERATORS,),
    "validator/tables.py:by_intent": ("validator/limits.py:max_assignments",),
    "validator/tables.py:by_report_id": ("validator/limits.py:max_assignments",),
    "validator/tables.py:by_header_hash": ("validator/limits.py:retained_epochs",),
    "validator/tables.py:stages": ("validator/limits.py:max_assignments",),
    "validator/tables.py:feed": ("validator/limits.py:max_assignments",),
    "validator/tables.py:ended": ("validator/limits.py:max_ended",),
    "validator/tables.py:open_epochs": ("validator/limits.py:max_open_epochs",),
    "validator/tables.py:unsettled_epochs": ("validator/limits.py:max_unsettled_epochs",),
    "validator/tables.py:settled_epochs": ("validator/limits.py:retained_epochs",),
    "validator/turn.py:Turn.events": (_REQUEST, "validator/limits.py:max_command_items"),
    "validator/turn.py:Turn.notes": (_REQUEST,),
    "wire/network_file.py:_validators": (_CONFIGURED,),
    "wire/nonces.py:_seen": ("wire/nonces.py:capacity",),
    "wire/nonces.py:_held": ("wire/nonces.py:capacity",),
}
