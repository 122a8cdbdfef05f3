"""The teacher behind real boto3 clients whose wire fails: what is raised, what is kept, and that nothing gets lost."""

import itertools
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore.endpoint
import pytest
from botocore.config import Config
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError

from local.teacher import answer
from tests.unit.memory import MemoryAnswers, MemoryLedger, MemoryStore
from tests.workflows.bench import Nap
from tests.workflows.wire import Reply, Sdk
from toolsmith.aws.teacher import BedrockTeacher
from toolsmith.catalog import load_catalog
from toolsmith.errors import TeacherThrottled, TeacherTimeout, TeacherUnavailable
from toolsmith.pipeline import ingest
from toolsmith.pipeline.answers import KeptTeacher

SAMPLE = Path(__file__).parents[2] / "samples" / "caselaw" / "cl_9900101.json"
MODEL = "us.amazon.nova-pro-v1:0"
CHUNKING = ingest.Chunking(size=600, overlap=60, batch=4)
CATALOG = load_catalog()
MOST_SLEEP = 15.0
MACHINE = json.loads((Path(__file__).parents[2] / "statemachines" / "ingest.asl.json").read_text())
(LADDER,) = (
    retrier for retrier in MACHINE["States"]["TeachChunks"]["ItemProcessor"]["States"]["Teach"]["Retry"]
    if retrier["ErrorEquals"] == ["TeacherThrottled"]
)  # fmt: skip
ATTEMPTS = LADDER["MaxAttempts"]


def said(text: str, stop: str = "end_turn") -> dict[str, Any]:
    message = {"role": "assistant", "content": [{"text": text}]}
    usage = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}
    return {"output": {"message": message}, "stopReason": stop, "usage": usage}


def refused(status: int, code: str, message: str = "no") -> Callable[..., Reply]:
    body = json.dumps({"message": message}).encode()
    return lambda answer: Reply(status, body, (("x-amzn-errortype", code),))


def cut(answer: Callable[[], Reply]) -> Reply:
    """An HTTP 200 whose body is good JSON that lacks half of its keys."""
    whole = json.loads(answer().body)
    return Reply.of({"output": {"message": {"role": "assistant"}}, "usage": whole["usage"]})


def unfinished(answer: Callable[[], Reply]) -> Reply:
    """An HTTP 200 that ends in the middle of the text."""
    body = answer().body
    return Reply(200, body[: len(body) // 2], (("content-type", "application/json"),))


def raising(error: Exception) -> Callable[..., Reply]:
    def fail(answer: Callable[[], Reply]) -> Reply:
        raise error

    return fail


URL = "https://bedrock-runtime.us-east-1.amazonaws.com"
FAULTS: dict[str, Callable[..., Reply]] = {
    "throttled": refused(429, "ThrottlingException"),
    "down": refused(503, "ServiceUnavailableException"),
    "not ready": refused(429, "ModelNotReadyException"),
    "timed out": refused(408, "ModelTimeoutException"),
    "silent": raising(ReadTimeoutError(endpoint_url=URL)),
    "cut": cut,
    "unfinished": unfinished,
    "guarded": lambda answer: Reply.of(said("I cannot help with that.", "guardrail_intervened")),
    "refusing": lambda answer: Reply.of(said("I'm sorry, but I can't help with that.")),
    "too long": lambda answer: Reply.of(said('{"examples": [{"categ', "max_tokens")),
}
PASSING = ("throttled", "down", "not ready", "timed out", "silent", "cut", "unfinished")
BROKEN_OFF = ("cut", "unfinished")  # the answer was given, and paid, but did not arrive


class Line:
    """A teacher on the end of a wire that fails as `fault` says for every call that `hits` picks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.nap, self.store, self.answers = Nap(), MemoryStore(), MemoryAnswers()
        monkeypatch.setattr(botocore.endpoint, "time", self.nap)
        self._sdk = Sdk()
        self._sdk.wire.calls["bedrock-runtime.converse"] = self._converse
        self._sdk.wire.disturb = self._disturb
        self.fault: Callable[..., Reply] = FAULTS["down"]
        self.hits: Callable[[int], bool] = lambda number: False
        self.sent = itertools.count()
        self.prompts: list[str] = []

    def teacher(self) -> KeptTeacher:
        """As a fresh sandbox makes it."""
        retries = {"mode": "standard", "total_max_attempts": 3}
        client = self._sdk.client("bedrock-runtime", config=Config(retries=retries, read_timeout=120))
        return KeptTeacher(BedrockTeacher(client, MODEL))

    def _converse(self, messages: list[dict], system: Any = (), **_: Any) -> dict[str, Any]:
        told, text = "".join(block["text"] for block in system), messages[-1]["content"][0]["text"]
        self.prompts.append(text)
        reply = answer(told, text)
        return said(reply.text, reply.stop_reason)

    def _disturb(self, service: str, operation: str, answer: Callable[[], Reply]) -> Reply:
        return self.fault(answer) if self.hits(next(self.sent)) else answer()


@pytest.fixture
def line(monkeypatch) -> Line:
    return Line(monkeypatch)


# -- what one call raises --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("fault", "error", "calls"),
    [
        (FAULTS["throttled"], TeacherThrottled, 3), (FAULTS["down"], TeacherThrottled, 3),
        (FAULTS["not ready"], TeacherThrottled, 3), (refused(500, "InternalServerException"), TeacherThrottled, 3),
        (raising(EndpointConnectionError(endpoint_url=URL)), TeacherThrottled, 3),
        (FAULTS["timed out"], TeacherTimeout, 1), (FAULTS["silent"], TeacherTimeout, 1),
        (raising(ConnectTimeoutError(endpoint_url=URL)), TeacherTimeout, 3),
        (refused(400, "ServiceQuotaExceededException"), TeacherUnavailable, 1),
        (refused(403, "AccessDeniedException"), TeacherUnavailable, 1),
    ],
)  # fmt: skip
def test_a_failure_is_named_after_what_should_be_done_and_the_sdk_waits_little(line, fault, error, calls):
    line.fault, line.hits = fault, lambda number: True
    with pytest.raises(error):
        line.teacher().ask("system", "user", line.answers)
    assert next(line.sent) == calls
    assert sum(line.nap.slept) < MOST_SLEEP
    assert line.answers.kept == {}


@pytest.mark.parametrize(
    ("code", "message", "advice"),
    [
        ("AccessDeniedException", "You don't have access to the model with the specified model ID.", "request access"),
        ("AccessDeniedException", "User is not authorized to perform: bedrock:InvokeModel", "TeacherModelArns"),
        ("ResourceNotFoundException", "This model version has reached the end of its life.", "end of life"),
        ("ValidationException", "The provided model identifier is invalid.", "no such model in this region"),
        ("ValidationException", "Invocation of model ID with on-demand throughput isn't supported.",
         "inference profile"),
        ("ServiceQuotaExceededException", "Too many tokens per day", "quota"),
    ],
)  # fmt: skip
def test_the_greeting_says_what_to_do_before_the_first_chunk(line, code, message, advice):
    line.fault, line.hits = refused(400, code, message), lambda number: number == 0
    with pytest.raises(TeacherUnavailable, match=advice) as told:
        line.teacher().ask("system", "user", line.answers)
    assert MODEL in str(told.value) and message in str(told.value) and "us-east-1" in str(told.value)
    assert line.prompts == [] and next(line.sent) == 1


def test_a_teacher_is_greeted_once_a_sandbox_and_never_for_kept_answers(line):
    teacher = line.teacher()
    for user in ("one", "two", "one"):
        teacher.ask("system", user, line.answers)
    assert line.prompts == ["hi", "one", "two"]
    assert len(line.answers.kept) == 2
    line.teacher().ask("system", "two", line.answers)
    assert line.prompts == ["hi", "one", "two"]


# -- a fifth of all calls fails --------------------------------------------------------------------------------------
def taught(line: Line) -> tuple[dict[str, Any], list[dict[str, Any]], MemoryStore]:
    """The document through ingest, with the retries of the state machine; its row, its examples, the bucket."""
    intake, ledger = MemoryStore("intake", {"incoming/a.json": SAMPLE.read_bytes()}), MemoryLedger()
    work = line.store
    found = ingest.parse(intake, work, ledger, {"key": "incoming/a.json"}, CHUNKING)
    for batch in work.read_lines(found["batches"]["key"]):
        _teach(line, work, batch)
    row = ingest.settle(work, ledger, found["document"])
    kept = [one for key in work.keys(f"teaching/{found['document']}/") if key.endswith(".jsonl")
            for outcome in work.read_lines(key) for one in outcome["examples"]]  # fmt: skip
    return row, kept, work


def _teach(line: Line, work: MemoryStore, batch: dict[str, Any]) -> None:
    throttled = timed_out = 0
    while True:
        try:
            slept = len(line.nap.slept)
            ingest.teach(work, line.teacher(), CATALOG, batch, seed=0)
            return
        except TeacherThrottled:
            throttled += 1
            if throttled > ATTEMPTS:
                raise
        except TeacherTimeout as error:
            timed_out += 1
            if timed_out > 1:
                work.write_json(batch["failed_key"], {"Error": "TeacherTimeout", "Cause": str(error)})
                return
        finally:
            assert sum(line.nap.slept[slept:]) < MOST_SLEEP


@pytest.fixture(scope="module")
def clean():
    with pytest.MonkeyPatch.context() as patch:
        row, kept, _ = taught(Line(patch))
        return row, [one["id"] for one in kept]


@pytest.mark.parametrize("name", FAULTS)
def test_a_fifth_of_all_calls_fails_and_nothing_is_lost_or_doubled(line, clean, name):
    line.fault, line.hits = FAULTS[name], lambda number: number % 5 == 2
    row, kept, work = taught(line)
    assert sum(row[status] for status in ingest.OUTCOMES) == row["chunks"] == clean[0]["chunks"]
    assert len({one["id"] for one in kept}) == len(kept) == row["examples"]
    assert row["failed"] == 0
    if name in PASSING:
        assert [one["id"] for one in kept] == clean[1]
    paid = Counter(prompt for prompt in line.prompts if prompt != "hi")
    lost = sum(line.hits(number) for number in range(next(line.sent))) if name in BROKEN_OFF else 0
    assert sum(paid.values()) - lost == len(paid), "what was answered was asked again"


@pytest.mark.parametrize(("name", "reason"), [("cut", "malformed"), ("unfinished", "malformed"),
                                              ("too long", "truncated"), ("guarded", "refused"),
                                              ("refusing", "refused")])  # fmt: skip
def test_an_answer_that_must_not_be_read_is_told_with_its_reason_and_never_taken(line, name, reason):
    line.fault, line.hits = FAULTS[name], lambda number: number > 0
    row, kept, work = taught(line)
    assert kept == [] and set(row["reasons"]) == {reason}
    assert row["rejected"] + row["empty"] == row["chunks"]
    whole = name not in ("cut", "unfinished")
    assert bool(list(work.keys("teaching/answers/"))) == whole


def test_a_teacher_that_never_answers_in_time_costs_a_bounded_wait(line):
    line.fault, line.hits = FAULTS["silent"], lambda number: number > 0
    row, kept, _ = taught(line)
    batches = -(-row["chunks"] // CHUNKING.batch)
    assert row["failed"] == row["chunks"] and kept == []
    assert next(line.sent) <= batches * 2 * (ingest.MAX_TIMEOUTS + 1)


def test_an_outage_of_an_hour_stops_without_spending_and_goes_on_afterwards(line, clean):
    line.fault, line.hits = FAULTS["down"], lambda number: number < 60
    with pytest.raises(TeacherThrottled):
        taught(line)
    assert not [prompt for prompt in line.prompts if prompt != "hi"]
    line.hits = lambda number: False
    row, kept, _ = taught(line)
    assert [one["id"] for one in kept] == clean[1] and row["failed"] == 0


def test_the_machine_waits_for_quota_longer_than_any_minute_quota_takes():
    """With full jitter half of each delay is waited on average: three quarters of an hour in all."""
    delays = [LADDER["IntervalSeconds"] * LADDER["BackoffRate"] ** n for n in range(ATTEMPTS)]
    assert sum(min(delay, LADDER["MaxDelaySeconds"]) for delay in delays) / 2 > 45 * 60
