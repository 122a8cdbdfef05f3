"""Calls to services: what is sent, what comes back, error names, jobs, tokens, time limits."""

import datetime
import json
import threading
import time

import pytest

from local.states import ApiError, StateError
from tests.local.states_bench import ROLE, Bench, Cloud, end, fault, function, inner, invoke, wait_for

NOW = datetime.datetime(2026, 3, 1, 12, 0, tzinfo=datetime.UTC)
ARN = "arn:aws:states:::"


def task(resource: str, arguments: dict, **fields) -> dict:
    return {"Type": "Task", "Resource": ARN + resource, "Arguments": arguments, "End": True, **fields}


# -- optimised integrations ----------------------------------------------------------------------------------------
def test_an_invocation_has_status_and_metadata():
    result = Bench(Cloud(lambda__invoke=function(lambda p: p))).output({"S": task(
        "lambda:invoke", {"FunctionName": "f", "Payload": {"a": "{% 1 + 1 %}"}})})
    assert result["Payload"] == {"a": 2}
    assert (result["StatusCode"], result["ExecutedVersion"]) == (200, "$LATEST")


def test_calls_are_made_with_the_role_of_the_machine():
    bench = Bench(Cloud(lambda__invoke=function(lambda p: p)))
    bench.output({"S": invoke()})
    assert bench.cloud.roles == {ROLE}


def test_put_events_sends_detail_as_text_and_names_the_execution():
    cloud = Cloud(events__put_events=lambda Entries: {"FailedEntryCount": 0, "Entries": [{"EventId": "e1"}]})
    bench = Bench(cloud)
    found = bench.run({"S": task("events:putEvents", {"Entries": [
        {"Source": "s", "DetailType": "t", "Detail": {"a": "{% $states.input.a %}"}}]})}, {"a": 1})
    entry = cloud.requests("events.put_events")[0]["Entries"][0]
    assert json.loads(entry["Detail"]) == {"a": 1}
    assert entry["Resources"] == [found["executionArn"], found["stateMachineArn"]]
    assert found["output"]["Entries"] == [{"EventId": "e1"}]


def test_an_entry_the_bus_refuses_fails_the_task():
    refused = {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]}
    cloud = Cloud(events__put_events=lambda Entries: refused)
    entry = {"Source": "s", "DetailType": "t", "Detail": {}}
    assert Bench(cloud).error({"S": task("events:putEvents", {"Entries": [entry]})}) == "EventBridge.FailedEntry"


def test_queue_and_topic_take_objects_as_text():
    cloud = Cloud(sqs__send_message=lambda **_: {"MessageId": "m"}, sns__publish=lambda **_: {"MessageId": "n"})
    bench = Bench(cloud)
    bench.output({"S": task("sqs:sendMessage", {"QueueUrl": "q", "MessageBody": {"a": 1}}, Next="T", End=False),
                  "T": task("sns:publish", {"TopicArn": "t", "Message": {"b": 2}})})
    assert cloud.requests("sqs.send_message")[0]["MessageBody"] == '{"a":1}'
    assert cloud.requests("sns.publish")[0]["Message"] == '{"b":2}'


def test_a_table_item_round_trips():
    cloud = Cloud(dynamodb__get_item=lambda **_: {"Item": {"Id": {"S": "x"}, "Flag": {"BOOL": True}}})
    item = Bench(cloud).output({"S": task("dynamodb:getItem", {"TableName": "t", "Key": {"Id": {"S": "x"}}})})["Item"]
    assert item == {"Id": {"S": "x"}, "Flag": {"BOOL": True}}


def test_start_execution_and_wait_for_it():
    bench = Bench()
    child = bench.machine({"A": end("Pass", Output={"twice": "{% $states.input.n * 2 %}"})}, name="child")
    result = bench.output({"S": task("states:startExecution.sync:2", {
        "StateMachineArn": child, "Input": {"n": "{% $states.input.n %}"}})}, {"n": 4})
    assert (result["Status"], result["Output"], result["Input"]) == ("SUCCEEDED", {"twice": 8}, {"n": 4})


def test_a_child_execution_that_fails_is_the_cause():
    bench = Bench()
    child = bench.machine({"A": end("Fail", Error="Inner", Cause="deep")}, name="child")
    found = bench.run({"S": task("states:startExecution.sync:2", {"StateMachineArn": child})})
    assert found["error"] == "States.TaskFailed"
    assert json.loads(found["cause"])["Error"] == "Inner"


# -- AWS SDK integrations ------------------------------------------------------------------------------------------
def test_members_are_pascal_case_both_ways_and_times_are_text():
    cloud = Cloud(bedrock__get_custom_model=lambda modelIdentifier: {
        "modelArn": "arn:m", "modelName": modelIdentifier, "creationTime": NOW,
        "validationMetrics": [{"validationLoss": 0.5}]})
    result = Bench(cloud).output({"S": task("aws-sdk:bedrock:getCustomModel", {"ModelIdentifier": "m"})})
    assert result == {"ModelArn": "arn:m", "ModelName": "m", "CreationTime": "2026-03-01T12:00:00Z",
                      "ValidationMetrics": [{"ValidationLoss": 0.5}]}


def test_an_object_body_may_be_json():
    cloud = Cloud(s3__put_object=lambda **_: {"ETag": "e"})
    Bench(cloud).output({"S": task("aws-sdk:s3:putObject", {"Bucket": "b", "Key": "k", "Body": {"a": [1]}})})
    assert cloud.requests("s3.put_object")[0]["Body"] == b'{"a":[1]}'


CUSTOMIZATION = {"JobName": "j-1", "CustomModelName": "m-1", "RoleArn": "arn:aws:iam::000000000000:role/customize",
                 "BaseModelIdentifier": "amazon.nova-2-lite-v1:0:256k", "TrainingDataConfig": {"S3Uri": "s3://b/k"},
                 "OutputDataConfig": {"S3Uri": "s3://b/o"}}


@pytest.mark.parametrize(("resource", "arguments", "method", "code", "name"), [
    ("aws-sdk:s3:getObject", {"Bucket": "b", "Key": "k"}, "s3.get_object", "NoSuchKey", "S3.NoSuchKeyException"),
    ("aws-sdk:s3:getObject", {"Bucket": "b", "Key": "k"}, "s3.get_object", "AccessDenied", "S3.S3Exception"),
    ("aws-sdk:bedrock:getCustomModel", {"ModelIdentifier": "m"}, "bedrock.get_custom_model", "AccessDeniedException",
     "Bedrock.AccessDeniedException"),
    ("aws-sdk:ssm:putParameter", {"Name": "n", "Value": "v"}, "ssm.put_parameter", "ParameterAlreadyExists",
     "Ssm.ParameterAlreadyExistsException"),
    ("aws-sdk:sfn:stopExecution", {"ExecutionArn": "a"}, "stepfunctions.stop_execution", "ExecutionDoesNotExist",
     "Sfn.ExecutionDoesNotExistException"),
    ("lambda:invoke", {"FunctionName": "f"}, "lambda.invoke", "TooManyRequestsException",
     "Lambda.TooManyRequestsException"),
    ("lambda:invoke", {"FunctionName": "f"}, "lambda.invoke", "AccessDeniedException", "Lambda.AWSLambdaException"),
    ("sagemaker:createTrainingJob.sync", None, "sagemaker.create_training_job", "ResourceInUse",
     "SageMaker.ResourceInUseException"),
    ("sagemaker:createTrainingJob.sync", None, "sagemaker.create_training_job", "ThrottlingException",
     "SageMaker.AmazonSageMakerException"),
    ("bedrock:createModelCustomizationJob.sync", CUSTOMIZATION, "bedrock.create_model_customization_job",
     "ConflictException", "Bedrock.ConflictException"),
    ("dynamodb:putItem", {"TableName": "t", "Item": {}}, "dynamodb.put_item", "ConditionalCheckFailedException",
     "DynamoDB.ConditionalCheckFailedException"),
])
def test_error_names(resource, arguments, method, code, name):
    def refuse(**_):
        raise fault(code)

    bench = Bench(Cloud())
    bench.cloud.on(method, refuse)
    assert bench.error({"S": task(resource, arguments or JOB)}) == name


def test_an_argument_the_api_does_not_have_is_an_error_of_the_runtime():
    found = Bench().run({"S": end("Task", Resource=ARN + "aws-sdk:s3:putObject", Arguments="{% {'bucket': 'b'} %}")})
    assert found["error"] == "States.Runtime" and "'bucket' is not supported" in found["cause"]


# -- training jobs -------------------------------------------------------------------------------------------------
JOB = {"TrainingJobName": "job-1", "RoleArn": "arn:aws:iam::000000000000:role/training",
       "AlgorithmSpecification": {"TrainingInputMode": "File", "TrainingImage": "image"},
       "OutputDataConfig": {"S3OutputPath": "s3://b/o"}, "StoppingCondition": {"MaxRuntimeInSeconds": 60},
       "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}}
TRAIN = "sagemaker:createTrainingJob.sync"


def training(*statuses: str) -> Cloud:
    """A SageMaker whose job shows these statuses one after the other, the last for good."""
    left = list(statuses)

    def describe(TrainingJobName):
        status = left.pop(0) if len(left) > 1 else left[0]
        return {"TrainingJobName": TrainingJobName, "TrainingJobArn": "arn:j", "TrainingJobStatus": status,
                "CreationTime": NOW, "FailureReason": "AlgorithmError" if status == "Failed" else "",
                "ModelArtifacts": {"S3ModelArtifacts": "s3://b/o/model.tar.gz"}, "SecondaryStatus": "Training"}

    return Cloud(sagemaker__create_training_job=lambda **_: {"TrainingJobArn": "arn:j"},
                 sagemaker__describe_training_job=describe, sagemaker__stop_training_job=lambda **_: {})


def test_a_training_job_is_polled_until_it_completes():
    bench = Bench(training("InProgress", "InProgress", "Completed"))
    found = bench.run({"S": task(TRAIN, JOB)})
    assert found["output"]["TrainingJobStatus"] == "Completed"
    assert found["output"]["ModelArtifacts"]["S3ModelArtifacts"].startswith("s3://")
    assert found["output"]["CreationTime"] == round(NOW.timestamp() * 1000)
    assert bench.types(found["executionArn"])[2:6] == ["TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded"]


def test_a_customization_job_is_polled_by_its_name_until_it_completes():
    left = ["InProgress", "Stopping", "Completed"]
    cloud = Cloud(bedrock__create_model_customization_job=lambda **_: {"jobArn": "arn:c"},
                  bedrock__get_model_customization_job=lambda jobIdentifier: {
                      "jobName": jobIdentifier, "status": left.pop(0), "outputModelArn": "arn:m"})
    found = Bench(cloud).run({"S": task("bedrock:createModelCustomizationJob.sync", CUSTOMIZATION)})
    assert found["output"] == {"JobName": "j-1", "Status": "Completed", "OutputModelArn": "arn:m"}


@pytest.mark.parametrize("status", ["Failed", "Stopped"])
def test_a_training_job_that_does_not_complete_fails_with_its_description(status):
    found = Bench(training("InProgress", status)).run({"S": task(TRAIN, JOB)})
    assert found["error"] == "States.TaskFailed"
    assert json.loads(found["cause"])["TrainingJobStatus"] == status


def test_a_name_that_is_taken_is_not_taken_over():
    cloud = training("Completed")

    def taken(**_):
        raise fault("ResourceInUse")

    cloud.on("sagemaker.create_training_job", taken)
    assert Bench(cloud).error({"S": task(TRAIN, JOB)}) == "SageMaker.ResourceInUseException"


def test_stopping_the_execution_stops_the_job():
    bench = Bench(training("InProgress"))
    arn = bench.start({"S": task(TRAIN, JOB)})
    wait_for(lambda: "TaskSubmitted" in bench.types(arn))
    bench.engine.stop_execution(arn)
    assert bench.ended(arn)["status"] == "ABORTED"
    wait_for(lambda: bench.cloud.requests("sagemaker.stop_training_job") == [{"TrainingJobName": "job-1"}])


def test_a_job_that_takes_too_long_is_stopped():
    bench = Bench(training("InProgress"))
    assert bench.error({"S": task(TRAIN, JOB, TimeoutSeconds=1)}) == "States.Timeout"
    assert bench.cloud.requests("sagemaker.stop_training_job")


# -- time limits and tokens ----------------------------------------------------------------------------------------


def test_a_call_that_takes_too_long_times_out_and_can_be_caught():
    never = threading.Event()
    bench = Bench(Cloud(lambda__invoke=function(lambda p: never.wait(20))))
    state = invoke(TimeoutSeconds="{% 1 %}", Catch=[{"ErrorEquals": ["States.TaskFailed"], "Next": "A"},
                                                    {"ErrorEquals": ["States.Timeout"], "Next": "B"}])
    arn = bench.start({"S": state, "A": end("Pass", Output="failed"), "B": end("Pass", Output="late")})
    assert bench.ended(arn)["output"] == "late"
    assert "TaskTimedOut" in bench.types(arn)
    never.set()


def token_task(**fields) -> dict:
    return task("sqs:sendMessage.waitForTaskToken", {
        "QueueUrl": "q", "MessageBody": {"token": "{% $states.context.Task.Token %}"}}, **fields)


def waiting(**fields) -> tuple[Bench, str, str]:
    """A bench with an execution that waits for its token: (bench, execution, token)."""
    bench = Bench(Cloud(sqs__send_message=lambda **_: {"MessageId": "m"}))
    arn = bench.start({"S": token_task(**fields)})
    wait_for(lambda: "TaskSubmitted" in bench.types(arn))
    return bench, arn, json.loads(bench.cloud.requests("sqs.send_message")[0]["MessageBody"])["token"]


def test_a_token_ends_the_task_with_its_output():
    bench, arn, token = waiting()
    bench.engine.handle("SendTaskSuccess", {"taskToken": token, "output": '{"ok": true}'})
    assert bench.ended(arn)["output"] == {"ok": True}
    with pytest.raises(ApiError) as error:
        bench.engine.send_task_success(token, "{}")
    assert error.value.code == "TaskTimedOut"


def test_a_token_can_fail_the_task():
    bench, arn, token = waiting()
    bench.engine.handle("SendTaskFailure", {"taskToken": token, "error": "Refused", "cause": "by hand"})
    found = bench.ended(arn)
    assert (found["error"], found["cause"]) == ("Refused", "by hand")


def test_a_heartbeat_keeps_the_task_alive_and_its_absence_ends_it():
    bench, arn, token = waiting(HeartbeatSeconds=2)
    for _ in range(2):
        time.sleep(1.2)
        bench.engine.handle("SendTaskHeartbeat", {"taskToken": token})
    assert bench.engine.describe_execution(arn)["status"] == "RUNNING"
    assert bench.ended(arn)["error"] == "States.HeartbeatTimeout"


def test_unknown_tokens_and_bad_output_are_refused():
    bench, arn, token = waiting()
    for action, payload, code in (("SendTaskSuccess", {"taskToken": "no", "output": "1"}, "TaskDoesNotExist"),
                                  ("SendTaskSuccess", {"taskToken": token, "output": "{"}, "InvalidOutput")):
        with pytest.raises(ApiError) as error:
            bench.engine.handle(action, payload)
        assert error.value.code == code
    bench.engine.stop_execution(arn)


# -- injected faults -----------------------------------------------------------------------------------------------
def test_the_fault_hook_sees_every_call_and_may_fail_it():
    seen = []

    def hook(call):
        seen.append((call.state, call.service, call.attempt))
        if call.attempt < 2:
            raise StateError("TeacherThrottled", "injected")

    bench = Bench(Cloud(lambda__invoke=function(lambda p: "ok")), fault=hook)
    assert bench.output({"S": invoke(Retry=[{"ErrorEquals": ["TeacherThrottled"]}])}) == "ok"
    assert seen == [("S", "lambda", 0), ("S", "lambda", 1), ("S", "lambda", 2)]
    assert len(bench.cloud.calls) == 1


def test_the_fault_hook_may_raise_what_the_service_would():
    def hook(call):
        raise fault("ServiceException", "gone", 500)

    assert Bench(Cloud(), fault=hook).error({"S": invoke()}) == "Lambda.ServiceException"


def test_a_branch_that_fails_stops_its_siblings():
    bench = Bench(scale=1.0)
    begun = time.time()
    found = bench.run({"P": end("Parallel", Branches=[inner(W=end("Wait", Seconds=60)),
                                                      inner(F=end("Fail", Error="Bad"))])})
    assert found["error"] == "Bad" and time.time() - begun < 10
