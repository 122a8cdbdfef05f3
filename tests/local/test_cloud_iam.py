"""Who may do what: calls without a grant are denied, with AWS's words, in every service we write ourselves."""

import json

import pytest
from botocore.exceptions import ClientError

from local.cloud import Cloud, permissions
from tests.local.cloud_harness import client, make_cloud, make_role, until

ACCOUNT = "arn:aws:iam::123456789012:root"
TEACHER = "toolsmith.embedded-teacher-v1"
HELLO = [{"role": "user", "content": [{"text": "hello"}]}]
MODEL = f"arn:aws:bedrock:us-east-1::foundation-model/{TEACHER}"
DEPLOYMENT = "arn:aws:bedrock:us-east-1:123456789012:custom-model-deployment/0123456789ab"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory) -> Cloud:
    with make_cloud(tmp_path_factory.mktemp("cloud")) as made:
        client(made, "s3").create_bucket(Bucket="iam-test")
        client(made, "s3").put_object(Bucket="iam-test", Key="train.jsonl", Body=b"{}\n")
        make_role(made, "trainer", "sagemaker.amazonaws.com", ("s3:*", "*"))
        yield made


@pytest.fixture
def acting(cloud, request):
    """acting(service, (actions, resources)...) -> a client of a new role with exactly these grants."""

    def make(service: str, *allowed):
        name = f"r-{abs(hash((request.node.name, service, str(allowed)))) % 10**10}"
        return client(cloud, service, make_role(cloud, name, ACCOUNT, *allowed))

    return make


def job(name: str) -> dict:
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://iam-test/train.jsonl"}
    return {
        "TrainingJobName": name,
        "RoleArn": "arn:aws:iam::123456789012:role/trainer",
        "AlgorithmSpecification": {"TrainingImage": "x:student-sft", "TrainingInputMode": "File"},
        "InputDataConfig": [{"ChannelName": "train", "DataSource": {"S3DataSource": source}}],
        "OutputDataConfig": {"S3OutputPath": "s3://iam-test/out"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }


def denied(call, action: str, resource: str) -> None:
    with pytest.raises(ClientError) as caught:
        call()
    assert caught.value.response["Error"]["Code"] in ("AccessDeniedException", "AccessDenied")
    text = caught.value.response["Error"]["Message"]
    assert f"is not authorized to perform: {action} on resource: {resource}" in text
    assert f"because no identity-based policy allows the {action} action" in text
    assert "arn:aws:sts::123456789012:assumed-role/" in text


def test_converse_needs_invoke_model_on_the_model(acting):
    allowed = acting("bedrock-runtime", ("bedrock:InvokeModel", MODEL))
    assert allowed.converse(modelId=TEACHER, messages=HELLO)
    other = acting("bedrock-runtime", ("bedrock:InvokeModel", MODEL + "x"))
    denied(lambda: other.converse(modelId=TEACHER, messages=HELLO), "bedrock:InvokeModel", MODEL)
    denied(lambda: allowed.converse(modelId=DEPLOYMENT, messages=HELLO), "bedrock:InvokeModel", DEPLOYMENT)
    wide = acting("bedrock-runtime", ("bedrock:InvokeModel", "arn:aws:bedrock:*:*:custom-model-deployment/*"))
    with pytest.raises(wide.exceptions.ResourceNotFoundException):
        wide.converse(modelId=DEPLOYMENT, messages=HELLO)


def test_a_training_job_needs_its_name_and_pass_role(acting):
    create = "sagemaker:CreateTrainingJob"
    arn = "arn:aws:sagemaker:us-east-1:123456789012:training-job/"
    pass_role = ("iam:PassRole", "arn:aws:iam::123456789012:role/trainer")
    right = acting("sagemaker", (create, arn + "mine-*"), pass_role)
    assert right.create_training_job(**job("mine-1"))
    denied(lambda: right.create_training_job(**job("yours-1")), create, arn + "yours-1")
    denied(
        lambda: right.describe_training_job(TrainingJobName="mine-1"), "sagemaker:DescribeTrainingJob", arn + "mine-1"
    )
    without = acting("sagemaker", (create, arn + "mine-*"))
    denied(lambda: without.create_training_job(**job("mine-2")), "iam:PassRole", pass_role[1])


def test_models_are_named_by_their_arn(acting, cloud):
    get = "bedrock:GetCustomModel"
    arn = "arn:aws:bedrock:us-east-1:123456789012:custom-model/imported/0123456789ab"
    reader = acting("bedrock", (get, "arn:aws:bedrock:*:*:custom-model/imported/*"))
    with pytest.raises(reader.exceptions.ResourceNotFoundException):
        reader.get_custom_model(modelIdentifier=arn)
    denied(lambda: reader.delete_custom_model(modelIdentifier=arn), "bedrock:DeleteCustomModel", arn)
    place = {"s3DataSource": {"s3Uri": "s3://iam-test/x"}}

    def create():
        reader.create_custom_model(
            modelName="m", roleArn="arn:aws:iam::123456789012:role/trainer", modelSourceConfig=place
        )

    denied(create, "bedrock:CreateCustomModel", "arn:aws:bedrock:us-east-1:123456789012:custom-model/*")


def test_machines_are_named_by_their_arn(acting, cloud):
    machine = "arn:aws:states:us-east-1:123456789012:stateMachine:quiet"
    nobody = acting("stepfunctions", ("states:ListStateMachines", "*"))
    denied(lambda: nobody.start_execution(stateMachineArn=machine), "states:StartExecution", machine)
    assert nobody.list_state_machines()["stateMachines"] == []


def test_a_state_machine_acts_as_its_role(cloud):
    role = make_role(cloud, "machine", "states.amazonaws.com", ("s3:ListBucket", "*"))
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:s3:putObject",
        "Arguments": {"Bucket": "iam-test", "Key": "secret", "Body": "x"},
        "End": True,
    }
    definition = {"QueryLanguage": "JSONata", "StartAt": "Put", "States": {"Put": task}}
    states = client(cloud, "stepfunctions")
    machine = states.create_state_machine(name="putter", definition=json.dumps(definition), roleArn=role)
    run = states.start_execution(stateMachineArn=machine["stateMachineArn"])["executionArn"]
    ended = until(lambda: (e := states.describe_execution(executionArn=run))["status"] != "RUNNING" and e)
    assert ended["status"] == "FAILED"
    assert 's3:PutObject on resource: "arn:aws:s3:::iam-test/secret"' in ended["cause"]


def test_a_rule_starts_a_machine_only_under_a_role_that_may(cloud):
    role = make_role(cloud, "idle-machine", "states.amazonaws.com")
    states, events, sqs = client(cloud, "stepfunctions"), client(cloud, "events"), client(cloud, "sqs")
    definition = {"QueryLanguage": "JSONata", "StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}
    machine = states.create_state_machine(name="started", definition=json.dumps(definition), roleArn=role)
    arn = machine["stateMachineArn"]
    letters = sqs.create_queue(QueueName="letters")["QueueUrl"]
    dead = {"Arn": "arn:aws:sqs:us-east-1:123456789012:letters"}
    allowed = make_role(cloud, "may-start", "events.amazonaws.com", ("states:StartExecution", arn))
    forbidden = make_role(cloud, "may-not", "events.amazonaws.com", ("states:StartExecution", arn + "x"))
    for name, starter in (("good", allowed), ("bad", forbidden)):
        events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))
        target = {"Id": "m", "Arn": arn, "RoleArn": starter, "DeadLetterConfig": dead, "Input": f'{{"by": "{name}"}}'}
        events.put_targets(Rule=name, Targets=[target])
    events.put_events(Entries=[{"Source": s, "DetailType": "x", "Detail": "{}"} for s in ("bad", "good")])
    found = until(lambda: states.list_executions(stateMachineArn=arn)["executions"])
    inputs = [json.loads(states.describe_execution(executionArn=e["executionArn"])["input"]) for e in found]
    assert inputs == [{"by": "good"}]
    message = until(lambda: sqs.receive_message(QueueUrl=letters, MessageAttributeNames=["All"]).get("Messages"))[0]
    assert message["Body"] == '{"by": "bad"}'
    assert "states:StartExecution" in message["MessageAttributes"]["ERROR_MESSAGE"]["StringValue"]


def test_a_made_up_key_is_refused(cloud):
    import boto3

    keys = {"aws_access_key_id": "ASIAABCDEFGHIJKLMNOP", "aws_secret_access_key": "x", "aws_session_token": "y"}
    stranger = boto3.client("sagemaker", region_name="us-east-1", endpoint_url=cloud.endpoint, **keys)
    with pytest.raises(ClientError, match="security token included in the request is invalid"):
        stranger.list_training_jobs()


def test_an_explicit_deny_is_worded_as_such():
    text = permissions.denial_of("sagemaker", "sagemaker:StopTrainingJob", "arn:x", "arn:y", True)
    assert text.endswith("on resource: arn:y with an explicit deny in an identity-based policy")
