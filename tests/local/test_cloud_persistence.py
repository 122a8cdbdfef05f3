"""What survives: a clean stop, and a kill in the middle of work."""

import io
import os
import signal
import time
import zipfile
from pathlib import Path

import pytest

from local.cloud import Cloud, CloudError
from tests.local.cloud_harness import client, make_cloud, make_role, until

GRACE = 1.0  # seconds within which a change must be safe from a kill


@pytest.fixture
def cloud(tmp_path) -> Cloud:
    made = make_cloud(tmp_path / "data")
    with made:
        yield made


def fill(cloud: Cloud) -> str:
    """Leave something in every service that the project uses; the queue's address."""
    client(cloud, "s3").create_bucket(Bucket="kept")
    client(cloud, "s3").put_object(Bucket="kept", Key="a/b.txt", Body=b"text")
    client(cloud, "dynamodb").create_table(
        TableName="ledger", BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )  # fmt: skip
    client(cloud, "dynamodb").put_item(TableName="ledger", Item={"id": {"S": "one"}, "n": {"N": "7"}})
    queue = client(cloud, "sqs").create_queue(QueueName="work")["QueueUrl"]
    client(cloud, "sqs").send_message(QueueUrl=queue, MessageBody="do it")
    client(cloud, "ssm").put_parameter(Name="/quiet", Value="5", Type="String")
    client(cloud, "events").put_rule(Name="daily", ScheduleExpression="rate(1 day)")
    make_role(cloud, "worker", "lambda.amazonaws.com", ("s3:GetObject", "*"))
    return queue


def check(cloud: Cloud, queue: str) -> None:
    assert client(cloud, "s3").get_object(Bucket="kept", Key="a/b.txt")["Body"].read() == b"text"
    item = client(cloud, "dynamodb").get_item(TableName="ledger", Key={"id": {"S": "one"}})["Item"]
    assert item["n"] == {"N": "7"}
    got = client(cloud, "sqs").receive_message(QueueUrl=queue, VisibilityTimeout=0)["Messages"]
    assert [message["Body"] for message in got] == ["do it"]
    assert client(cloud, "ssm").get_parameter(Name="/quiet")["Parameter"]["Value"] == "5"
    assert client(cloud, "events").describe_rule(Name="daily")["State"] == "ENABLED"
    assert client(cloud, "iam").get_role_policy(RoleName="worker", PolicyName="allowed")


def test_a_clean_stop_keeps_everything(cloud):
    queue = fill(cloud)
    cloud.stop()
    cloud.start()
    check(cloud, queue)


def test_a_kill_keeps_what_is_a_second_old(cloud):
    queue = fill(cloud)
    time.sleep(GRACE)
    cloud.kill()
    cloud.start()
    check(cloud, queue)
    cloud.kill()
    cloud.start()
    check(cloud, queue)


def test_objects_survive_a_kill_right_after_the_put(cloud):
    s3 = client(cloud, "s3")
    s3.create_bucket(Bucket="kept")
    time.sleep(GRACE)
    s3.put_object(Bucket="kept", Key="last", Body=b"words")
    cloud.kill()
    cloud.start()
    assert s3.get_object(Bucket="kept", Key="last")["Body"].read() == b"words"


def test_no_message_of_a_steady_stream_is_lost_that_is_a_second_old(cloud):
    sqs = client(cloud, "sqs")
    queue = sqs.create_queue(QueueName="stream")["QueueUrl"]
    sent = []
    for number in range(300):
        sqs.send_message(QueueUrl=queue, MessageBody=str(number))
        sent.append((str(number), time.monotonic()))
    killed = time.monotonic()
    cloud.kill()
    cloud.start()
    kept = set()
    while found := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        kept |= {message["Body"] for message in found}
    due = {body for body, at in sent if at < killed - GRACE}
    assert due <= kept


def test_children_die_with_a_killed_cloud(cloud, tmp_path):
    role = make_role(cloud, "trainer", "sagemaker.amazonaws.com", ("s3:*", "*"))
    client(cloud, "s3").create_bucket(Bucket="kept")
    client(cloud, "s3").put_object(Bucket="kept", Key="train.jsonl", Body=b"{}\n")
    start_job(cloud, "slow", role)
    children = until(lambda: group_of(cloud))
    os.kill(cloud.pid, signal.SIGKILL)
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), 10)


def start_job(cloud: Cloud, name: str, role: str, sleep: str = "30") -> None:
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://kept/train.jsonl"}
    client(cloud, "sagemaker").create_training_job(
        TrainingJobName=name, RoleArn=role, HyperParameters={"sleep": sleep},
        AlgorithmSpecification={"TrainingImage": "x:student-sft", "TrainingInputMode": "File"},
        InputDataConfig=[{"ChannelName": "train", "DataSource": {"S3DataSource": source}}],
        OutputDataConfig={"S3OutputPath": "s3://kept/out"}, StoppingCondition={"MaxRuntimeInSeconds": 600},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30},
    )  # fmt: skip


def group_of(cloud: Cloud) -> list[int]:
    """The training program's processes."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"SM_BASE={cloud.settings.data}".encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def test_an_interrupted_job_runs_again_and_a_finished_one_does_not(cloud):
    role = make_role(cloud, "trainer", "sagemaker.amazonaws.com", ("s3:*", "*"))
    client(cloud, "s3").create_bucket(Bucket="kept")
    client(cloud, "s3").put_object(Bucket="kept", Key="train.jsonl", Body=b"{}\n")
    sagemaker = client(cloud, "sagemaker")

    def status(name: str) -> str:
        return sagemaker.describe_training_job(TrainingJobName=name)["SecondaryStatus"]

    start_job(cloud, "done", role, "0")
    until(lambda: status("done") == "Completed")
    finished = sagemaker.describe_training_job(TrainingJobName="done")["TrainingEndTime"]
    start_job(cloud, "cut", role, "0.5")
    until(lambda: status("cut") == "Training")
    cloud.kill()
    cloud.start()
    until(lambda: status("cut") == "Completed")
    again = sagemaker.describe_training_job(TrainingJobName="cut")["SecondaryStatusTransitions"]
    assert [entry["Status"] for entry in again].count("Starting") == 2
    assert sagemaker.describe_training_job(TrainingJobName="done")["TrainingEndTime"] == finished


def test_two_clouds_do_not_share_a_data_folder(cloud):
    second = make_cloud(cloud.settings.data)
    with pytest.raises(CloudError, match=f"already, on port {cloud.settings.port}"):
        second.start()
    assert cloud.running


def test_a_taken_port_is_told(cloud, tmp_path):
    second = Cloud(tmp_path / "other", cloud.settings.port)
    with pytest.raises(CloudError, match=f"port {cloud.settings.port} is taken"):
        second.start()


def test_functions_and_their_code_survive_a_kill(cloud):
    role = make_role(cloud, "worker", "lambda.amazonaws.com")
    functions = client(cloud, "lambda")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", "def handler(event, context): return event['n'] + 1")
    functions.create_function(
        FunctionName="adder", Runtime="python3.11", Role=role, Handler="app.handler", Timeout=30,
        Code={"ZipFile": buffer.getvalue()},
    )  # fmt: skip
    for _ in range(2):
        time.sleep(GRACE)
        assert functions.invoke(FunctionName="adder", Payload='{"n": 1}')["Payload"].read() == b"2"
        cloud.kill()
        cloud.start()
    assert functions.invoke(FunctionName="adder", Payload='{"n": 4}')["Payload"].read() == b"5"
