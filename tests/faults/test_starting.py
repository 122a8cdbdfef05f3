"""Events that come twice, late, half or not at all (rows 1 to 9)."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ConnectionClosedError

from tests.local.states_bench import fault
from tests.template.loading import ROOT, machines, resources, states
from tests.workflows.bench import INTAKE, SAMPLES, WORK, Bench
from tests.workflows.functions import Killed
from toolsmith.aws.ledger import Ledger
from toolsmith.errors import EventRefused
from toolsmith.events import failure_of

SAMPLE = (SAMPLES / "caselaw/cl_9900104.json").read_bytes()
OTHER = (SAMPLES / "regulations/ecfr-title-17-part-243.xml").read_bytes()


def counted(text: str, metric: str) -> int:
    """The sum of a metric over embedded-metric lines of a log."""
    lines = [json.loads(line) for line in text.splitlines() if line.startswith('{"_aws"')]
    return int(sum(sum(line.get(metric, [])) for line in lines))


def test_row_01_same_event_delivered_many_times(bench, capsys):
    name = bench.drop("incoming/a.json", SAMPLE, times=3)
    bench.succeeded(name)
    bench.deliver(bench.arrival("incoming/a.json", "v000001", len(SAMPLE)), times=2)
    assert bench.names() == [name]
    assert counted(capsys.readouterr().out, "DuplicateSuppressed") == 2


def test_row_03_events_out_of_order(bench, tmp_path):
    versions = [bench.objects.put_object(INTAKE, "incoming/doc", body)["VersionId"] for body in (SAMPLE, OTHER)]
    for version, sequencer in zip(reversed(versions), ("00B", "00A"), strict=True):
        bench.deliver(bench.arrival("incoming/doc", version, sequencer=sequencer))
    for name in bench.names("ingest"):
        bench.succeeded(name)
    ordered = Bench(tmp_path / "ordered")
    try:
        for body in (SAMPLE, OTHER):
            ordered.succeeded(ordered.drop("incoming/doc", body))
        left = {key: data for key, data in ordered.objects.tree(WORK).items() if not key.startswith("maps/")}
    finally:
        ordered.close()
    assert {key: data for key, data in bench.objects.tree(WORK).items() if not key.startswith("maps/")} == left


@pytest.mark.parametrize(
    "death", [ConnectionClosedError(endpoint_url="states"), Killed()], ids=["connection", "sandbox"]
)
def test_row_04_starter_dies_after_the_start(bench, death):
    def after(service, operation, answer):
        reply = answer()
        if operation == "StartExecution":
            raise death
        return reply

    bench.wire.disturb = after
    with pytest.raises((RuntimeError, Killed)):
        bench.drop("incoming/a.json", SAMPLE)
    bench.wire.disturb = lambda service, operation, answer: answer()
    bench.deliver(bench.arrival("incoming/a.json", "v000001", len(SAMPLE)))
    (name,) = bench.names()
    bench.succeeded(name)
    assert bench.functions.calls["ParseFunction"] == 1


def test_row_05_some_records_of_a_batch_fail(bench):
    for number in range(10):
        bench.objects.put_object(INTAKE, f"incoming/{number}.txt", b"")
    records = [{"messageId": f"m{n}", "body": json.dumps(bench.arrival(f"incoming/{n}.txt", f"v{n + 1:06d}"))}
               for n in range(10)]  # fmt: skip
    poison = {1: "{", 4: '{"source": "aws.s3"}', 8: "null"}
    for number, body in poison.items():
        records[number]["body"] = body
    said = bench.functions.call("StartFunction", {"Records": records})
    assert [item["itemIdentifier"] for item in said["batchItemFailures"]] == ["m1", "m4", "m8"]
    assert len(bench.names("ingest")) == 7
    with pytest.raises(RuntimeError, match="3 records"):
        bench.functions.call("StartFunction", {"Records": [records[number] for number in poison]})
    for name in bench.names("ingest"):
        bench.succeeded(name)


def test_row_06_no_slot_can_leak():
    for machine, definition in machines().items():
        for path, state in states(definition):
            assert state["Type"] != "Map" or "MaxConcurrency" in state, (machine, path)
    for name, function in resources("AWS::Serverless::Function").items():
        for source in function["Properties"].get("Events", {}).values():
            if source["Type"] == "SQS":
                assert source["Properties"]["ScalingConfig"]["MaximumConcurrency"] >= 2, name
    code = [path.read_text(encoding="utf-8") for path in (ROOT / "layers/toolsmith/toolsmith").rglob("*.py")]
    assert not any('"ADD ' in text for text in code), "a counter that is kept by hand"


@pytest.mark.parametrize("at", range(1, 40, 6))
def test_row_07_function_dies_in_the_middle(tmp_path, at):
    quiet = Bench(tmp_path / "quiet")
    quiet.succeeded(quiet.drop("incoming/a.json", SAMPLE))
    quiet.close()
    undone = Bench(tmp_path / "dying")
    calls = []

    def dying(service, operation, answer):
        reply = answer()
        calls.append(operation)
        if len(calls) == at + 2:
            raise Killed
        return reply

    try:
        undone.wire.disturb = dying
        name = undone.drop("incoming/a.json", SAMPLE)
        undone.succeeded(name)
        left = [
            {k: v for k, v in one.objects.tree(WORK).items() if not k.startswith("maps/")} for one in (quiet, undone)
        ]
        assert left[0] == left[1]
        assert sum(undone.speech.prompts.values()) <= sum(quiet.speech.prompts.values()) + 1
    finally:
        undone.close()


def test_row_08_two_writers_race(bench):
    made = []
    real = bench.table.put_item

    def slow(**request):
        made.append(request)
        return real(**request)

    bench.wire.calls["dynamodb.put_item"] = slow
    import boto3

    ledger = Ledger(boto3.resource("dynamodb").Table("ledger"))
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda n: ledger.register("DOCUMENT", "d", {"by": n}), range(16)))
    assert won.count(True) == 1 and len(made) == 16
    assert ledger.get("DOCUMENT", "d")["by"] == won.index(True)


def test_row_09_event_not_taken_or_too_large(bench):
    bench.refused_entries = 3
    name = bench.drop("incoming/a.json", SAMPLE)
    bench.succeeded(name)
    assert bench.told() == ["Document Ingested"]
    bench.refused_entries = 50
    other = bench.drop("incoming/b.xml", OTHER)
    assert bench.ended(other)["error"] == "EventBridge.FailedEntry"
    bench.refused_entries = 0
    assert bench.redrive(other)["status"] == "SUCCEEDED"
    assert bench.told("Document Ingested")[-1]["key"] == "incoming/b.xml"
    assert bench.told("Run Failed") == [], "the bus took nothing at all, and the function said so"
    arn = bench.stack.arn("IngestMachine")
    detail = failure_of({"stateMachineArn": arn, "executionArn": bench.arn(other), "name": other, "status": "FAILED",
                         "error": "E", "cause": "long " * 300_000})  # fmt: skip
    assert len(json.dumps(detail)) < 200_000


def test_a_failure_that_the_bus_does_not_take_at_once_is_told_again(bench):
    """PutEvents answers 200 and says in its body that it did not take the entry."""
    arn = bench.stack.arn("IngestMachine")
    change = {"stateMachineArn": arn, "executionArn": bench.arn("ingest-x"), "name": "ingest-x", "status": "ABORTED"}
    bench.refused_entries = 3
    bench.functions.call("AnnounceFailureFunction", {"detail": change})
    assert [told["execution"] for told in bench.told("Run Failed")] == ["ingest-x"]
    assert len(bench.nap.slept) == 3
    bench.refused_entries = 4
    with pytest.raises(EventRefused, match="'Run Failed': InternalFailure: try again"):
        bench.functions.call("AnnounceFailureFunction", {"detail": change})
    assert len(bench.told("Run Failed")) == 1


def test_a_busy_s3_is_asked_again(bench):
    left = [fault("SlowDown", "Please reduce your request rate.", 503)] * 3
    real = bench.wire.calls["s3.get_object"]

    def busy(**request):
        if left:
            raise left.pop()
        return real(**request)

    bench.wire.calls["s3.get_object"] = busy
    bench.succeeded(bench.drop("incoming/a.json", SAMPLE))
    assert left == [] and bench.nap.slept
