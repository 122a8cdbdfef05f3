"""One dropped file through the use cases of ingest: a real document, the real verifier, the embedded teacher."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local.teacher import answer
from tests.unit.memory import MemoryLedger, MemoryStore
from toolsmith.catalog import load_catalog
from toolsmith.errors import DocumentRejected, LedgerUnbalanced, TeacherThrottled, TeacherUnavailable
from toolsmith.pipeline import ingest
from toolsmith.pipeline.ports import Answers

SAMPLE = Path(__file__).parents[2] / "samples" / "regulations" / "ecfr-title-17-part-227.xml"
CHUNKING = ingest.Chunking(size=1200, overlap=120, batch=3)


class EmbeddedTeacher:
    """The laptop's teacher behind the port; counts its calls and fails from a given call on."""

    model_id = "embedded"

    def __init__(self, failure: Exception | None = None, after: int = 0) -> None:
        self.calls, self.failure, self.after = 0, failure, after

    def ask(self, system: str, user: str, answers: Answers) -> dict:
        self.calls += 1
        if self.failure and self.calls > self.after:
            raise self.failure
        said = answer(system, user)
        usage = {"inputTokens": said.input_tokens, "outputTokens": said.output_tokens, "totalTokens": 0}
        message = {"role": "assistant", "content": [{"text": said.text}]}
        return {"output": {"message": message}, "stopReason": said.stop_reason, "usage": usage}


@pytest.fixture
def world():
    intake = MemoryStore("intake", {"incoming/part-227.xml": SAMPLE.read_bytes()})
    return intake, MemoryStore(), MemoryLedger()


def parsed(world) -> dict:
    intake, work, ledger = world
    return ingest.parse(intake, work, ledger, {"key": "incoming/part-227.xml", "version": None}, CHUNKING)


def teach_all(work: MemoryStore, found: dict, teacher: EmbeddedTeacher) -> None:
    for batch in work.read_lines(found["batches"]["key"]):
        ingest.teach(work, teacher, load_catalog(), batch, seed=0)


def test_a_document_is_cut_taught_and_settled_with_every_chunk_accounted_for(world):
    _, work, ledger = world
    found = parsed(world)
    assert found["chunks"] > CHUNKING.batch and found["kind"] == "regulation" and not found["held"]
    batches = work.read_lines(found["batches"]["key"])
    covered = [n for batch in batches for n in range(batch["first"], batch["last"])]
    assert covered == list(range(found["chunks"]))
    teach_all(work, found, EmbeddedTeacher())
    row = ingest.settle(work, ledger, found["document"])
    assert sum(row[name] for name in ingest.OUTCOMES) == row["chunks"] == found["chunks"]
    assert row["examples"] > 0
    assert len(work.read_lines(f"ledger/{found['document']}.jsonl")) == found["chunks"]
    assert ledger.get("DOCUMENT", found["document"])["status"] == "settled"


def test_what_was_taught_is_not_taught_again(world):
    _, work, _ = world
    found = parsed(world)
    teach_all(work, found, EmbeddedTeacher())
    before = dict(work.objects)
    second = EmbeddedTeacher()
    teach_all(work, found, second)
    assert second.calls == 0
    assert work.objects == before


def test_a_document_parsed_without_an_index_is_taught_the_same(world):
    _, work, _ = world
    found = parsed(world)
    batch = work.read_lines(found["batches"]["key"])[0]
    ingest.teach(work, EmbeddedTeacher(), load_catalog(), batch, seed=0)
    key = ingest.outcome_key(found["document"], 0)
    taught = work.objects.pop(key)
    older = MemoryStore("work", {k: v for k, v in work.objects.items() if k != ingest.index_key(found["document"])})
    ingest.teach(older, EmbeddedTeacher(), load_catalog(), batch, seed=0)
    assert older.objects[key] == taught and len(older.objects) < len(work.objects) + 1


def test_batches_are_taught_from_any_thread(world):
    _, work, ledger = world
    batches = work.read_lines(parsed(world)["batches"]["key"])[:3]
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        for pool, batch in zip((one, other, one), batches, strict=True):
            pool.submit(ingest.teach, work, EmbeddedTeacher(), load_catalog(), batch, seed=0).result()
    assert all(work.exists(ingest.outcome_key(batch["document"], batch["first"])) for batch in batches)


def test_the_same_bytes_under_another_key_are_held(world):
    intake, work, ledger = world
    found = parsed(world)
    teach_all(work, found, EmbeddedTeacher())
    ingest.settle(work, ledger, found["document"])
    intake.objects["incoming/copy.xml"] = intake.objects["incoming/part-227.xml"]
    again = ingest.parse(intake, work, ledger, {"key": "incoming/copy.xml"}, CHUNKING)
    assert again["held"] and again["document"] == found["document"]


def test_a_batch_without_outcomes_is_counted_as_failed_with_its_reason(world):
    _, work, ledger = world
    found = parsed(world)
    batches = work.read_lines(found["batches"]["key"])
    for batch in batches[1:]:
        ingest.teach(work, EmbeddedTeacher(), load_catalog(), batch, seed=0)
    work.write_json(batches[0]["failed_key"], {"Error": "Sandbox.Timedout", "Cause": "Task timed out"})
    row = ingest.settle(work, ledger, found["document"])
    assert row["failed"] == batches[0]["last"] - batches[0]["first"]
    first = work.read_lines(f"ledger/{found['document']}.jsonl")[0]
    assert first["status"] == "failed" and "Sandbox.Timedout" in first["detail"]


@pytest.mark.parametrize("failure", [TeacherThrottled("429"), TeacherUnavailable("no access")])
def test_a_teacher_that_cannot_answer_stops_the_batch_and_loses_nothing(world, failure):
    _, work, _ = world
    found = parsed(world)
    batch = work.read_lines(found["batches"]["key"])[0]
    with pytest.raises(type(failure)):
        ingest.teach(work, EmbeddedTeacher(failure, after=1), load_catalog(), batch, seed=0)
    assert not work.exists(ingest.outcome_key(found["document"], batch["first"]))


def test_outcomes_that_do_not_sum_up_are_refused(world):
    _, work, ledger = world
    found = parsed(world)
    teach_all(work, found, EmbeddedTeacher())
    key = ingest.outcome_key(found["document"], 0)
    work.write_lines(key, work.read_lines(key)[:-1])
    with pytest.raises(LedgerUnbalanced, match=found["document"]):
        ingest.settle(work, ledger, found["document"])


@pytest.mark.parametrize("data", [b"", b"   \n\n", b"\x00\x01\x02\x03" * 50])
def test_what_is_no_document_is_rejected(world, data):
    intake, work, ledger = world
    intake.objects["incoming/bad.txt"] = data
    with pytest.raises(DocumentRejected):
        ingest.parse(intake, work, ledger, {"key": "incoming/bad.txt"}, CHUNKING)


def test_a_rejected_file_is_moved_with_its_reason_and_repeating_it_changes_nothing(world):
    intake, _, ledger = world
    intake.objects["incoming/bad.txt"] = b""
    event = {"key": "incoming/bad.txt", "version": "v1"}
    first = ingest.set_aside(intake, ledger, event, "empty", "0 bytes")
    second = ingest.set_aside(intake, ledger, event, "empty", "0 bytes")
    assert first == second
    assert intake.objects["rejected/incoming/bad.txt"] == b""
    assert intake.read_json("rejected/incoming/bad.txt.reason.json")["reason"] == "empty"
    assert not intake.exists("incoming/bad.txt")
    assert len(ledger.all("REJECTED")) == 1
