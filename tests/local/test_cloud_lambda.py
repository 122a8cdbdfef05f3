"""Functions run as on Lambda: AWS's runtime client, a clean environment, the role's credentials, limits, errors."""

import base64
import concurrent.futures
import io
import json
import os
import time
import urllib.error
import urllib.request
import zipfile

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local.cloud import Cloud
from tests.local.cloud_harness import client, make_cloud, make_role, received, until

CODE = """
import json, os, sys, time
import boto3
import greeting

class OutOfPatience(Exception):
    pass

COUNT = 0

def handler(event, context):
    global COUNT
    COUNT += 1
    print("event", json.dumps(event))
    do = event.get("do", "")
    if do == "raise":
        raise OutOfPatience("enough")
    if do == "exit":
        os._exit(3)
    if do == "sleep":
        time.sleep(event["seconds"])
    if do == "import":
        __import__(event["module"])
    if do == "put":
        boto3.client("s3").put_object(Bucket="lambda-test", Key=event["key"], Body=b"")
    return {"count": COUNT, "pid": os.getpid(), "env": dict(os.environ), "hello": greeting.HELLO,
            "arn": context.invoked_function_arn, "left": context.get_remaining_time_in_millis()}
"""


def packed(**files: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "/") + ".py", text)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def cloud(tmp_path_factory) -> Cloud:
    os.environ["HOST_SECRET"] = "must not leak"
    with make_cloud(tmp_path_factory.mktemp("cloud")) as made:
        client(made, "s3").create_bucket(Bucket="lambda-test")
        allowed = ("s3:PutObject", "arn:aws:s3:::lambda-test/ok/*")
        role = make_role(made, "function", "lambda.amazonaws.com", allowed)
        functions = client(made, "lambda")
        layer = functions.publish_layer_version(
            LayerName="words", Content={"ZipFile": packed(python__greeting="HELLO = 'from the layer'")}
        )["LayerVersionArn"]
        create = {"Runtime": "python3.11", "Role": role, "Handler": "app.handler", "Layers": [layer],
                  "Environment": {"Variables": {"COLOUR": "green"}}, "MemorySize": 256}  # fmt: skip
        functions.create_function(FunctionName="probe", Timeout=30, Code={"ZipFile": packed(app=CODE)}, **create)
        functions.create_function(FunctionName="hasty", Timeout=1, Code={"ZipFile": packed(app=CODE)}, **create)
        broken = {"ZipFile": packed(app="import nowhere_to_be_found")}
        functions.create_function(FunctionName="broken", Timeout=30, Code=broken, **create)
        until(lambda: functions.get_function(FunctionName="broken")["Configuration"]["State"] == "Active")
        yield made
    del os.environ["HOST_SECRET"]


def invoke(cloud: Cloud, name: str, **event) -> tuple[str | None, dict]:
    answer = client(cloud, "lambda").invoke(FunctionName=name, Payload=json.dumps(event))
    return answer.get("FunctionError"), json.loads(answer["Payload"].read())


def test_the_environment_is_lambdas_own(cloud):
    error, said = invoke(cloud, "probe")
    assert error is None
    env = said["env"]
    assert env["COLOUR"] == "green"
    assert env["AWS_LAMBDA_FUNCTION_NAME"] == "probe"
    assert env["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert env["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.11"
    assert env["AWS_ENDPOINT_URL"] == cloud.endpoint
    assert env["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert "HOST_SECRET" not in env and "VIRTUAL_ENV" not in env
    assert said["hello"] == "from the layer"
    assert said["arn"].endswith(":function:probe")
    assert 20_000 < said["left"] <= 30_000


def test_a_sandbox_is_reused_and_made_anew_for_new_code(cloud):
    first, second = invoke(cloud, "probe")[1], invoke(cloud, "probe")[1]
    assert second["pid"] == first["pid"] and second["count"] == first["count"] + 1
    client(cloud, "lambda").update_function_configuration(
        FunctionName="probe", Environment={"Variables": {"COLOUR": "red"}}
    )
    third = invoke(cloud, "probe")[1]
    assert third["pid"] != first["pid"] and third["env"]["COLOUR"] == "red"
    client(cloud, "lambda").update_function_configuration(
        FunctionName="probe", Environment={"Variables": {"COLOUR": "green"}}
    )


def test_an_exception_keeps_its_class_name(cloud):
    error, said = invoke(cloud, "probe", do="raise")
    assert error == "Unhandled"
    assert (said["errorType"], said["errorMessage"]) == ("OutOfPatience", "enough")
    assert "handler" in "".join(said["stackTrace"])


def test_an_import_error_is_an_init_error(cloud):
    error, said = invoke(cloud, "broken")
    assert (error, said["errorType"]) == ("Unhandled", "Runtime.ImportModuleError")
    assert "nowhere_to_be_found" in said["errorMessage"]


def test_a_dead_process_is_told_and_replaced(cloud):
    error, said = invoke(cloud, "probe", do="exit")
    assert (error, said["errorType"]) == ("Unhandled", "Runtime.ExitError")
    assert said["errorMessage"].endswith("Runtime exited with error: exit status 3")
    assert invoke(cloud, "probe")[0] is None


def test_a_slow_handler_is_killed_at_its_timeout(cloud):
    error, said = invoke(cloud, "hasty", do="sleep", seconds=20)
    assert (error, said["errorType"]) == ("Unhandled", "Sandbox.Timedout")
    assert "Task timed out after 1.00 seconds" in said["errorMessage"]


@pytest.mark.parametrize("module", ["local.cloud", "toolsmith", "ministack", "torch", "pytest"])
def test_a_function_imports_only_its_own_code_its_layers_and_boto3(cloud, module):
    assert invoke(cloud, "probe", do="import", module=module)[1]["errorType"] == "ModuleNotFoundError"


def test_what_the_role_does_not_grant_is_denied(cloud):
    assert invoke(cloud, "probe", do="put", key="ok/1")[0] is None
    error, said = invoke(cloud, "probe", do="put", key="secret/1")
    assert (error, said["errorType"]) == ("Unhandled", "AccessDenied")
    expected = 'not authorized to perform: s3:PutObject on resource: "arn:aws:s3:::lambda-test/secret/1"'
    assert expected in said["errorMessage"]
    assert "assumed-role/function/probe" in said["errorMessage"]


def test_without_reservation_invocations_queue_for_four_sandboxes(cloud):
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: invoke(cloud, "probe", do="sleep", seconds=0.2), range(10)))
    assert [error for error, _ in answers] == [None] * 10
    assert 1 < len({said["pid"] for _, said in answers}) <= 4


def test_a_reserved_function_is_throttled(cloud):
    functions = client(cloud, "lambda")
    functions.put_function_concurrency(FunctionName="probe", ReservedConcurrentExecutions=1)
    try:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            busy = pool.submit(invoke, cloud, "probe", do="sleep", seconds=2)
            time.sleep(0.5)
            with pytest.raises(functions.exceptions.TooManyRequestsException):
                client(cloud, "lambda", attempts=1).invoke(FunctionName="probe", Payload="{}")
            assert busy.result()[0] is None
    finally:
        functions.delete_function_concurrency(FunctionName="probe")


def test_all_that_was_written_is_in_the_log_when_the_answer_comes(cloud):
    for number in range(60):
        tail = client(cloud, "lambda").invoke(
            FunctionName="probe", LogType="Tail", Payload=json.dumps({"do": "remark", "number": number})
        )["LogResult"]
        assert f'"number": {number}}}' in base64.b64decode(tail).decode()


def test_output_reaches_the_log(cloud):
    invoke(cloud, "probe", do="remark", number=4711)
    logs = client(cloud, "logs")
    found = until(lambda: logs.filter_log_events(logGroupName="/aws/lambda/probe", filterPattern='"4711"')["events"])
    stream = found[0]["logStreamName"]
    lines = logs.get_log_events(logGroupName="/aws/lambda/probe", logStreamName=stream)["events"]
    text = "\n".join(line["message"] for line in lines)
    assert 'event {"do": "remark", "number": 4711}' in text
    assert "START RequestId" in text and "REPORT RequestId" in text and "Max Memory Used" in text


def test_an_event_that_a_function_fails_on_is_tried_three_times_and_kept(cloud):
    """The rule's own dead letters are for what never reached the function: as on Lambda, these are the function's."""
    functions, events, sqs = client(cloud, "lambda"), client(cloud, "events"), client(cloud, "sqs")
    url = sqs.create_queue(QueueName="failed-events")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    functions.put_function_event_invoke_config(
        FunctionName="probe", MaximumRetryAttempts=2, DestinationConfig={"OnFailure": {"Destination": arn}}
    )
    probe = functions.get_function(FunctionName="probe")["Configuration"]["FunctionArn"]
    events.put_rule(Name="to-probe", EventPattern='{"source": ["test"]}')
    given = {"do": "raise", "number": 815}
    events.put_targets(Rule="to-probe", Targets=[{"Id": "probe", "Arn": probe, "Input": json.dumps(given)}])
    events.put_events(Entries=[{"Source": "test", "DetailType": "Probed", "Detail": "{}"}])
    kept = received(cloud, url)
    assert kept["requestPayload"] == given and kept["responsePayload"]["errorType"] == "OutOfPatience"
    assert kept["requestContext"]["condition"] == "RetriesExhausted"
    logs = client(cloud, "logs").filter_log_events(logGroupName="/aws/lambda/probe", filterPattern='"event"')["events"]
    assert len([line for line in logs if json.dumps(given) in line["message"]]) == 3


def posted(cloud: Cloud, url: str, keys: dict[str, str], body: bytes = b'{"q": 1}') -> tuple[int, str]:
    """Status and body of a signed POST to a function URL."""
    request = AWSRequest("POST", url, headers={"content-type": "application/json"}, data=body)
    SigV4Auth(Credentials(*keys.values()), "lambda", "us-east-1").add_auth(request)
    wire = urllib.request.Request(url, body, dict(request.headers), method="POST")
    try:
        with urllib.request.urlopen(wire, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_function_url_takes_signed_requests_of_those_who_may_call_it(cloud):
    functions, sts = client(cloud, "lambda"), client(cloud, "sts")
    functions.create_function_url_config(FunctionName="probe", AuthType="AWS_IAM")
    url = functions.get_function_url_config(FunctionName="probe")["FunctionUrl"]
    assert url.startswith(cloud.endpoint)
    root = {name: cloud.env()[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    status, text = posted(cloud, url, root)
    assert (status, json.loads(text)["hello"]) == (200, "from the layer")
    heard = next(line for line in reversed(log_of(cloud, "probe")) if line.startswith("event "))
    event = json.loads(heard.removeprefix("event "))
    assert (event["version"], event["body"], event["isBase64Encoded"]) == ("2.0", '{"q": 1}', False)
    assert event["requestContext"]["http"]["method"] == "POST"
    assert posted(cloud, url, {**root, "AWS_SECRET_ACCESS_KEY": "wrong"})[0] == 403
    arn = functions.get_function(FunctionName="probe")["Configuration"]["FunctionArn"]
    account = "arn:aws:iam::123456789012:root"
    for name, allowed, expected in (("caller", ("lambda:InvokeFunctionUrl", arn), 200), ("other", ("s3:*", "*"), 403)):
        role = make_role(cloud, name, account, allowed)
        keys = sts.assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
        del keys["Expiration"]
        assert posted(cloud, url, keys)[0] == expected


def log_of(cloud: Cloud, name: str) -> list[str]:
    return [event["message"] for event in client(cloud, "logs").filter_log_events(
        logGroupName=f"/aws/lambda/{name}")["events"]]  # fmt: skip
