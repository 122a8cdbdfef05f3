"""Every Task state of every machine is made to fail once; redriven, the execution ends as if nothing had happened."""

import functools
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from local.cli.evaluator import LOCAL_ARN
from local.states import jsonata
from tests.local.states_bench import fault
from tests.template.loading import machines, states
from tests.workflows.bench import INTAKE, SAMPLES, WORK, Bench
from tests.workflows.conftest import with_corpus
from tests.workflows.stack import NAME
from tests.workflows.training import Outcome

SAMPLE = "regulations/ecfr-title-17-part-243.xml"
ANNOUNCED = ("AnnounceCost", "AnnounceDataset", "AnnounceJobStarted", "AnnounceTrained", "AnnounceEvaluated")
TO_THE_JOBS = ("Admit", "Assemble", "Preflight", "CheckAccount", "PrepareJob", "RunJob", "ReadJob", *ANNOUNCED)
TO_THE_GATE = (*TO_THE_JOBS, "GateFineTuned", "AnnounceFineTunedGate")
TO_THE_MODEL = (*TO_THE_GATE, "GateReinforced", "AnnounceReinforcedGate", "RegisterModel", "DescribeModel",
                "FindDeployment", "UpdateDeployment", "DescribeDeployment", "SmokeTest")  # fmt: skip
FIRST_MODEL = tuple({"UpdateDeployment": "CreateDeployment"}.get(state, state) for state in TO_THE_MODEL)
DEPLOYED = (*TO_THE_MODEL, "PublishModel", "AnnounceDeployed", "Report", "AnnounceRegistered")
BY_BEDROCK = (*({"RunJob": "RunCustomization"}.get(state, state) for state in DEPLOYED if state != "RegisterModel"),
              "DeployCandidate", "DescribeCandidate", "AskModel", "RemoveCandidate")  # fmt: skip
SET_ASIDE = ("SetAside", "AnnounceRejected")
TAUGHT = ("Parse", "Teach", "Settle", "AnnounceIngested")


@dataclass(frozen=True)
class Scenario:
    """A way through a machine. states: the Task states it comes by; ends: the error it ends with by itself; redriven:
    the error that it ends with at first; a redrive means that somebody wants it tried again, so the undisturbed
    execution is redriven too."""

    label: str
    machine: str
    states: tuple[str, ...]
    start: Callable[[Bench], str]
    prepare: Callable[[Bench], Any] = lambda bench: None
    parameters: dict[str, Any] = field(default_factory=dict)
    ends: str | None = None
    redriven: str | None = None

    def open(self, folder: Any, corpus: dict[str, Any]) -> Bench:
        bench = Bench(folder, **self.parameters)
        if self.machine == "customize":
            with_corpus(bench, corpus).models.deployed_before(NAME)
        self.prepare(bench)
        return bench


def wanted(bench: Bench) -> str:
    return bench.drop("runs/wanted.json", {"seed": 3})


def sample(bench: Bench) -> str:
    return bench.drop_samples(SAMPLE)[0]


def timing_out(bench: Bench) -> None:
    bench.functions.fail("TeachFunction", *["Sandbox.Timedout"] * 12)


def without_capacity(bench: Bench) -> None:
    bench.training.script["sft:sft"] = [Outcome("Failed", "CapacityError: none left") for _ in range(5)]


def taken_names(bench: Bench) -> None:
    """CreateTrainingJob creates the job, and its answer is lost."""
    real, lost = bench.training.create, set()

    def create(**request: Any) -> Any:
        made = real(**request)
        if request["TrainingJobName"] in lost:
            return made
        lost.add(request["TrainingJobName"])
        raise fault("InternalFailure", "lost", 500)

    bench.cloud.on("sagemaker.create_training_job", create)


def taken_names_at_bedrock(bench: Bench) -> None:
    """Bedrock makes the job or the deployment that is asked for, and its answer is lost."""

    def losing(create: Callable[..., Any], name: str) -> Callable[..., Any]:
        lost: set[str] = set()

        def call(**request: Any) -> Any:
            if request[name] in lost:
                raise fault("ConflictException", f"{request[name]} exists")
            create(**request)
            lost.add(request[name])
            raise fault("InternalServerException", "lost", 500)

        return call

    custom, models = bench.customization, bench.models
    bench.cloud.on("bedrock.create_model_customization_job", losing(custom.create, "jobName"))
    candidates = losing(models.create_deployment, "modelDeploymentName")
    bench.cloud.on("bedrock.create_custom_model_deployment", candidates)


def slow_at_bedrock(bench: Bench) -> None:
    bench.customization.fails = Outcome(describes=2)
    taken_names_at_bedrock(bench)


def undeployable_candidate(bench: Bench) -> None:
    """The candidate of the first try finds no room."""
    real = bench.models.get_deployment

    def describe(customModelDeploymentIdentifier: str) -> Any:
        found = real(customModelDeploymentIdentifier=customModelDeploymentIdentifier)
        failed = found["modelDeploymentName"].endswith("-evaluate-sft-1")
        return found | ({"status": "Failed", "failureMessage": "no room"} if failed else {})

    bench.cloud.on("bedrock.get_custom_model_deployment", describe)


def taken_name_of_a_failing_job(bench: Bench) -> None:
    bench.training.script["sft:sft"] = [Outcome("Failed", "AlgorithmError: out of memory", describes=1)]
    taken_names(bench)


def refusing_batches(bench: Bench) -> None:
    def refuse(**_: Any) -> Any:
        raise fault("ValidationException", "the model cannot be asked in batches", 400)

    bench.cloud.on("bedrock.create_model_invocation_job", refuse)


def taken_model(bench: Bench) -> None:
    def create(modelName: str, **request: Any) -> Any:
        bench.models.create_custom_model(modelName=modelName, clientRequestToken="another")
        raise fault("ConflictException", "The model name is already in use.")

    bench.cloud.on("bedrock.create_custom_model", create)


def never_deployed(bench: Bench) -> None:
    bench.models.models.clear()
    bench.models.deployments.clear()


def never_deployed_and_silent(bench: Bench) -> None:
    never_deployed(bench)
    bench.speech.hello = ""


def approving(bench: Bench) -> None:
    """Somebody approves as soon as the question is asked."""
    real = bench.functions.call

    def call(name: str, event: Any) -> Any:
        said = real(name, event)
        if name == "AskApprovalFunction":
            bench.engine.send_task_success(event["token"], "{}")
        return said

    bench.functions.call = call


def fetching(bench: Bench) -> None:
    bench.functions.stub("FetchFunction", lambda event: {"fetched": len(event["Items"])})


def crawl(bench: Bench) -> str:
    return bench.drop("requests/one.json", {"ecfr": [{"part": "230", "date": "2024-10-01"}]})


THOROUGH = {"seed": 3, "thorough": True}
SERVERLESS = {"CustomizeOn": "serverless", "EvaluatorArn": LOCAL_ARN}
BEDROCK = {"CustomizeOn": "bedrock"}
BATCHED = {"TeacherMode": "batch", "BatchMinimum": 1}
SCENARIOS = [
    Scenario("crawl", "crawl", ("PlanCrawl", "Fetch"), crawl, fetching),
    Scenario("crawl: bad request", "crawl", ("PlanCrawl", *SET_ASIDE), lambda b: b.drop("requests/bad.json", b"{")),
    Scenario("ingest", "ingest", TAUGHT, sample),
    Scenario("ingest: no document", "ingest", ("Parse", *SET_ASIDE), lambda b: b.drop("incoming/bad.txt", b"")),
    Scenario("ingest: batch", "ingest", (*TAUGHT, "PrepareBatch", "CreateBatch", "GetBatch", "ReadBatch"), sample,
             parameters=BATCHED),
    Scenario("ingest: batch refused", "ingest", (*TAUGHT, "PrepareBatch", "CreateBatch"), sample, refusing_batches,
             BATCHED),
    Scenario("ingest: teaching times out", "ingest", (*TAUGHT, "RecordFailure"), sample, timing_out),
    Scenario("customize", "customize", DEPLOYED, wanted),
    Scenario("customize: bad request", "customize", ("Admit", *SET_ASIDE), lambda b: b.drop("runs/bad.json", b"{")),
    Scenario("customize: nothing better", "customize", (*TO_THE_GATE, "Report", "AnnounceNotRegistered"), wanted,
             lambda b: b.training.skills.update(base=1.0, sft=0.0)),
    Scenario("customize: names taken", "customize", (*DEPLOYED, "ExplainFailure", "AdoptJob"), wanted, taken_names),
    Scenario("customize: adopted job fails", "customize", (*DEPLOYED, "ExplainFailure", "AdoptJob"), wanted,
             taken_name_of_a_failing_job),
    Scenario("customize: no capacity", "customize", ("ExplainFailure", "AnnounceJobFailed", "GiveUp"), wanted,
             without_capacity, redriven="CapacityUnavailable"),
    Scenario("customize: model taken", "customize", (*DEPLOYED, "FindModel"), wanted, taken_model),
    Scenario("customize: smoke test", "customize", (*TO_THE_MODEL, "RollBack"), wanted,
             lambda b: setattr(b.speech, "hello", ""), ends="SmokeTestFailed"),
    Scenario("customize: import fails", "customize", (*TO_THE_GATE, "RegisterModel", "DescribeModel"), wanted,
             lambda b: setattr(b.models, "broken", "Failed"), ends="ModelImportFailed"),
    Scenario("customize: approved", "customize", (*DEPLOYED, "AskApproval"), wanted, approving,
             {"RequireApproval": "true"}),
    Scenario("customize: first model", "customize", (*FIRST_MODEL, "PublishModel", "Report"), wanted, never_deployed),
    Scenario("customize: first smoke test", "customize", (*FIRST_MODEL, "RemoveDeployment"), wanted,
             never_deployed_and_silent, ends="SmokeTestFailed"),
    Scenario("customize: serverless", "customize", DEPLOYED, wanted, parameters=SERVERLESS),
    Scenario("customize: Bedrock", "customize", BY_BEDROCK, wanted, parameters=BEDROCK),
    Scenario("customize: names taken at Bedrock", "customize", (*BY_BEDROCK, "AdoptCustomization"), wanted,
             slow_at_bedrock, BEDROCK),
    Scenario("customize: candidate not deployed", "customize", ("DescribeCandidate", "AnnounceJobFailed", "GiveUp"),
             wanted, undeployable_candidate, BEDROCK, redriven="JobFailed"),
    Scenario("customize: thorough", "customize", DEPLOYED, lambda b: b.drop("runs/wanted.json", THOROUGH)),
]  # fmt: skip
# States of these types call nothing. Only an expression of theirs can fail, and would fail again after every redrive;
# test_every_expression_is_evaluated covers them.
CALLING_NOTHING = {"Choice", "Pass", "Wait", "Succeed", "Fail"}


EVALUATED: dict[str, set[str]] = {}  # expressions of undisturbed executions, by machine


def kept(bench: Bench) -> dict[str, bytes]:
    """Everything that an execution leaves behind for others, but for the time at which it was written.

    A Map Run's own result files have names of their own; a report's pages are written from its report.json alone.
    """
    work = {
        key: data
        for key, data in bench.objects.tree(WORK).items()
        if not key.startswith("maps/") and not (key.startswith("runs/") and key.endswith((".html", ".md")))
    }
    for key in [key for key in work if key.endswith("report.json")]:
        work[key] = json.dumps({**json.loads(work[key]), "finished_at": None}).encode()
    if bench.customization.paid:  # the machine's own clock says how long these jobs took
        work = {key: re.sub(rb'"seconds": ?[0-9.]+', b'"seconds": 0', data) for key, data in work.items()}
    return work | {f"intake/{key}": data for key, data in bench.objects.tree(INTAKE).items()}


def paid(bench: Bench) -> dict[str, Any]:
    customizations = Counter(request["jobName"] for request in bench.customization.paid)
    return {"jobs": Counter(bench.training.arms()), "customizations": customizations,
            "prompts": Counter(bench.speech.prompts),
            "batch": Counter(bench.batches.paid), "imports": Counter(bench.models.imports)}  # fmt: skip


@pytest.fixture(scope="session")
def undisturbed(corpus, tmp_path_factory) -> Callable[[Scenario], tuple[Any, Any]]:
    """(what was kept, what was paid) of a scenario that nothing breaks."""

    @functools.cache
    def run(scenario_label: str) -> tuple[Any, Any]:
        scenario = next(one for one in SCENARIOS if one.label == scenario_label)
        bench = scenario.open(tmp_path_factory.mktemp("quiet"), corpus)
        real = jsonata._expression

        def noted(text: str, *rest: Any) -> Any:
            EVALUATED.setdefault(scenario.machine, set()).add(text)
            return real(text, *rest)

        bench.set(jsonata, "_expression", noted)
        try:
            name = scenario.start(bench)
            assert bench.ended(name).get("error") == (scenario.redriven or scenario.ends)
            if scenario.redriven:
                bench.redrive(name)
            return kept(bench), paid(bench)
        finally:
            bench.close()

    return lambda scenario: run(scenario.label)


@pytest.mark.parametrize("lost", [False, True], ids=["before the call", "answer lost"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.label)
def test_redriven_executions_end_as_undisturbed_ones(scenario, lost, corpus, undisturbed, tmp_path):
    expected = undisturbed(scenario)
    bench = scenario.open(tmp_path, corpus)
    try:
        broken = bench.break_each(answer_lost=lost)
        name = scenario.start(bench)
        found = bench.through(name)
        assert found.get("error") == scenario.ends, (found, bench.visited(name)[-5:])
        assert set(scenario.states) <= set(broken)
        assert found["redriveCount"] > 0
        assert (kept(bench), paid(bench)) == expected
    finally:
        bench.close()


def test_states_before_the_failed_one_do_not_run_again(settled):
    broken = settled.break_each()
    name = wanted(settled)
    settled.through(name)
    outside = [state for state in settled.visited(name) if state in broken]
    for state in ("Admit", "Assemble", "Preflight", "GateFineTuned", "RegisterModel", "Report"):
        assert outside.count(state) == 1
    called = settled.functions.calls
    for function in ("AdmitFunction", "AssembleFunction", "PreflightFunction", "SmokeFunction", "ReportFunction"):
        assert called[function] == 1


def test_every_state_that_calls_something_is_broken_in_some_scenario():
    for machine, definition in machines().items():
        named = ((path.rpartition("/")[2], state["Type"]) for path, state in states(definition))
        calling = {state for state, kind in named if kind not in CALLING_NOTHING}
        tried = {state for scenario in SCENARIOS if scenario.machine == machine for state in scenario.states}
        assert calling - tried == MAPS.get(machine, set()), machine


MAPS = {"crawl": {"FetchDocuments"}, "ingest": {"TeachChunks"}, "customize": {"RunJobs"}}  # RunJobs reads no file


@pytest.mark.parametrize("method", ["get_object", "put_object"])
@pytest.mark.parametrize("label", ["crawl", "ingest"])
def test_a_map_that_could_not_read_its_items_or_write_its_results_goes_on(label, method, corpus, undisturbed, tmp_path):
    scenario = next(one for one in SCENARIOS if one.label == label)
    bench = scenario.open(tmp_path, corpus)
    real, failed = getattr(bench.objects, method), []

    def once(**request: Any) -> Any:
        if not failed:
            failed.append(request["Key"])
            raise fault("AccessDenied", "Access Denied", 403)
        return real(**request)

    try:
        bench.cloud.on(f"s3.{method}", once)
        name = scenario.start(bench)
        assert bench.ended(name)["status"] == "FAILED" and failed
        assert bench.redrive(name)["status"] == "SUCCEEDED"
        assert (kept(bench), paid(bench)) == undisturbed(scenario)
    finally:
        bench.close()


def test_a_redrive_of_a_document_teaches_only_what_is_missing(bench):
    """Of the batches of one document one fails; the others are not asked again."""
    left = [fault("AccessDeniedException", "You don't have access to the model", 403)]
    real = bench.speech.converse

    def converse(messages: list, **request: Any) -> Any:
        if left and len(bench.speech.prompts) == 4:
            raise left.pop()
        return real(messages=messages, **request)

    bench.wire.calls["bedrock-runtime.converse"] = converse
    name = bench.drop("incoming/a.xml", (SAMPLES / SAMPLE).read_bytes())
    found = bench.ended(name)
    assert found["error"] == "States.ExceedToleratedFailureThreshold"
    assert bench.redrive(name)["status"] == "SUCCEEDED"
    assert max(bench.speech.prompts.values()) == 1
    (event,) = bench.told("Document Ingested")
    assert event["failed"] == 0


def expressions(value: Any) -> set[str]:
    """Every JSONata expression below a value."""
    if isinstance(value, str):
        return {value} if jsonata.is_expression(value) else set()
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {found for one in below for found in expressions(one)}


@pytest.mark.parametrize("machine", machines())
def test_every_expression_is_evaluated(machine, undisturbed):
    """The scenarios are the samples: each expression has a value in one of them at least."""
    for scenario in SCENARIOS:
        if scenario.machine == machine:
            undisturbed(scenario)
    missed = [written for written in sorted(expressions(machines()[machine]))
              if not any(map(re.compile(_filled_in(written)).fullmatch, EVALUATED[machine]))]  # fmt: skip
    assert missed == []


def _filled_in(expression: str) -> str:
    """A pattern for the expression with any value in the place of each substitution."""
    return ".*".join(map(re.escape, re.split(r"\$\{\w+\}", expression)))
