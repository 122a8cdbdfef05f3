"""Training and evaluation jobs that do not simply succeed: capacity, names, operators, artefacts, divergence."""

from collections import Counter

import pytest

from tests.local.states_bench import fault
from tests.workflows.bench import Bench
from tests.workflows.training import Outcome, archive, named

CAPACITY = "CapacityError: Unable to provision requested ML compute capacity. Please retry using a different ML type."
QUOTA = "The account-level service limit 'ml.p5.48xlarge for training job usage' is 0 Instances."
REFUSED = "ClientError: the recipe is not valid"
LOST = "The connection was closed before a response was read."


def start(bench: Bench) -> str:
    return bench.drop("runs/wanted.json", {"seed": 3})


def attempts(bench: Bench, stage: str) -> list[int]:
    return [event["attempt"] for event in bench.told("Training Job Started") if event["stage"] == stage]


@pytest.mark.parametrize("times", [1, 4])
def test_a_job_without_capacity_is_tried_again_under_a_new_name(settled, times):
    settled.training.script["sft:sft"] = [Outcome("Failed", CAPACITY) for _ in range(times)]
    name = start(settled)
    settled.succeeded(name)
    assert attempts(settled, "sft") == list(range(1, times + 2))
    assert settled.visited(name).count("WaitForCapacity") == times
    assert settled.told("Training Job Failed") == []
    assert settled.told()[-1] == "Model Registered"


def test_a_quota_that_refuses_the_job_is_waited_for(settled):
    settled.training.refusals = [fault("ResourceLimitExceeded", QUOTA)]
    name = start(settled)
    settled.succeeded(name)
    assert "WaitForCapacity" in settled.visited(name)
    assert len(settled.training.paid) == 6


def test_waiting_for_capacity_ends_and_a_redrive_goes_on_from_there(settled):
    settled.training.script["sft:sft"] = [Outcome("Failed", CAPACITY) for _ in range(5)]
    name = start(settled)
    found = settled.ended(name)
    assert found["status"] == "FAILED" and found["error"] == "CapacityUnavailable"
    (failed,) = settled.told("Training Job Failed")
    assert failed["class"] == "capacity" and "provision" in failed["reason"]
    assert any(failed["job"] in mail["Message"] for mail in settled.mails)
    before = settled.training.arms().count("evaluate:base")
    assert settled.redrive(name)["status"] == "SUCCEEDED"
    assert attempts(settled, "sft") == [1, 2, 3, 4, 5, 6]
    assert settled.training.arms().count("evaluate:base") == before == 1


def test_a_job_that_was_created_although_the_answer_got_lost_is_followed_not_repeated(settled):
    create, lost = settled.training.create, []

    def losing(**request):
        made = create(**request)
        if request["TrainingJobName"] not in lost:
            lost.append(request["TrainingJobName"])
            raise fault("InternalFailure", LOST, 500)
        return made

    settled.cloud.on("sagemaker.create_training_job", losing)
    for arm in ("sft:sft", "evaluate:base"):
        settled.training.script[arm] = [Outcome(describes=3)]
    name = start(settled)
    settled.succeeded(name)
    visited = settled.visited(name)
    assert visited.count("AdoptJob") > visited.count("ExplainFailure") == 6
    assert len(settled.training.paid) == len(settled.training.arms()) == 6
    assert set(attempts(settled, "sft")) == {1}


def test_an_adopted_job_that_failed_is_tried_again_under_a_new_name(settled):
    create, lost = settled.training.create, []

    def losing(**request):
        made = create(**request)
        if not lost and "-sft-1" in request["TrainingJobName"] and "evaluate" not in request["TrainingJobName"]:
            lost.append(request["TrainingJobName"])
            raise fault("InternalFailure", LOST, 500)
        return made

    settled.cloud.on("sagemaker.create_training_job", losing)
    settled.training.script["sft:sft"] = [Outcome("Failed", "AlgorithmError: out of memory")]
    name = start(settled)
    settled.succeeded(name)
    assert lost and attempts(settled, "sft") == [1, 2]


def test_a_job_that_somebody_stopped_ends_the_run_and_says_so(settled):
    settled.training.script["rft:rft"] = [Outcome("Stopped")]
    name = start(settled)
    found = settled.ended(name)
    assert found["status"] == "FAILED" and found["error"] == "JobFailed"
    (failed,) = settled.told("Training Job Failed")
    assert failed["class"] == "stopped" and failed["stage"] == "rft"
    assert settled.models.imports == [] and settled.told("Model Registered") == []


@pytest.mark.parametrize(
    ("left", "words"),
    [(False, "left no"), (b"no archive at all", "cannot be read"), (archive({"log.txt": "hello"}), "neither manifest")],
)
def test_a_completed_job_without_its_artefact_ends_the_run_before_it_is_used(settled, left, words):
    settled.training.script["sft:sft"] = [Outcome(artefact=left)]
    name = start(settled)
    found = settled.ended(name)
    assert found["error"] == "ArtefactMissing" and words in found["cause"]
    assert settled.told("Run Failed")[0]["remedy"] == f"toolsmith redrive {name}"
    assert "evaluate:sft" not in settled.training.arms()


def test_an_evaluation_that_left_questions_unanswered_is_no_measure(settled):
    whole = settled.training._answers

    def cut(request):
        if named(request) != "evaluate:base":
            return whole(request)
        text = whole(request)["run/eval_results/inference_output.jsonl"]
        return {"run/eval_results/inference_output.jsonl": "\n".join(text.splitlines()[:-1])}

    settled.set(settled.training, "_answers", cut)
    found = settled.ended(start(settled))
    assert found["error"] == "ArtefactMissing" and "without an answer" in found["cause"]


def test_training_that_diverges_stops_before_reinforcement(settled):
    settled.training.script["sft:sft"] = [Outcome(losses=(1.2, float("nan")))]
    name = start(settled)
    found = settled.ended(name)
    assert found["error"] == "TrainingDiverged" and "step 20" in found["cause"]
    assert not any(arm.startswith("rft") for arm in settled.training.arms())


def test_a_job_that_fails_for_good_is_not_tried_again_until_a_person_says_so(settled):
    settled.training.script["sft:sft"] = [Outcome("Failed", REFUSED)]
    name = start(settled)
    found = settled.ended(name)
    assert found["error"] == "JobFailed" and "recipe is not valid" in found["cause"]
    assert attempts(settled, "sft") == [1]
    assert settled.redrive(name)["status"] == "SUCCEEDED"
    paid = Counter(settled.training.arms())
    assert paid.pop("sft:sft") == 2 and set(paid.values()) == {1} and len(paid) == 5


def test_a_throttled_service_is_asked_again(settled):
    settled.training.refusals = [fault("ThrottlingException", "Rate exceeded"), fault("ThrottlingException", "again")]
    name = start(settled)
    settled.succeeded(name)
    assert len(settled.training.paid) == 6 and "ExplainFailure" not in settled.visited(name)


def test_an_interrupted_instance_is_asked_for_again(settled):
    settled.training.script["rft:rft"] = [Outcome("Failed", "Interrupted: the spot instance was reclaimed")]
    name = start(settled)
    settled.succeeded(name)
    assert attempts(settled, "rft") == [1, 2]


# where a job stands when another one fails the run: its failure unseen, unexplained, untold, or told but not raised
STANDS = ("RunJob", "ExplainFailure", "AnnounceJobFailed", "GiveUp")


@pytest.mark.parametrize("stands", STANDS)
@pytest.mark.parametrize("arms", [("sft:sft", "evaluate:base"), ("evaluate:base", "sft:sft")], ids="-".join)
@pytest.mark.parametrize(("reason", "times"), [(REFUSED, 1), (CAPACITY, 5)], ids=["refused", "no capacity"])
def test_one_redrive_carries_on_all_jobs_that_failed_side_by_side(settled, reason, times, arms, stands):
    for arm in arms:
        settled.training.script[arm] = [Outcome("Failed", reason) for _ in range(times)]
    if stands == "RunJob":
        settled.training.script[arms[1]][-1].describes = 10**9
        settled.cloud.on("sagemaker.stop_training_job", settled.training.end)
    settled.side_by_side(*(f"-{arm.replace(':', '-').removeprefix('sft-')}-{times}" for arm in arms), stands)
    name = start(settled)
    assert settled.ended(name)["status"] == "FAILED"
    assert settled.redrive(name)["status"] == "SUCCEEDED"
    paid = Counter(settled.training.arms())
    assert [paid.pop(arm) for arm in arms] == [times + 1] * 2
    assert set(paid.values()) == {1} and len(paid) == 4


def test_a_job_that_completes_while_the_one_beside_it_fails_the_run_is_not_paid_again(settled):
    settled.training.script = {"sft:sft": [Outcome("Failed", REFUSED)], "evaluate:base": [Outcome(describes=10**9)]}
    settled.cloud.on("sagemaker.stop_training_job", settled.training.end)
    settled.side_by_side("-sft-1", "-evaluate-base-1", "RunJob")
    name = start(settled)
    assert settled.ended(name)["status"] == "FAILED"
    assert settled.redrive(name)["status"] == "SUCCEEDED"
    paid = Counter(settled.training.arms())
    assert paid.pop("sft:sft") == 2 and set(paid.values()) == {1} and len(paid) == 5
