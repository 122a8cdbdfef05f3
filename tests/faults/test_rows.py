"""Rows of the checklist that the tests of a part show, and that the checklist is whole."""

import pytest

from tests.faults import test_content, test_machines, test_starting, test_teaching
from tests.faults.rows import ROWS, elsewhere, missing
from tests.faults.table import PAGE, own, shown

test_row_02_another_content_under_the_same_key = elsewhere(2)
test_row_10_target_of_a_rule_unreachable = elsewhere(10)
test_row_17_batch_too_small_or_no_slot = elsewhere(17)
test_row_18_quota_refuses_the_job = elsewhere(18)
test_row_19_no_capacity_after_start = elsewhere(19)
test_row_20_job_name_taken = elsewhere(20)
test_row_22_job_stopped_by_a_person = elsewhere(22)
test_row_23_completed_without_artefact = elsewhere(23)
test_row_24_training_diverges = elsewhere(24)
test_row_25_worse_than_the_base = elsewhere(25)
test_row_26_model_imported_twice = elsewhere(26)
test_row_28_redrive = elsewhere(28)
test_row_29_state_between_steps = elsewhere(29)
test_row_30_long_history = elsewhere(30)
test_row_33_addresses_that_lead_inside = elsewhere(33)
test_row_34_polite_to_sources = elsewhere(34)
test_row_35_bombs = elsewhere(35)
test_row_36_orders_in_a_filing = elsewhere(36)
test_row_37_secrets_in_examples = elsewhere(37)
test_row_38_leaks_between_splits = elsewhere(38)
test_row_39_reward_hacking = elsewhere(39)
test_row_40_grader_under_load = elsewhere(40)
test_row_41_public_or_plain = elsewhere(41)
test_row_42_roles_that_may_too_much = elsewhere(42)
test_row_43_confused_deputy = elsewhere(43)
test_row_46_alarms_reach_people = elsewhere(46)
test_row_47_stack_deleted_with_data = elsewhere(47)


def test_every_row_has_one_test_named_after_it():
    modules = [test_content, test_machines, test_starting, test_teaching]
    names = [name for module in modules for name in vars(module)] + list(globals())
    numbers = sorted(int(name.split("_")[2]) for name in names if name.startswith("test_row_"))
    assert numbers == [row.number for row in ROWS] == list(range(1, 48))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.number:02d}")
def test_what_a_row_names_exists(row):
    assert missing(row) == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.number:02d}")
def test_the_page_tells_each_row_with_its_tests(row):
    """`python -m tests.faults.table` writes the page anew."""
    (line,) = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith(f"| {row.number} |")]
    assert row.fault in line and row.answer in line
    assert all(shown(test) in line for test in row.by or (own(row),))
