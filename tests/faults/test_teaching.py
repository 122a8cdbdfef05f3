"""A teacher that throttles, stalls, lies or is not there, asked through the whole ingest machine (rows 11 to 16)."""

import json
from collections import Counter

import pytest
from botocore.exceptions import ReadTimeoutError

from tests.local.states_bench import fault
from tests.workflows.bench import WORK, Bench
from tests.workflows.functions import entry
from tests.workflows.wire import Reply, refused

SAMPLE = "regulations/ecfr-title-17-part-243.xml"
BATCHED = {"TeacherMode": "batch", "BatchMinimum": 1}


def refusal(code: str, message: str, status: int) -> Reply:
    return refused("bedrock-runtime", fault(code, message, status))


def examples(bench: Bench) -> list[dict]:
    keys = [key for key in bench.objects.keys(WORK, "teaching/") if "/answers/" not in key and key.endswith(".jsonl")]
    return [example for key in keys for outcome in bench.lines(key) for example in outcome["examples"]]


@pytest.fixture
def expected(tmp_path):
    """The examples that an undisturbed teacher's answers make."""
    quiet = Bench(tmp_path / "quiet", TeacherMode="on-demand")
    quiet.succeeded(quiet.drop_samples(SAMPLE)[0])
    quiet.close()
    return examples(quiet)


@pytest.fixture
def noisy(expected, tmp_path):
    made = Bench(tmp_path / "noisy", TeacherMode="on-demand")
    yield made
    made.close()


def on_converse(bench: Bench, answer_with) -> Counter:
    """Have `answer_with(number of the call, answer)` reply to Converse; counts the calls."""
    calls: Counter = Counter()

    def disturb(service, operation, answer):
        if operation != "Converse":
            return answer()
        calls[operation] += 1
        return answer_with(calls[operation], answer)

    bench.wire.disturb = disturb
    return calls


def test_row_11_throttling_burst(noisy, expected):
    throttled = refusal("ThrottlingException", "Too many tokens, please wait before trying again.", 429)
    on_converse(noisy, lambda number, answer: throttled if number % 4 else answer())
    noisy.succeeded(noisy.drop_samples(SAMPLE)[0])
    assert examples(noisy) == expected
    assert max(noisy.speech.prompts.values()) == 1
    (event,) = noisy.told("Document Ingested")
    assert event["failed"] == 0
    assert max(noisy.nap.slept) < 15 and noisy.functions.calls["TeachFunction"] > 2


def test_row_12_outage_that_outlasts_the_retries(noisy, expected):
    down = refusal("ServiceUnavailableException", "down", 503)
    on_converse(noisy, lambda number, answer: down)
    name = noisy.drop_samples(SAMPLE)[0]
    assert noisy.ended(name)["status"] == "FAILED"
    (failed,) = noisy.told("Run Failed")
    assert failed["remedy"].startswith(f"toolsmith redrive {name}") and not noisy.speech.asked
    on_converse(noisy, lambda number, answer: answer())
    assert noisy.redrive(name)["status"] == "SUCCEEDED"
    assert examples(noisy) == expected


def test_row_13_one_chunk_always_times_out(noisy, expected):
    real, batches = entry("functions/teach", "app.app"), []

    def teach(event):
        batches.append(event["first"])
        return real(event, None)

    def stalling(number, answer):
        if batches[-1] == 3:
            raise ReadTimeoutError(endpoint_url="bedrock-runtime")
        return answer()

    noisy.functions.stub("TeachFunction", teach)
    on_converse(noisy, stalling)
    noisy.succeeded(noisy.drop_samples(SAMPLE)[0])
    (event,) = noisy.told("Document Ingested")
    assert event["failed"] == 3 and event["kept"] > 0
    lines = noisy.lines(f"ledger/{event['document']}.jsonl")
    assert {line["detail"].partition(":")[0] for line in lines if line["status"] == "failed"} == {"TeacherTimeout"}
    assert batches.count(3) == 2, "tried once more, then given up"


def test_row_14_answers_that_are_no_answers(noisy, expected):
    def spoilt(number, answer):
        whole = answer()
        kinds = (whole.body[: len(whole.body) // 2], b"{}",
                 changed(whole.body, text="Sorry, I can't help with that."), changed(whole.body, stop="max_tokens"),
                 changed(whole.body, text='{"examples":[{"category":"x"}]}'))  # fmt: skip
        hello = len(noisy.speech.asked) == 0 or sum(noisy.speech.asked.values()) == 1
        return whole if hello else Reply(200, kinds[number % len(kinds)], whole.headers)

    on_converse(noisy, spoilt)
    name = noisy.drop_samples(SAMPLE)[0]
    noisy.succeeded(name)
    (event,) = noisy.told("Document Ingested")
    assert event["examples"] == 0 == len(examples(noisy))
    assert event["kept"] == event["repaired"] == 0
    assert event["rejected"] + event["failed"] + event["empty"] == event["chunks"]


def changed(body: bytes, text: str | None = None, stop: str | None = None) -> bytes:
    """A Converse response with another text or stop reason."""
    response = json.loads(body)
    if text is not None:
        response["output"]["message"]["content"] = [{"text": text}]
    return json.dumps({**response, "stopReason": stop or response["stopReason"]}).encode()


@pytest.mark.parametrize(
    ("code", "message", "status", "words"),
    [
        ("AccessDeniedException", "You don't have access to the model with the specified model ID.", 403, "access"),
        ("ResourceNotFoundException", "This model version has reached the end of its life.", 404, "end of life"),
        ("ValidationException", "The provided model identifier is invalid.", 400, "check the id"),
        ("ServiceQuotaExceededException", "Tokens per day exceeded.", 400, "quota"),
    ],
)
def test_row_15_no_access_or_no_quota(noisy, code, message, status, words):
    calls = on_converse(noisy, lambda number, answer: refusal(code, message, status))
    name = noisy.drop_samples(SAMPLE)[0]
    assert noisy.ended(name)["status"] == "FAILED"
    runs = [child for child in noisy.children(name) if child["status"] == "FAILED"]
    said = noisy.engine.describe_execution(runs[0]["executionArn"])
    assert said["error"] == "TeacherUnavailable" and words in said["cause"]
    (told,) = noisy.told("Run Failed")
    assert told["error"] == "TeacherUnavailable", "not that some threshold was exceeded"
    assert words in told["cause"] and message in told["cause"] and "TeachChunks" in told["cause"]
    assert "stackTrace" not in told["cause"] and words in noisy.mails[-1]["Message"]
    assert calls["Converse"] <= noisy.functions.calls["TeachFunction"], "what cannot work is not tried again"
    assert not noisy.nap.slept


def test_a_failed_map_whose_items_cannot_be_read_is_announced_all_the_same(noisy):
    on_converse(noisy, lambda number, answer: refusal("AccessDeniedException", "no", 403))
    hidden = fault("AccessDeniedException", "not authorized to perform: states:ListMapRuns", 403)

    def denied(**request):
        raise hidden

    noisy.wire.calls["stepfunctions.list_map_runs"] = denied
    noisy.ended(noisy.drop_samples(SAMPLE)[0])
    (told,) = noisy.told("Run Failed")
    assert told["error"] == "States.ExceedToleratedFailureThreshold"


def spoil(number: int, line: dict) -> object:
    """Of four records one is lost, one is an error, one line is cut."""
    if number % 4 == 1:
        return None
    if number % 4 == 2:
        error = {"errorCode": 400, "errorMessage": "bad", "expired": False, "retryable": False}
        return {"recordId": line["recordId"], "modelInput": line["modelInput"], "error": error}
    return json.dumps(line)[:80] + "\n" if number % 4 == 3 else line


def test_row_16_batch_job_partly_failed(expected, tmp_path):
    bench = Bench(tmp_path / "batch", **BATCHED)
    try:
        bench.batches.spoil = spoil
        name = bench.drop_samples(SAMPLE)[0]
        bench.succeeded(name)
        assert "ReadBatch" in bench.visited(name)
        assert examples(bench) == expected
        read = next(e for n, e in bench.functions.events if n == "ReadBatchFunction")
        told = bench.functions.call("ReadBatchFunction", read)
        assert told["records"] == told["ok"] + told["requeued"] == len(bench.batches.paid)
        assert told["requeued"] >= told["records"] // 2
        again = [prompt for prompt, times in bench.speech.prompts.items() if times > 1]
        assert len(again) == told["requeued"]
    finally:
        bench.close()
