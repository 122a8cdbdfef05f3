"""A run that is held to its budget: before it starts, and before each of its jobs.

The embedded student is made to cost something here: its profile says nowhere that it is free.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local.cli.evaluator import LOCAL_ARN
from tests.local.states_bench import fault
from tests.template.loading import ROOT
from tests.workflows.bench import INTAKE, Bench
from tests.workflows.conftest import with_corpus
from tests.workflows.stack import NAME
from tests.workflows.training import Outcome
from toolsmith import recipes
from toolsmith.aws import wiring
from toolsmith.pipeline import spending

SERVERLESS = {"CustomizeOn": "serverless", "EvaluatorArn": LOCAL_ARN}
BEDROCK = {"CustomizeOn": "bedrock"}
STUDENT = "toolsmith.embedded-student"
UNKNOWN = {"serverless": {}, "bedrock": {}}
KNOWN = {"serverless": {STUDENT: {"sft": 10.0, "rft": 10.0, "evaluate": 10.0}},
         "bedrock": {STUDENT: {"sft": 10.0, "rft": 10.0, "evaluate": {"input": 10.0, "output": 10.0}}}}  # fmt: skip
INSTANCE = "ml.m5.large"
HOUR = 36.0  # USD: a second is a cent


@pytest.fixture
def opened(corpus, tmp_path) -> Iterator[Callable[..., Bench]]:
    """Makes a stack whose student has these prices."""
    made: list[Bench] = []

    def open_one(prices: dict[str, Any], **parameters: Any) -> Bench:
        bench = with_corpus(Bench(tmp_path / "stack", **parameters), corpus)
        made.append(bench)
        copy = paid_student(tmp_path / "recipes", prices)
        bench.set(recipes, "root", lambda: copy)
        bench.models.deployed_before(NAME)
        return bench

    (tmp_path / "stack").mkdir()
    yield open_one
    for bench in made:
        bench.close()


def paid_student(folder: Path, prices: dict[str, Any]) -> Path:
    """recipes/ with these prices of customization, a price for the student's instances, and a student that is paid."""
    shutil.copytree(ROOT / "recipes", folder)
    profile = folder / "local" / "profile.yaml"
    profile.write_text("".join(line for line in profile.open() if not line.startswith("free:")))
    table = json.loads((folder / "prices.json").read_text())
    table["million_tokens"] |= {STUDENT: {"input": 1.0, "output": 1.0}}
    table |= {"customization_million_tokens": prices, "instance_hour": {INSTANCE: HOUR}}
    (folder / "prices.json").write_text(json.dumps(table))
    return folder


def spent(bench: Bench, run: str) -> dict[str, Any]:
    """What the ledger keeps of each job, by the end of its name."""
    return {row["id"].removeprefix(f"{run}-"): row for row in bench.rows(spending.kind_of(run))}


@pytest.mark.parametrize("place", [SERVERLESS, BEDROCK], ids=["serverless", "bedrock"])
def test_a_run_that_no_budget_can_hold_does_not_start_and_says_what_to_do(opened, place):
    bench = opened(UNKNOWN, **place)
    name = bench.drop("runs/wanted.json", {"seed": 3})
    assert bench.ended(name)["error"] == "PriceUnknown"
    (failed,) = bench.told("Run Failed")
    on = place["CustomizeOn"]
    assert "runs/wanted.json" in failed["cause"] and f"customization_million_tokens.{on}." in failed["cause"]
    assert failed["remedy"] == f"toolsmith redrive {name}"
    assert bench.visited(name) == ["Admit"] and bench.training.paid == bench.customization.paid == []
    assert bench.objects.keys(INTAKE, "rejected/") == []


def test_a_run_that_nobody_asked_for_is_refused_too_and_goes_on_once_somebody_accepts_its_cost(opened):
    bench = opened(UNKNOWN, **SERVERLESS, MinNewExamples=1)
    bench.deliver({"source": "toolsmith", "detail-type": "Document Ingested", "detail": {"document": "d"}})
    (name,) = bench.names("customize")
    assert bench.ended(name)["error"] == "PriceUnknown"
    wiring.ledger().update(spending.kind_of(name), spending.BUDGET, {"unpriced": True})
    assert bench.redrive(name)["status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("request_", "parameters"),
    [({"unpriced": True}, {}), ({}, {"RequireApproval": "true"})],
    ids=["request", "approval"],
)
def test_an_unknown_cost_that_is_accepted_is_called_unknown(opened, request_, parameters):
    bench = opened(UNKNOWN, **BEDROCK, **parameters)
    name = bench.drop("runs/wanted.json", {"seed": 3, "dry_run": True, **request_})
    bench.succeeded(name)
    (told,) = bench.told("Cost Estimated")
    assert told["unpriced_jobs"] == 4, "SFT, RFT and the two candidates: the base model has a price"
    plan = bench.json(f"runs/{name}/plan.json")
    assert [line["usd"] is None for line in plan["estimate"]] == [True, False, False, True, True, True]


def test_the_tokens_of_serverless_jobs_are_what_they_cost(opened):
    bench = opened(KNOWN, **SERVERLESS)
    bench.training.script["sft:sft"] = [Outcome(tokens=2_000_000)]
    name = bench.drop("runs/wanted.json", {"seed": 3})
    bench.succeeded(name)
    jobs = spent(bench, name)
    assert jobs["sft-1"]["usd"] == 20.0
    assert jobs["rft-1"]["usd"] == pytest.approx(jobs["rft-1"]["estimated_usd"]) and jobs["rft-1"]["estimated"]
    cost = bench.json(f"runs/{name}/report.json")["cost"]
    assert cost["jobs"]["sft"] | {"seconds": 0} == {"seconds": 0, "usd": 20.0, "tokens": 2_000_000, "estimated": False}
    assert cost["jobs"]["rft"]["estimated"] is True
    (sft, _) = bench.told("Training Job Completed")
    assert (sft["usd"], sft["tokens"], sft["priced"]) == (20.0, 2_000_000, True)


def test_what_bedrock_answers_is_paid_by_the_tokens_that_it_tells_of(opened):
    bench = opened(KNOWN, **BEDROCK)
    bench.wire.calls["bedrock-runtime.converse"] = counting(bench)
    name = bench.drop("runs/wanted.json", {"seed": 3})
    bench.succeeded(name)
    jobs = spent(bench, name)
    questions = len(bench.lines(f"{bench.json(f'runs/{name}/dataset.json')['prefix']}/eval/gen_qa.jsonl"))
    assert jobs["evaluate-base-1"]["tokens"] == jobs["evaluate-sft-1"]["tokens"] == 1100 * questions
    assert jobs["evaluate-base-1"]["usd"] == pytest.approx(1100 * questions / 1e6, abs=1e-4)
    assert jobs["evaluate-sft-1"]["usd"] == pytest.approx(10 * 1100 * questions / 1e6, abs=1e-4)


def counting(bench: Bench) -> Callable[..., dict[str, Any]]:
    def converse(**request: Any) -> dict[str, Any]:
        usage = {"inputTokens": 1000, "outputTokens": 100, "totalTokens": 1100}
        return {**bench.speech.converse(**request), "usage": usage}

    return converse


def test_a_run_whose_jobs_without_a_price_were_accepted_reports_an_unknown_cost(opened):
    bench = opened(UNKNOWN, **SERVERLESS)
    name = bench.drop("runs/wanted.json", {"seed": 3, "unpriced": True})
    bench.succeeded(name)
    cost = bench.json(f"runs/{name}/report.json")["cost"]
    assert {job["usd"] for job in (*cost["jobs"].values(), *cost["evaluations"].values())} == {None}
    page = bench.objects.data("work-bucket", f"runs/{name}/report.html").decode()
    section = page[page.index('id="cost"') :]
    assert section.count("unknown") >= 9 and "customization_million_tokens.serverless" in section
    assert [told["priced"] for told in bench.told("Training Job Completed")] == [False, False]


def test_a_run_stops_before_the_job_that_its_budget_does_not_pay_for_and_goes_on_with_more(opened):
    """SFT takes an hour instead of two minutes: 36 USD, and the evaluations beside it a minute, 0.60 USD, each."""
    bench = opened(KNOWN)
    bench.training.script["sft:sft"] = [Outcome(seconds=3600)]
    name = bench.drop("runs/wanted.json", {"seed": 3, "budget_usd": 37.3})
    stopped = bench.ended(name)
    assert stopped["error"] == "BudgetExceeded"
    paid = bench.training.arms()
    assert paid == ["evaluate:base", "evaluate:base_tools", "sft:sft"]
    (failed,) = bench.told("Run Failed")
    assert "above the budget of 37.30 USD" in failed["cause"] and f"{name}-evaluate-sft-1" in failed["cause"]
    assert failed["remedy"] in failed["cause"] and f"toolsmith redrive {name} --budget-usd " in failed["remedy"]
    wiring.ledger().update(spending.kind_of(name), spending.BUDGET, {"usd": 100.0})
    assert bench.redrive(name)["status"] == "SUCCEEDED"
    assert bench.training.arms() == sorted([*paid, "evaluate:sft", "rft:rft", "evaluate:rft"])
    assert bench.json(f"runs/{name}/report.json")["cost"]["budget_usd"] == 100.0


def test_a_job_that_failed_is_paid_out_of_the_budget_and_stands_in_the_report(opened):
    bench = opened(KNOWN)
    bench.training.script["sft:sft"] = [Outcome("Failed", "AlgorithmError: out of memory", seconds=500)]
    name = bench.drop("runs/wanted.json", {"seed": 3})
    assert bench.ended(name)["error"] == "JobFailed"
    assert bench.redrive(name)["status"] == "SUCCEEDED"
    assert spent(bench, name)["sft-1"]["usd"] == 5.0
    cost = bench.json(f"runs/{name}/report.json")["cost"]
    assert cost["failed"][f"{name}-sft-1"]["usd"] == 5.0


@pytest.mark.parametrize("status", ["Failed", "Stopped"])
def test_an_adopted_job_that_did_not_complete_is_paid_for_as_long_as_it_ran(opened, status):
    """Not as it was estimated: that may be all of the budget, for a job that a redrive found stopped at its start."""
    bench = opened(KNOWN)
    bench.training.script["sft:sft"] = [Outcome(status, "CapacityError: none left" * (status == "Failed"), seconds=500)]
    create, lost = bench.training.create, []

    def losing(**request: Any) -> Any:
        made = create(**request)
        if request["TrainingJobName"].endswith("-sft-1") and "evaluate" not in request["TrainingJobName"] and not lost:
            lost.append(request)
            raise fault("InternalFailure", "lost", 500)
        return made

    bench.cloud.on("sagemaker.create_training_job", losing)
    name = bench.drop("runs/wanted.json", {"seed": 3})
    bench.succeeded(name)
    assert lost and spent(bench, name)["sft-1"]["usd"] == 5.0 and "sft-2" in spent(bench, name)


def test_an_execution_that_began_before_jobs_told_of_their_cost_is_still_explained(opened):
    bench = opened(KNOWN)
    said = bench.functions.call("ReadJobFunction", {"cause": "ResourceLimitExceeded: the limit is 0"})
    assert said["class"] == "capacity"
