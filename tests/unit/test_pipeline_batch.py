"""Batch teaching: what is written for the job, what is taken from its results, and that both ways agree."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.states import StateError
from local.teacher import answer
from tests.local.states_bench import fault
from tests.unit.memory import MemoryLedger, MemoryStore
from tests.workflows.bench import WORK, Bench
from tests.workflows.functions import Killed
from toolsmith.catalog import load_catalog
from toolsmith.pipeline import batch, ingest
from toolsmith.pipeline.answers import KeptTeacher
from toolsmith.pipeline.kept import answers_folder

SAMPLE = Path(__file__).parents[2] / "samples" / "caselaw" / "cl_9900101.json"
CHUNKING = ingest.Chunking(size=600, overlap=60, batch=4)
MODEL, JOB = "us.amazon.nova-pro-v1:0", "arn:aws:bedrock:us-east-1:000000000000:model-invocation-job/abc123"
CATALOG = load_catalog()
FEW = batch.Limits(least=2)
Line = dict[str, Any]


def converse(body: dict[str, Any]) -> dict[str, Any]:
    told = "".join(block["text"] for block in body.get("system", []))
    said = answer(told, body["messages"][-1]["content"][0]["text"])
    message = {"role": "assistant", "content": [{"text": said.text}]}
    usage = {"inputTokens": said.input_tokens, "outputTokens": said.output_tokens, "totalTokens": 0}
    return {"output": {"message": message}, "stopReason": said.stop_reason, "usage": usage}


class Voice:
    """The embedded teacher, on demand; counts what it is asked."""

    model_id = MODEL

    def __init__(self) -> None:
        self.prompts: list[str] = []

    def converse(self, body: dict[str, Any]) -> dict[str, Any]:
        self.prompts.append(body["messages"][-1]["content"][0]["text"])
        return converse(body)


class World:
    """One parsed document; `run` is what Bedrock does with a batch job."""

    def __init__(self) -> None:
        self.work, self.ledger, self.voice = MemoryStore(), MemoryLedger(), Voice()
        intake = MemoryStore("intake", {"incoming/a.json": SAMPLE.read_bytes()})
        self.found = ingest.parse(intake, self.work, self.ledger, {"key": "incoming/a.json"}, CHUNKING)
        self.digest = self.found["document"]

    def prepare(self, limits: batch.Limits = FEW) -> dict[str, Any]:
        return batch.prepare(self.work, CATALOG, self.digest, MODEL, 0, limits)

    def lines(self, job: dict[str, Any]) -> list[Line]:
        keys = [key for key in self.work.keys(f"{job['folder']}/input/") if key.endswith(".jsonl")]
        return [line for key in keys for line in self.work.read_lines(key)]

    def run(self, job: dict[str, Any], change: Callable[[list[Line]], list[Any]] = list) -> None:
        done = [{**line, "modelOutput": converse(line["modelInput"])} for line in self.lines(job)]
        text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in change(done))
        self.work.write(f"{job['folder']}/output/abc123/0000.jsonl.out", text.encode())
        self.work.write_json(f"{job['folder']}/output/abc123/manifest.json.out", {"totalRecordCount": len(done)})

    def collect(self, job: dict[str, Any], status: str = "Completed") -> dict[str, Any]:
        event = {"document": self.digest, "folder": job["folder"], "arn": JOB, "status": status}
        return batch.collect(self.work, event)

    def teach(self) -> list[dict[str, Any]]:
        """The map over all batches and the settlement; every example."""
        teacher = KeptTeacher(self.voice)
        for one in self.work.read_lines(self.found["batches"]["key"]):
            ingest.teach(self.work, teacher, CATALOG, one, seed=0)
        ingest.settle(self.work, self.ledger, self.digest)
        return [example for key in self.work.keys(f"teaching/{self.digest}/")
                for outcome in self.work.read_lines(key) for example in outcome["examples"]]  # fmt: skip


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def on_demand() -> list[dict[str, Any]]:
    return World().teach()


def test_the_job_asks_exactly_what_would_be_asked_on_demand(world):
    told = world.prepare()
    lines = world.lines(told["job"])
    assert told["records"] == len(lines) == told["chunks"] - told["silent"] > 2
    assert len({line["recordId"] for line in lines}) == len(lines)
    asked = [line["modelInput"]["messages"][0]["content"][0]["text"] for line in lines]
    world.teach()
    assert [prompt for prompt in world.voice.prompts[1:] if "##REPAIR##" not in prompt] == asked


def test_batch_and_on_demand_give_the_same_examples(world, on_demand):
    job = world.prepare()["job"]
    world.run(job)
    counts = world.collect(job)
    assert counts["ok"] == counts["records"] and counts["requeued"] == 0 and counts["reasons"] == {}
    assert world.teach() == on_demand
    assert all("##REPAIR##" in prompt for prompt in world.voice.prompts if prompt != "hi")


def failing(lines: list[Line]) -> list[Any]:
    """Shuffled, with one line of each way to fail, strangers and a double among them."""
    whole, rest = lines[0], lines[1:]
    error, cut, stopped, guarded = (dict(line) for line in rest[:4])
    del error["modelOutput"]
    error["error"] = {"errorCode": 429, "errorMessage": "busy"}
    cut["modelOutput"] = {"output": {"message": {"role": "assistant"}}}
    stopped["modelOutput"] = {**stopped["modelOutput"], "stopReason": "max_tokens"}
    guarded["modelOutput"] = {**guarded["modelOutput"], "stopReason": "guardrail_intervened"}
    stranger = {**whole, "recordId": "f" * 64}
    rows = [whole, whole, error, cut, stopped, guarded, stranger, "{broken", '"text"', "", *rest[5:]]
    random.Random(4).shuffle(rows)
    return rows


def test_what_a_job_did_not_answer_well_is_asked_on_demand(world, on_demand):
    job = world.prepare()["job"]
    world.run(job, failing)
    counts = world.collect(job, "PartiallyCompleted")
    assert counts["reasons"] == {"error": 1, "malformed": 1, "missing": 1, "refused": 1, "truncated": 1}
    assert counts["records"] == counts["ok"] + counts["requeued"] and counts["requeued"] == 5
    assert not any("f" * 64 in path for path in world.work.keys(answers_folder(world.digest)))
    assert world.teach() == on_demand
    assert sum("##REPAIR##" not in prompt for prompt in world.voice.prompts if prompt != "hi") == 5


@pytest.mark.parametrize("status", ["Failed", "Expired", "Stopped"])
def test_a_job_without_results_costs_only_its_discount(world, on_demand, status):
    job = world.prepare()["job"]
    counts = world.collect(job, status)
    assert (counts["ok"], counts["requeued"]) == (0, counts["records"]) and counts["reasons"].keys() == {"missing"}
    assert world.teach() == on_demand


def test_an_answer_is_paid_once_however_the_chunks_are_batched(world, on_demand):
    teacher, first = KeptTeacher(world.voice), {"document": world.digest, "first": 0, "last": 7}
    ingest.teach(world.work, teacher, CATALOG, first, seed=0)
    asked = list(world.voice.prompts)
    world.work.objects.pop(ingest.outcome_key(world.digest, 0))
    assert world.teach() == on_demand
    assert not set(asked[1:]) & set(world.voice.prompts[len(asked) :])


def test_a_new_prompt_costs_one_call_and_one_write(world, monkeypatch):
    read = []
    monkeypatch.setattr(world.work, "read_json", read.append)
    ingest.teach(
        world.work, KeptTeacher(world.voice), CATALOG, {"document": world.digest, "first": 0, "last": 4}, seed=0
    )
    kept = list(world.work.keys(answers_folder(world.digest)))
    assert read == [] and len(kept) == len(world.voice.prompts) - 1 and {world.work.writes[key] for key in kept} == {1}


def test_an_answer_that_cannot_be_kept_fails_its_batch_which_costs_nothing_again(world, monkeypatch):
    write, broken = world.work.write_json, []

    def fail_once(key: str, value: Any) -> None:
        if not broken:
            broken.append(key)
            raise ConnectionError(key)
        write(key, value)

    monkeypatch.setattr(world.work, "write_json", fail_once)
    batch = {"document": world.digest, "first": 0, "last": 4}
    with pytest.raises(ConnectionError):
        ingest.teach(world.work, KeptTeacher(world.voice), CATALOG, batch, seed=0)
    asked = len(world.voice.prompts)
    assert len(list(world.work.keys(answers_folder(world.digest)))) == asked - 2 > 0
    ingest.teach(world.work, KeptTeacher(world.voice), CATALOG, batch, seed=0)
    assert len(world.voice.prompts) == asked


def test_below_the_services_least_no_job_is_prepared(world):
    told = world.prepare(batch.Limits(least=1000))
    assert told["job"] is None and "1000" in told["reason"]
    assert not list(world.work.keys("batch/"))


def test_what_is_answered_already_is_not_bought_again(world):
    first = world.prepare()
    world.run(first["job"], lambda lines: lines[:3])
    world.collect(first["job"])
    second = world.prepare()
    assert second["held"] == 3 and second["records"] == first["records"] - 3
    assert second["job"]["token"] != first["job"]["token"]
    assert world.prepare() == second


def test_a_large_document_is_cut_into_files_and_the_rest_asked_on_demand(world):
    told = world.prepare(batch.Limits(least=2, most=5, per_file=2))
    sizes = [len(world.work.read_lines(key)) for key in world.work.keys(f"{told['job']['folder']}/input/")]
    assert sizes == [2, 2, 1] and told["records"] == 5


def test_names_and_tokens_are_such_that_the_service_takes_them(world):
    job = world.prepare()["job"]
    assert len(job["name"]) <= 63 and job["name"].replace("-", "").isalnum()
    bucket = f"s3://{world.work.bucket}"
    assert job["input"] == f"{bucket}/{job['folder']}/input/" and job["output"].startswith(f"{bucket}/batch/")


# -- through the machine ---------------------------------------------------------------------------------------------
class Jobs:
    """Bedrock's batch inference: answers everything at the second look, but what `change` leaves out."""

    def __init__(self, bench: Bench, change: Callable[[list[Line]], list[Any]] = list, ending: str = "Completed"):
        self.bench, self.change, self.ending = bench, change, ending
        self.created: list[dict[str, Any]] = []
        self.looks = 0
        bench.cloud.on("bedrock.create_model_invocation_job", self.create)
        bench.cloud.on("bedrock.get_model_invocation_job", self.get)

    def create(self, **request: Any) -> dict[str, str]:
        self.created.append(request)
        return {"jobArn": JOB}

    def get(self, jobIdentifier: str) -> dict[str, Any]:
        assert jobIdentifier == JOB
        self.looks += 1
        if self.looks < 3:
            return {"jobArn": JOB, "status": ("Submitted", "InProgress")[self.looks - 1]}
        if self.looks == 3:
            self._work(self.created[0])
        return {"jobArn": JOB, "status": self.ending}

    def _work(self, request: dict[str, Any]) -> None:
        prefix = request["inputDataConfig"]["s3InputDataConfig"]["s3Uri"].removeprefix(f"s3://{WORK}/")
        out = request["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"].removeprefix(f"s3://{WORK}/")
        lines = [json.loads(line) for key in self.bench.objects.keys(WORK, prefix)
                 for line in self.bench.objects.data(WORK, key).splitlines()]  # fmt: skip
        rows = self.change([{**line, "modelOutput": converse(line["modelInput"])} for line in lines])
        body = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
        self.bench.objects.put_object(WORK, f"{out}abc123/0000.jsonl.out", body)


@pytest.fixture
def stack(tmp_path):
    made: list[Bench] = []

    def make(**parameters: Any) -> Bench:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Bench(folder, ChunkSize=600, ChunkOverlap=60, **parameters))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


def examples(bench: Bench, name: str) -> tuple[dict[str, Any], list[Any]]:
    output = bench.succeeded(name)["output"]
    keys = [key for key in bench.objects.keys(WORK, f"teaching/{output['document']}/") if key.endswith(".jsonl")]
    return output, [one for key in keys for outcome in bench.lines(key) for one in outcome["examples"]]


def test_the_machine_waits_for_its_batch_and_the_dataset_is_the_same(stack):
    plain = stack(TeacherMode="on-demand")
    _, expected = examples(plain, plain.drop("incoming/a.json", SAMPLE.read_bytes()))
    plain.close()
    bench = stack(TeacherMode="auto", BatchLeast=5, BatchMinimum=5)
    jobs = Jobs(bench, failing, "PartiallyCompleted")
    name = bench.drop("incoming/a.json", SAMPLE.read_bytes())
    output, kept = examples(bench, name)
    assert kept == expected
    assert output["batch"]["records"] == output["batch"]["ok"] + 5 and output["batch"]["requeued"] == 5
    (request,) = jobs.created
    assert request["modelInvocationType"] == "Converse" and request["clientRequestToken"] in request["jobName"]
    assert bench.visited(name)[:4] == ["Parse", "IsHeld", "PrepareBatch", "IsWorthABatch"]
    assert bench.largest_payload(name) < 32 * 1024


@pytest.mark.parametrize("error", ["ValidationException", "ServiceQuotaExceededException", "ConflictException"])
def test_a_batch_that_is_refused_is_taught_on_demand(stack, error):
    bench = stack(TeacherMode="batch", BatchMinimum=5)
    jobs = Jobs(bench)

    def refuse(**request: Any):
        jobs.created.append(request)
        raise fault(error, "no batch for this model")

    bench.cloud.on("bedrock.create_model_invocation_job", refuse)
    output, kept = examples(bench, bench.drop("incoming/a.json", SAMPLE.read_bytes()))
    assert kept and output["batch"]["refused"] == f"Bedrock.{error}"
    assert len(jobs.created) == (9 if error == "ServiceQuotaExceededException" else 1)


@pytest.mark.parametrize(
    "parameters",
    [
        {"TeacherMode": "on-demand"},
        {"TeacherMode": "auto", "BatchLeast": 1000},
        {"TeacherMode": "batch", "BatchMinimum": 1000},
    ],
)
def test_small_documents_are_taught_on_demand(stack, parameters):
    bench = stack(**parameters)
    jobs = Jobs(bench)
    name = bench.drop("incoming/a.json", SAMPLE.read_bytes())
    _, kept = examples(bench, name)
    assert kept and jobs.created == []
    assert ("PrepareBatch" in bench.visited(name)) == (parameters["TeacherMode"] == "batch")


def test_a_redrive_finds_the_same_job(stack):
    bench = stack(TeacherMode="batch", BatchMinimum=5)
    jobs = Jobs(bench)
    broken: list[str] = []

    def break_once(call: Any) -> None:
        if call.state == "ReadBatch" and not broken:
            broken.append(call.state)
            raise StateError("BenchFault", "nothing handles this")

    bench.failing(break_once)
    name = bench.drop("incoming/a.json", SAMPLE.read_bytes())
    assert bench.ended(name)["status"] == "FAILED"
    assert bench.redrive(name)["status"] == "SUCCEEDED"
    assert len(jobs.created) == 1


def test_a_sandbox_that_dies_over_its_batch_does_not_stop_the_document(stack):
    bench = stack(TeacherMode="batch", BatchMinimum=5)
    Jobs(bench)

    def die(event: Any) -> Any:
        raise Killed

    bench.functions.stub("PrepareBatchFunction", die)
    output, kept = examples(bench, bench.drop("incoming/a.json", SAMPLE.read_bytes()))
    assert kept and output["batch"] == {"refused": "Runtime.ExitError"}
