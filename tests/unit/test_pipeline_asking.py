"""Questions put to a model by a function that may be cut off at any time."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from tests.unit.memory import MemoryStore
from toolsmith.aws.asked_model import AskedModel
from toolsmith.customization import outputs
from toolsmith.errors import ModelUnavailable
from toolsmith.pipeline import asking

KEY = "runs/r/output/j/inference_output.jsonl"


class Runtime:
    """Converse that says the question back; after `most` answers it is throttled."""

    def __init__(self, most: int = 10_000) -> None:
        self.asked: list[dict] = []
        self.most = most

    def converse(self, **body):
        if len(self.asked) >= self.most:
            raise RuntimeError("ThrottlingException")
        self.asked.append(body)
        text = f"[{body['messages'][0]['content'][0]['text']}]"
        return {"output": {"message": {"content": [{"text": text}]}}}


@pytest.fixture
def work() -> MemoryStore:
    made = MemoryStore()
    rows = [{"query": f"q{n}", "response": f"a{n}", "system": "s", "metadata": f"id{n}"} for n in range(150)]
    made.write_lines("datasets/d/eval/gen_qa.jsonl", rows)
    return made


def ask(runtime, work, in_time=lambda: True):
    asked = {"Model": "m", "Questions": work.uri("datasets/d/eval/gen_qa.jsonl"), "MaxTokens": 64, "Temperature": 0}
    return asking.ask_all(runtime, work, "r", "j", asked, in_time)


def test_the_answers_are_kept_as_an_evaluation_job_leaves_them(work):
    runtime = Runtime()
    assert ask(runtime, work) == {"answered": 150, "left": 0}
    found = outputs.read_files({"inference_output.jsonl": work.read(KEY)})
    assert {row["metadata"]: outputs.inference_text(row["inference"]) for row in found.answers}["id7"] == "[q7]"
    body = runtime.asked[0]
    assert body["modelId"] == "m" and body["system"] == [{"text": "s"}]
    assert body["inferenceConfig"] == {"maxTokens": 64, "temperature": 0}


def test_what_was_answered_before_is_not_asked_again(work):
    time = iter([True, False])
    first, second = Runtime(), Runtime()
    assert ask(first, work, lambda: next(time)) == {"answered": 64, "left": 86}
    assert ask(second, work) == {"answered": 150, "left": 0}
    assert len(first.asked) + len(second.asked) == 150


def test_a_call_that_is_throttled_keeps_what_was_answered(work):
    with pytest.raises(RuntimeError):
        ask(Runtime(most=70), work)
    assert len(work.read_lines(KEY)) == 64


class Failing:
    """Converse that fails so."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def converse(self, **body):
        raise self.error


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "Converse")


@pytest.mark.parametrize(
    "error",
    [refused("ThrottlingException"), refused("ModelTimeoutException"), refused("ModelNotReadyException"),
     ReadTimeoutError(endpoint_url="e"), EndpointConnectionError(endpoint_url="e")],
    ids=str,
)  # fmt: skip
def test_what_passes_is_raised_as_what_the_machine_waits_for(work, error):
    with pytest.raises(ModelUnavailable, match="^m: "):
        ask(AskedModel(Failing(error)), work)


def test_what_does_not_pass_stays_what_it_is(work):
    with pytest.raises(ClientError, match="AccessDenied"):
        ask(AskedModel(Failing(refused("AccessDeniedException"))), work)
