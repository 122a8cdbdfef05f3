"""One run of the customize machine from request to report: the happy path and every way its gates may fall."""

import json
import shutil

import pytest

from tests.workflows.bench import INTAKE, WORK, Bench
from tests.workflows.conftest import with_corpus
from toolsmith import recipes
from toolsmith.customization import load_profile

FULL_RUN = [
    "Cost Estimated", "Dataset Ready",
    "Training Job Started", "Training Job Started", "Training Job Started",
    "Evaluation Completed", "Evaluation Completed", "Training Job Completed",
    "Training Job Started", "Evaluation Completed", "Gate Passed",
    "Training Job Started", "Training Job Completed",
    "Training Job Started", "Evaluation Completed", "Gate Passed",
    "Model Deployed", "Model Registered",
]  # fmt: skip


def run(bench: Bench, request: dict | None = None) -> str:
    name = bench.drop("runs/wanted.json", {"seed": 3, **(request or {})})
    bench.succeeded(name)
    return name


def in_phases(told: list[str]) -> list[str]:
    """The three jobs of the first phase run beside each other: their events are sorted."""
    started = [place for place, kind in enumerate(told) if kind == "Training Job Started"]
    first, last = started[0], started[3]
    return told[:first] + sorted(told[first:last], key=lambda kind: (kind[-7:] != "Started", kind)) + told[last:]


def test_a_run_goes_from_request_to_registered_model(settled):
    name = run(settled)
    assert in_phases(settled.told()) == FULL_RUN
    assert settled.training.arms() == ["evaluate:base", "evaluate:base_tools", "evaluate:rft", "evaluate:sft",
                                       "rft:rft", "sft:sft"]  # fmt: skip
    assert settled.models.imports == [f"{name}-rft"]
    (registered,) = settled.told("Model Registered")
    assert registered["candidate"] == "rft" and registered["run"] == name
    deployment = settled.models.deployments[registered["deployment_arn"]]
    assert deployment["modelArn"] == registered["model_arn"]
    assert settled.parameters_put == {"/toolsmith/model": registered["deployment_arn"]}


def test_the_report_tells_what_was_measured(settled):
    name = run(settled)
    report = settled.json(f"runs/{name}/report.json")
    text = settled.objects.data(WORK, f"runs/{name}/report.html").decode()
    said = settled.told("Evaluation Completed")
    by_arm = {event["arm"]: event["score"]["mean"] for event in said}
    assert by_arm["base"] < by_arm["sft"] < by_arm["rft"]
    assert settled.told("Model Registered")[0]["verdict"] in json.dumps(report, ensure_ascii=False)
    assert "<html" in text and f"runs/{name}/model_card.md" in settled.objects.keys(WORK, f"runs/{name}/")
    (row,) = settled.rows("RUN")
    assert row["status"] == "reported" and row["verdict"]


def test_reinforcement_starts_from_the_checkpoint_of_fine_tuning(settled):
    run(settled)
    requests = {request["TrainingJobName"]: request for request in settled.training.paid}
    (rft,) = [request for name, request in requests.items() if "-rft-" in name and "evaluate" not in name]
    (sft,) = settled.told("Training Job Completed")[:1]
    assert rft["HyperParameters"]["base_model_location"] == sft["checkpoint"]
    assert rft["HyperParameters"]["reward_lambda_arn"] == settled.stack.arn("RewardFunction")


def test_a_dry_run_ends_before_anything_is_paid(settled):
    name = run(settled, {"dry_run": True})
    assert settled.told() == ["Cost Estimated", "Dataset Ready"]
    assert settled.training.paid == [] and settled.models.imports == []
    assert settled.visited(name)[-1] == "DryRunDone"
    assert settled.objects.keys(WORK, "datasets/")


def test_with_control_the_same_compute_goes_into_more_fine_tuning(settled):
    run(settled, {"control": True})
    assert {"more_sft:more_sft", "evaluate:more_sft"} <= set(settled.training.arms())


def test_fine_tuning_that_is_worse_than_the_base_registers_nothing(settled):
    settled.training.skills.update(base=0.9, sft=0.1)
    name = run(settled)
    assert settled.models.imports == [] and settled.models.updates == []
    assert "rft:rft" not in settled.training.arms()
    (gate,) = settled.told("Gate Failed")
    assert gate["difference"]["mean"] < 0 and gate["gate"] == "sft"
    (failed,) = settled.told("Run Failed")
    assert failed["error"] == "CandidateRejected" and failed["cause"]
    assert f"runs/{name}/report.html" in settled.objects.keys(WORK, f"runs/{name}/")


def test_reinforcement_that_is_worse_registers_the_fine_tuned_model(settled):
    settled.training.skills.update(rft=0.1)
    name = run(settled)
    assert settled.models.imports == [f"{name}-sft"]
    assert settled.told("Gate Failed")[0]["gate"] == "rft"
    assert settled.told("Model Registered")[0]["candidate"] == "sft"


def test_the_plan_pins_the_aims_of_the_student_and_what_is_announced_does_not_hide_the_missed(settled):
    settled.training.skills.update(rft=0.1)
    name = run(settled)
    plan, report = (settled.json(f"runs/{name}/{file}.json") for file in ("plan", "report"))
    assert plan["aims"] == report["aims"] == load_profile(plan["student"]).aims != []
    told = [entry["what"] for entry in report["shortfalls"]]
    assert any("RFT loses to SFT: " in what for what in told)
    (registered,) = settled.told("Model Registered")
    (row,) = settled.rows("RUN")
    assert registered["verdict"] == row["verdict"] == report["verdict"]
    assert registered["verdict"].endswith(f"the report begins with {len(told)} shortfalls.")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{not json", "line 1"),
        (b'{"sed": 1}', "sed"),
        (b"[]", "object"),
        (b'{"seed": "one"}', "seed"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"", "line 1"),
    ],
)
def test_a_bad_request_is_set_aside_with_the_remedy(settled, body, words):
    name = settled.drop("runs/bad.json", body)
    settled.succeeded(name)
    assert settled.told() == ["Document Rejected"]
    note = settled.json("rejected/runs/bad.json.reason.json", INTAKE)
    assert "runs/bad.json" in note["detail"] and words in note["detail"]
    assert settled.objects.keys(INTAKE, "runs/") == [] and settled.training.paid == []


def test_a_run_over_its_budget_does_not_start(corpus, tmp_path):
    bench = Bench(tmp_path, Student="nova-2-lite")
    try:
        with_corpus(bench, corpus)
        name = bench.drop("runs/dear.json", {"budget_usd": 1})
        found = bench.ended(name)
        assert found["status"] == "FAILED" and found["error"] == "BudgetExceeded"
        (failed,) = bench.told("Run Failed")
        assert failed["execution"] == name and "budget" in failed["cause"]
        assert bench.training.paid == [] and "dear.json" in failed["cause"]
    finally:
        bench.close()


def test_the_state_of_a_run_stays_small(settled):
    name = run(settled)
    assert settled.largest_payload(name) < 32 * 1024
    assert len(settled.history(name)) < 2000


SETTLED = {"source": "toolsmith", "detail-type": "Document Ingested", "detail": {}}


@pytest.fixture
def by_itself(corpus, tmp_path):
    """A stack with documents to learn from that starts runs without being asked."""
    made = with_corpus(Bench(tmp_path, MinNewExamples=10), corpus)
    yield made
    made.close()


def automatic(bench: Bench) -> list[str]:
    """The runs there are once a document was settled, all of them ended."""
    bench.deliver(SETTLED)
    for name in bench.names("customize"):
        bench.ended(name)
    return bench.names("customize")


def test_the_same_corpus_runs_again_only_under_a_changed_recipe(by_itself, tmp_path):
    (first,) = automatic(by_itself)
    assert automatic(by_itself) == [first]
    changed = shutil.copytree(recipes.root(), tmp_path / "recipes")
    gates = json.loads((changed / "gates.json").read_text())
    (changed / "gates.json").write_text(json.dumps(gates))
    by_itself.set(recipes, "root", lambda: changed)
    assert [first] == automatic(by_itself)[:1] and len(automatic(by_itself)) == 2


@pytest.mark.parametrize(
    ("request_", "stands_for_it"),
    [({}, True), ({"thorough": True}, True), ({"dry_run": True}, False), ({"seed": 3}, False),
     ({"groups": ["cik:9900029"]}, False)],
)  # fmt: skip
def test_a_request_stands_for_an_automatic_run_only_if_it_was_as_much(by_itself, request_, stands_for_it):
    asked = by_itself.drop("runs/wanted.json", request_)
    by_itself.ended(asked)
    assert (automatic(by_itself) == [asked]) == stands_for_it
