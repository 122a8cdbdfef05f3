"""Every Task state of every machine is made to fail once; redriven, the execution ends as if nothing had happened."""


import functools
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

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
DEPLOYED = (*TO_THE_MODEL, "PublishModel", "AnnounceDeployed", "Report", "AnnounceRegistered")
SET_ASIDE = ("SetAside", "AnnounceRejected")
TAUGHT = ("Parse", "Teach", "Settle", "AnnounceIngested")


@dataclass(frozen=True)
class Scenario:
    """A way through a machine. states: the Task states it comes by; ends: the error it ends with by itself; redriven:
    a redrive means that somebody wants it tried again, so the undisturbed execution is redriven too."""

    label: str
    machine: str
    states: tuple[str, ...]
    start: Callable[[Bench], str]
    prepare: Callable[[Bench], Any] = lambda bench: None
    parameters: dict[str, Any] = field(default_factory=dict)
    ends: str | None = None
    redriven: bool = False

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


def taken_model(bench: Bench) -> None:
    def create(modelName: str, **request: Any) -> Any:
        bench.models.create_custom_model(modelName=modelName, clientRequestToken="another")
        raise fault("ConflictException", "The model name is already in use.")

    bench.cloud.on("bedrock.create_custom_model", create)


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


BATCHED = {"TeacherMode": "batch", "BatchMinimum": 1}
SCENARIOS = [
    Scenario("crawl", "crawl", ("PlanCrawl", "Fetch"), crawl, fetching),
    Scenario("crawl: bad request", "crawl", ("PlanCrawl", *SET_ASIDE), lambda b: b.drop("requests/bad.json", b"{")),
    Scenario("ingest", "ingest", TAUGHT, sample),
    Scenario("ingest: no document", "ingest", ("Parse", *SET_ASIDE), lambda b: b.drop("incoming/bad.txt", b"")),
    Scenario("ingest: batch", "ingest", (*TAUGHT, "PrepareBatch", "CreateBatch", "GetBatch", "ReadBatch"), sample,
             parameters=BATCHED),
    Scenario("ingest: teaching times out", "ingest", (*TAUGHT, "RecordFailure"), sample, timing_out),
    Scenario("customize", "customize", DEPLOYED, wanted),
    Scenario("customize: bad request", "customize", ("Admit", *SET_ASIDE), lambda b: b.drop("runs/bad.json", b"{")),
    Scenario("customize: nothing better", "customize", (*TO_THE_GATE, "Report", "AnnounceNotRegistered"), wanted,
             lambda b: b.training.skills.update(base=1.0, sft=0.0)),
    Scenario("customize: names taken", "customize", (*DEPLOYED, "ExplainFailure", "AdoptJob"), wanted, taken_names),
    Scenario("customize: no capacity", "customize", ("ExplainFailure", "AnnounceJobFailed", "GiveUp"), wanted,
             without_capacity, redriven=True),
    Scenario("customize: model taken", "customize", (*DEPLOYED, "FindModel"), wanted, taken_model),
    Scenario("customize: smoke test", "customize", (*TO_THE_MODEL, "RollBack"), wanted,
             lambda b: setattr(b.speech, "hello", ""), ends="SmokeTestFailed"),
    Scenario("customize: approved", "customize", (*DEPLOYED, "AskApproval"), wanted, approving,
             {"RequireApproval": "true"}),
]  # fmt: skip
FIRST = {"CreateDeployment", "RemoveDeployment"}  # in test_first_deployment


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
    return work | {f"intake/{key}": data for key, data in bench.objects.tree(INTAKE).items()}


def paid(bench: Bench) -> dict[str, Any]:
    return {"jobs": Counter(bench.training.arms()), "prompts": Counter(bench.speech.prompts),
            "batch": Counter(bench.batches.paid), "imports": Counter(bench.models.imports)}  # fmt: skip


@pytest.fixture(scope="session")
def undisturbed(corpus, tmp_path_factory) -> Callable[[Scenario], tuple[Any, Any]]:
    """(what was kept, what was paid) of a scenario that nothing breaks."""

    @functools.cache
    def run(scenario_label: str) -> tuple[Any, Any]:
        scenario = next(one for one in SCENARIOS if one.label == scenario_label)
        bench = scenario.open(tmp_path_factory.mktemp("quiet"), corpus)
        try:
            name = scenario.start(bench)
            assert bench.ended(name).get("error") == ("CapacityUnavailable" if scenario.redriven else scenario.ends)
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


def test_every_task_state_is_broken_in_some_scenario():
    for machine, definition in machines().items():
        tasks = {path.rpartition("/")[2] for path, state in states(definition) if state["Type"] == "Task"}
        tried = {state for scenario in SCENARIOS if scenario.machine == machine for state in scenario.states}
        assert tasks - tried <= FIRST, machine


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
