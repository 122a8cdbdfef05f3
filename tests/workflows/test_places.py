"""A whole run whose jobs are done by serverless customization, or by Bedrock itself."""

import time
from collections.abc import Iterator

import pytest

from local.cli.evaluator import LOCAL_ARN
from local.states import StateError
from tests.workflows.bench import Bench
from tests.workflows.conftest import with_corpus
from tests.workflows.stack import NAME
from tests.workflows.training import Outcome

ARMS = {"base", "base_tools", "sft", "rft", "more_sft"}


def opened(corpus, folder, **parameters) -> Bench:
    made = with_corpus(Bench(folder, **parameters), corpus)
    made.models.deployed_before(NAME)
    return made


@pytest.fixture
def serverless(corpus, tmp_path) -> Iterator[Bench]:
    made = opened(corpus, tmp_path, CustomizeOn="serverless", EvaluatorArn=LOCAL_ARN)
    yield made
    made.close()


@pytest.fixture
def bedrock(corpus, tmp_path) -> Iterator[Bench]:
    made = opened(corpus, tmp_path, CustomizeOn="bedrock")
    yield made
    made.close()


def run(bench: Bench) -> str:
    name = bench.drop("runs/wanted.json", {"seed": 3, "control": True})
    bench.succeeded(name)
    return name


def scores(bench: Bench) -> dict[str, float]:
    return {event["arm"]: event["score"]["mean"] for event in bench.told("Evaluation Completed")}


def test_a_run_by_serverless_customization_ends_with_its_models_measured_and_the_best_one_imported(serverless):
    name = run(serverless)
    found = scores(serverless)
    assert found["base"] < found["sft"] < found["rft"] and set(found) == ARMS
    jobs = {request["TrainingJobName"]: request for request in serverless.training.paid}
    assert all("ServerlessJobConfig" in job and "ResourceConfig" not in job for job in jobs.values())
    package = serverless.training.jobs[f"{name}-sft-1"]["OutputModelPackageArn"]
    rft = jobs[f"{name}-rft-1"]
    assert rft["ModelPackageConfig"]["SourceModelPackageArn"] == package
    assert rft["ServerlessJobConfig"]["EvaluatorArn"] == LOCAL_ARN
    assert jobs[f"{name}-evaluate-sft-1"]["ModelPackageConfig"]["SourceModelPackageArn"] == package
    best = serverless.training.jobs[f"{name}-rft-1"]["OutputModelPackageArn"]
    assert serverless.models.sources[f"{name}-rft"] == {"modelPackageArnDataSource": {"modelPackageArn": best}}
    assert serverless.told("Model Registered")[0]["candidate"] == "rft"


def test_a_run_by_bedrock_ends_with_its_models_measured_and_the_best_one_deployed(bedrock):
    name = run(bedrock)
    found = scores(bedrock)
    assert found["base"] < found["sft"] < found["rft"] and set(found) == ARMS
    assert bedrock.training.paid == [] and bedrock.models.imports == []
    jobs = {request["jobName"]: request for request in bedrock.customization.paid}
    sft, rft = jobs[f"{name}-sft-1"], jobs[f"{name}-rft-1"]
    assert sft["customizationType"] == "FINE_TUNING" and rft["customizationType"] == "REINFORCEMENT_FINE_TUNING"
    assert rft["baseModelIdentifier"] == bedrock.customization.jobs[f"{name}-sft-1"]["outputModelArn"]
    grader = rft["customizationConfig"]["rftConfig"]["graderConfig"]["lambdaGrader"]["lambdaArn"]
    assert grader == bedrock.stack.arn("RewardFunction")
    assert rft["roleArn"] == bedrock.stack.arn("CustomizationRole")
    (registered,) = bedrock.told("Model Registered")
    assert registered["model_arn"] == bedrock.customization.jobs[f"{name}-rft-1"]["outputModelArn"]
    assert registered["model_arn"] in bedrock.models.updates
    assert list(bedrock.models.deployments) == [registered["deployment_arn"]], "candidates are removed once asked"
    metrics = bedrock.json(f"runs/{name}/jobs/rft.json")["metrics"]
    assert [row["training_loss"] for row in metrics] == list(Outcome().losses)


def test_a_customization_job_that_was_started_before_is_followed_and_not_repeated(bedrock):
    broken = []

    def lose(call):
        if call.state == "ReadJob" and not broken:
            broken.append(call)
            raise StateError("States.Runtime", "the machine stopped between the job and the reading of it")

    bedrock.failing(lose)
    name = bedrock.drop("runs/wanted.json", {"seed": 3})
    assert bedrock.ended(name)["status"] == "FAILED"
    assert bedrock.redrive(name)["status"] == "SUCCEEDED"
    started = [request["jobName"] for request in bedrock.customization.paid]
    assert len(started) == len(set(started)) == 2


def test_a_customization_job_that_fails_ends_the_run_with_bedrocks_own_words(bedrock):
    bedrock.customization.fails = Outcome("Failed", "ValidationException: reserved keyword in row 3")
    name = bedrock.drop("runs/wanted.json", {"seed": 3})
    assert bedrock.ended(name)["error"] == "JobFailed"
    (failed,) = bedrock.told("Training Job Failed")
    assert failed["class"] == "validation" and "reserved keyword in row 3" in failed["reason"]


def test_a_customization_job_stopped_by_a_failure_beside_it_is_done_anew_by_one_redrive(bedrock):
    forever = 10**9
    bedrock.customization.fails = Outcome(describes=forever)
    broken = []

    def lose(call):
        if call.state == "AskModel" and not broken:
            while not any(job["left"] < forever for job in bedrock.customization.jobs.values()):  # looked at once
                time.sleep(0.01)
            broken.append(call)
            raise StateError("States.Runtime", "the machine stopped while it asked the base model")

    bedrock.failing(lose)
    name = bedrock.drop("runs/wanted.json", {"seed": 3})
    assert bedrock.ended(name)["error"] == "States.Runtime"
    assert bedrock.customization.jobs[f"{name}-sft-1"]["status"] == "Stopped"
    bedrock.customization.fails = None
    assert bedrock.redrive(name)["status"] == "SUCCEEDED"
    assert [r["jobName"].removeprefix(name) for r in bedrock.customization.paid] == ["-sft-1", "-sft-2", "-rft-1"]


def test_a_thorough_run_is_refused_where_bedrock_does_the_jobs(bedrock):
    name = bedrock.drop("runs/thorough.json", {"thorough": True})
    bedrock.succeeded(name)
    note = bedrock.json("rejected/runs/thorough.json.reason.json", "intake-bucket")
    assert "thorough" in note["detail"]


@pytest.mark.parametrize("arms", [("rft", "more-sft"), ("more-sft", "rft")], ids="-".join)
def test_one_redrive_carries_on_both_candidates_that_could_not_be_deployed(bedrock, arms):
    real, candidates = bedrock.models.get_deployment, tuple(f"-evaluate-{arm}-1" for arm in arms)

    def describe(**request):
        found = real(**request)
        failed = found["modelDeploymentName"].endswith(candidates)
        return found | ({"status": "Failed", "failureMessage": "no room"} if failed else {})

    bedrock.cloud.on("bedrock.get_custom_model_deployment", describe)
    bedrock.side_by_side(*candidates, "DescribeCandidate")
    name = bedrock.drop("runs/wanted.json", {"seed": 3, "control": True})
    assert bedrock.ended(name)["error"] == "JobFailed"
    assert bedrock.redrive(name)["status"] == "SUCCEEDED"
    assert scores(bedrock).keys() == ARMS
    assert len(bedrock.customization.paid) == 3
