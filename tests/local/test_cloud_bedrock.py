"""Bedrock: import, deployment, Converse with the imported weights, batch inference, names, states, errors."""

import json

import pytest
from botocore.exceptions import ClientError

from local.cloud import Cloud
from tests.local.cloud_harness import client, make_cloud, make_role, until

TEACHER = "toolsmith.embedded-teacher-v1"
STUDENT = "toolsmith.embedded-student-v1"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory) -> Cloud:
    base = tmp_path_factory.mktemp("base")
    (base / "weights.json").write_text('{"step": 0}')
    with make_cloud(tmp_path_factory.mktemp("cloud"), student=base, idle=1.0, pace=2.0) as made:
        s3 = client(made, "s3")
        s3.create_bucket(Bucket="models")
        for step in (3, 4):
            body = json.dumps({"step": step}).encode()
            s3.put_object(Bucket="models", Key=f"job/step_{step}/weights.json", Body=body)
        yield made


@pytest.fixture(scope="module")
def role(cloud) -> str:
    return make_role(
        cloud, "importer", "bedrock.amazonaws.com",
        ("s3:*", ["arn:aws:s3:::models", "arn:aws:s3:::models/*"]),
    )  # fmt: skip


def create(cloud: Cloud, role: str, name: str, source: str = "s3://models/job/step_3", **more) -> str:
    place = {"s3DataSource": {"s3Uri": source}}
    return client(cloud, "bedrock").create_custom_model(
        modelName=name, roleArn=role, modelSourceConfig=place, **more
    )["modelArn"]  # fmt: skip


def active(cloud: Cloud, arn: str) -> dict:
    bedrock = client(cloud, "bedrock")

    def look() -> dict | None:
        model = bedrock.get_custom_model(modelIdentifier=arn)
        return model if model["modelStatus"] != "Creating" else None

    return until(look)


def deployed(cloud: Cloud, name: str, model: str) -> str:
    bedrock = client(cloud, "bedrock")
    arn = bedrock.create_custom_model_deployment(modelDeploymentName=name, modelArn=model)["customModelDeploymentArn"]
    get = bedrock.get_custom_model_deployment
    until(lambda: get(customModelDeploymentIdentifier=arn)["status"] == "Active")
    return arn


def say(cloud: Cloud, model: str, text: str, attempts: int = 3, **more) -> dict:
    messages = [{"role": "user", "content": [{"text": text}]}]
    return client(cloud, "bedrock-runtime", attempts=attempts).converse(modelId=model, messages=messages, **more)


def text_of(answer: dict) -> str:
    return answer["output"]["message"]["content"][0]["text"]


def test_a_model_is_imported_deployed_and_answers_with_its_weights(cloud, role):
    arn = create(cloud, role, "first", modelTags=[{"key": "run", "value": "r1"}])
    bedrock = client(cloud, "bedrock")
    assert bedrock.get_custom_model(modelIdentifier="first")["modelStatus"] == "Creating"
    with pytest.raises(ClientError, match="is Creating, not Active"):
        bedrock.create_custom_model_deployment(modelDeploymentName="early", modelArn=arn)
    model = active(cloud, arn)
    assert (model["modelStatus"], model["customizationType"]) == ("Active", "IMPORTED")
    assert bedrock.list_tags_for_resource(resourceARN=arn)["tags"] == [{"key": "run", "value": "r1"}]
    deployment = deployed(cloud, "first", arn)
    assert text_of(say(cloud, deployment, "hello")).startswith("step 3")
    second = create(cloud, role, "second", "s3://models/job/step_4/")
    active(cloud, second)
    bedrock.update_custom_model_deployment(customModelDeploymentIdentifier=deployment, modelArn=second)
    until(lambda: text_of(say(cloud, deployment, "hello")).startswith("step 4"))
    details = bedrock.get_custom_model_deployment(customModelDeploymentIdentifier="first")["updateDetails"]
    assert details == {"modelArn": second, "updateStatus": "UpdateCompleted"}


def test_a_deployment_that_is_not_ready_says_so(cloud, role):
    arn = create(cloud, role, "slow")
    active(cloud, arn)
    bedrock = client(cloud, "bedrock")
    made = bedrock.create_custom_model_deployment(modelDeploymentName="slow", modelArn=arn)["customModelDeploymentArn"]
    with pytest.raises(ClientError, match="ModelNotReadyException"):
        say(cloud, made, "hello", attempts=1)


def test_names_and_tokens(cloud, role):
    token = "t-1"
    arn = create(cloud, role, "named", clientRequestToken=token)
    assert create(cloud, role, "named", clientRequestToken=token) == arn
    with pytest.raises(ClientError, match="ConflictException"):
        create(cloud, role, "named")
    with pytest.raises(ClientError, match="ConflictException"):
        create(cloud, role, "other", clientRequestToken=token)
    active(cloud, arn)
    deployed(cloud, "named", arn)
    with pytest.raises(ClientError, match="ConflictException"):
        client(cloud, "bedrock").create_custom_model_deployment(modelDeploymentName="named", modelArn=arn)
    with pytest.raises(ClientError, match="ConflictException"):
        client(cloud, "bedrock").delete_custom_model(modelIdentifier=arn)
    client(cloud, "bedrock").delete_custom_model_deployment(customModelDeploymentIdentifier="named")
    client(cloud, "bedrock").delete_custom_model(modelIdentifier=arn)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        client(cloud, "bedrock").get_custom_model(modelIdentifier=arn)


def test_the_source_must_exist_and_be_readable_by_the_role(cloud, role):
    with pytest.raises(ClientError, match="holds no model files"):
        create(cloud, role, "nothing", "s3://models/none/step_1")
    with pytest.raises(ClientError, match="holds no model files"):
        create(cloud, role, "job-folder", "s3://models/job")
    blind = make_role(cloud, "blind", "bedrock.amazonaws.com", ("s3:GetObject", "*"))
    with pytest.raises(ClientError, match="Could not access the S3 location.*s3:ListBucket"):
        create(cloud, blind, "unread")
    foreign = make_role(cloud, "foreign", "sagemaker.amazonaws.com", ("s3:*", "*"))
    with pytest.raises(ClientError, match="Could not assume role"):
        create(cloud, foreign, "untrusted")


def test_the_embedded_models_answer(cloud):
    answer = say(cloud, TEACHER, "say it", system=[{"text": "loudly"}], inferenceConfig={"maxTokens": 50})
    assert (text_of(answer), answer["stopReason"]) == ("SAY IT", "end_turn")
    assert answer["usage"] == {"inputTokens": 6, "outputTokens": 3, "totalTokens": 9}
    assert text_of(say(cloud, STUDENT, "x")).startswith("step 0")
    assert text_of(say(cloud, f"arn:aws:bedrock:us-east-1::foundation-model/{TEACHER}", "arn")) == "ARN"


def test_limits_of_an_answer(cloud):
    tools = {"tools": [{"toolSpec": {"name": "search", "inputSchema": {"json": {"type": "object"}}}}]}
    cut = say(cloud, TEACHER, "one two", toolConfig=tools, inferenceConfig={"stopSequences": ["TWO"]})
    assert (text_of(cut), cut["stopReason"]) == ("ONE ", "stop_sequence")
    assert say(cloud, TEACHER, "long", inferenceConfig={"maxTokens": 3})["stopReason"] == "max_tokens"


@pytest.mark.parametrize(
    ("model", "text", "code"),
    [
        ("amazon.nova-premier-v1:0", "hi", "ValidationException"),
        ("arn:aws:bedrock:us-east-1:123456789012:custom-model-deployment/000000000000", "hi", "ResourceNotFound"),
        (TEACHER, "busy", "ThrottlingException"),
        (TEACHER, "  ", "ValidationException"),
    ],
)
def test_errors_have_the_real_names(cloud, model, text, code):
    with pytest.raises(ClientError, match=code):
        say(cloud, model, text, attempts=1)


def test_a_conversation_must_alternate(cloud):
    turns = [{"role": "user", "content": [{"text": "a"}]}, {"role": "user", "content": [{"text": "b"}]}]
    with pytest.raises(ClientError, match="must alternate"):
        client(cloud, "bedrock-runtime").converse(modelId=TEACHER, messages=turns)
    with pytest.raises(ClientError, match="doesn't support the image content block"):
        image = {"image": {"format": "png", "source": {"bytes": b"x"}}}
        client(cloud, "bedrock-runtime").converse(modelId=TEACHER, messages=[{"role": "user", "content": [image]}])


def test_a_model_server_is_reused_stopped_when_idle_and_replaced_when_broken(cloud):
    def pid() -> str:
        return text_of(say(cloud, STUDENT, "x")).split()[3]

    first = pid()
    assert pid() == first
    with pytest.raises(ClientError, match="ModelErrorException.*the weights are broken"):
        say(cloud, STUDENT, "die", attempts=1)
    second = pid()
    assert second != first
    until(lambda: not running(second.rstrip(":")), 10)
    assert pid() != second


def running(pid: str) -> bool:
    from pathlib import Path

    return Path(f"/proc/{pid}").exists()


def batch(cloud: Cloud, role: str, name: str, lines: list[str], **more) -> dict:
    client(cloud, "s3").put_object(Bucket="models", Key=f"in/{name}.jsonl", Body="\n".join(lines).encode())
    bedrock = client(cloud, "bedrock")
    arn = bedrock.create_model_invocation_job(
        jobName=name, roleArn=role, modelId=TEACHER, **{"modelInvocationType": "Converse", **more},
        inputDataConfig={"s3InputDataConfig": {"s3Uri": f"s3://models/in/{name}.jsonl", "s3InputFormat": "JSONL"}},
        outputDataConfig={"s3OutputDataConfig": {"s3Uri": "s3://models/out/"}},
    )["jobArn"]  # fmt: skip
    going = ("Submitted", "Validating", "Scheduled", "InProgress")
    return until(
        lambda: job if (job := bedrock.get_model_invocation_job(jobIdentifier=arn))["status"] not in going else None
    )


def line(number: int, text: str) -> str:
    body = {"messages": [{"role": "user", "content": [{"text": text}]}], "inferenceConfig": {"maxTokens": 100}}
    return json.dumps({"recordId": f"r{number}", "modelInput": body})


def test_a_batch_is_answered_by_the_model(cloud, role):
    job = batch(cloud, role, "whole", [line(n, f"question {n}") for n in range(20)])
    assert job["status"] == "Completed"
    key = f"out/{job['jobArn'].rpartition('/')[2]}/"
    s3 = client(cloud, "s3")
    written = s3.get_object(Bucket="models", Key=key + "whole.jsonl.out")["Body"].read().decode().splitlines()
    answers = {row["recordId"]: text_of(row["modelOutput"]) for row in map(json.loads, written)}
    assert answers == {f"r{n}": f"QUESTION {n}" for n in range(20)}
    manifest = json.loads(s3.get_object(Bucket="models", Key=key + "manifest.json.out")["Body"].read())
    assert (manifest["successRecordCount"], manifest["errorRecordCount"]) == (20, 0)


def test_a_batch_tells_what_failed(cloud, role):
    job = batch(cloud, role, "partial", [line(1, "fine"), line(2, "busy")])
    assert job["status"] == "PartiallyCompleted"
    key = f"out/{job['jobArn'].rpartition('/')[2]}/partial.jsonl.out"
    rows = client(cloud, "s3").get_object(Bucket="models", Key=key)["Body"].read().decode().splitlines()
    assert [json.loads(row).get("error", {}).get("errorCode") for row in rows] == [None, 429]
    broken = batch(cloud, role, "broken", [line(1, "fine"), "{no json"])
    assert broken["status"] == "Failed" and "line 2 is not JSON" in broken["message"]
    with pytest.raises(ClientError, match="Converse only"):
        batch(cloud, role, "invoke", [line(1, "x")], modelInvocationType="InvokeModel")


def test_foundation_models_tell_their_lifecycle(cloud):
    bedrock = client(cloud, "bedrock")
    details = bedrock.get_foundation_model(modelIdentifier=TEACHER)["modelDetails"]
    assert details["modelLifecycle"]["status"] == "ACTIVE"
    listed = {model["modelId"] for model in bedrock.list_foundation_models()["modelSummaries"]}
    assert listed == {TEACHER, STUDENT}
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        bedrock.get_foundation_model(modelIdentifier="amazon.nova-premier-v1:0")


def test_quotas_are_read(cloud):
    quotas = client(cloud, "service-quotas")
    found = quotas.list_service_quotas(ServiceCode="sagemaker")["Quotas"]
    assert any(q["QuotaName"] == "ml.p5.48xlarge for training job usage" and q["Value"] >= 4 for q in found)
    one = quotas.get_service_quota(ServiceCode="lambda", QuotaCode="L-B99A9384")["Quota"]
    assert one["Value"] == 1000
