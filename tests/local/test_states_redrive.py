"""Redrive: what succeeded is not run again, what failed is, with the same definition and input.

https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html
"""

import json
import threading
import time

import pytest

from local.states import ApiError
from tests.local.states_bench import Bench, Cloud, Store, children, end, function, inner, invoke


class Broken(Exception):
    """What the function raises until it is mended."""


class Workshop:
    """A function that does what its payload names, and refuses what is broken."""

    def __init__(self, *broken):
        self.broken = set(broken)
        self.done: list = []
        self._lock = threading.Lock()

    def __call__(self, payload):
        with self._lock:
            self.done.append(payload)
        if payload in self.broken:
            raise Broken(str(payload))
        return payload

    def bench(self, **options) -> Bench:
        return Bench(Cloud(lambda__invoke=function(self)), **options)


def redriven(bench: Bench, arn: str) -> dict:
    bench.engine.redrive_execution(arn)
    return bench.ended(arn)


def test_only_the_failed_state_and_what_follows_run_again():
    work = Workshop("b")
    bench = work.bench()
    found = bench.run({"A": invoke("a", Assign={"x": "{% $states.result.Payload %}"}, Next="B"),
                       "B": invoke("b", Next="C"), "C": invoke("{% $x & $states.input %}")})
    assert (found["status"], found["redriveStatus"]) == ("FAILED", "REDRIVABLE")
    work.broken.clear()
    again = redriven(bench, found["executionArn"])
    assert (again["status"], again["output"], again["redriveCount"]) == ("SUCCEEDED", "ab", 1)
    assert work.done == ["a", "b", "b", "ab"]
    types = bench.types(found["executionArn"])
    assert types.count("TaskStateEntered") == 3 and types.count("ExecutionRedriven") == 1
    after = types[types.index("ExecutionRedriven"):]
    assert after[:4] == ["ExecutionRedriven", "TaskScheduled", "TaskStarted", "TaskSucceeded"]
    assert [t["status"] for t in bench.told] == ["RUNNING", "FAILED", "RUNNING", "SUCCEEDED"]
    assert "error" not in again and again["redriveStatus"] == "NOT_REDRIVABLE"


def test_the_definition_stays_the_one_it_was_started_with():
    work = Workshop("b")
    bench = work.bench()
    found = bench.run({"B": invoke("b")})
    changed = {"QueryLanguage": "JSONata", "StartAt": "B", "States": {"B": invoke("changed")}}
    bench.engine.machines.update(found["stateMachineArn"], json.dumps(changed))
    work.broken.clear()
    assert redriven(bench, found["executionArn"])["output"] == "b"


def test_retries_count_from_the_beginning_again():
    work = Workshop("b")
    bench = work.bench()
    found = bench.run({"B": invoke("b", Retry=[{"ErrorEquals": ["Broken"], "MaxAttempts": 2}])})
    redriven(bench, found["executionArn"])
    assert len(work.done) == 6


def test_a_fail_state_fails_again():
    bench = Bench()
    found = bench.run({"A": {"Type": "Pass", "Next": "F"}, "F": end("Fail", Error="E")})
    again = redriven(bench, found["executionArn"])
    assert (again["status"], again["error"], again["redriveCount"]) == ("FAILED", "E", 1)


def test_only_the_branch_that_failed_runs_again():
    work = Workshop("c")
    bench = work.bench(scale=1.0)
    found = bench.run({"P": end("Parallel", Branches=[
        inner(A=invoke("a")), inner(B=end("Pass", Output="b")),
        inner(W=invoke("w", Next="V"), V={"Type": "Wait", "Seconds": 1, "Next": "C"}, C=invoke("c"))])})
    assert found["error"] == "Broken"
    work.broken.clear()
    assert redriven(bench, found["executionArn"])["output"] == ["a", "b", "c"]
    assert sorted(work.done) == ["a", "c", "c", "w"]


def test_only_the_items_of_an_inline_map_that_failed_run_again():
    work = Workshop(2)
    bench = work.bench()
    found = bench.run({"M": end("Map", Items=[0, 1, 2, 3], MaxConcurrency=1, ItemProcessor=inner(A=invoke()))})
    work.broken.clear()
    assert redriven(bench, found["executionArn"])["output"] == [0, 1, 2, 3]
    assert work.done == [0, 1, 2, 2, 3]


def distributed(**fields) -> dict:
    return {"A": invoke("before", Next="M"), "M": end("Map", Items="{% [0..9] %}", **{
        "MaxConcurrency": 1, "Label": "Ten", **fields,
        "ItemProcessor": children(B=invoke(Next="C"), C=invoke("{% 'end ' & $states.input %}"))})}


def test_only_the_children_that_failed_run_again():
    work = Workshop("end 3", "end 7")
    bench = work.bench()
    found = bench.run(distributed(ToleratedFailureCount=1))
    arn = found["executionArn"]
    assert found["error"] == "States.ExceedToleratedFailureThreshold"
    work.broken.clear()
    assert redriven(bench, arn)["output"] == [f"end {n}" for n in range(10)]
    assert work.done.count("before") == 1
    assert [work.done.count(n) for n in range(10)] == [1] * 10, "a child goes on from its failed state"
    ends = [work.done.count(f"end {n}") for n in range(10)]
    assert ends == [1, 1, 1, 2, 1, 1, 1, 2, 1, 1]
    (run,) = bench.engine.list_map_runs(arn)
    described = bench.engine.describe_map_run(run["mapRunArn"])
    assert (described["status"], described["redriveCount"], described["executionCounts"]["succeeded"]) == (
        "SUCCEEDED", 1, 10)
    assert "MapRunRedriven" in bench.types(arn)


def test_the_result_after_a_redrive_is_that_of_a_clean_run():
    def result(*broken):
        work = Workshop(*broken)
        bench = work.bench()
        store = Store(bench.cloud)
        writer = {"Resource": "arn:aws:states:::s3:putObject", "Arguments": {"Bucket": "b", "Prefix": "p"},
                  "WriterConfig": {"Transformation": "COMPACT", "OutputType": "JSONL"}}
        found = bench.run(distributed(ResultWriter=writer))
        work.broken.clear()
        if broken:
            assert found["status"] == "FAILED"
            found = redriven(bench, found["executionArn"])
        manifest = store.json(found["output"]["ResultWriterDetails"]["Key"])
        return store.objects[manifest["ResultFiles"]["SUCCEEDED"][0]["Key"]]

    assert result("end 5") == result()


def test_an_item_reader_that_failed_reads_again():
    bench = Bench(Cloud(lambda__invoke=function(lambda p: p)))
    store = Store(bench.cloud)
    reader = {"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {"InputType": "JSON"},
              "Arguments": {"Bucket": "b", "Key": "k"}}
    found = bench.run({"M": end("Map", ItemReader=reader, ItemProcessor=children(A=invoke()))})
    assert found["error"] == "States.ItemReaderFailed"
    store.objects["k"] = b"[1, 2]"
    assert redriven(bench, found["executionArn"])["output"] == [1, 2]


def test_what_was_stopped_or_timed_out_can_be_redriven():
    go = threading.Event()
    bench = Bench(Cloud(lambda__invoke=function(lambda p: go.wait(0.5) or time.sleep(30))))
    arn = bench.start({"A": {"Type": "Pass", "Output": 5, "Next": "B"}, "B": invoke(Output="{% $states.input %}")})
    while "TaskStarted" not in bench.types(arn):
        time.sleep(0.01)
    bench.engine.stop_execution(arn)
    bench.cloud.on("lambda.invoke", function(lambda p: p))
    assert redriven(bench, arn)["output"] == 5


def test_what_succeeded_cannot_be_redriven_and_a_token_makes_it_idempotent():
    work = Workshop("b")
    bench = work.bench()
    good, bad = bench.run({"A": end("Pass")}), bench.run({"B": invoke("b")})
    with pytest.raises(ApiError) as error:
        bench.engine.handle("RedriveExecution", {"executionArn": good["executionArn"]})
    assert error.value.code == "ExecutionNotRedrivable"
    once = bench.engine.handle("RedriveExecution", {"executionArn": bad["executionArn"], "clientToken": "t"})
    bench.ended(bad["executionArn"])
    assert bench.engine.redrive_execution(bad["executionArn"], clientToken="t") == once
    assert bench.engine.describe_execution(bad["executionArn"])["redriveCount"] == 1


def test_a_new_process_can_redrive():
    work = Workshop("b")
    bench = work.bench()
    found = bench.run({"A": invoke("a", Next="B"), "B": invoke("b")})
    bench.engine.close()
    other = Bench(bench.cloud, bench.folder)
    work.broken.clear()
    assert redriven(other, found["executionArn"])["output"] == "b"
    assert work.done == ["a", "b", "b"]
