"""The faults that the system must survive, and which tests show it. The page docs/reliability.md is made from this."""

import ast
import functools
from collections.abc import Callable
from dataclasses import dataclass

from tests.template.loading import ROOT

INGEST, CUSTOMIZE = "workflows/test_ingest.py", "workflows/test_customize.py"
JOBS, DEPLOYMENT, REDRIVE = "workflows/test_jobs.py", "workflows/test_deployment.py", "workflows/test_redrive.py"
SCALE, TEACHER = "workflows/test_scale.py", "unit/test_teacher_faults.py"
FETCH, TEMPLATE, MACHINES = "unit/test_crawling_fetch.py", "template/test_template.py", "template/test_machines.py"
HOSTILE_CLOUD = "security/test_hostile_cloud.py"
BATCH, HOSTILE, OUTPUTS = (
    "unit/test_pipeline_batch.py",
    "documents/test_hostile.py",
    "unit/test_customization_outputs.py",
)


@dataclass(frozen=True)
class Row:
    """number and fault: of the checklist. answer: what the system does. by: tests besides test_row_NN that show it, as
    "file below tests/::name". aws: what only AWS itself can show, and what covers it there."""

    number: int
    fault: str
    answer: str
    by: tuple[str, ...] = ()
    aws: str = ""


def at(file: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{file}::test_{name}" for name in names)


ROWS = (
    Row(
        1,
        "The same S3 event is delivered several times",
        "One execution; its name is a digest of bucket, key and version",
        at(INGEST, "one_event_delivered_five_times_is_one_execution"),
    ),
    Row(
        2,
        "Another content under the same key",
        "Another execution; what the first left is untouched",
        at(
            INGEST,
            "another_version_of_a_key_is_another_execution_and_leaves_the_first_alone",
            "a_late_event_reads_the_version_it_names",
        ),
    ),
    Row(
        3,
        "Events of one key arrive out of order",
        "Every version is a document of its own, found by its digest: order decides nothing",
    ),
    Row(4, "The starter dies after it started the execution", "The event comes again and starts nothing"),
    Row(
        5,
        "Some records of a queue's batch fail",
        "They alone return to the queue; a batch that fails whole is raised",
        at("local/test_cloud_sam.py", "a_failed_item_comes_back_and_its_batch_does_not"),
    ),
    Row(
        6,
        "An admission slot is never given back",
        "No counter is kept by hand: Map and queue bound what runs at once",
        at(
            SCALE,
            "no_more_batches_are_taught_at_once_than_the_parameter_says",
            "teaching_of_all_documents_at_once_has_a_bound",
            "documents_beyond_the_bound_wait_for_their_turn_and_get_it",
        ),
    ),
    Row(
        7,
        "A function dies in the middle of its work",
        "The next attempt finds what was written and ends with the same bytes",
        at(INGEST, "a_function_that_dies_is_called_again"),
    ),
    Row(8, "Two writers race for one row", "One wins, the other is told, nothing escapes"),
    Row(
        9,
        "An event is not taken by the bus, or is too large",
        "It is sent again; details are cut to what fits",
        aws="EventBridge's own outages: the rule's retries and dead-letter queue, watched by an alarm",
    ),
    Row(
        10,
        "A target of a rule cannot be reached",
        "Retries, then a dead-letter queue with an alarm",
        at(
            TEMPLATE,
            "an_event_that_cannot_be_delivered_is_retried_and_kept",
            "every_alarm_reaches_a_topic_with_a_subscription",
        ),
        aws="the delivery itself: the alarm on the queue",
    ),
    Row(
        11,
        "The teacher throttles",
        "The SDK tries thrice, then the state machine waits; no chunk is lost or paid twice",
        at(
            TEACHER,
            "a_failure_is_named_after_what_should_be_done_and_the_sdk_waits_little",
            "the_machine_waits_for_quota_longer_than_any_minute_quota_takes",
        ),
    ),
    Row(
        12,
        "The teacher is down for an hour",
        "The execution waits, spends nothing, and goes on after a redrive",
        at(TEACHER, "an_outage_of_an_hour_stops_without_spending_and_goes_on_afterwards"),
    ),
    Row(
        13,
        "One chunk always runs into the timeout",
        "Tried once more, then counted as failed; the rest goes on",
        at(TEACHER, "a_teacher_that_never_answers_in_time_costs_a_bounded_wait")
        + at(INGEST, "chunks_that_always_time_out_are_counted_as_failed_and_the_rest_goes_on"),
    ),
    Row(
        14,
        "The teacher's answer is cut, garbage, a refusal",
        "It is told with its reason and never becomes an example",
        at(TEACHER, "an_answer_that_must_not_be_read_is_told_with_its_reason_and_never_taken"),
    ),
    Row(
        15,
        "No access to the teacher, or its quota is used up",
        "No retry; the message says what to grant or to raise",
        at(TEACHER, "the_greeting_says_what_to_do_before_the_first_chunk")
        + at("unit/test_account.py", "what_is_missing_is_named_with_its_remedy"),
        aws="the real messages: the check of the account reads them before the first paid job",
    ),
    Row(
        16,
        "A batch job answers some records, in any order",
        "Joined by id; the rest is asked on demand; counts add up",
        at(BATCH, "what_a_job_did_not_answer_well_is_asked_on_demand", "batch_and_on_demand_give_the_same_examples"),
    ),
    Row(
        17,
        "A batch is too small, or there is no slot for it",
        "Asked on demand, or waited for within bounds",
        at(
            BATCH,
            "below_the_services_least_no_job_is_prepared",
            "a_large_document_is_cut_into_files_and_the_rest_asked_on_demand",
            "a_batch_that_is_refused_is_taught_on_demand",
        ),
    ),
    Row(
        18,
        "The account's quota refuses a training job",
        "Caught by its name, waited for, then told with the quota's text",
        at(
            JOBS,
            "a_quota_that_refuses_the_job_is_waited_for",
            "waiting_for_capacity_ends_and_a_redrive_goes_on_from_there",
        ),
    ),
    Row(
        19,
        "No capacity after the job was created",
        "Another attempt under another name, five at most",
        at(JOBS, "a_job_without_capacity_is_tried_again_under_a_new_name"),
        aws="which instance types have capacity: the profile names one per stage, and people change it",
    ),
    Row(
        20,
        "The job's name is taken",
        "The job is followed, not repeated; if it failed, another name is taken",
        at(
            JOBS,
            "a_job_that_was_created_although_the_answer_got_lost_is_followed_not_repeated",
            "an_adopted_job_that_failed_is_tried_again_under_a_new_name",
        ),
    ),
    Row(
        21,
        "A spot instance is taken away",
        "Jobs ask for no spot instances; an interruption is another attempt",
        at(JOBS, "an_interrupted_instance_is_asked_for_again"),
    ),
    Row(
        22,
        "Somebody stops a job",
        "The run fails with that reason; nothing is registered",
        at(JOBS, "a_job_that_somebody_stopped_ends_the_run_and_says_so"),
    ),
    Row(
        23,
        "A job says Completed and left nothing usable",
        "ArtefactMissing, before anything uses it",
        at(
            JOBS,
            "a_completed_job_without_its_artefact_ends_the_run_before_it_is_used",
            "an_evaluation_that_left_questions_unanswered_is_no_measure",
        )
        + at(OUTPUTS, "a_job_that_left_nothing_usable_is_named"),
    ),
    Row(
        24,
        "Training diverges",
        "TrainingDiverged before reinforcement starts",
        at(JOBS, "training_that_diverges_stops_before_reinforcement")
        + at(OUTPUTS, "a_loss_that_is_not_finite_stops_the_run"),
    ),
    Row(
        25,
        "The trained model is worse than the base",
        "Nothing is registered; report and event say by how much",
        at(
            CUSTOMIZE,
            "fine_tuning_that_is_worse_than_the_base_registers_nothing",
            "reinforcement_that_is_worse_registers_the_fine_tuned_model",
        ),
    ),
    Row(
        26,
        "The import of a model is asked for twice",
        "One model: the same token, and its name is adopted",
        at(
            DEPLOYMENT,
            "a_model_that_was_created_although_the_answer_got_lost_is_not_created_again",
            "a_model_of_this_name_is_adopted",
        ),
    ),
    Row(
        27,
        "Some items of a Map fail",
        "Fetching goes on; a document with a batch that failed waits for its redrive",
        at(REDRIVE, "a_redrive_of_a_document_teaches_only_what_is_missing"),
    ),
    Row(
        28,
        "A redrive after the cause was mended",
        "What succeeded is not run again, nothing is paid twice, same bytes",
        at(
            REDRIVE,
            "redriven_executions_end_as_undisturbed_ones",
            "states_before_the_failed_one_do_not_run_again",
            "every_state_that_calls_something_is_broken_in_some_scenario",
            "a_map_that_could_not_read_its_items_or_write_its_results_goes_on",
            "every_expression_is_evaluated",
        )
        + at(JOBS, "one_redrive_carries_on_all_jobs_that_failed_side_by_side")
        + at("workflows/test_places.py", "one_redrive_carries_on_both_candidates_that_could_not_be_deployed"),
    ),
    Row(
        29,
        "State between steps grows",
        "States hand on keys, never documents: under 32 KB",
        at(INGEST, "the_states_of_an_ingest_and_what_they_carry")
        + at(CUSTOMIZE, "the_state_of_a_run_stays_small")
        + at(MACHINES, "documents_never_travel_between_states"),
    ),
    Row(
        30,
        "The history of an execution grows",
        "Distributed Map: ten thousand chunks stay under 2,000 events",
        at(SCALE, "ten_thousand_chunks_cost_few_transitions_and_a_short_history"),
    ),
    Row(
        31,
        "An execution is stuck",
        "Every task and machine has a timeout, callbacks a heartbeat, failures an alarm",
        at(
            MACHINES,
            "every_task_has_a_timeout_and_retries_with_jitter_and_a_bound",
            "every_task_retries_and_catches_by_the_table",
            "a_machine_bounds_its_time_and_speaks_jsonata",
        )
        + at(TEMPLATE, "what_must_not_go_unseen_has_an_alarm"),
    ),
    Row(32, "Clocks, time zones, repeated seeds", "Names and datasets come from contents, not from clocks or chance"),
    Row(
        33,
        "A crawled address leads inside",
        "Only listed hosts, also after redirects and after DNS",
        at(
            FETCH,
            "a_redirect_off_the_list_is_never_followed",
            "a_private_dns_answer_is_refused_before_anything_is_sent",
            "an_answer_that_turns_private_after_a_redirect_is_refused",
            "redirects_end",
        ),
    ),
    Row(
        34,
        "A source wants fewer requests",
        "One rate for all workers; Retry-After; a block stops everybody",
        at(
            FETCH,
            "eight_workers_share_one_rate",
            "retry_after_is_honoured_for_everybody",
            "403_with_html_stops",
            "after_a_block_page_no_worker_sends_anything_until_the_stop_is_over",
        ),
    ),
    Row(
        35,
        "Bombs: gzip, entities, tables",
        "Refused or read within bounds of size, time and memory",
        at(
            HOSTILE,
            "every_hostile_file_ends_within_its_limits",
            "the_limits_bite",
            "entities",
            "bombs_of_markup_keep_their_text",
        )
        + at(FETCH, "a_gzip_bomb_is_given_up_before_it_is_unpacked"),
    ),
    Row(
        36,
        "A filing gives the teacher orders",
        "Hidden text is dropped, visible orders flagged, obedient answers refused",
        at(
            "unit/test_teaching_injections.py",
            "an_obedient_teacher_gets_nothing_into_the_dataset",
            "the_whole_lesson_stays_clean_and_settles",
        )
        + at(HOSTILE, "hidden_text_stays_hidden", "visible_orders_are_flagged")
        + at(HOSTILE_CLOUD, "injected_orders_and_what_they_ask_for_are_nowhere"),
        aws="how often a language model obeys: measured with the teacher in use, not with the embedded one",
    ),
    Row(
        37,
        "Secrets or personal numbers in examples",
        "Left out and counted",
        at(
            "unit/test_datasets.py",
            "secrets_and_personal_numbers_never_reach_a_file",
            "an_example_with_a_secret_is_left_out_and_counted",
        )
        + at("security/test_hostile_content.py", "seeded_secrets_reach_no_dataset_log_event_or_mail")
        + at(HOSTILE_CLOUD, "secrets_and_personal_numbers_are_nowhere_but_in_the_documents"),
    ),
    Row(
        38,
        "Test questions leak into training",
        "Split by document group, near copies dropped, a leak fails the run",
        at("unit/test_datasets.py", "the_leak_gate_sees_what_stands_in_two_splits", "a_leak_fails_the_run"),
    ),
    Row(
        39,
        "The reward is cheated",
        "No attack of the suite beats the honest answer; preflight tries them on the run's own questions",
        at("unit/test_grading_attacks.py", "no_attack_beats_the_honest_answer", "arms_that_know_nothing_score_little"),
    ),
    Row(
        40,
        "The grader gets huge or broken input",
        "Each sample by itself, order kept, six megabytes graded",
        at(
            "unit/test_grading_samples.py",
            "one_bad_sample_never_harms_the_others",
            "ten_thousand_fuzzed_events_are_graded",
            "six_megabytes_are_graded",
        ),
        aws="its latency: the alarm on the function's errors and duration",
    ),
    Row(
        41,
        "Something is public or not encrypted",
        "Buckets private, versioned, encrypted, over TLS only; so are queues",
        at(
            TEMPLATE,
            "every_bucket_is_private_versioned_encrypted_and_kept",
            "the_ledger_is_kept_encrypted_and_recoverable",
        ),
    ),
    Row(
        42,
        "A role may too much",
        "No wildcard actions, named resources, PassRole to one service; every grant is needed by a recorded call",
        at(
            TEMPLATE,
            "no_statement_grants_every_action",
            "every_resource_is_named_unless_there_is_a_reason",
            "roles_are_passed_to_one_named_service_only",
            "a_machine_may_invoke_exactly_the_functions_it_calls",
        )
        + at("local/test_cloud_sam.py", "a_permission_taken_from_the_template_is_missed")
        + at(
            "security/test_least_privilege.py",
            "every_call_is_granted",
            "no_statement_can_be_taken_away",
            "no_condition_can_be_taken_away",
            "a_part_of_a_resource_policy_is_missed_by_a_rule_of_the_template",
        ),
    ),
    Row(
        43,
        "Another account uses our services' trust",
        "Policies name source and account",
        at(
            TEMPLATE,
            "roles_of_services_are_only_for_this_account",
            "every_rule_that_writes_to_a_queue_is_named_in_its_policy",
            "functions_called_by_rules_say_which_rule",
        ),
    ),
    Row(
        44,
        "A dependency is replaced",
        "Packages are locked by hash, licences listed, advisories asked for; a rebuild gives the same bytes",
        at(
            "security/test_supply.py",
            "everything_that_is_installed_has_a_hash",
            "the_page_of_licences_is_that_of_the_locks",
            "an_advisory_is_told_and_an_unreachable_service_is_no_fault",
        ),
        aws="advisories appear after a release: the pipeline asks for them where it has a network",
    ),
    Row(
        45,
        "Logs tell what they should not",
        "A canary in a document and in a request appears in no log, metric or event",
    ),
    Row(
        46,
        "An alarm reaches nobody",
        "Every alarm acts on a topic with a subscription",
        at(
            TEMPLATE,
            "every_alarm_reaches_a_topic_with_a_subscription",
            "a_topic_that_alarms_publish_to_has_a_key_and_a_policy_that_let_them",
        ),
        aws="that the mail was confirmed: the address confirms it once, by hand",
    ),
    Row(
        47,
        "The stack is deleted with data in it",
        "Buckets and ledger stay",
        at(
            TEMPLATE,
            "every_bucket_is_private_versioned_encrypted_and_kept",
            "the_ledger_is_kept_encrypted_and_recoverable",
        ),
    ),
)


@functools.cache
def _defined(file: str) -> dict[str, ast.FunctionDef]:
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def missing(row: Row) -> list[str]:
    """Tests that the row names and that are not there, or are marked not to count."""
    found = []
    for test in row.by:
        file, _, name = test.partition("::")
        node = _defined(file).get(name)
        marks = " ".join(ast.unparse(mark) for mark in node.decorator_list) if node else "skip"
        if any(word in marks for word in ("skip", "xfail")):
            found.append(test)
    return found


def elsewhere(number: int) -> Callable[[], None]:
    """A test of a row that other tests show: they exist and count. They run in their own files."""

    def test() -> None:
        (row,) = (row for row in ROWS if row.number == number)
        assert row.by and missing(row) == []

    return test
