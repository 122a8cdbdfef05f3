"""The conformance table of the interpreter: one row per feature of the language, outcomes as AWS documents them.

https://states-language.net/spec.html and https://docs.aws.amazon.com/step-functions/latest/dg/
"""

import threading
from dataclasses import dataclass
from typing import Any

import pytest

from local.states.interpreter import retry_delay
from tests.local.states_bench import Bench, Cloud, end, function, inner, invoke


@dataclass(frozen=True)
class Fails:
    """The expected outcome of a row that fails: the error's name, and a part of its cause."""

    error: str | None
    cause: str = ""


class Boom(Exception):
    """What the function `f` raises when it is asked to."""


def body(payload: Any) -> Any:
    """The function of the table: raises what `raise` names, else returns its payload."""
    if isinstance(payload, dict) and "raise" in payload:
        raise type(payload["raise"], (Exception,), {})("as asked")
    return payload


BIG = "{% $join($map([1..300], function($n) { $pad('', 1000, 'x') })) %}"  # 300,000 characters
CAUGHT = {"C": end("Pass", Output={"caught": "{% $states.input.Error %}"})}


def catching(state: dict, *names: str) -> dict:
    """The state with a Catch for these error names, and where it leads."""
    return {"S": {**state, "Catch": [{"ErrorEquals": list(names), "Next": "C"}]}, **CAUGHT}


ROWS: dict[str, tuple[dict, Any, Any]] = {
    # -- Pass, Output, Assign ----------------------------------------------------------------------------------
    "a Pass hands its input on": ({"S": end("Pass")}, {"a": 1}, {"a": 1}),
    "Output replaces the input": ({"S": end("Pass", Output={"b": "{% $states.input.a + 1 %}", "c": [1, "x"]})},
                                  {"a": 1}, {"b": 2, "c": [1, "x"]}),
    "Output null is null": ({"S": end("Pass", Output=None)}, {"a": 1}, None),
    "a string without the marks is text": ({"S": end("Pass", Output=["$x", "1 + 1", "{%1%}"])}, None,
                                           ["$x", "1 + 1", 1]),
    "Output does not see what the same state assigns": (
        {"S": {"Type": "Pass", "Assign": {"x": 1}, "Next": "T"},
         "T": {"Type": "Pass", "Assign": {"x": 2}, "Output": "{% $x %}", "Next": "U"},
         "U": end("Pass", Output={"before": "{% $states.input %}", "after": "{% $x %}"})},
        None, {"before": 1, "after": 2}),
    "Assign evaluates all its expressions before it assigns any": (
        {"S": {"Type": "Pass", "Assign": {"x": 1, "y": 2}, "Next": "T"},
         "T": {"Type": "Pass", "Assign": {"x": "{% $y %}", "y": "{% $x %}"}, "Next": "U"},
         "U": end("Pass", Output="{% [$x, $y] %}")}, None, [2, 1]),
    "a variable may hold null": (
        {"S": {"Type": "Pass", "Assign": {"x": "{% $states.input.a %}"}, "Next": "T"},
         "T": end("Pass", Output={"x": "{% $x %}"})}, {"a": None}, {"x": None}),
    "text with quotes and line ends survives": (
        {"S": {"Type": "Pass", "Assign": {"s": "{% $states.input %}"}, "Next": "T"},
         "T": end("Pass", Output="{% $s & '!' %}")}, 'a "q" \\ \n é', 'a "q" \\ \n é!'),
    "an expression that yields nothing fails": (
        {"S": end("Pass", Output="{% $states.input.nope %}")}, {}, Fails("States.QueryEvaluationError", "nothing")),
    "an undefined variable fails": (
        {"S": end("Pass", Output="{% $nope %}")}, {}, Fails("States.QueryEvaluationError", "'$nope'")),
    "an expression that throws fails": (
        {"S": end("Pass", Output="{% $error('no way') %}")}, {}, Fails("States.QueryEvaluationError", "no way")),
    "the context names execution, state and machine": (
        {"S": end("Pass", Output="{% [$states.context.State.Name, $states.context.Execution.Input.a,"
                                 " $states.context.StateMachine.Name, $states.context.Execution.RedriveCount] %}")},
        {"a": 5}, ["S", 5, "machine-1", 0]),
    # -- the functions Step Functions adds -----------------------------------------------------------------------
    "$partition": ({"S": end("Pass", Output="{% $partition([1,2,3,4,5], 2) %}")}, None, [[1, 2], [3, 4], [5]]),
    "$range includes both ends": ({"S": end("Pass", Output="{% [$range(0, 6, 2), $range(3, 1, -1)] %}")}, None,
                                  [0, 2, 4, 6, 3, 2, 1]),
    "$range of more than 1,000 fails": ({"S": end("Pass", Output="{% $range(1, 1001, 1) %}")}, None,
                                        Fails("States.QueryEvaluationError", "1000")),
    "$hash": ({"S": end("Pass", Output="{% [$hash('abc', 'MD5'), $hash('abc', 'SHA-1')] %}")}, None,
              ["900150983cd24fb0d6963f7d28e17f72", "a9993e364706816aba3e25717850c26c9cd0d89d"]),
    "$hash of an unknown algorithm fails": ({"S": end("Pass", Output="{% $hash('abc', 'CRC') %}")}, None,
                                            Fails("States.QueryEvaluationError", "SHA-256")),
    "$uuid differs, $random with a seed does not": (
        {"S": end("Pass", Output="{% [$uuid() != $uuid(), $random(7) = $random(7), $length($uuid())] %}")}, None,
        [True, True, 36]),
    "$parse": ({"S": end("Pass", Output="{% $parse('{\"a\": [1, null]}').a %}")}, None, [1, None]),
    "$eval is refused": ({"S": end("Pass", Output="{% $eval('1') %}")}, None,
                         Fails("States.QueryEvaluationError", "$eval")),
    # -- Choice, Wait, Succeed, Fail -----------------------------------------------------------------------------
    "Choice takes the first rule that holds": (
        {"S": {"Type": "Choice", "Choices": [
            {"Condition": "{% $states.input.n > 5 %}", "Next": "A"},
            {"Condition": "{% $states.input.n > 1 %}", "Next": "B", "Output": "b", "Assign": {"way": "second"}}],
            "Default": "A"},
         "A": end("Pass", Output="a"), "B": end("Pass", Output="{% $states.input & $way %}")}, {"n": 3}, "bsecond"),
    "Choice without a match takes Default, with the state's own Output and Assign": (
        {"S": {"Type": "Choice", "Choices": [{"Condition": False, "Next": "A"}], "Default": "B", "Output": "d",
               "Assign": {"way": "default"}},
         "A": end("Pass"), "B": end("Pass", Output="{% $states.input & $way %}")}, None, "ddefault"),
    "Choice without match and Default fails": (
        {"S": {"Type": "Choice", "Choices": [{"Condition": "{% false %}", "Next": "A"}]}, "A": end("Pass")}, None,
        Fails("States.NoChoiceMatched")),
    "a Condition must be a boolean": (
        {"S": {"Type": "Choice", "Choices": [{"Condition": "{% 1 %}", "Next": "A"}]}, "A": end("Pass")}, None,
        Fails("States.QueryEvaluationError", "boolean")),
    "Wait for seconds, computed": ({"S": end("Wait", Seconds="{% $states.input.s * 2 %}", Output="done")},
                                   {"s": 30}, "done"),
    "Wait until a moment that is past": ({"S": end("Wait", Timestamp="2020-01-01T00:00:00Z")}, 1, 1),
    "Wait until something that is no moment": ({"S": end("Wait", Timestamp="{% 'soon' %}")}, 1,
                                               Fails("States.Runtime", "soon")),
    "Succeed ends with its Output": ({"S": end("Succeed", Output={"n": "{% $states.input.n %}"})}, {"n": 1}, {"n": 1}),
    "Fail with computed error and cause": (
        {"S": end("Fail", Error="{% $states.input.e %}", Cause="{% 'because ' & $states.input.c %}")},
        {"e": "MyError", "c": "so"}, Fails("MyError", "because so")),
    "Fail without a name": ({"S": end("Fail")}, None, Fails(None)),
    # -- Task: result, Retry, Catch ------------------------------------------------------------------------------
    "a function's result lies under Payload": ({"S": invoke({"q": 1}, Output="{% $states.result.Payload.q %}")},
                                               None, 1),
    "a Task without Arguments is given the input": (
        {"S": end("Task", Resource="arn:aws:lambda:us-east-1:000000000000:function:f")}, {"i": 7}, {"i": 7}),
    "Task assigns from its result": (
        {"S": invoke({"q": 2}, Assign={"q": "{% $states.result.Payload.q %}"}, Next="T"),
         "T": end("Pass", Output="{% $q %}")}, None, 2),
    "a function error has its class name": ({"S": invoke({"raise": "TeacherThrottled"})}, None,
                                            Fails("TeacherThrottled", "as asked")),
    "Catch without Output hands the error on": (
        {"S": {**invoke({"raise": "Boom"}), "Catch": [{"ErrorEquals": ["Boom"], "Next": "C"}]},
         "C": end("Pass", Output="{% $keys($states.input) %}")}, None, ["Error", "Cause"]),
    "Catch with Output and Assign": (
        {"S": {**invoke({"raise": "Boom"}), "Catch": [
            {"ErrorEquals": ["Boom"], "Output": {"was": "{% $states.input.a %}"},
             "Assign": {"e": "{% $states.errorOutput.Error %}"}, "Next": "C"}]},
         "C": end("Pass", Output="{% $states.input.was & $e %}")}, {"a": "in"}, "inBoom"),
    "the first catcher that matches is taken": (
        {"S": {**invoke({"raise": "Boom"}), "Catch": [{"ErrorEquals": ["Other"], "Next": "D"},
                                                      {"ErrorEquals": ["States.ALL"], "Next": "C"}]},
         **CAUGHT, "D": end("Fail")}, None, {"caught": "Boom"}),
    "an error nobody catches ends the execution": (catching(invoke({"raise": "Boom"}), "Other"), None, Fails("Boom")),
    "States.TaskFailed stands for any error of a task": (
        catching(invoke({"raise": "Boom"}), "States.TaskFailed"), None, {"caught": "Boom"}),
    "a failing expression in Arguments can be caught": (
        catching(invoke("{% $states.input.nope %}"), "States.QueryEvaluationError"), None,
        {"caught": "States.QueryEvaluationError"}),
    "a failing expression in Output can be caught": (
        catching(invoke({}, Output="{% $states.result.nope %}"), "States.ALL"), None,
        {"caught": "States.QueryEvaluationError"}),
    "States.Runtime cannot be caught, not by States.ALL either": (
        catching(end("Task", Resource="arn:aws:states:::sqs:sendMessage", Arguments="{% {'Nope': 1} %}"),
                 "States.ALL"), None, Fails("States.Runtime", "'Nope' is not supported")),
    "a result beyond 256 KiB fails": (
        {"S": invoke({}, Output=BIG)}, None, Fails("States.DataLimitExceeded")),
    "States.ALL does not catch States.DataLimitExceeded": (
        catching(invoke({}, Output=BIG), "States.ALL"), None, Fails("States.DataLimitExceeded")),
    "its own name does": (catching(invoke({}, Output=BIG), "States.DataLimitExceeded"), None,
                          {"caught": "States.DataLimitExceeded"}),
    "arguments beyond 256 KiB fail": ({"S": invoke(BIG)}, None, Fails("States.DataLimitExceeded")),
    # -- Parallel and inline Map ---------------------------------------------------------------------------------
    "Parallel gives the outputs in the order of its branches": (
        {"S": end("Parallel", Branches=[inner(A=invoke({"n": 1})), inner(B=end("Pass", Output="{% $states.input %}"))],
                  Arguments={"arg": "{% $states.input.x %}"})}, {"x": 3}, [{"n": 1}, {"arg": 3}]),
    "a branch that fails fails the Parallel, which can be caught": (
        catching(end("Parallel", Branches=[inner(A=end("Wait", Seconds=1)), inner(B=end("Fail", Error="Bad"))]),
                 "Bad"), None, {"caught": "Bad"}),
    "branches read outer variables; theirs do not leave": (
        {"S": {"Type": "Pass", "Assign": {"out": 1}, "Next": "P"},
         "P": {"Type": "Parallel", "Branches": [inner(A={"Type": "Pass", "Assign": {"own": 5}, "Next": "B"},
                                                      B=end("Pass", Output="{% $out + $own %}"))], "Next": "E"},
         "E": end("Pass", Output={"sum": "{% $states.input[0] %}", "own": "{% $exists($own) %}"})},
        None, {"sum": 6, "own": False}),
    "inline Map: selector, context and outer variables": (
        {"S": {"Type": "Pass", "Assign": {"k": 10}, "Next": "M"},
         "M": end("Map", Items="{% $states.input.xs %}", MaxConcurrency=2,
                  ItemSelector={"i": "{% $states.context.Map.Item.Index %}",
                                "v": "{% $states.context.Map.Item.Value %}"},
                  ItemProcessor=inner(A=end("Pass", Output="{% $k * $states.input.v + $states.input.i %}")))},
        {"xs": [1, 2, 3]}, [10, 21, 32]),
    "inline Map sees the item in the context": (
        {"S": end("Map", ItemProcessor=inner(A=end("Pass", Output="{% $states.context.Map.Item.Value %}")))},
        ["a", "b"], ["a", "b"]),
    "inline Map of nothing": ({"S": end("Map", Items=[], ItemProcessor=inner(A=end("Fail")))}, None, []),
    "inline Map of what is no array fails": (
        {"S": end("Map", Items="{% 'x' %}", ItemProcessor=inner(A=end("Pass")))}, None,
        Fails("States.QueryEvaluationError", "array")),
    "an item that fails fails the inline Map": (
        {"S": end("Map", Items=[0, 1, 2], ItemProcessor=inner(
            A={"Type": "Choice", "Choices": [{"Condition": "{% $states.input = 1 %}", "Next": "F"}], "Default": "G"},
            F=end("Fail", Error="One"), G=end("Pass")))}, None, Fails("One")),
    "Map in Map": (
        {"S": end("Map", Items=[[1, 2], [3]], ItemProcessor=inner(
            A=end("Map", ItemProcessor=inner(B=end("Pass", Output="{% $states.input * 2 %}")))))},
        None, [[2, 4], [6]]),
}


@pytest.mark.parametrize("name", ROWS)
def test_row(name: str):
    states, value, expected = ROWS[name]
    bench = Bench(Cloud(lambda__invoke=function(body)))
    found = bench.run(states, value)
    if isinstance(expected, Fails):
        assert (found["status"], found.get("error")) == ("FAILED", expected.error), found
        assert expected.cause in found.get("cause", "")
    else:
        assert found["status"] == "SUCCEEDED", found
        assert found["output"] == expected


# -- Retry ---------------------------------------------------------------------------------------------------------
def attempts(retry: list[dict], errors: list[str]) -> tuple[int, dict]:
    """How often a function is called that fails with `errors` one after the other, then succeeds."""
    left = list(errors)

    def flaky(_: Any) -> str:
        if left:
            raise type(left.pop(0), (Exception,), {})("again")
        return "ok"

    cloud = Cloud(lambda__invoke=function(flaky))
    found = Bench(cloud).run({"S": invoke(Retry=retry)})
    return len(cloud.calls), found


def test_three_retries_by_default():
    called, found = attempts([{"ErrorEquals": ["E"]}], ["E"] * 9)
    assert (called, found["error"]) == (4, "E")


def test_retry_succeeds_in_the_end():
    called, found = attempts([{"ErrorEquals": ["E"], "MaxAttempts": 2}], ["E", "E"])
    assert (called, found["output"]) == (3, "ok")


def test_zero_attempts_means_never():
    called, found = attempts([{"ErrorEquals": ["E"], "MaxAttempts": 0}, {"ErrorEquals": ["States.ALL"]}], ["E"])
    assert (called, found["error"]) == (1, "E")


def test_each_retrier_counts_for_itself():
    retry = [{"ErrorEquals": ["A"], "MaxAttempts": 1}, {"ErrorEquals": ["B"], "MaxAttempts": 2}]
    called, found = attempts(retry, ["B", "A", "B", "A", "A"])
    assert (called, found["error"]) == (4, "A")


def test_counters_begin_anew_when_the_state_is_entered_again():
    left = {"n": 0}

    def every_second(_: Any) -> int:
        left["n"] += 1
        if left["n"] % 2:
            raise Boom("odd")
        return left["n"]

    again = {"Type": "Choice", "Choices": [{"Condition": "{% $states.input < 6 %}", "Next": "S"}], "Default": "E"}
    retry = [{"ErrorEquals": ["Boom"], "MaxAttempts": 1}]
    bench = Bench(Cloud(lambda__invoke=function(every_second)))
    assert bench.output({"S": invoke(Retry=retry, Next="C"), "C": again, "E": end("Pass")}) == 6


def test_the_context_counts_retries():
    seen = []

    def look(payload: Any) -> None:
        seen.append(payload)
        raise Boom("no")

    retry = [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 2}]
    Bench(Cloud(lambda__invoke=function(look))).run(
        {"S": invoke("{% $states.context.State.RetryCount %}", Retry=retry)})
    assert seen == [0, 1, 2]


def test_retry_delays_grow_to_their_maximum():
    retrier = {"IntervalSeconds": 3, "BackoffRate": 2, "MaxDelaySeconds": 20}
    assert [retry_delay(retrier, n) for n in range(5)] == [3, 6, 12, 20, 20]
    assert retry_delay({}, 0) == 1 and retry_delay({}, 3) == 8


def test_full_jitter_stays_between_nothing_and_the_delay():
    retrier = {"IntervalSeconds": 4, "BackoffRate": 2, "JitterStrategy": "FULL"}
    delays = [retry_delay(retrier, 1) for _ in range(200)]
    assert 0 <= min(delays) < 2 and 6 < max(delays) <= 8


def test_retry_of_a_parallel_runs_all_its_branches_again():
    left, seen = ["x"], threading.Event()

    def flaky(payload: Any) -> Any:
        if payload == "good":
            seen.set()
        elif left and seen.wait(30):  # a branch that fails first would stop the other before its call
            left.pop()
            raise Boom("once")
        return payload

    cloud = Cloud(lambda__invoke=function(flaky))
    states = {"P": end("Parallel", Branches=[inner(A=invoke("good", Next="W"), W=end("Wait", Seconds=0)),
                                             inner(B=invoke("bad"))],
                       Retry=[{"ErrorEquals": ["Boom"]}])}
    assert Bench(cloud).output(states) == ["good", "bad"]
    assert [r["Payload"] for r in cloud.requests("lambda.invoke")].count(b'"good"') == 2
