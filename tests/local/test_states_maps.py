"""Distributed Maps: where items come from, batches, tolerance, what is left behind."""

import datetime
import json
import threading

import pytest

from local.states.clock import Cancel
from local.states.gang import Slots
from tests.local.cloud_harness import until
from tests.local.states_bench import Bench, Cloud, Store, children, end, fault, function, inner, invoke

READ = "arn:aws:states:::s3:getObject"


class Odd(Exception):
    """What the function raises for an odd number."""


def refuse_odd(payload):
    if payload["n"] % 2:
        raise Odd(f"{payload['n']} is odd")
    return payload["n"] * 10


def distributed(**fields) -> dict:
    return {"M": end("Map", **{"ItemProcessor": children(A=end("Pass")), **fields})}


def reading(text: str, **config) -> tuple[Bench, dict]:
    bench = Bench()
    Store(bench.cloud, items=text)
    reader = {"Resource": READ, "ReaderConfig": config, "Arguments": {"Bucket": "b", "Key": "{% $states.input.key %}"}}
    return bench, distributed(ItemReader=reader)


# -- items ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("text", "config", "expected"), [
    ('[{"n": 1}, 2]', {"InputType": "JSON"}, [{"n": 1}, 2]),
    ('{"n": 1}\n\n{"n": 2}\n', {"InputType": "JSONL"}, [{"n": 1}, {"n": 2}]),
    ('{"n": 1}\n{"n": 2}\n{"n": 3}', {"InputType": "JSONL", "MaxItems": 2}, [{"n": 1}, {"n": 2}]),
    ("a,b\n1,x\n2,y\n", {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}, [{"a": "1", "b": "x"},
                                                                               {"a": "2", "b": "y"}]),
    ("1,x\n", {"InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": ["a", "b"]}, [{"a": "1", "b": "x"}]),
    ("", {"InputType": "JSONL"}, []),
])
def test_items_are_read_from_an_object(text, config, expected):
    bench, states = reading(text, **config)
    assert bench.output(states, {"key": "items"}) == expected


@pytest.mark.parametrize(("text", "key"), [("[1", "items"), ('{"a": 1}', "items"), ("[]", "elsewhere")])
def test_an_object_that_cannot_be_read_fails_the_map(text, key):
    bench, states = reading(text, InputType="JSON")
    found = bench.run(states, {"key": key})
    assert found["error"] == "States.ItemReaderFailed"
    assert bench.engine.list_map_runs(found["executionArn"]) == []


def test_items_are_the_objects_of_a_bucket():
    moment = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)

    def pages(Bucket, Prefix):
        keys = [f"{Prefix}{n}" for n in range(3)]
        rows = [{"Key": key, "Size": 1, "ETag": "e", "LastModified": moment} for key in keys]
        return [{"Contents": rows[:2]}, {}, {"Contents": rows[2:]}]

    bench = Bench(Cloud(s3__list_objects_v2=pages))
    found = bench.output(distributed(
        ItemReader={"Resource": "arn:aws:states:::s3:listObjectsV2", "Arguments": {"Bucket": "b", "Prefix": "p/"}}))
    assert [item["Key"] for item in found] == ["p/0", "p/1", "p/2"]
    assert found[0]["LastModified"] == int(moment.timestamp())


def test_the_selector_sees_the_map_s_input_and_the_item():
    found = Bench().output(distributed(Items="{% $states.input.xs %}", ItemSelector={
        "run": "{% $states.input.run %}", "i": "{% $states.context.Map.Item.Index %}",
        "v": "{% $states.context.Map.Item.Value.q %}"}), {"xs": [{"q": 5}], "run": "r"})
    assert found == [{"run": "r", "i": 0, "v": 5}]


def test_batches_by_number_with_their_common_input():
    found = Bench().output(distributed(
        Items=[1, 2, 3, 4, 5], ItemSelector={"n": "{% $states.context.Map.Item.Value %}"},
        ItemBatcher={"MaxItemsPerBatch": 2, "BatchInput": {"run": "{% $states.input.run %}"}}), {"run": "r"})
    assert [[item["n"] for item in batch["Items"]] for batch in found] == [[1, 2], [3, 4], [5]]
    assert {batch["BatchInput"]["run"] for batch in found} == {"r"}


def test_batches_by_size():
    found = Bench().output(distributed(Items=["x" * 40] * 5, ItemBatcher={"MaxInputBytesPerBatch": 120}))
    assert [len(batch["Items"]) for batch in found] == [2, 2, 1]
    assert all(len(json.dumps(batch, separators=(",", ":"))) <= 120 for batch in found)


# -- children ------------------------------------------------------------------------------------------------------
def test_a_child_is_an_execution_of_its_own():
    look = end("Pass", Output="{% [$states.context.Execution.Id, $states.context.Execution.Input,"
                              " $states.context.StateMachine.Name] %}")
    bench = Bench()
    found = bench.run(distributed(Items=["a", "b"], Label="Teach", ItemProcessor=children(L=look)))
    run = bench.engine.list_map_runs(found["executionArn"])[0]["mapRunArn"]
    listed = bench.engine.handle("ListExecutions", {"mapRunArn": run})["executions"]
    assert [arn for arn, _, _ in found["output"]] == [each["executionArn"] for each in listed]
    assert [[value, machine] for _, value, machine in found["output"]] == [["a", "machine-1/Teach"],
                                                                           ["b", "machine-1/Teach"]]
    assert ":mapRun:machine-1/Teach:" in run
    assert bench.types(listed[0]["executionArn"]) == ["ExecutionStarted", "PassStateEntered", "PassStateExited",
                                                      "ExecutionSucceeded"]
    assert json.loads(bench.engine.describe_execution(listed[1]["executionArn"])["input"]) == "b"


def test_children_do_not_see_outer_variables():
    states = {"S": {"Type": "Pass", "Assign": {"x": 1}, "Next": "M"},
              **distributed(Items=[1], ItemProcessor=children(A=end("Pass", Output="{% $x %}")))}
    bench = Bench()
    found = bench.run(states)
    assert found["error"] == "States.ExceedToleratedFailureThreshold"
    run = bench.engine.list_map_runs(found["executionArn"])[0]["mapRunArn"]
    child = bench.engine.list_executions(mapRunArn=run)[0]["executionArn"]
    assert bench.engine.describe_execution(child)["error"] == "States.QueryEvaluationError"


def test_at_most_so_many_at_a_time():
    met = threading.Barrier(4)

    def meet(_):
        met.wait(10)

    cloud = Cloud(lambda__invoke=function(meet))
    Bench(cloud).output(distributed(Items=list(range(12)), MaxConcurrency=4, ItemProcessor=children(A=invoke(0))))
    assert (cloud.busiest, len(cloud.calls)) == (4, 12)


def test_who_waits_for_a_slot_gets_it_in_turn_and_takes_none_once_stopped():
    slots, stopped, got, waiting = Slots(1), Cancel(), [], []
    assert slots.acquire(Cancel())
    for number, cancel in enumerate([Cancel(), stopped, Cancel()]):
        take = threading.Thread(target=lambda n=number, c=cancel: got.append((n, slots.acquire(c))), daemon=True)
        take.start()
        waiting.append(take)
        until(lambda n=number: len(slots._waiting) == n + 1)
    stopped.set()
    waiting[1].join(10)
    for take in (waiting[0], waiting[2]):
        slots.release()
        take.join(10)
    assert got == [(1, False), (0, True), (2, True)]


def test_the_engine_bounds_children_over_all_executions():
    cloud = Cloud(lambda__invoke=function(lambda p: threading.Event().wait(0.02)))
    bench = Bench(cloud, children=3)
    states = distributed(Items=list(range(6)), ItemProcessor=children(A=invoke(0)))
    for arn in [bench.start(states) for _ in range(3)]:
        assert bench.ended(arn)["status"] == "SUCCEEDED"
    assert cloud.busiest <= 3 and len(cloud.calls) == 18


def test_two_thousand_items_leave_a_short_history_of_the_parent():
    bench = Bench(Cloud(lambda__invoke=function(lambda n: n)))
    found = bench.run({"M": end("Map", Items="{% $append($range(1, 1000, 1), $range(1001, 2000, 1)) %}",
                                MaxConcurrency=16, ItemProcessor=children(A=invoke()),
                                Output="{% $sum($states.result) %}")})
    assert found["output"] == 2001000
    assert bench.types(found["executionArn"]) == [
        "ExecutionStarted", "MapStateEntered", "MapStateStarted", "MapRunStarted", "MapRunSucceeded",
        "MapStateSucceeded", "MapStateExited", "ExecutionSucceeded"]
    assert threading.active_count() < 60


def test_a_map_inside_a_child():
    nested = children(B=end("Map", ItemProcessor=children(C=end("Pass", Output="{% $states.input + 1 %}"))))
    assert Bench(children=1).output(distributed(Items=[[1, 2], [3]], ItemProcessor=nested)) == [[2, 3], [4]]


# -- tolerance -----------------------------------------------------------------------------------------------------
def odd(**fields) -> tuple[Bench, dict]:
    """Ten items of which the five odd ones fail."""
    bench = Bench(Cloud(lambda__invoke=function(refuse_odd)))
    states = distributed(Items="{% [0..9] %}", ItemSelector={"n": "{% $states.context.Map.Item.Value %}"},
                         **{"MaxConcurrency": 1, "ItemProcessor": children(A=invoke()), **fields})
    return bench, bench.run(states)


@pytest.mark.parametrize(("limits", "tolerated"), [
    ({}, False), ({"ToleratedFailureCount": 5}, True), ({"ToleratedFailureCount": 4}, False),
    ({"ToleratedFailurePercentage": 50}, True), ({"ToleratedFailurePercentage": 49.9}, False),
    ({"ToleratedFailurePercentage": "{% 25 * 2 %}"}, True),
    ({"ToleratedFailurePercentage": 100, "ToleratedFailureCount": 1}, False),
])
def test_as_many_may_fail_as_are_tolerated(limits, tolerated):
    bench, found = odd(**limits)
    if tolerated:
        assert found["output"] == [0, 20, 40, 60, 80]
    else:
        assert found["error"] == "States.ExceedToleratedFailureThreshold"
        assert "MapRunFailed" in bench.types(found["executionArn"])


def test_nothing_more_is_started_once_too_many_failed():
    bench, found = odd()
    assert len(bench.cloud.calls) == 2
    run = bench.engine.handle("DescribeMapRun", {
        "mapRunArn": bench.engine.list_map_runs(found["executionArn"])[0]["mapRunArn"]})
    counts = run["executionCounts"]
    assert (run["status"], counts["succeeded"], counts["failed"], counts["pending"]) == ("FAILED", 1, 1, 8)


def test_a_batch_that_fails_counts_with_all_its_items():
    def refuse_first(payload):
        if payload["Items"][0] == 0:
            raise Odd("first")

    def run(percentage):
        bench = Bench(Cloud(lambda__invoke=function(refuse_first)))
        return bench.run(distributed(Items="{% [0..9] %}", ItemBatcher={"MaxItemsPerBatch": 4},
                                     ToleratedFailurePercentage=percentage, ItemProcessor=children(A=invoke())))

    assert run(40)["status"] == "SUCCEEDED"
    assert run(39)["error"] == "States.ExceedToleratedFailureThreshold"


def test_a_map_that_failed_can_be_caught():
    bench = Bench()
    caught = [{"ErrorEquals": ["States.ExceedToleratedFailureThreshold"], "Next": "C"}]
    states = distributed(Items=[1], ItemProcessor=children(A=end("Fail", Error="E")), Catch=caught)
    assert bench.output({**states, "C": end("Pass", Output="caught")}) == "caught"


# -- results -------------------------------------------------------------------------------------------------------
def test_results_are_written_with_a_manifest():
    bench = Bench(Cloud(lambda__invoke=function(refuse_odd)))
    store = Store(bench.cloud)
    found = bench.output(distributed(
        Items=[{"n": 0}, {"n": 1}, {"n": 2}], ToleratedFailureCount=1, ItemProcessor=children(A=invoke()),
        ResultWriter={"Resource": "arn:aws:states:::s3:putObject",
                      "Arguments": {"Bucket": "b", "Prefix": "{% 'maps/' & $states.input.d %}"}}), {"d": "x"})
    place = found["ResultWriterDetails"]
    assert place["Bucket"] == "b" and place["Key"].startswith("maps/x/") and place["Key"].endswith("/manifest.json")
    manifest = store.json(place["Key"])
    assert manifest["DestinationBucket"] == "b" and manifest["MapRunArn"] == found["MapRunArn"]
    assert manifest["ResultFiles"]["PENDING"] == []
    good = store.json(manifest["ResultFiles"]["SUCCEEDED"][0]["Key"])
    bad = store.json(manifest["ResultFiles"]["FAILED"][0]["Key"])
    assert [json.loads(row["Output"]) for row in good] == [0, 20]
    assert [json.loads(row["Input"]) for row in good] == [{"n": 0}, {"n": 2}]
    assert [(row["Status"], row["Error"], json.loads(row["Input"])) for row in bad] == [("FAILED", "Odd", {"n": 1})]
    assert manifest["ResultFiles"]["FAILED"][0]["Size"] == len(
        store.objects[manifest["ResultFiles"]["FAILED"][0]["Key"]])


def test_results_are_written_when_the_map_fails_too():
    bench = Bench(Cloud(lambda__invoke=function(refuse_odd)))
    store = Store(bench.cloud)
    found = bench.run(distributed(
        Items=[{"n": 0}, {"n": 1}, {"n": 2}], MaxConcurrency=1, ItemProcessor=children(A=invoke()),
        ResultWriter={"Resource": "arn:aws:states:::s3:putObject", "Arguments": {"Bucket": "b", "Prefix": "p"}}))
    assert found["error"] == "States.ExceedToleratedFailureThreshold"
    assert sorted(key.rsplit("/", 1)[-1] for key in store.objects) == [
        "FAILED_0.json", "PENDING_0.json", "SUCCEEDED_0.json", "manifest.json"]


@pytest.mark.parametrize(("transformation", "expected"), [("COMPACT", [[1, 2], 3]), ("FLATTEN", [1, 2, 3])])
def test_results_can_be_compact_or_flat(transformation, expected):
    config = {"Transformation": transformation, "OutputType": "JSON"}
    assert Bench().output(distributed(Items=[[1, 2], 3], ResultWriter={"WriterConfig": config})) == expected


def test_results_as_lines():
    bench = Bench()
    store = Store(bench.cloud)
    found = bench.output(distributed(Items=[{"a": 1}, {"a": 2}], ResultWriter={
        "Resource": "arn:aws:states:::s3:putObject", "Arguments": {"Bucket": "b"},
        "WriterConfig": {"Transformation": "COMPACT", "OutputType": "JSONL"}}))
    files = store.json(found["ResultWriterDetails"]["Key"])["ResultFiles"]["SUCCEEDED"]
    assert files[0]["Key"].endswith("SUCCEEDED_0.jsonl")
    assert store.objects[files[0]["Key"]] == b'{"a":1}\n{"a":2}'


def test_a_bucket_that_cannot_be_written_fails_the_map():
    def refuse(**_):
        raise fault("NoSuchBucket")

    bench = Bench(Cloud(s3__put_object=refuse))
    assert bench.error(distributed(Items=[1], ResultWriter={
        "Resource": "arn:aws:states:::s3:putObject", "Arguments": {"Bucket": "b"}})) == "States.ResultWriterFailed"


def test_inline_items_run_at_the_same_time():
    met = threading.Barrier(3)
    cloud = Cloud(lambda__invoke=function(lambda p: met.wait(10)))
    Bench(cloud).output({"M": end("Map", Items=[1, 2, 3], ItemProcessor=inner(A=invoke()))})
    assert cloud.busiest == 3
