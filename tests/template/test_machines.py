"""Rules that every state machine has to keep; linters read none of them."""

import ast
import inspect
import json
import re

import pytest

from local.states.machines import validate
from tests.template.loading import ROOT, machines, resources, states
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
        waits_for_its_turn = retrier["ErrorEquals"] == ["Lambda.TooManyRequestsException"]
        assert 1 <= retrier["MaxAttempts"] <= (600 if waits_for_its_turn else 12)
        assert "States.ALL" not in retrier["ErrorEquals"]


# (errors, interval s, backoff, most attempts, longest delay s). A turn is waited for until an ingest's own time is up:
# behind ten thousand documents it comes late. Nothing has run meanwhile, so nothing is paid but transitions.
TURN = (("Lambda.TooManyRequestsException",), 8, 2, 600, 900)
HICCUP = (("Lambda.ServiceException", "Lambda.AWSLambdaException", "Lambda.SdkClientException", "Runtime.ExitError"),
          2, 2, 6, 60)  # fmt: skip
SLOW = (("Sandbox.Timedout", "States.Timeout"), 5, 2, 1, 60)
FAILED = (("States.TaskFailed", "States.Timeout"), 2, 2, 5, 60)
BEDROCK = ("Bedrock.ThrottlingException", "Bedrock.InternalServerException", "States.Timeout")
POLICY = {
    "lambda:invoke": (TURN, HICCUP, SLOW),
    "lambda:invoke.waitForTaskToken": (TURN, HICCUP, (("States.HeartbeatTimeout",), 1, 1, 6, 60)),
    "sagemaker:createTrainingJob.sync": (
        (("ThrottlingException", "SageMaker.AmazonSageMakerException"), 5, 2, 2, 120),),
    "bedrock:createModelCustomizationJob.sync": ((BEDROCK, 5, 2, 6, 120),),
    "aws-sdk:bedrock:createCustomModel": ((BEDROCK, 5, 2, 6, 120),),
    "aws-sdk:bedrock:createModelInvocationJob": (
        (("Bedrock.ServiceQuotaExceededException",), 300, 1.5, 8, 900), (BEDROCK, 5, 2, 8, 120)),
    "aws-sdk:bedrock:getModelInvocationJob": ((BEDROCK, 5, 2, 8, 120),),
}  # fmt: skip
OWN = {  # what a state retries besides, or instead
    "Teach": ((("TeacherThrottled",), 8, 2, 12, 900), TURN, (("TeacherTimeout",), 5, 2, 1, 60), HICCUP, SLOW),
    "Fetch": ((("SourceUnavailable",), 60, 2, 6, 900), TURN, HICCUP, SLOW),
    "AskModel": ((("ModelUnavailable",), 8, 2, 12, 900), TURN, HICCUP, SLOW),
    # that there is none, or one already, is no failure, and is caught
    **dict.fromkeys(("FindDeployment", "RemoveDeployment", "DeployCandidate", "RemoveCandidate"),
                    ((BEDROCK, 5, 2, 6, 120),)),
}
CAUGHT = {
    "PlanCrawl": ("InvalidInput",),
    "Parse": ("DocumentRejected",),
    "Admit": ("InvalidInput",),
    "PrepareBatch": ("Sandbox.Timedout", "States.Timeout", "Runtime.ExitError"),
    "CreateBatch": ("Bedrock.ValidationException", "Bedrock.AccessDeniedException", "Bedrock.ResourceNotFoundException",
                    "Bedrock.ConflictException", "Bedrock.ServiceQuotaExceededException"),
    "Teach": ("TeacherTimeout", "Sandbox.Timedout", "States.Timeout", "Runtime.ExitError"),
    "RunJob": ("States.ALL",),
    "RunCustomization": ("Bedrock.ConflictException", "States.ALL"),
    **dict.fromkeys(("RegisterModel", "DeployCandidate"), ("Bedrock.ConflictException",)),
    **dict.fromkeys(("FindDeployment", "RemoveDeployment", "RemoveCandidate"), ("Bedrock.ResourceNotFoundException",)),
    "SmokeTest": ("SmokeTestFailed",),
}  # fmt: skip


@pytest.mark.parametrize(("machine", "path", "task"), every("Task"))
def test_every_task_retries_and_catches_by_the_table(machine, path, task):
    state, kind = path.rpartition("/")[2], task["Resource"].partition(":::")[2]
    keys = ("IntervalSeconds", "BackoffRate", "MaxAttempts", "MaxDelaySeconds")
    retried = [(tuple(rule["ErrorEquals"]), *(rule[key] for key in keys)) for rule in task["Retry"]]
    assert tuple(retried) == OWN.get(state, POLICY.get(kind, (FAILED,)))
    assert tuple(error for rule in task.get("Catch", []) for error in rule["ErrorEquals"]) == CAUGHT.get(state, ())
    if not kind.startswith("lambda:") and not kind.endswith(".sync"):
        assert task["TimeoutSeconds"] == 60


def test_an_ingest_ends_before_it_gives_up_its_turn():
    teach = dict(states(MACHINES["ingest"]))["TeachChunks/Teach"]
    (turn,) = [rule for rule in teach["Retry"] if "Lambda.TooManyRequestsException" in rule["ErrorEquals"]]
    delays = [turn["IntervalSeconds"] * turn["BackoffRate"] ** n for n in range(turn["MaxAttempts"])]
    half = sum(min(delay, turn["MaxDelaySeconds"]) for delay in delays) / 2  # what full jitter comes to
    assert half > MACHINES["ingest"]["TimeoutSeconds"]


# Errors that no machine and no code handles: the run ends, its mail says what to mend, and a redrive goes on.
FOR_PEOPLE = {
    "TeacherUnavailable": "access or quota of the teacher",
    "DatasetTooSmall": "more documents",
    "DatasetLeaks": "the splitting rule",
    "LedgerUnbalanced": "a defect here",
    "RecipeInvalid": "the recipe",
    "RecipeNotFound": "the recipe",
    "PreflightFailed": "the reward, or the questions",
    "BudgetExceeded": "the budget, or the request",
    "PriceUnknown": "the table of prices, or somebody who accepts it",
    "CapacityUnavailable": "another instance type, or later",
    "TrainingDiverged": "the recipe",
    "JobFailed": "what the job says",
    "ArtefactMissing": "the job's output",
    "EventRefused": "the bus",
}


def test_every_error_of_ours_has_its_use():
    """A machine names it, code handles it, or people are told; and something raises it."""
    named = {error for machine in MACHINES.values() for _, state in states(machine)
             for rule in state.get("Retry", []) + state.get("Catch", []) for error in rule["ErrorEquals"]}  # fmt: skip
    handled, used = set(), set()
    files = [*(ROOT / "layers/toolsmith/toolsmith").rglob("*.py"), *(ROOT / "functions").rglob("*.py")]
    for tree in (ast.parse(file.read_text(encoding="utf-8")) for file in files):
        for node in ast.walk(tree):
            if isinstance(node, ast.ExceptHandler) and node.type:
                handled |= {ast.unparse(one).rpartition(".")[2] for one in ast.walk(node.type)
                            if isinstance(one, ast.Name | ast.Attribute)}  # fmt: skip
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                used.add(node.id)
    ours = OUR_ERRORS - {"ToolsmithError"}
    assert ours - named - handled == set(FOR_PEOPLE)
    assert ours <= used


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
    """A caught failure that leads straight to a Fail state would be failed again by every redrive; a state that leads
    there anyway may catch what means that its work was done before."""
    for path, state in states(MACHINES[name]):
        scope = dict(states(MACHINES[name]))
        prefix = path.rpartition("/")[0]
        for rule in state.get("Catch", []):
            target = scope[f"{prefix}/{rule['Next']}" if prefix else rule["Next"]]
            assert target["Type"] != "Fail" or rule["Next"] == state["Next"], f"{path} -> {rule['Next']}"


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
