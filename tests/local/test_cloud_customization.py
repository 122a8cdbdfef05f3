"""Bedrock's own customization jobs: the request, the phases, the custom model, its permissions, its ends."""

import json
import sys
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from local.cli.jobs import Jobs
from local.cli.place import Place
from local.cloud import Cloud
from local.cloud.customization_jobs import BASE, set_by_request
from local.cloud.errors import ApiError
from local.cloud.serverless import default_recipe
from tests.local.cloud_harness import client, make_cloud, make_role, until
from tests.local.test_cloud_bedrock import deployed, say, text_of

GRADER = "arn:aws:lambda:us-east-1:123456789012:function:SageMaker-reward"
ALLOWED = (("s3:GetObject", "arn:aws:s3:::jobs/data/*"), ("s3:ListBucket", "arn:aws:s3:::jobs"),
           ("s3:PutObject", "arn:aws:s3:::jobs/out/*"))  # fmt: skip
RFT = {"rftConfig": {"graderConfig": {"lambdaGrader": {"lambdaArn": GRADER}},
                     "hyperParameters": {"epochCount": 2, "batchSize": 16, "learningRate": 0.0005}}}  # fmt: skip


@pytest.fixture(scope="module")
def cloud(tmp_path_factory) -> Cloud:
    base = tmp_path_factory.mktemp("base")
    (base / "weights.json").write_text('{"step": 0}')
    with make_cloud(tmp_path_factory.mktemp("cloud"), student=base) as made:
        s3 = client(made, "s3")
        s3.create_bucket(Bucket="jobs")
        s3.put_object(Bucket="jobs", Key="data/train.jsonl", Body=b'{"row": 1}\n{"row": 2}\n')
        s3.put_object(Bucket="jobs", Key="data/broken.jsonl", Body=b"{not json\n")
        yield made


@pytest.fixture(scope="module")
def role(cloud) -> str:
    return make_role(cloud, "customizer", "bedrock.amazonaws.com", *ALLOWED)


def request(role: str, name: str, data: str = "train.jsonl", **changes) -> dict:
    return {
        "jobName": name, "customModelName": name, "roleArn": role, "baseModelIdentifier": BASE,
        "customizationType": "FINE_TUNING", "hyperParameters": {"epochCount": "2", "learningRate": "0.002"},
        "trainingDataConfig": {"s3Uri": f"s3://jobs/data/{data}"}, "outputDataConfig": {"s3Uri": "s3://jobs/out"},
        **changes,
    }  # fmt: skip


def reinforced(role: str, name: str, start: str) -> dict:
    wish = request(role, name, customizationType="REINFORCEMENT_FINE_TUNING", customizationConfig=RFT,
                   baseModelIdentifier=start)  # fmt: skip
    del wish["hyperParameters"]
    return wish


def ended(cloud: Cloud, name: str) -> dict:
    bedrock = client(cloud, "bedrock")

    def look() -> dict | None:
        job = bedrock.get_model_customization_job(jobIdentifier=name)
        return job if job["status"] not in ("InProgress", "Stopping") else None

    return until(look)


def test_a_job_makes_a_model_that_the_next_one_starts_from_and_that_answers_once_deployed(cloud, role):
    bedrock = client(cloud, "bedrock")
    arn = bedrock.create_model_customization_job(**request(role, "sft"))["jobArn"]
    job = ended(cloud, "sft")
    assert (job["jobArn"], job["status"]) == (arn, "Completed"), job.get("failureMessage")
    assert {details["status"] for details in job["statusDetails"].values()} == {"Completed"}
    model = bedrock.get_custom_model(modelIdentifier=job["outputModelArn"])
    assert (model["modelStatus"], model["customizationType"]) == ("Active", "FINE_TUNING")
    metrics = f"out/model-customization-job-{arn[-12:]}/training_artifacts/step_wise_training_metrics.csv"
    assert b"training_loss" in client(cloud, "s3").get_object(Bucket="jobs", Key=metrics)["Body"].read()
    bedrock.create_model_customization_job(**reinforced(role, "rft", job["outputModelArn"]))
    again = ended(cloud, "rft")
    assert again["status"] == "Completed", again.get("failureMessage")
    assert again["customizationConfig"] == RFT
    assert text_of(say(cloud, deployed(cloud, "d", again["outputModelArn"]), "hello")).startswith("step 3")


def watched(cloud: Cloud) -> Jobs:
    """The jobs of a stack on this cloud whose runs Bedrock does, its work bucket called jobs."""
    keys = cloud.env()
    place = Place("toolsmith", cloud.endpoint, (("aws_access_key_id", keys["AWS_ACCESS_KEY_ID"]),
                  ("aws_secret_access_key", keys["AWS_SECRET_ACCESS_KEY"]), ("region_name", "us-east-1")))  # fmt: skip
    place.__dict__.update(outputs={"WorkBucket": "jobs"}, parameters={"CustomizeOn": "bedrock"})
    return Jobs(place)


def test_watching_tells_the_last_metrics_of_a_job_once_it_ended(cloud, role):
    jobs, bedrock = watched(cloud), client(cloud, "bedrock")
    bedrock.create_model_customization_job(**request(role, "run-7-sft-1"))
    assert ended(cloud, "run-7-sft-1")["trainingMetrics"] == {"trainingLoss": 0.333}
    (done,) = jobs.of("run-7")
    assert (done.status, done.doing, done.step, done.numbers) == ("Completed", None, 3, {"loss": 0.333})
    assert done.job == "sft-1" and done.seconds > 0
    assert jobs.of("run-8") == []


@pytest.mark.parametrize(
    ("details", "doing"),
    [
        ({"validationDetails": {"status": "InProgress"}}, "checks its data"),
        ({"validationDetails": {"status": "Completed"}, "dataProcessingDetails": {"status": "InProgress"}},
         "prepares its data"),
        ({"dataProcessingDetails": {"status": "Completed"}, "trainingDetails": {"status": "InProgress"}}, "trains"),
        ({}, "waits"),
    ],
)  # fmt: skip
def test_watching_tells_the_phase_of_a_job_that_runs(cloud, details, doing):
    begun = datetime.now(UTC) - timedelta(seconds=90)
    summary = {"jobName": "run-7-rft-1", "status": "InProgress", "creationTime": begun, "statusDetails": details}
    told = watched(cloud)._customization(summary, "run-7")
    assert (told.job, told.doing) == ("rft-1", doing) and told.seconds >= 90


def test_watching_counts_the_answers_of_a_model_that_is_asked(cloud):
    jobs, s3 = watched(cloud), client(cloud, "s3")

    def keep(key: str, text: str) -> None:
        s3.put_object(Bucket="jobs", Key=f"runs/run-9/{key}", Body=text.encode())

    keep("dataset.json", '{"rows": {"eval/gen_qa.jsonl": 3}}')
    keep("jobs/evaluate-more_sft-1/recipe.yaml", "run: {}")
    (asked,) = jobs.of("run-9")
    assert (asked.job, asked.status) == ("evaluate-more-sft-1", "InProgress")
    assert asked.doing == "is asked its first questions"
    keep("output/run-9-evaluate-more-sft-1/inference_output.jsonl", "{}\n{}\n")
    (asked,) = jobs.of("run-9")
    assert (asked.evaluated, asked.doing) == ("2/3", None)
    keep("measures/more_sft.json", '{"job": "run-9-evaluate-more-sft-1", "seconds": 12.5}')
    (asked,) = jobs.of("run-9")
    assert (asked.status, asked.seconds) == ("Completed", 12.5)


def test_a_repeated_request_is_the_same_job_and_a_name_is_used_once(cloud, role):
    bedrock, wish = client(cloud, "bedrock"), request(role, "once", clientRequestToken="token-1")
    arn = bedrock.create_model_customization_job(**wish)["jobArn"]
    assert bedrock.create_model_customization_job(**wish)["jobArn"] == arn
    for other in ({**wish, "clientRequestToken": "token-2"}, {**wish, "hyperParameters": {"epochCount": "3"}}):
        with pytest.raises(ClientError) as caught:
            bedrock.create_model_customization_job(**other)
        assert caught.value.response["Error"]["Code"] == "ConflictException"


@pytest.mark.parametrize(
    ("data", "words"), [("broken.jsonl", "not valid JSON Lines"), ("nothing.jsonl", "No S3 objects found")]
)
def test_data_that_cannot_be_read_fails_the_job_before_it_trains(cloud, role, data, words):
    name = data.partition(".")[0]
    client(cloud, "bedrock").create_model_customization_job(**request(role, name, data))
    job = ended(cloud, name)
    assert job["status"] == "Failed" and words in job["failureMessage"]
    assert job["statusDetails"]["dataProcessingDetails"]["status"] == "Failed"
    assert job["statusDetails"]["trainingDetails"]["status"] == "NotStarted"


def test_an_output_that_the_role_may_not_write_fails_the_job(cloud, role):
    wish = request(role, "elsewhere", outputDataConfig={"s3Uri": "s3://jobs/other"})
    client(cloud, "bedrock").create_model_customization_job(**wish)
    job = ended(cloud, "elsewhere")
    assert job["status"] == "Failed" and "can't be written" in job["failureMessage"]
    assert "outputModelArn" not in job


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"baseModelIdentifier": "amazon.nova-pro-v1:0"}, "ValidationException", "can't be customized"),
        ({"customizationType": "DISTILLATION"}, "ValidationException", "does not support the customization type"),
        ({"customizationType": "REINFORCEMENT_FINE_TUNING"}, "ValidationException", "lambdaGrader is required"),
        ({"customizationConfig": RFT}, "ValidationException", "is for customization type REINFORCEMENT"),
        ({"hyperParameters": {"epochs": "2"}}, "ValidationException", "epochs is not supported"),
        ({"hyperParameters": {"epochCount": "two"}}, "ValidationException", "is no number"),
        ({"trainingDataConfig": {}}, "ValidationException", "s3Uri is required"),
        ({"jobName": "-x"}, "ValidationException", "pattern"),
    ],
)
def test_wrong_requests_are_refused(cloud, role, changes, code, words):
    with pytest.raises(ClientError) as caught:
        client(cloud, "bedrock", attempts=1).create_model_customization_job(**{**request(role, "wrong"), **changes})
    assert caught.value.response["Error"]["Code"] == code and words in str(caught.value)


@pytest.mark.parametrize(("name", "value"), [("learningRate", 0.01), ("batchSize", 8), ("trainingSamplePerPrompt", 1)])
def test_hyperparameters_outside_the_apis_ranges_are_refused(cloud, role, name, value):
    wish = reinforced(role, "range", BASE)
    wish["customizationConfig"] = json.loads(json.dumps(RFT))
    wish["customizationConfig"]["rftConfig"]["hyperParameters"][name] = value
    with pytest.raises(Exception, match=name):  # botocore knows some of the limits, the service all
        client(cloud, "bedrock", attempts=1).create_model_customization_job(**wish)


def test_a_job_can_be_stopped_and_makes_no_model(tmp_path):
    endless = [sys.executable, "-c", "import time; print('training', flush=True); time.sleep(60)"]
    with make_cloud(tmp_path / "cloud", training=endless) as cloud:
        client(cloud, "s3").create_bucket(Bucket="jobs")
        client(cloud, "s3").put_object(Bucket="jobs", Key="data/train.jsonl", Body=b"{}\n")
        bedrock, role = client(cloud, "bedrock"), make_role(cloud, "customizer", "bedrock.amazonaws.com", *ALLOWED)
        bedrock.create_model_customization_job(**request(role, "stopped"))
        get = bedrock.get_model_customization_job
        until(lambda: get(jobIdentifier="stopped")["statusDetails"]["trainingDetails"]["status"] == "InProgress")
        bedrock.stop_model_customization_job(jobIdentifier="stopped")
        job = ended(cloud, "stopped")
        assert job["status"] == job["statusDetails"]["trainingDetails"]["status"] == "Stopped"
        assert "outputModelArn" not in job and bedrock.list_custom_models()["modelSummaries"] == []
        with pytest.raises(ClientError, match="ConflictException"):
            bedrock.stop_model_customization_job(jobIdentifier="stopped")


def test_who_starts_a_job_needs_the_model_the_job_and_the_role(cloud, role):
    made = [make_role(cloud, name, "arn:aws:iam::123456789012:root", *allowed) for name, allowed in (
        ("no-pass", [("bedrock:CreateModelCustomizationJob", BASE)]),
        ("no-model", [("iam:PassRole", role)]),
    )]  # fmt: skip
    for caller, words in zip(made, ("iam:PassRole", "bedrock:CreateModelCustomizationJob"), strict=True):
        with pytest.raises(ClientError, match=words):
            client(cloud, "bedrock", caller).create_model_customization_job(**request(role, "denied"))


def test_a_role_that_bedrock_may_not_assume_is_refused(cloud):
    wrong = make_role(cloud, "for-sagemaker", "sagemaker.amazonaws.com", *ALLOWED)
    with pytest.raises(ClientError, match="Could not assume role"):
        client(cloud, "bedrock").create_model_customization_job(**request(wrong, "untrusted"))


def test_epochs_become_steps_over_the_rows_and_the_grader_stands_where_the_trainer_looks():
    recipe = default_recipe("rft")
    set_by_request(recipe, "rft", {"customizationConfig": RFT}, rows=100)
    training = recipe["training_config"]
    assert training["trainer"]["max_steps"] == training["trainer"]["save_steps"] == 13  # 2 x 100 rows, 16 a step
    assert training["trainer"]["optim_config"]["lr"] == 0.0005
    assert training["rollout"]["rewards"]["api_endpoint"]["lambda_arn"] == GRADER == recipe["run"]["reward_lambda_arn"]
    with pytest.raises(ApiError, match="not supported"):
        set_by_request(default_recipe("sft"), "sft", {"hyperParameters": {"rank": "4"}}, rows=1)
