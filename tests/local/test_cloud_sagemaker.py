"""Training jobs: the request, the life of a job, its outputs, its permissions, its ends."""

import io
import json
import tarfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
from botocore.exceptions import ClientError

from local.cloud import Cloud
from local.cloud.errors import ApiError
from local.cloud.joblog import last_words
from local.cloud.sagemaker import technique
from tests.local.cloud_harness import client, make_cloud, make_role, received, until

TRAIN = b'{"row": 1}\n{"row": 2}\n{"row": 3}\n'


@pytest.fixture(scope="module")
def cloud(tmp_path_factory) -> Cloud:
    with make_cloud(tmp_path_factory.mktemp("cloud")) as made:
        s3 = client(made, "s3")
        s3.create_bucket(Bucket="jobs")
        s3.create_bucket(Bucket="foreign")
        s3.put_object(Bucket="jobs", Key="data/train.jsonl", Body=TRAIN)
        yield made


@pytest.fixture(scope="module")
def role(cloud) -> str:
    return make_role(
        cloud, "trainer", "sagemaker.amazonaws.com",
        ("s3:GetObject", "arn:aws:s3:::jobs/data/*"), ("s3:ListBucket", "arn:aws:s3:::jobs"),
        ("s3:PutObject", "arn:aws:s3:::jobs/out/*"), ("logs:*", "*"),
    )  # fmt: skip


def channel(name: str, uri: str, kind: str = "S3Prefix") -> dict:
    source = {"S3DataType": kind, "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


def request(role: str, name: str, uri: str = "s3://jobs/data/train.jsonl", image: str = "nova:SM-TJ-SFT-V2-latest",
            seconds: int = 60, kind: str = "Converse", **hyperparameters: str) -> dict:  # fmt: skip
    return {
        "TrainingJobName": name,
        "RoleArn": role,
        "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File"},
        "HyperParameters": hyperparameters,
        "InputDataConfig": [channel("train", uri, kind)],
        "OutputDataConfig": {"S3OutputPath": "s3://jobs/out"},
        "ResourceConfig": {"InstanceType": "ml.p5.48xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30},
        "StoppingCondition": {"MaxRuntimeInSeconds": seconds},
        "Tags": [{"Key": "run", "Value": "test"}],
    }


def ended(cloud: Cloud, name: str) -> dict:
    sagemaker = client(cloud, "sagemaker")

    def look() -> dict | None:
        job = sagemaker.describe_training_job(TrainingJobName=name)
        return job if job["TrainingJobStatus"] not in ("InProgress", "Stopping") else None

    return until(look)


def entered(job: dict) -> list[str]:
    return [entry["Status"] for entry in job["SecondaryStatusTransitions"]]


def log_of(cloud: Cloud, name: str) -> list[str]:
    logs, group = client(cloud, "logs"), "/aws/sagemaker/TrainingJobs"
    streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/algo-1-")["logStreams"]
    return [
        event["message"]
        for stream in streams
        for event in logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"])["events"]
    ]


def test_a_job_delivers_its_outputs(cloud, role):
    client(cloud, "sagemaker").create_training_job(**request(role, "good"))
    job = ended(cloud, "good")
    assert job["TrainingJobStatus"] == "Completed"
    assert entered(job) == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == "s3://jobs/out/good/output/model.tar.gz"
    s3 = client(cloud, "s3")
    body = s3.get_object(Bucket="jobs", Key="out/good/output/output.tar.gz")["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        assert {"manifest.json", "step_wise_training_metrics.csv"} <= set(archive.getnames())
        place = json.load(archive.extractfile("manifest.json"))["checkpoint_s3_bucket"]
    assert place.startswith("s3://customer-escrow-123456789012-smtj-") and place.endswith("/good/step_3")
    bucket, key = place[5:].split("/", 1)
    weights = json.loads(s3.get_object(Bucket=bucket, Key=f"{key}/weights.json")["Body"].read())
    assert weights == {"rows": 3, "step": 3}
    assert "technique=sft rows=3 inherited=[]" in log_of(cloud, "good")


def test_a_second_job_starts_from_the_first_ones_checkpoint(cloud, role):
    client(cloud, "sagemaker").create_training_job(**request(role, "base"))
    bucket = ended(cloud, "base")["CheckpointConfig"]["S3Uri"]
    again = request(role, "chained", image="nova:SM-TJ-RFT-V2-latest", base_model_location=bucket)
    client(cloud, "sagemaker").create_training_job(**again)
    assert ended(cloud, "chained")["TrainingJobStatus"] == "Completed"
    assert "technique=rft rows=3 inherited=['weights.json']" in log_of(cloud, "chained")


def test_a_prefix_channel_keeps_the_folders_below_it(cloud, role):
    s3 = client(cloud, "s3")
    for key in ("data/many/a.jsonl", "data/many/b.jsonl"):
        s3.put_object(Bucket="jobs", Key=key, Body=b"{}\n{}\n")
    wish = request(role, "prefix", uri="s3://jobs/data/many", kind="S3Prefix")
    client(cloud, "sagemaker").create_training_job(**wish)
    assert ended(cloud, "prefix")["TrainingJobStatus"] == "Completed"
    assert "technique=sft rows=4 inherited=[]" in log_of(cloud, "prefix")


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("708977205387.dkr.ecr.us-east-1.amazonaws.com/nova-fine-tune-repo:SM-TJ-SFT-V2-latest", "sft"),
        ("708977205387.dkr.ecr.us-east-1.amazonaws.com/nova-fine-tune-repo:SM-TJ-RFT-V2-latest", "rft"),
        ("708977205387.dkr.ecr.us-east-1.amazonaws.com/nova-evaluation-repo:SM-TJ-Eval-V2-latest", "evaluate"),
        ("local/toolsmith:student-sft", "sft"),
        ("local/toolsmith:student-rft", "rft"),
        ("local/toolsmith:student-evaluate", "evaluate"),
    ],
)
def test_the_image_names_the_technique(image, expected):
    assert technique(image) == expected


def test_an_unknown_image_is_refused():
    with pytest.raises(ApiError, match="no local program stands for"):
        technique("pytorch-training:2.5-gpu")


def test_a_name_is_used_once(cloud, role):
    sagemaker = client(cloud, "sagemaker")
    sagemaker.create_training_job(**request(role, "once"))
    with pytest.raises(sagemaker.exceptions.ResourceInUse, match="must be unique"):
        sagemaker.create_training_job(**request(role, "once"))


@pytest.mark.parametrize("name", ["under_score", "-dash", "x" * 64])
def test_a_bad_name_is_refused(cloud, role, name):
    with pytest.raises(ClientError, match="ValidationException.*trainingJobName"):
        client(cloud, "sagemaker").create_training_job(**request(role, name))


def test_a_role_that_sagemaker_may_not_assume_is_refused(cloud):
    wrong = make_role(cloud, "for-lambda", "lambda.amazonaws.com")
    with pytest.raises(ClientError, match="Could not assume role"):
        client(cloud, "sagemaker").create_training_job(**request(wrong, "untrusted"))


def test_the_failure_file_becomes_the_reason(cloud, role):
    client(cloud, "sagemaker").create_training_job(**request(role, "bad", fail="the loss is not a number"))
    job = ended(cloud, "bad")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Failed", "Failed")
    assert job["FailureReason"] == "AlgorithmError: the loss is not a number, exit code: 3"
    assert entered(job) == ["Starting", "Downloading", "Training", "Failed"]


def test_without_a_failure_file_the_reason_is_what_the_log_ends_with(cloud, role):
    client(cloud, "sagemaker").create_training_job(**request(role, "raising", **{"raise": "row 2 has no messages"}))
    reason = ended(cloud, "raising")["FailureReason"]
    assert "ValueError: row 2 has no messages" in reason and reason.endswith("exit code: 1")


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (["step 1\n", "Killed\n", "\n", "----\n"], "Killed"),
        (["Traceback (most recent call last):\n", "torch.OutOfMemoryError: no room\n", "bye\n"],
         "torch.OutOfMemoryError: no room"),
        (['  raise ValueError("x")\n', "KeyboardInterrupt\n"], "KeyboardInterrupt"),
        (["\n"], ""),
    ],
)  # fmt: skip
def test_the_last_words_of_a_log_are_the_exception_or_the_last_line_with_a_word(log, expected):
    assert last_words(log) == expected


def test_data_that_is_not_there_fails_the_job(cloud, role):
    client(cloud, "sagemaker").create_training_job(**request(role, "empty", uri="s3://jobs/data/none/"))
    assert "No S3 objects found under S3 URL" in ended(cloud, "empty")["FailureReason"]


def test_data_that_the_role_may_not_read_fails_the_job(cloud, role):
    client(cloud, "s3").put_object(Bucket="foreign", Key="train.jsonl", Body=TRAIN)
    client(cloud, "sagemaker").create_training_job(**request(role, "nosy", uri="s3://foreign/train.jsonl"))
    reason = ended(cloud, "nosy")["FailureReason"]
    assert "AccessDenied" in reason and "s3:ListBucket" in reason and "assumed-role/trainer/SageMaker" in reason


def test_the_program_works_under_the_jobs_role(cloud, role):
    client(cloud, "sagemaker").create_training_job(**request(role, "asks", ask="foreign"))
    ended(cloud, "asks")
    assert "asked: AccessDenied" in log_of(cloud, "asks")


def test_a_job_can_be_stopped(cloud, role):
    sagemaker = client(cloud, "sagemaker")
    sagemaker.create_training_job(**request(role, "stopped", sleep="60"))
    until(lambda: sagemaker.describe_training_job(TrainingJobName="stopped")["SecondaryStatus"] == "Training")
    sagemaker.stop_training_job(TrainingJobName="stopped")
    job = ended(cloud, "stopped")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    with pytest.raises(ClientError, match="is in status Stopped"):
        sagemaker.stop_training_job(TrainingJobName="stopped")


def test_the_longest_runtime_ends_a_job(cloud, role):
    client(cloud, "sagemaker").create_training_job(**request(role, "long", seconds=1, sleep="60"))
    job = ended(cloud, "long")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")


def test_logs_arrive_while_the_job_runs(cloud, role):
    sagemaker = client(cloud, "sagemaker")
    sagemaker.create_training_job(**request(role, "chatty", sleep="2"))
    until(lambda: sagemaker.describe_training_job(TrainingJobName="chatty")["SecondaryStatus"] == "Training")
    until(lambda: "global_step=1 reduced_train_loss=1.000" in log_of(cloud, "chatty"))
    assert sagemaker.describe_training_job(TrainingJobName="chatty")["TrainingJobStatus"] == "InProgress"
    sagemaker.stop_training_job(TrainingJobName="chatty")


def test_every_status_is_announced(cloud, role):
    queue = client(cloud, "sqs").create_queue(QueueName="statuses")["QueueUrl"]
    pattern = {"source": ["aws.sagemaker"], "detail": {"TrainingJobName": ["heard"]}}
    events = client(cloud, "events")
    events.put_rule(Name="statuses", EventPattern=json.dumps(pattern))
    arn = "arn:aws:sqs:us-east-1:123456789012:statuses"
    events.put_targets(Rule="statuses", Targets=[{"Id": "q", "Arn": arn}])
    client(cloud, "sagemaker").create_training_job(**request(role, "heard"))
    heard = [received(cloud, queue) for _ in range(5)]
    assert [event["detail"]["SecondaryStatus"] for event in heard] == [
        "Starting", "Downloading", "Training", "Uploading", "Completed",
    ]  # fmt: skip
    assert heard[-1]["detail-type"] == "SageMaker Training Job State Change"
    assert heard[-1]["detail"]["TrainingJobStatus"] == "Completed"
    assert heard[-1]["detail"]["CreationTime"] == pytest.approx(time.time() * 1000, abs=60_000)


def test_jobs_are_listed_and_tagged(cloud, role):
    sagemaker = client(cloud, "sagemaker")
    arn = sagemaker.create_training_job(**request(role, "listed-1"))["TrainingJobArn"]
    sagemaker.create_training_job(**request(role, "listed-2"))
    ended(cloud, "listed-1")
    ended(cloud, "listed-2")
    found = sagemaker.list_training_jobs(NameContains="listed", StatusEquals="Completed", SortBy="Name")
    assert [job["TrainingJobName"] for job in found["TrainingJobSummaries"]] == ["listed-2", "listed-1"]
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "arm", "Value": "sft"}])
    tags = sagemaker.list_tags(ResourceArn=arn)["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"run": "test", "arm": "sft"}


def test_an_unknown_job_is_told(cloud):
    with pytest.raises(ClientError, match="Requested resource not found"):
        client(cloud, "sagemaker").describe_training_job(TrainingJobName="nobody")


CARD = {"model_overview": {"model_description": "Plans calls."}, "evaluation_details": [{"name": "base"}]}


def test_a_model_card_is_kept_in_versions_and_found_by_name(cloud):
    sagemaker = client(cloud, "sagemaker")
    sagemaker.create_model_card(ModelCardName="run-1", ModelCardStatus="PendingReview", Content=json.dumps(CARD))
    with pytest.raises(sagemaker.exceptions.ConflictException):
        sagemaker.create_model_card(ModelCardName="run-1", ModelCardStatus="Draft", Content=json.dumps(CARD))
    later = {"model_overview": {"model_description": "Plans calls better."}}
    sagemaker.update_model_card(ModelCardName="run-1", Content=json.dumps(later))
    sagemaker.update_model_card(ModelCardName="run-1", ModelCardStatus="Archived")
    newest = sagemaker.describe_model_card(ModelCardName="run-1")
    assert (newest["ModelCardVersion"], newest["ModelCardStatus"]) == (2, "Archived")
    first = sagemaker.describe_model_card(ModelCardName=newest["ModelCardArn"], ModelCardVersion=1)
    assert json.loads(first["Content"]) == CARD and json.loads(newest["Content"]) == later
    with pytest.raises(sagemaker.exceptions.ConflictException, match="archived"):
        sagemaker.update_model_card(ModelCardName="run-1", Content=json.dumps(CARD))
    (listed,) = sagemaker.list_model_cards(NameContains="run")["ModelCardSummaries"]
    assert listed["ModelCardArn"] == newest["ModelCardArn"]
    sagemaker.delete_model_card(ModelCardName="run-1")
    with pytest.raises(sagemaker.exceptions.ResourceNotFound):
        sagemaker.describe_model_card(ModelCardName="run-1")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("no json", "is not JSON"),
        (json.dumps({"overview": {}}), "overview"),
        (json.dumps({"model_overview": {"model_description": "x" * 1025}}), "model_description"),
        (json.dumps({"evaluation_details": [{"datasets": []}]}), "'name' is a required property"),
        (json.dumps({"additional_information": {"custom_details": {"recipe sft": "1"}}}), "recipe sft"),
    ],
)
def test_a_card_that_the_service_would_not_take_is_refused(cloud, content, words):
    with pytest.raises(ClientError, match="ValidationException") as caught:
        client(cloud, "sagemaker").create_model_card(ModelCardName="bad", ModelCardStatus="Draft", Content=content)
    assert words in str(caught.value)


def test_who_may_make_one_card_may_not_make_another(cloud):
    named = "arn:aws:sagemaker:us-east-1:123456789012:model-card/run-*"
    reporter = make_role(cloud, "reporter", "arn:aws:iam::123456789012:root", ("sagemaker:CreateModelCard", named))
    wish = {"ModelCardStatus": "Draft", "Content": json.dumps(CARD)}
    client(cloud, "sagemaker", reporter).create_model_card(ModelCardName="run-3", **wish)
    with pytest.raises(ClientError, match="AccessDenied"):
        client(cloud, "sagemaker", reporter).create_model_card(ModelCardName="other", **wish)


MLFLOW = "arn:aws:sagemaker:us-east-1:123456789012:mlflow-tracking-server/ours"
LOGGED = {"MlflowResourceArn": MLFLOW, "MlflowExperimentName": "toolsmith", "MlflowRunName": "a-run"}


class Server(BaseHTTPRequestHandler):
    """As much of MLflow's REST API as a job needs, with its answers; `heard` is what came in."""

    heard: ClassVar[list[tuple[str, dict]]] = []
    experiments: ClassVar[set[str]] = set()

    def do_POST(self) -> None:
        path = self.path.removeprefix("/api/2.0/mlflow/")
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.heard.append((path, body))
        if path == "experiments/create" and body["name"] in self.experiments:
            self._answer(400, {"error_code": "RESOURCE_ALREADY_EXISTS", "message": "exists"})
            return
        if path == "experiments/create":
            self.experiments.add(body["name"])
        made = {"experiments/create": {"experiment_id": "7"}, "runs/create": {"run": {"info": {"run_id": "r1"}}}}
        self._answer(200, made.get(path, {}))

    def do_GET(self) -> None:
        assert self.path == "/api/2.0/mlflow/experiments/get-by-name?experiment_name=toolsmith"
        self._answer(200, {"experiment": {"experiment_id": "7"}})

    def _answer(self, status: int, body: dict) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_) -> None:
        pass


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    """A cloud whose jobs log to a tracking server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    with make_cloud(tmp_path_factory.mktemp("tracked"), mlflow=address) as made:
        s3 = client(made, "s3")
        s3.create_bucket(Bucket="jobs")
        s3.put_object(Bucket="jobs", Key="data/train.jsonl", Body=TRAIN)
        s3.put_object(Bucket="jobs", Key="recipe.yaml", Body=b"training_config: {optim_config: {lr: 0.01}}")
        yield made
    server.shutdown()


def test_a_job_logs_to_the_mlflow_that_the_cloud_was_started_with(tracked):
    logger = make_role(tracked, "logger", "sagemaker.amazonaws.com", ("s3:*", "*"), ("sagemaker-mlflow:*", MLFLOW))
    sagemaker = client(tracked, "sagemaker")
    for name in ("logged", "again"):
        wish = request(logger, name, alpha="64")
        wish["InputDataConfig"].append(channel("recipe", "s3://jobs/recipe.yaml"))
        sagemaker.create_training_job(**wish, MlflowConfig=LOGGED)
        assert ended(tracked, name)["MlflowDetails"] == {"MlflowExperimentId": "7", "MlflowRunId": "r1"}
    sagemaker.create_training_job(**request(logger, "broken", fail="no"), MlflowConfig=LOGGED)
    ended(tracked, "broken")
    heard = until(lambda: [h for h in Server.heard if h[0] == "runs/update"][2:] and Server.heard)
    opened = next(body for path, body in heard if path == "runs/create")
    assert (opened["experiment_id"], opened["run_name"]) == ("7", "a-run")
    assert opened["tags"] == [{"key": "run", "value": "test"}]
    batches = [body for path, body in heard if path == "runs/log-batch"]
    assert batches[0]["params"] == [
        {"key": "alpha", "value": "64"}, {"key": "training_config.optim_config.lr", "value": "0.01"}
    ]  # fmt: skip
    points = [(m["key"], m["step"], m["value"]) for m in batches[1]["metrics"]]
    assert points == [("training_loss", 1, 1.0), ("training_loss", 3, 0.333)]
    assert [body["status"] for path, body in heard if path == "runs/update"] == ["FINISHED", "FINISHED", "FAILED"]


def test_a_job_that_would_log_where_it_may_not_is_refused(tracked):
    bare = make_role(tracked, "bare", "sagemaker.amazonaws.com", ("s3:*", "*"))
    with pytest.raises(ClientError, match="AccessDenied.*sagemaker-mlflow:GetExperimentByName"):
        client(tracked, "sagemaker").create_training_job(**request(bare, "denied"), MlflowConfig=LOGGED)


def test_a_job_that_would_log_to_no_server_is_refused_in_so_many_words(cloud, role):
    with pytest.raises(ClientError, match="no MLflow stands for .*--mlflow URL"):
        client(cloud, "sagemaker").create_training_job(**request(role, "unlogged"), MlflowConfig=LOGGED)
