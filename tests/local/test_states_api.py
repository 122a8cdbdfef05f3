"""The operations: machines, executions, history, and what is refused."""

import json
import threading
import time

import botocore.session
import pytest
from botocore.validate import ParamValidator

from local.states import ApiError
from tests.local.states_bench import ROLE, Bench, Cloud, children, end, function, inner, invoke, wait_for

PASS = {"S": end("Pass")}


def code(call) -> str:
    with pytest.raises(ApiError) as error:
        call()
    return error.value.code


def definition(states: dict, **top) -> str:
    return json.dumps({"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states, **top})


# -- machines ------------------------------------------------------------------------------------------------------
def test_create_describe_update_list_delete():
    handle = Bench().engine.handle
    made = handle("CreateStateMachine", {"name": "m", "definition": definition(PASS), "roleArn": ROLE,
                                         "tags": [{"key": "a", "value": "1"}]})
    arn = made["stateMachineArn"]
    assert arn == "arn:aws:states:us-east-1:000000000000:stateMachine:m"
    described = handle("DescribeStateMachine", {"stateMachineArn": arn})
    assert (described["roleArn"], described["status"], described["type"]) == (ROLE, "ACTIVE", "STANDARD")
    other = definition({"T": end("Pass")})
    handle("UpdateStateMachine", {"stateMachineArn": arn, "definition": other})
    assert handle("DescribeStateMachine", {"stateMachineArn": arn})["definition"] == other
    handle("TagResource", {"resourceArn": arn, "tags": [{"key": "b", "value": "2"}]})
    handle("UntagResource", {"resourceArn": arn, "tagKeys": ["a"]})
    assert handle("ListTagsForResource", {"resourceArn": arn})["tags"] == [{"key": "b", "value": "2"}]
    assert [m["name"] for m in handle("ListStateMachines", {})["stateMachines"]] == ["m"]
    handle("DeleteStateMachine", {"stateMachineArn": arn})
    assert code(lambda: handle("DescribeStateMachine", {"stateMachineArn": arn})) == "StateMachineDoesNotExist"


def test_creation_is_idempotent_only_for_the_same_machine():
    create = Bench().engine.machines.create
    first = create("m", definition(PASS), ROLE)
    assert create("m", definition(PASS), ROLE) == first
    assert code(lambda: create("m", definition({"T": end("Pass")}), ROLE)) == "StateMachineAlreadyExists"
    assert code(lambda: create("not a name", definition(PASS), ROLE)) == "InvalidName"


def test_replies_fit_the_api_s_model():
    bench = Bench()
    arn = bench.start({"M": end("Map", Items=[1], ItemProcessor=children(A=end("Pass")))})
    bench.ended(arn)
    run = bench.engine.list_map_runs(arn)[0]["mapRunArn"]
    machine = bench.engine.machines.listed()[0]["stateMachineArn"]
    model = botocore.session.get_session().get_service_model("stepfunctions")
    for action, payload in {
        "DescribeExecution": {"executionArn": arn}, "ListExecutions": {"stateMachineArn": machine},
        "GetExecutionHistory": {"executionArn": arn}, "ListMapRuns": {"executionArn": arn},
        "DescribeMapRun": {"mapRunArn": run}, "DescribeStateMachine": {"stateMachineArn": machine},
        "DescribeStateMachineForExecution": {"executionArn": arn}, "ListStateMachines": {},
        "ValidateStateMachineDefinition": {"definition": definition(PASS)},
    }.items():
        reply = bench.engine.handle(action, payload)
        shape = model.operation_model(action).output_shape
        report = ParamValidator().validate(reply, shape)
        assert not report.has_errors(), (action, report.generate_report())
        assert set(reply) <= set(shape.members), action


def test_a_request_that_does_not_fit_the_model_is_refused():
    handle = Bench().engine.handle
    assert code(lambda: handle("StartExecution", {})) == "ValidationException"
    assert code(lambda: handle("StartExecution", {"stateMachineArn": "a", "inputs": "{}"})) == "ValidationException"
    assert code(lambda: handle("CreateActivity", {"name": "a"})) == "UnknownOperationException"
    assert code(lambda: handle("DescribeStateMachine", {"stateMachineArn": "nonsense"})) == "InvalidArn"


# -- executions ----------------------------------------------------------------------------------------------------
def test_starting_is_idempotent_by_name_while_it_runs_with_the_same_input():
    bench = Bench(scale=1.0)
    machine = bench.machine({"W": end("Wait", Seconds=30)})
    start = bench.engine.start_execution
    first = start(machine, name="n", input='{"a":1}')
    assert start(machine, name="n", input='{"a": 1}') == first
    assert code(lambda: start(machine, name="n", input='{"a":2}')) == "ExecutionAlreadyExists"
    assert len(bench.engine.list_executions(machine)) == 1
    bench.engine.stop_execution(first["executionArn"])
    assert code(lambda: start(machine, name="n", input='{"a":1}')) == "ExecutionAlreadyExists"
    assert start(machine)["executionArn"] != start(machine)["executionArn"]
    bench.engine.close()


def test_bad_input_and_names_are_refused():
    bench = Bench()
    machine = bench.machine(PASS)
    start = bench.engine.start_execution
    assert code(lambda: start(machine, input="{")) == "InvalidExecutionInput"
    assert code(lambda: start(machine, name="a b")) == "InvalidName"
    assert code(lambda: start(machine, input=json.dumps("x" * 262144))) == "ValidationException"
    assert code(lambda: start(machine + "x")) == "StateMachineDoesNotExist"
    assert code(lambda: bench.engine.describe_execution(machine)) == "ExecutionDoesNotExist"


def test_starting_returns_at_once():
    go = threading.Event()
    bench = Bench(Cloud(lambda__invoke=function(lambda p: go.wait(20))))
    begun = time.time()
    arn = bench.start({"S": invoke()})
    assert time.time() - begun < 5 and bench.engine.describe_execution(arn)["status"] == "RUNNING"
    go.set()
    assert bench.ended(arn)["output"] is True


def test_an_update_does_not_touch_what_runs():
    bench = Bench(scale=0.0)
    go = threading.Event()
    bench.cloud.on("lambda.invoke", function(lambda p: go.wait(20)))
    machine = bench.machine({"S": invoke(Next="T"), "T": end("Pass", Output="old")})
    arn = bench.engine.start_execution(machine)["executionArn"]
    bench.engine.machines.update(machine, definition({"S": invoke(Next="T"), "T": end("Pass", Output="new")}))
    go.set()
    assert bench.ended(arn)["output"] == "old"
    described = bench.engine.handle("DescribeStateMachineForExecution", {"executionArn": arn})
    assert '"old"' in described["definition"]


def test_stop_reaches_every_wait():
    bench = Bench(scale=1.0)
    states = {"P": end("Parallel", Branches=[
        inner(W=end("Wait", Seconds=60)),
        inner(M=end("Map", Items=[1, 2], ItemProcessor=children(V=end("Wait", Seconds=60))))])}
    arn = bench.start(states)
    wait_for(lambda: bench.engine.list_map_runs(arn) and "WaitStateEntered" in bench.types(arn))
    run = bench.engine.list_map_runs(arn)[0]["mapRunArn"]
    wait_for(lambda: bench.engine.describe_map_run(run)["executionCounts"]["running"] == 2)
    bench.engine.stop_execution(arn, "Enough", "by hand")
    found = bench.ended(arn, 10)
    assert (found["status"], found["error"], found["cause"]) == ("ABORTED", "Enough", "by hand")
    wait_for(lambda: bench.engine.describe_map_run(run)["executionCounts"]["aborted"] == 2)
    assert bench.engine.describe_map_run(run)["status"] == "ABORTED"
    assert bench.types(arn)[-1] == "ExecutionAborted"
    assert bench.engine.stop_execution(arn)["stopDate"] == found["stopDate"]


def test_an_execution_that_takes_too_long_times_out():
    bench = Bench(scale=1.0)
    found = bench.run({"W": end("Wait", Seconds=60)}, TimeoutSeconds=1)
    assert (found["status"], found["error"]) == ("TIMED_OUT", "States.Timeout")
    assert bench.types(found["executionArn"])[-1] == "ExecutionTimedOut"


def test_a_loop_can_be_stopped():
    bench = Bench()
    arn = bench.start({"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "Next": "A"}})
    wait_for(lambda: len(bench.events(arn)) > 20)
    bench.engine.stop_execution(arn)
    assert bench.ended(arn)["status"] == "ABORTED"
    assert bench.types(arn)[-1] == "ExecutionAborted"


def test_a_history_has_at_most_25000_events(monkeypatch):
    monkeypatch.setattr("local.states.interpreter.HISTORY", 100)
    found = Bench().run({"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "Next": "A"}})
    assert found["error"] == "States.Runtime" and "history events" in found["cause"]


def test_an_execution_nobody_resumed_can_be_stopped(tmp_path):
    first = Bench(folder=tmp_path, scale=1.0)
    arn = first.start({"W": end("Wait", Seconds=30)})
    first.engine.close()
    second = Bench(folder=tmp_path)
    second.engine.stop_execution(arn)
    assert second.engine.describe_execution(arn)["status"] == "ABORTED"
    assert second.engine.resume() == []


def test_every_change_of_status_is_told():
    bench = Bench()
    good, bad = bench.run(PASS, {"a": 1}), bench.run({"F": end("Fail", Error="E", Cause="C")})
    assert [(t["executionArn"], t["status"]) for t in bench.told] == [
        (good["executionArn"], "RUNNING"), (good["executionArn"], "SUCCEEDED"),
        (bad["executionArn"], "RUNNING"), (bad["executionArn"], "FAILED")]
    assert bench.told[1]["output"] == '{"a":1}' and bench.told[1]["stopDate"] >= bench.told[1]["startDate"]
    assert (bench.told[3]["error"], bench.told[3]["cause"]) == ("E", "C")


def test_lists_are_paged_newest_first_and_filtered():
    bench = Bench()
    machine = bench.machine(PASS)
    arns = [bench.engine.start_execution(machine)["executionArn"] for _ in range(5)]
    for arn in arns:
        bench.ended(arn)
    first = bench.engine.handle("ListExecutions", {"stateMachineArn": machine, "maxResults": 3})
    second = bench.engine.handle("ListExecutions", {"stateMachineArn": machine, "maxResults": 3,
                                                    "nextToken": first["nextToken"]})
    listed = [each["executionArn"] for each in first["executions"] + second["executions"]]
    assert listed == arns[::-1] and "nextToken" not in second
    failed = bench.engine.handle("ListExecutions", {"stateMachineArn": machine, "statusFilter": "FAILED"})
    assert failed["executions"] == []


# -- history -------------------------------------------------------------------------------------------------------
def test_the_history_of_a_run():
    bench = Bench(Cloud(lambda__invoke=function(lambda p: p)))
    found = bench.run({"T": invoke({"a": 1}, Assign={"v": 7}, TimeoutSeconds=9, Next="C"),
                       "C": {"Type": "Choice", "Choices": [{"Condition": True, "Next": "E"}]},
                       "E": end("Succeed")}, "in")
    events = bench.events(found["executionArn"])
    assert [event["type"] for event in events] == [
        "ExecutionStarted", "TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskSucceeded", "TaskStateExited",
        "ChoiceStateEntered", "ChoiceStateExited", "SucceedStateEntered", "SucceedStateExited", "ExecutionSucceeded"]
    assert [event["id"] for event in events] == list(range(1, 12))
    assert [event["previousEventId"] for event in events] == list(range(11))
    assert events[0]["executionStartedEventDetails"] == {"input": '"in"', "inputDetails": {"truncated": False},
                                                         "roleArn": ROLE}
    scheduled = events[2]["taskScheduledEventDetails"]
    assert (scheduled["resourceType"], scheduled["resource"], scheduled["timeoutInSeconds"]) == ("lambda", "invoke", 9)
    assert json.loads(scheduled["parameters"]) == {"FunctionName": "f", "Payload": {"a": 1}}
    assert events[5]["stateExitedEventDetails"]["assignedVariables"] == {"v": "7"}
    assert events[10]["executionSucceededEventDetails"]["output"] == '{"a":1}'


def test_the_history_of_an_inline_map():
    bench = Bench()
    found = bench.run({"M": end("Map", Items=[5], ItemProcessor=inner(A=end("Pass")))})
    assert bench.types(found["executionArn"])[1:-1] == [
        "MapStateEntered", "MapStateStarted", "MapIterationStarted", "PassStateEntered", "PassStateExited",
        "MapIterationSucceeded", "MapStateSucceeded", "MapStateExited"]


def test_a_failed_expression_is_in_the_history():
    bench = Bench()
    found = bench.run({"S": end("Pass", Output={"a": "{% $nope %}"})})
    event = next(e for e in bench.events(found["executionArn"]) if e["type"] == "EvaluationFailed")
    assert event["evaluationFailedEventDetails"]["location"].endswith("Output/a")
    assert event["evaluationFailedEventDetails"]["state"] == "S"


def test_history_pages_both_ways_and_can_leave_out_data():
    bench = Bench()
    arn = bench.run({"A": {"Type": "Pass", "Next": "B"}, "B": end("Pass")})["executionArn"]
    page = bench.engine.handle("GetExecutionHistory", {"executionArn": arn, "maxResults": 4})
    rest = bench.engine.handle("GetExecutionHistory", {"executionArn": arn, "nextToken": page["nextToken"]})
    assert [e["id"] for e in page["events"] + rest["events"]] == [1, 2, 3, 4, 5, 6]
    back = bench.engine.handle("GetExecutionHistory", {"executionArn": arn, "reverseOrder": True,
                                                       "includeExecutionData": False})
    assert [e["id"] for e in back["events"]] == [6, 5, 4, 3, 2, 1]
    assert "input" not in json.dumps(back["events"][-1]["executionStartedEventDetails"]).replace("inputDetails", "")
