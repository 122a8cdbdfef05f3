"""Dropped files through the ingest machine: taught and settled, or set aside while the others go on."""

import gzip
import json
import threading

import pytest

from tests.workflows.bench import INTAKE, SAMPLES, WORK, Bench
from tests.workflows.functions import entry

SMALL = ("regulations/ecfr-title-17-part-243.xml", "caselaw/cl_9900104.json", "edgar/0009900020-23-000009.txt")
GONE = {
    "empty": b"",
    "blank": b"  \n\t\n ",
    "zeros": b"\0" * 4096,
    "noise": bytes(range(256)) * 40,
    "half of a gzip": gzip.compress(b"ITEM 1. BUSINESS " * 4000)[:60],
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20,
}


def test_documents_become_verified_examples(bench):
    names = bench.drop_samples(*SMALL)
    for name in names:
        bench.succeeded(name)
    assert bench.told() == ["Document Ingested"] * 3
    for event in bench.told("Document Ingested"):
        assert sum(event[kind] for kind in ("kept", "repaired", "rejected", "failed", "empty")) == event["chunks"]
        assert event["examples"] > 0 and not event["already_held"]
        assert len(bench.lines(f"ledger/{event['document']}.jsonl")) == event["chunks"]
    assert {row["status"] for row in bench.rows("DOCUMENT")} == {"settled"}
    assert all(times == 1 for times in bench.speech.prompts.values())


def test_the_states_of_an_ingest_and_what_they_carry(bench):
    (name,) = bench.drop_samples(SMALL[0])
    bench.succeeded(name)
    assert bench.visited(name) == ["Parse", "IsHeld", "TeachChunks", "Settle", "AnnounceIngested", "Ingested"]
    assert bench.largest_payload(name) < 32 * 1024
    document = bench.told("Document Ingested")[0]["document"]
    assert bench.objects.keys(WORK, f"maps/{document}/")


def test_a_document_held_before_costs_nothing(bench):
    (name,) = bench.drop_samples(SMALL[1])
    bench.succeeded(name)
    asked = sum(bench.speech.asked.values())
    again = bench.drop("incoming/other/name.json", (SAMPLES / SMALL[1]).read_bytes())
    bench.succeeded(again)
    first, second = bench.told("Document Ingested")
    assert second["already_held"] and second["document"] == first["document"]
    assert second["examples"] == first["examples"]
    assert sum(bench.speech.asked.values()) == asked
    assert "TeachChunks" not in bench.visited(again)


def test_what_is_no_document_is_set_aside_while_others_go_on(bench):
    bad = {bench.drop(f"incoming/{label}.txt", data): label for label, data in GONE.items()}
    good = bench.drop_samples(*SMALL)
    for name in [*bad, *good]:
        bench.succeeded(name)
    assert sorted(bench.told()) == ["Document Ingested"] * len(SMALL) + ["Document Rejected"] * len(GONE)
    for label in GONE:
        note = bench.json(f"rejected/incoming/{label}.txt.reason.json", INTAKE)
        assert note["reason"] and note["key"] == f"incoming/{label}.txt"
    left = bench.objects.keys(INTAKE, "incoming/")
    assert len(left) == len(SMALL) and len(bench.rows("REJECTED")) == len(GONE)


def test_a_rejection_is_mailed_with_its_reason(bench):
    bench.succeeded(bench.drop("incoming/nothing.htm", b""))
    (event,) = bench.told("Document Rejected")
    (mail,) = bench.mails
    assert event["reason"] in mail["Message"] and "incoming/nothing.htm" in mail["Message"]


def test_one_event_delivered_five_times_is_one_execution(bench):
    bench.drop("incoming/a.json", (SAMPLES / SMALL[1]).read_bytes(), times=5)
    assert len(bench.names("ingest")) == 1
    bench.succeeded(bench.names("ingest")[0])
    bench.deliver(bench.arrival("incoming/a.json", "v000001", len((SAMPLES / SMALL[1]).read_bytes())), times=2)
    assert len(bench.names("ingest")) == 1
    assert bench.functions.calls["ParseFunction"] == 1


def test_another_version_of_a_key_is_another_execution_and_leaves_the_first_alone(bench):
    first = bench.drop("incoming/doc", (SAMPLES / SMALL[0]).read_bytes())
    bench.succeeded(first)
    before = bench.objects.tree(WORK)
    second = bench.drop("incoming/doc", (SAMPLES / SMALL[1]).read_bytes())
    bench.succeeded(second)
    after = bench.objects.tree(WORK)
    assert first != second
    assert {key: after[key] for key in before} == before
    assert len({event["document"] for event in bench.told("Document Ingested")}) == 2


def test_a_late_event_reads_the_version_it_names(bench):
    """The object was overwritten before its first event arrived."""
    data = (SAMPLES / SMALL[0]).read_bytes()
    old = bench.objects.put_object(INTAKE, "incoming/doc", data)
    bench.objects.put_object(INTAKE, "incoming/doc", b"")
    bench.deliver(bench.arrival("incoming/doc", old["VersionId"], len(data)))
    bench.succeeded(bench.names("ingest")[0])
    assert bench.told() == ["Document Ingested"]


@pytest.mark.parametrize("error", ["Runtime.ExitError", "Lambda.TooManyRequestsException", "Sandbox.Timedout"])
@pytest.mark.parametrize("function", ["ParseFunction", "TeachFunction", "SettleFunction"])
def test_a_function_that_dies_is_called_again(bench, function, error):
    bench.functions.fail(function, error)
    (name,) = bench.drop_samples(SMALL[1])
    bench.succeeded(name)
    (event,) = bench.told("Document Ingested")
    assert event["failed"] == 0 and event["examples"] > 0


def test_chunks_that_always_time_out_are_counted_as_failed_and_the_rest_goes_on(bench):
    real = entry("functions/teach", "app.app")

    def teach(event):
        if event["first"] == 0:
            raise type("Sandbox.Timedout", (Exception,), {})("the sandbox ran out of time")
        return real(event, None)

    bench.functions.stub("TeachFunction", teach)
    (name,) = bench.drop_samples(SMALL[0])
    bench.succeeded(name)
    (event,) = bench.told("Document Ingested")
    assert event["failed"] == 3 and event["kept"] > 0
    reasons = [
        line["detail"] for line in bench.lines(f"ledger/{event['document']}.jsonl") if line["status"] == "failed"
    ]
    assert all("Sandbox.Timedout" in reason for reason in reasons) and len(reasons) == 3


def test_enough_new_examples_start_a_run_by_themselves_once_it_is_quiet(tmp_path):
    bench = Bench(tmp_path, MinNewExamples=10)
    try:
        for name in bench.drop_samples(*SMALL):
            bench.succeeded(name)
        bench.settle()
        bench.settle()
        (run,) = bench.names("customize")
        bench.ended(run)
        assert bench.json(f"runs/{run}/plan.json")["request"] is None
        assert len(bench.rows("RUN")) == 1
    finally:
        bench.close()


def test_nothing_starts_by_itself_while_a_document_is_on_its_way(tmp_path):
    bench = Bench(tmp_path, MinNewExamples=1)
    try:
        (name,) = bench.drop_samples(SMALL[1])
        bench.succeeded(name)
        gate, real = threading.Event(), entry("functions/settle", "app.app")

        def settle(event):
            assert gate.wait(60)
            return real(event, None)

        bench.functions.stub("SettleFunction", settle)
        (other,) = bench.drop_samples(SMALL[0])
        bench.settle()
        assert bench.names("customize") == []
        gate.set()
        bench.succeeded(other)
        bench.settle()
        assert len(bench.names("customize")) == 1
        bench.ended(bench.names("customize")[0])
    finally:
        bench.close()


def test_what_the_teacher_was_paid_for_is_kept_word_for_word(bench):
    (name,) = bench.drop_samples(SMALL[1])
    bench.succeeded(name)
    kept = bench.objects.keys(WORK, "teaching/answers/")
    assert len(kept) == len(bench.speech.prompts)
    assert all("output" in json.loads(bench.objects.data(WORK, key)) for key in kept)
