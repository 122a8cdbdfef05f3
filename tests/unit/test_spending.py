"""The money of a run: tokens and prices of jobs, and what the budget lets start."""

import json
from dataclasses import replace

import pytest

from tests.unit.memory import MemoryLedger
from toolsmith.customization import cost, load_profile
from toolsmith.customization.cost import Tokens
from toolsmith.errors import BudgetExceeded, PriceUnknown
from toolsmith.pipeline import spending, training
from toolsmith.pipeline.places import BEDROCK, INSTANCES, SERVERLESS
from toolsmith.pipeline.spending import Budget

PAID = load_profile("nova-2-lite")
TABLE = {
    "instance_hour": {"ml.p5.48xlarge": 10.0},
    "million_tokens": {"nova-2-lite": {"input": 1.0, "output": 4.0}},
    "customization_million_tokens": {
        "serverless": {"nova-2-lite": {"sft": 10.0, "rft": {"input": 1.0, "output": 5.0}, "evaluate": 2.0}},
        "bedrock": {"nova-2-lite": {"sft": None, "rft": 20.0, "evaluate": {"input": 3.0, "output": None}}},
    },
    "per_row": {"prompt": 10, "prompt_with_tools": 30, "prompt_with_examples": 40, "answer": 2},
}  # fmt: skip
RUN = "run-1"


@pytest.fixture(autouse=True)
def table(monkeypatch):
    monkeypatch.setattr(cost, "prices", lambda: TABLE)


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


def line(on, stage, arm=None, rows=700, profile=PAID, table=TABLE):
    return spending.estimate_job(profile, on, stage, arm or stage, rows, table)


def row(ledger, job="job"):
    return ledger.get(spending.kind_of(RUN), job)


# -- tokens --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("on", "stage", "arm", "rows", "read", "written"),
    [
        (SERVERLESS, "sft", "sft", 700, 100 * 32 * (10 + 2), 0),
        (SERVERLESS, "sft", "sft", 7000, 100 * 32 * (10 + 2), 0),
        (SERVERLESS, "rft", "rft", 700, 60 * 64 * 8 * 10, 60 * 64 * 8 * 2),
        (SERVERLESS, "evaluate", "sft", 500, 500 * 10, 500 * 2),
        (SERVERLESS, "evaluate", "base_tools", 500, 500 * 30, 500 * 2),
        (SERVERLESS, "evaluate", "base_nearest", 500, 500 * 40, 500 * 2),
        (BEDROCK, "sft", "sft", 1600, 2 * 1600 * (10 + 2), 0),
        (BEDROCK, "rft", "rft", 1900, 2 * 1900 * 8 * 10, 2 * 1900 * 8 * 2),
    ],
)
def test_a_job_without_instances_is_estimated_in_tokens(on, stage, arm, rows, read, written):
    """By the recipe's steps, or the epochs that Bedrock takes for them: 100 steps of 32 rows, 60 of 64 prompts."""
    found = line(on, stage, arm, rows)
    assert (found["input_tokens"], found["output_tokens"]) == (read, written)


def test_tokens_read_and_written_may_have_prices_of_their_own():
    assert line(SERVERLESS, "sft")["usd"] == round(100 * 32 * 12 * 10 / 1e6, 4)
    assert line(SERVERLESS, "rft")["usd"] == round(60 * 64 * 8 * (10 * 1 + 2 * 5) / 1e6, 4)


def test_bedrock_answers_for_the_base_model_at_its_price_on_demand():
    assert line(BEDROCK, "evaluate", "base", 500)["usd"] == round((500 * 10 * 1 + 500 * 2 * 4) / 1e6, 4)


@pytest.mark.parametrize(
    ("on", "stage", "arm", "missing"),
    [
        (BEDROCK, "sft", "sft", "customization_million_tokens.bedrock.nova-2-lite.sft"),
        (BEDROCK, "evaluate", "rft", "customization_million_tokens.bedrock.nova-2-lite.evaluate"),
        (INSTANCES, "sft", "sft", "instance_hour.ml.p5.48xlarge"),
    ],
)
def test_a_price_that_nobody_knows_is_no_price_of_zero(on, stage, arm, missing):
    found = line(on, stage, arm, table={**TABLE, "instance_hour": {}})
    assert found["usd"] is None and found["missing"] == missing


@pytest.mark.parametrize("price", [None, "2.5", True, -1.0, {}, {"input": 1.0}])
def test_what_is_no_number_is_no_price(price):
    places = {"serverless": {"nova-2-lite": {"sft": price}}}
    assert line(SERVERLESS, "sft", table={**TABLE, "customization_million_tokens": places})["usd"] is None


def test_a_model_that_the_table_does_not_name_has_no_price():
    found = line(SERVERLESS, "sft", table={**TABLE, "customization_million_tokens": {}})
    assert found["missing"] == f"customization_million_tokens.serverless.{PAID.base_model_id}.sft"


@pytest.mark.parametrize("on", [INSTANCES, SERVERLESS, BEDROCK])
def test_only_a_profile_makes_a_job_free(on):
    """Not an instance type that the table lacks."""
    nothing = {**TABLE, "instance_hour": {}, "customization_million_tokens": {}}
    embedded = load_profile("local")
    assert line(on, "sft", profile=embedded, table=nothing)["usd"] == 0.0
    assert line(on, "sft", profile=replace(embedded, free=False), table=nothing)["usd"] is None


# -- before a run --------------------------------------------------------------------------------------------------


def test_a_run_whose_cost_nobody_knows_is_refused_with_file_key_and_every_way_on():
    with pytest.raises(PriceUnknown) as raised:
        spending.check([line(BEDROCK, "sft")], Budget(1000.0), RUN, "automatic run", False)
    for words in ("automatic run: recipes/prices.json has no price for",
                  "customization_million_tokens.bedrock.nova-2-lite.sft",
                  "toolsmith redrive run-1 --unpriced", '"unpriced": true', "RequireApproval=true"):  # fmt: skip
        assert words in str(raised.value)


@pytest.mark.parametrize(("budget", "asks"), [(Budget(1000.0, unpriced=True), False), (Budget(1000.0), True)])
def test_somebody_who_accepts_an_unknown_cost_lets_the_run_start(budget, asks):
    spending.check([line(BEDROCK, "sft")], budget, RUN, "automatic run", asks)


def test_what_is_known_is_held_to_the_budget_although_the_rest_is_accepted():
    with pytest.raises(BudgetExceeded):
        spending.check([line(BEDROCK, "sft"), line(SERVERLESS, "sft")], Budget(0.01, True), RUN, "runs/a.json", True)


@pytest.mark.parametrize(("arms", "named"), [(["sft"], False), (["sft", "more_sft"], True)])
def test_only_a_run_with_a_control_is_told_to_leave_it_out(arms, named):
    with pytest.raises(BudgetExceeded) as raised:
        spending.check([line(SERVERLESS, arm) for arm in arms], Budget(0.01), RUN, "runs/a.json", False)
    assert ("control: false" in str(raised.value)) is named


# -- before a job --------------------------------------------------------------------------------------------------


def reserve(ledger, job, usd, budget, plan=None):
    known = {"stage": "sft", "arm": "sft", "hours": 1.0, "usd": usd}
    spending.reserve(ledger, RUN, job, known, plan or {}, Budget(budget))


def admitted(ledger, found):
    """A job of a run that was admitted as it is estimated now."""
    spending.reserve(ledger, RUN, "job", found, {"unpriced": spending.unpriced([found])}, Budget(1000.0))


def test_a_job_is_measured_against_what_was_paid_and_what_still_runs(ledger):
    reserve(ledger, "first", 10.0, 30.0)
    reserve(ledger, "second", 10.0, 30.0)
    spending.settle(ledger, PAID, INSTANCES, RUN, "sft", "sft", "first", 1800.0)  # 4 x 10 USD an hour
    with pytest.raises(BudgetExceeded) as raised:
        reserve(ledger, "third", 0.5, 30.0)
    for words in ("spent 20.00 USD", "are estimated at 10.00 USD", "third", "30.50 USD, above the budget of 30.00 USD",
                  "toolsmith redrive run-1 --budget-usd 31"):  # fmt: skip
        assert words in str(raised.value)


def test_a_job_that_is_prepared_again_does_not_count_twice(ledger):
    reserve(ledger, "first", 20.0, 30.0)
    reserve(ledger, "first", 20.0, 30.0)
    assert row(ledger, "first")["estimated_usd"] == 20.0


def test_cents_that_floats_lose_stop_nothing(ledger):
    for number in range(3):
        reserve(ledger, f"job-{number}", 0.1, 0.3)


def test_the_budget_that_a_refusal_names_pays_for_the_rest_of_the_run(ledger):
    """Or every job after this one would end the run again."""
    estimate = [("sft", "sft", 20.0), ("evaluate", "sft", 4.2), ("rft", "rft", 30.0), ("evaluate", "rft", None)]
    plan = {"estimate": [{"stage": stage, "arm": arm, "usd": usd} for stage, arm, usd in estimate]}
    evaluation = {"stage": "evaluate", "arm": "sft", "usd": 4.2}
    reserve(ledger, "first", 20.0, 24.0, plan)
    with pytest.raises(BudgetExceeded, match=r"30\.00 USD more.* --budget-usd 55`"):
        spending.reserve(ledger, RUN, "second", evaluation, plan, Budget(24.0))
    spending.reserve(ledger, RUN, "second", evaluation, plan, Budget(55.0))
    spending.reserve(ledger, RUN, "third", {"stage": "rft", "arm": "rft", "usd": 30.0}, plan, Budget(55.0))


def test_a_price_that_was_lost_since_the_run_was_admitted_stops_the_next_job(ledger):
    """The table was changed, or the jobs are done somewhere else now."""
    with pytest.raises(PriceUnknown) as raised:
        spending.reserve(ledger, RUN, "job", line(BEDROCK, "sft"), {"unpriced": []}, Budget(1000.0))
    for words in ("customization_million_tokens.bedrock.nova-2-lite.sft", "toolsmith redrive run-1 --unpriced"):
        assert words in str(raised.value)
    assert spending.rows(ledger, RUN) == []
    spending.reserve(ledger, RUN, "job", line(BEDROCK, "sft"), {"unpriced": []}, Budget(1000.0, True))


def test_a_person_may_change_what_a_run_may_cost(ledger):
    assert Budget(30.0).changed(ledger, RUN) == Budget(30.0)
    ledger.update(spending.kind_of(RUN), spending.BUDGET, {"usd": 40.0})
    assert Budget(30.0).changed(ledger, RUN) == Budget(40.0)
    ledger.update(spending.kind_of(RUN), spending.BUDGET, {"unpriced": True})
    assert Budget(30.0).changed(ledger, RUN) == Budget(40.0, True)
    reserve(ledger, "first", 35.0, 40.0)


# -- after a job ---------------------------------------------------------------------------------------------------


def settle(ledger, on, stage, arm=None, reported=None, profile=PAID):
    return spending.settle(ledger, profile, on, RUN, stage, arm or stage, "job", 90.0, reported)


def test_tokens_that_the_job_tells_of_are_what_it_has_cost(ledger):
    admitted(ledger, line(SERVERLESS, "sft"))
    found = settle(ledger, SERVERLESS, "sft", reported=1_500_000)
    assert found == {"usd": 15.0, "tokens": 1_500_000, "estimated": False}
    assert row(ledger)["usd"] == 15.0 and row(ledger)["estimated_usd"] == line(SERVERLESS, "sft")["usd"]


def test_a_count_that_does_not_tell_read_from_written_is_split_as_it_was_estimated(ledger):
    admitted(ledger, line(SERVERLESS, "rft"))
    assert settle(ledger, SERVERLESS, "rft", reported=1_200_000)["usd"] == 1.0 * 1.0 + 0.2 * 5.0


def test_tokens_that_nobody_counts_are_those_that_were_estimated_and_are_said_to_be(ledger):
    admitted(ledger, line(SERVERLESS, "sft"))
    found = settle(ledger, SERVERLESS, "sft")
    assert found == {"usd": line(SERVERLESS, "sft")["usd"], "tokens": 38_400, "estimated": True}


def test_what_a_model_says_it_has_read_and_written_is_paid_at_both_prices(ledger):
    assert settle(ledger, BEDROCK, "evaluate", "base", Tokens(1_000_000, 500_000))["usd"] == 1.0 + 0.5 * 4


@pytest.mark.parametrize("reported", [None, 1_500_000])
def test_a_job_without_a_price_has_an_unknown_cost_and_not_none(ledger, reported):
    admitted(ledger, line(BEDROCK, "sft"))
    assert settle(ledger, BEDROCK, "sft", reported=reported)["usd"] is None
    assert row(ledger)["usd"] is None


def test_a_free_student_is_free_whatever_it_counts(ledger):
    assert settle(ledger, SERVERLESS, "sft", reported=10**9, profile=load_profile("local")) == {"usd": 0.0}


def failed(ledger, cause, on=INSTANCES, error="States.TaskFailed"):
    reserve(ledger, "job", 20.0, 1000.0)
    text = cause if isinstance(cause, str) else json.dumps(cause)
    training.fail(ledger, PAID, on, RUN, "sft", "sft", "job", error, text)
    return row(ledger)


@pytest.mark.parametrize(
    ("cause", "on", "usd"),
    [
        ({"TrainingJobName": "job", "FailureReason": "CapacityError: none left"}, INSTANCES, 0.0),
        ({"TrainingJobName": "job", "FailureReason": "x", "TrainingTimeInSeconds": 900}, INSTANCES, 10.0),
        ({"TrainingJobName": "job", "FailureReason": "x", "BillableTokenCount": 500_000}, SERVERLESS, 5.0),
    ],
)
def test_a_failed_job_is_paid_for_as_long_as_it_ran(ledger, cause, on, usd):
    assert failed(ledger, cause, on)["usd"] == usd


@pytest.mark.parametrize("on", [INSTANCES, SERVERLESS, BEDROCK])
def test_a_job_that_its_service_refused_has_cost_nothing(ledger, on):
    error, cause = "SageMaker.ResourceLimitExceededException", "the account-level service limit is 0"
    assert failed(ledger, cause, on, error)["usd"] == 0.0


@pytest.mark.parametrize(
    ("cause", "on"),
    [
        ({"JobName": "job", "Status": "Failed", "FailureMessage": "no rows"}, BEDROCK),
        ({"TrainingJobName": "job", "FailureReason": "x", "TrainingTimeInSeconds": 900}, SERVERLESS),
        ({"TrainingJobName": "job", "FailureReason": "x", "TrainingStartTime": 1764313200000}, INSTANCES),
        ("ResourceInUse: Training job names must be unique within an AWS account", INSTANCES),
        ("", INSTANCES),
    ],
    ids=["bedrock", "serverless", "no time yet", "adopted", "lost sight of"],
)
def test_what_nobody_can_tell_of_a_failed_job_counts_as_it_was_estimated(ledger, cause, on):
    assert "usd" not in failed(ledger, cause, on)
    with pytest.raises(BudgetExceeded, match="are estimated at 20.00 USD"):
        reserve(ledger, "next", 11.0, 30.0)
