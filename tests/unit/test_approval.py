"""A run that waits for a person: what they are told, and that only the newest question can be answered."""

import json
import queue
from datetime import UTC, datetime

import pytest

from local.states import Clock, Engine
from tests.local.states_bench import Cloud, function
from tests.template.loading import ROOT
from tests.unit.memory import MemoryLedger, MemoryStore
from toolsmith.pipeline import approval

PLAN = {"student": "nova-2-lite", "estimated_usd": 504.0, "budget_usd": 1000.0, "examples": 1234,
        "documents": ["a", "b"], "estimate": [{"stage": "sft", "instance_count": 4, "instance_type": "ml.p5.48xlarge",
                                               "hours": 0.6, "usd": 151.2}]}  # fmt: skip
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def place():
    work, ledger = MemoryStore(), MemoryLedger()
    work.write_json("runs/run-1/plan.json", PLAN)
    ledger.register("RUN", "run-1", {"status": "admitted"})
    return work, ledger


def test_people_are_told_the_money_and_both_commands(place):
    request = approval.ask(*place, "run-1", "token-1", 0, NOON, "toolsmith-prod")
    for words in ("504.00 USD", "1,000.00 USD", "1,234 examples of 2 documents", "4 x ml.p5.48xlarge",
                  "approve run-1 --stack toolsmith-prod", "reject run-1 --stack toolsmith-prod",
                  "2026-11-30T12:00:00Z"):  # fmt: skip
        assert words in request.text
    assert request.subject.isascii() and len(request.subject) <= 100


def asked(place, estimate, **changes):
    """The question about a run with this estimate."""
    work, ledger = place
    unpriced = [line["missing"] for line in estimate if "missing" in line]
    usd = sum(line["usd"] or 0.0 for line in estimate)
    lacking = {"unpriced": unpriced, "unpriced_jobs": len(unpriced)}
    work.write_json("runs/run-1/plan.json", {**PLAN, "estimated_usd": usd, "estimate": estimate, **lacking, **changes})
    return approval.ask(work, ledger, "run-1", "token-1", 0, NOON)


BY_TOKEN = {"instance_type": "bedrock", "instance_count": 1, "hours": 0.6, "input_tokens": 1000, "output_tokens": 500}
UNKNOWN = {**BY_TOKEN, "stage": "sft", "usd": None, "missing": "customization_million_tokens.bedrock.nova-2-lite.sft"}
PRICED = {**BY_TOKEN, "stage": "evaluate", "arm": "base_tools", "usd": 0.25}


def test_a_run_without_prices_is_not_said_to_cost_nothing(place):
    request = asked(place, [UNKNOWN])
    assert "cost unknown" in request.subject and "of unknown cost" in request.text
    assert "sft: bedrock, about 1,500 tokens, price unknown" in request.text
    assert f"recipes/prices.json has no price for {UNKNOWN['missing']}" in request.text
    assert "0.00" not in request.text + request.detail["verdict"]


def test_a_run_of_which_only_a_part_has_a_price_is_not_said_to_cost_that_part(place):
    request = asked(place, [UNKNOWN, PRICED])
    assert "cost unknown" in request.subject
    money = "0.25 USD of a budget of 1,000.00 USD, without 1 of its jobs, whose price is unknown"
    assert money in request.text and money in request.detail["verdict"]
    assert "evaluate of base tools: bedrock, about 1,500 tokens, 0.25 USD" in request.text


def test_a_run_of_a_student_that_is_free_is_said_to_be(place):
    request = asked(place, [{**PLAN["estimate"][0], "usd": 0.0, "free": True}])
    assert "(free)" in request.subject and "unknown" not in request.text and "0.00" not in request.text


def test_the_token_lies_in_the_row_of_the_run_and_nowhere_else(place):
    work, ledger = place
    request = approval.ask(work, ledger, "run-1", "token-1", 0, NOON)
    assert ledger.get("RUN", "run-1")["approval"]["token"] == "token-1"
    assert ledger.get("RUN", "run-1")["status"] == "admitted"
    assert "token-1" not in request.text + json.dumps(request.detail)


def test_a_reminder_replaces_the_token_and_keeps_the_end(place):
    work, ledger = place
    first = approval.ask(work, ledger, "run-1", "token-1", 0, NOON)
    second = approval.ask(work, ledger, "run-1", "token-2", 1, NOON + approval.EACH)
    assert ledger.get("RUN", "run-1")["approval"]["token"] == "token-2"
    assert second.subject.count("reminder") == 1 and first.detail["expires_at"] == second.detail["expires_at"]


def waiting():
    """The states around the approval, as the customize machine has them, with everything else cut away."""
    text = (ROOT / "statemachines" / "customize.asl.json").read_text().replace("${RequireApproval}", "true")
    function_arn = "arn:aws:lambda:us-east-1:000000000000:function:ask"
    machine = json.loads(text.replace("${AskApprovalFunctionArn}", function_arn))
    kept = {name: machine["States"][name] for name in ("IsApprovalAsked", "AskApproval")}
    start = {"Type": "Pass", "Assign": {"run": "run-1"}, "Next": "IsApprovalAsked"}
    end = {"Type": "Succeed"}
    return {"QueryLanguage": "JSONata", "StartAt": "Start", "States": {"Start": start, **kept, "FineTune": end}}


def test_the_state_waits_reminds_every_day_and_gives_up_after_a_week():
    retrier = waiting()["States"]["AskApproval"]["Retry"][-1]
    state = waiting()["States"]["AskApproval"]
    assert retrier["ErrorEquals"] == ["States.HeartbeatTimeout"]
    assert 1 + retrier["MaxAttempts"] == approval.ASKS
    assert state["HeartbeatSeconds"] == approval.EACH.total_seconds() < state["TimeoutSeconds"]


@pytest.mark.parametrize(("answer", "status"), [("approve", "SUCCEEDED"), ("reject", "FAILED")])
def test_the_answer_decides(tmp_path, answer, status):
    told = queue.Queue()
    cloud = Cloud(**{"lambda.invoke": function(told.put)})
    engine = Engine(tmp_path / "journal.db", cloud.client, clock=Clock(0))
    try:
        machine = engine.machines.create("customize", json.dumps(waiting()), "arn:aws:iam::000000000000:role/x")
        execution = engine.start_execution(machine["stateMachineArn"], "run-1")["executionArn"]
        asked = told.get(timeout=30)
        assert asked["run"] == "run-1" and asked["asked_before"] == 0
        if answer == "approve":
            engine.send_task_success(asked["token"], "{}")
        else:
            engine.send_task_failure(asked["token"], "RunRejected", "too dear")
        ended = engine.wait(execution, 30)
        assert ended["status"] == status and ended.get("error") == (None if answer == "approve" else "RunRejected")
    finally:
        engine.close()
