"""What survives: a clean stop, and a kill in the middle of work."""

import io
import json
import os
import signal
import time
import zipfile
from pathlib import Path

import pytest

from local.cloud import Cloud, CloudError
from tests.local.cloud_harness import client, make_cloud, make_role, until

GRACE = 1.0  # seconds within which a table, queue, rule, parameter or role is safe from a kill


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


def test_items_and_messages_survive_a_kill_right_after_the_answer(cloud):
    fill(cloud)
    table, sqs = client(cloud, "dynamodb"), client(cloud, "sqs")
    queue = sqs.get_queue_url(QueueName="work")["QueueUrl"]
    time.sleep(GRACE)
    for number in range(100):
        table.put_item(TableName="ledger", Item={"id": {"S": f"row-{number}"}, "n": {"N": "0"}})
        sqs.send_message(QueueUrl=queue, MessageBody=str(number))
    for number in range(0, 100, 2):
        table.update_item(TableName="ledger", Key={"id": {"S": f"row-{number}"}}, UpdateExpression="SET n = :n",
                          ExpressionAttributeValues={":n": {"N": str(number)}})  # fmt: skip
    for number in range(0, 100, 3):
        table.delete_item(TableName="ledger", Key={"id": {"S": f"row-{number}"}})
    taken = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=600)["Messages"]
    for message in taken[:4]:
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(taken[4:7])]
    sqs.delete_message_batch(QueueUrl=queue, Entries=entries)
    for _ in range(2):
        cloud.kill()
        cloud.start()
        rows = {row["id"]["S"]: row["n"]["N"] for row in table.scan(TableName="ledger")["Items"]}
        assert rows == {"one": "7"} | {f"row-{n}": str(0 if n % 2 else n) for n in range(100) if n % 3}
        numbers = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
        assert int(numbers["ApproximateNumberOfMessages"]) == 101 - 10, "what was handed out is not seen yet"
        assert int(numbers["ApproximateNumberOfMessagesNotVisible"]) == 3, "what was deleted is gone"


def test_an_event_survives_a_kill_once_the_bus_took_it(cloud):
    events, sqs = client(cloud, "events"), client(cloud, "sqs")
    queue = sqs.create_queue(QueueName="work")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    rule = events.put_rule(Name="all", EventPattern='{"source": ["ours"]}')["RuleArn"]
    allowed = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage",
               "Resource": arn, "Condition": {"ArnEquals": {"aws:SourceArn": rule}}}  # fmt: skip
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    events.put_targets(Rule="all", Targets=[{"Id": "queue", "Arn": arn}])
    time.sleep(GRACE)
    for number in range(30):
        events.put_events(Entries=[{"Source": "ours", "DetailType": "Counted", "Detail": json.dumps({"n": number})}])
    cloud.kill()
    cloud.start()
    kept = []
    while found := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        kept += [json.loads(message["Body"])["detail"]["n"] for message in found]
    assert kept == list(range(30))


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
