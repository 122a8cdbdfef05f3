"""Definitions that are refused at creation, with the place of the mistake."""

import json
import re
from pathlib import Path

import pytest

from local.states import ApiError
from local.states.machines import validate
from tests.local.states_bench import ROLE, Bench, children, end, inner, invoke

ROOT = Path(__file__).resolve().parents[2]


def wrong(states: dict, **top) -> list[tuple[str, str]]:
    """(message, location) of every problem of a machine."""
    definition = {"QueryLanguage": "JSONata", "StartAt": next(iter(states), "S"), "States": states, **top}
    reply = validate(json.dumps(definition))
    assert reply["result"] == ("FAIL" if reply["diagnostics"] else "OK")
    return [(each["message"], each["location"]) for each in reply["diagnostics"]]


def task(resource: str, arguments=None, **fields) -> dict:
    return {"S": end("Task", Resource=resource, **({"Arguments": arguments} if arguments else {}), **fields)}


def dmap(**fields) -> dict:
    return {"S": end("Map", ItemProcessor=children(A=end("Pass")), **fields)}


BAD = {
    "a state field that does not exist": ({"S": end("Pass", Outptu=1)}, "/States/S/Outptu"),
    "a field of JSONPath": ({"S": end("Pass", ResultPath="$.a")}, "/States/S/ResultPath"),
    "a field of another type of state": ({"S": end("Wait", Seconds=1, Retry=[])}, "/States/S/Retry"),
    "a retrier's field": ({"S": invoke(Retry=[{"ErrorEquals": ["E"], "MaxAttempt": 1}])},
                          "/States/S/Retry[0]/MaxAttempt"),
    "a catcher's field": ({"S": invoke(Catch=[{"ErrorEquals": ["E"], "Next": "S", "ResultPath": "$.e"}])},
                          "/States/S/Catch[0]/ResultPath"),
    "a choice rule's field": (
        {"S": {"Type": "Choice", "Choices": [{"Condition": True, "Next": "S", "Variable": "$.a"}]}},
        "/States/S/Choices[0]/Variable"),
    "a Next that leads nowhere": ({"S": {"Type": "Pass", "Next": "T"}}, "/States/S/Next"),
    "a Catch that leads nowhere": ({"S": invoke(Catch=[{"ErrorEquals": ["E"], "Next": "T"}])},
                                   "/States/S/Catch[0]/Next"),
    "a Default that leads nowhere": (
        {"S": {"Type": "Choice", "Choices": [{"Condition": True, "Next": "S"}], "Default": "T"}},
        "/States/S/Default"),
    "a state nobody reaches": ({"S": end("Pass"), "T": end("Pass")}, "/States/T"),
    "neither Next nor End": ({"S": {"Type": "Pass"}}, "/States/S"),
    "both Next and End": ({"S": {"Type": "Pass", "Next": "S", "End": True}}, "/States/S"),
    "an unknown type": ({"S": {"Type": "Loop"}}, "/States/S/Type"),
    "an expression with a syntax error": ({"S": end("Pass", Output={"a": "{% 1 + %}"})}, "/States/S/Output/a"),
    "an expression that does not end": ({"S": end("Pass", Output="{% 1")}, "/States/S/Output"),
    "a resource nobody knows": (task("arn:aws:states:::lambda:call"), "/States/S/Resource"),
    "an SDK action nobody knows": (task("arn:aws:states:::aws-sdk:s3:fetchObject"), "/States/S/Resource"),
    "a pattern the service does not have": (task("arn:aws:states:::events:putEvents.sync"), "/States/S/Resource"),
    "a misspelled argument": (task("arn:aws:states:::aws-sdk:s3:putObject", {"Bucket": "b", "Key": "k", "Boby": 1}),
                              "/States/S/Arguments"),
    "an argument in camel case": (task("arn:aws:states:::aws-sdk:bedrock:getCustomModel", {"modelIdentifier": "m"}),
                                  "/States/S/Arguments"),
    "a misspelled argument further in": (
        task("arn:aws:states:::events:putEvents", {"Entries": [{"Source": "s", "Details": {}}]}),
        "/States/S/Arguments"),
    "a missing argument": (task("arn:aws:states:::sqs:sendMessage", {"QueueUrl": "q"}), "/States/S/Arguments"),
    "States.ALL beside another name": ({"S": invoke(Retry=[{"ErrorEquals": ["States.ALL", "E"]}])},
                                       "/States/S/Retry[0]/ErrorEquals"),
    "States.ALL before the last retrier": (
        {"S": invoke(Retry=[{"ErrorEquals": ["States.ALL"]}, {"ErrorEquals": ["E"]}])},
        "/States/S/Retry[0]/ErrorEquals"),
    "a number out of range": ({"S": invoke(TimeoutSeconds=0)}, "/States/S/TimeoutSeconds"),
    "an expression where a number must be written": (
        {"S": invoke(Retry=[{"ErrorEquals": ["E"], "MaxAttempts": "{% 1 %}"}])}, "/States/S/Retry[0]/MaxAttempts"),
    "a maximum delay below the interval": (
        {"S": invoke(Retry=[{"ErrorEquals": ["E"], "IntervalSeconds": 5, "MaxDelaySeconds": 5}])},
        "/States/S/Retry[0]/MaxDelaySeconds"),
    "a jitter nobody knows": ({"S": invoke(Retry=[{"ErrorEquals": ["E"], "JitterStrategy": "SOME"}])},
                              "/States/S/Retry[0]/JitterStrategy"),
    "a heartbeat that is not shorter than the time limit": (
        {"S": invoke(TimeoutSeconds=5, HeartbeatSeconds=5)}, "/States/S/HeartbeatSeconds"),
    "Seconds and Timestamp": ({"S": end("Wait", Seconds=1, Timestamp="2026-01-01T00:00:00Z")}, "/States/S"),
    "a batcher in an inline Map": (
        {"S": end("Map", ItemBatcher={"MaxItemsPerBatch": 1}, ItemProcessor=inner(A=end("Pass")))},
        "/States/S/ItemBatcher"),
    "tolerance in an inline Map": (
        {"S": end("Map", ToleratedFailurePercentage=5, ItemProcessor=inner(A=end("Pass")))},
        "/States/S/ToleratedFailurePercentage"),
    "a batcher without a limit": (dmap(ItemBatcher={}), "/States/S/ItemBatcher"),
    "Items and ItemReader": (
        dmap(Items=[], ItemReader={"Resource": "arn:aws:states:::s3:getObject", "Arguments": {},
                                   "ReaderConfig": {"InputType": "JSON"}}), "/States/S"),
    "an input type that is not read": (
        dmap(ItemReader={"Resource": "arn:aws:states:::s3:getObject", "Arguments": {},
                         "ReaderConfig": {"InputType": "XML"}}), "/States/S/ItemReader/ReaderConfig/InputType"),
    "a writer without a place": (dmap(ResultWriter={"Resource": "arn:aws:states:::s3:putObject"}),
                                 "/States/S/ResultWriter"),
    "an execution type that is missing": (
        {"S": end("Map", ItemProcessor={"ProcessorConfig": {"Mode": "DISTRIBUTED"}, **inner(A=end("Pass"))})},
        "/States/S/ItemProcessor/ProcessorConfig/ExecutionType"),
    "a name used twice": ({"S": end("Parallel", Branches=[inner(S=end("Pass"))])}, "/States/S/Branches[0]/States/S"),
    "an outer variable assigned inside": (
        {"S": {"Type": "Pass", "Assign": {"x": 1}, "Next": "P"},
         "P": end("Parallel", Branches=[inner(A=end("Pass", Assign={"x": 2}))])}, "/States/P/Branches[0]"),
    "the variable $states": ({"S": end("Pass", Assign={"states": 1})}, "/States/S/Assign"),
    "a mistake inside a Map": ({"S": end("Map", ItemProcessor=inner(A=end("Pass", Foo=1)))},
                               "/States/S/ItemProcessor/States/A/Foo"),
    "a list where an object belongs": ({"S": end("Map", ItemProcessor=[])}, "/"),
    "a name of 81 characters": ({"S" * 81: end("Pass")}, f"/States/{'S' * 81}"),
}


@pytest.mark.parametrize("name", BAD)
def test_refused(name):
    states, location = BAD[name]
    assert {where for _, where in wrong(states)} == {location}, wrong(states)


def test_a_distributed_map_may_use_a_name_again():
    states = {"S": {"Type": "Pass", "Assign": {"x": 1}, "Next": "M"},
              "M": end("Map", Items=[1], ItemProcessor=children(A=end("Pass", Assign={"x": 2})))}
    assert wrong(states) == []


def test_the_query_language_must_be_jsonata():
    assert [where for _, where in wrong({"S": end("Pass")}, QueryLanguage="JSONPath")] == ["/QueryLanguage"]
    assert [where for _, where in wrong({"S": end("Pass", QueryLanguage="JSONPath")})] == ["/States/S/QueryLanguage"]


def test_text_that_is_no_json_or_no_machine():
    assert validate("{")["diagnostics"][0]["code"] == "INVALID_JSON_DESCRIPTION"
    assert validate("[]")["result"] == "FAIL"
    assert wrong({}) != []


def test_creation_says_where_the_mistake_is():
    with pytest.raises(ApiError) as error:
        Bench().engine.machines.create("m", '{"QueryLanguage": "JSONata", "StartAt": "A", "States": {"B": {}}}', ROLE)
    assert error.value.code == "InvalidDefinition" and "/StartAt" in error.value.message


@pytest.mark.parametrize("path", sorted((ROOT / "statemachines").glob("*.asl.json")), ids=lambda p: p.name)
def test_the_project_s_machines_are_sound(path):

    text = re.sub(r'"\$\{\w+Arn\}"', '"arn:aws:lambda:us-east-1:000000000000:function:f"', path.read_text())
    assert validate(re.sub(r"\$\{\w+\}", "5", text))["diagnostics"] == []
