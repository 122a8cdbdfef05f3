"""Rules that every state machine has to keep; linters read none of them."""

import inspect
import json
import re

import pytest

from local.states.machines import validate
from tests.template.loading import machines, resources, states
from toolsmith import errors
from toolsmith.crawling import faults

MACHINES = machines()
OUR_ERRORS = {
    name
    for module in (errors, faults)
    for name, found in inspect.getmembers(module, inspect.isclass)
    if issubclass(found, Exception)
}
SERVICES = "Lambda|States|Sandbox|Runtime|Bedrock|SageMaker|S3|Events|EventBridge"
SERVICE_ERRORS = re.compile(rf"({SERVICES})\.\w+|ThrottlingException")


def every(kind: str):
    return [
        pytest.param(machine, path, state, id=f"{machine}:{path}")
        for machine, definition in MACHINES.items()
        for path, state in states(definition)
        if state["Type"] == kind
    ]


@pytest.mark.parametrize("name", MACHINES)
def test_a_machine_is_well_formed(name):
    text = json.dumps(MACHINES[name])
    filled = re.sub(r"\$\{(\w+)Arn\}", r"arn:aws:lambda:us-east-1:111122223333:function:\1", text)
    found = validate(re.sub(r"\$\{\w+\}", "1", filled))
    assert found["result"] == "OK", found["diagnostics"]


@pytest.mark.parametrize("name", MACHINES)
def test_a_machine_bounds_its_time_and_speaks_jsonata(name):
    assert MACHINES[name]["QueryLanguage"] == "JSONata"
    assert 0 < MACHINES[name]["TimeoutSeconds"] <= 14 * 86400


@pytest.mark.parametrize(("machine", "path", "task"), every("Task"))
def test_every_task_has_a_timeout_and_retries_with_jitter_and_a_bound(machine, path, task):
    assert task["TimeoutSeconds"] > 0
    for retrier in task["Retry"]:
        assert retrier["JitterStrategy"] == "FULL"
        assert retrier["MaxDelaySeconds"] <= 900
        assert 1 <= retrier["MaxAttempts"] <= 12
        assert "States.ALL" not in retrier["ErrorEquals"]


@pytest.mark.parametrize(("machine", "path", "task"), every("Task"))
def test_every_error_that_is_named_exists(machine, path, task):
    named = {error for rule in task.get("Retry", []) + task.get("Catch", []) for error in rule["ErrorEquals"]}
    unknown = {error for error in named if error not in OUR_ERRORS and not SERVICE_ERRORS.fullmatch(error)}
    assert unknown == set()


@pytest.mark.parametrize(("machine", "path", "task"), every("Task"))
def test_no_task_waits_longer_than_its_function_may_take(machine, path, task):
    if not task["Resource"].endswith("lambda:invoke"):
        return
    name = re.fullmatch(r"\$\{(\w+)Arn\}", task["Arguments"]["FunctionName"])[1]
    assert resources("AWS::Serverless::Function")[name]["Properties"].get("Timeout", 300) <= task["TimeoutSeconds"]


@pytest.mark.parametrize("name", MACHINES)
def test_a_failure_is_caught_only_to_do_something_else_than_fail(name):
    """A caught failure that leads straight to a Fail state would be failed again by every redrive."""
    for path, state in states(MACHINES[name]):
        scope = dict(states(MACHINES[name]))
        prefix = path.rpartition("/")[0]
        for rule in state.get("Catch", []):
            target = scope[f"{prefix}/{rule['Next']}" if prefix else rule["Next"]]
            assert target["Type"] != "Fail", f"{path} -> {rule['Next']}"


@pytest.mark.parametrize("name", MACHINES)
def test_documents_never_travel_between_states(name):
    text = json.dumps(MACHINES[name])
    assert not re.search(r"(chunks?|document)\.text|\.question|\.answer\b", text)


def test_published_events_are_those_that_are_documented():
    from toolsmith.events import PUBLISHED

    sent = {
        name
        for definition in MACHINES.values()
        for _, state in states(definition)
        if state.get("Resource") == "arn:aws:states:::events:putEvents"
        for name in re.findall(r"[A-Z][a-z]+(?: [A-Z][a-z]+)+", state["Arguments"]["Entries"][0]["DetailType"])
    }
    assert sent <= set(PUBLISHED)
