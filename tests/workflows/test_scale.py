"""Sizes that no sample has: a document of ten thousand chunks, many documents at once, waits of a day."""

import json
import threading
import time

import pytest

from tests.template.loading import resources, template
from tests.workflows.bench import WORK, Bench

CHUNKS, BATCH = 10_000, 10


def long_document(bench: Bench, chunks: int = CHUNKS) -> None:
    """A parse function that says it found so many chunks, and functions that do as if they taught them."""
    digest = "d" * 32

    def parse(event):
        rows = [{"document": digest, "first": first, "last": first + BATCH,
                 "failed_key": f"teaching/{first}.failed.json"}
                for first in range(0, chunks, BATCH)]  # fmt: skip
        bench.objects.put_object(WORK, "documents/long.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        batches = {"bucket": WORK, "key": "documents/long.jsonl"}
        return {"document": digest, "key": event["key"], "held": False, "chunks": chunks, "batches": batches,
                "group": "g", "kind": "filing", "set_aside": 0}  # fmt: skip

    counts = {"kept": chunks, "repaired": 0, "rejected": 0, "failed": 0, "empty": 0, "examples": 3 * chunks}
    bench.functions.stub("ParseFunction", parse)
    bench.functions.stub("TeachFunction", lambda event: {**event, "outcomes": {"kept": BATCH}})
    bench.functions.stub("SettleFunction", lambda event: {"document": digest, "chunks": chunks, **counts})


def until_busy(bench: Bench, wanted: int):
    """A teach function whose first batch takes as long as so many need to come together; not for ever, though."""
    gathered = threading.Event()

    def teach(event):
        until = time.monotonic() + 60
        while not gathered.is_set() and time.monotonic() < until:
            if bench.functions.busy["TeachFunction"] >= wanted:
                gathered.set()
            time.sleep(0.001)
        return {**event, "outcomes": {"kept": BATCH}}

    return teach


@pytest.fixture
def long(tmp_path):
    bench = Bench(tmp_path, TeacherMode="on-demand")
    long_document(bench)
    yield bench
    bench.close()


def test_ten_thousand_chunks_cost_few_transitions_and_a_short_history(long):
    name = long.drop("incoming/long.htm", b"stands in for a long document")
    long.succeeded(name)
    assert long.functions.calls["TeachFunction"] == CHUNKS / BATCH
    assert len(long.history(name)) < 2000
    assert long.transitions(name) <= 1.1 * CHUNKS
    assert long.largest_payload(name) < 32 * 1024


def test_no_more_batches_are_taught_at_once_than_the_parameter_says(tmp_path):
    bench = Bench(tmp_path, TeacherMode="on-demand", TeacherConcurrency=4)
    try:
        long_document(bench)
        bench.functions.stub("TeachFunction", until_busy(bench, 4))
        bench.succeeded(bench.drop("incoming/long.htm", b"long"))
        assert bench.functions.busiest["TeachFunction"] == 4
    finally:
        bench.close()


def test_teaching_of_all_documents_at_once_has_a_bound():
    """Every document is an execution of its own, so the bound of one Map does not bound them all: Lambda's does."""
    teach = resources("AWS::Serverless::Function")["TeachFunction"]["Properties"]
    assert teach["ReservedConcurrentExecutions"] == {
        "!If": ["HasTeachersAtOnce", {"!Ref": "TeachersAtOnce"}, {"!Ref": "AWS::NoValue"}]
    }
    assert template()["Parameters"]["TeachersAtOnce"]["Default"] == 0


def test_documents_beyond_the_bound_wait_for_their_turn_and_get_it(tmp_path):
    """One batch may be taught at a time; the first ends only when three others were each refused a dozen times."""
    bench = Bench(tmp_path, TeacherMode="on-demand", TeachersAtOnce=1)
    try:
        long_document(bench, BATCH)

        def teach(event):
            until = time.monotonic() + 60
            while bench.functions.throttled["TeachFunction"] < 3 * 13 and time.monotonic() < until:
                time.sleep(0.001)
            return {**event, "outcomes": {"kept": BATCH}}

        bench.functions.stub("TeachFunction", teach)
        for name in [bench.drop(f"incoming/{number}.htm", b"one batch") for number in range(4)]:
            bench.succeeded(name)
        assert bench.functions.busiest["TeachFunction"] == 1
    finally:
        bench.close()
