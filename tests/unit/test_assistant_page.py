"""The assistant's page: what it serves, whom it answers, and the function behind the function URL."""

import http.client
import importlib.util
import json
import re
from pathlib import Path

import pytest

from local.cli.failures import Failed
from local.cli.page import Page
from local.cli.page.server import HTML, LARGEST, policy_of
from toolsmith.aws.deployed import DeployedModel
from toolsmith.errors import InvalidInput, NothingDeployed

ROOT = Path(__file__).resolve().parents[2]


def answer(question):
    if question == "fail":
        raise Failed("the place is gone")
    if not question:
        raise InvalidInput("the question has 0 characters")
    return {"question": question, "steps": []}


@pytest.fixture(scope="module")
def page():
    served = Page(answer).start()
    yield served
    served.close()


def request(page, method, path, body=None, **headers):
    port = int(page.address.rsplit(":", 1)[1].strip("/"))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, given)
    answered = connection.getresponse()
    return answered, answered.read()


def post(page, body, **headers):
    answered, data = request(page, "POST", "/ask", body, **{"Content_Type": "application/json", **headers})
    return answered.status, json.loads(data)


def test_the_page_is_served_with_a_policy_that_allows_only_itself(page):
    answered, data = request(page, "GET", "/")
    text = data.decode()
    assert answered.status == 200 and text == HTML.read_text()
    policy = answered.getheader("Content-Security-Policy")
    assert "default-src 'none'" in policy and "unsafe-inline" not in policy
    assert policy == policy_of(text) != policy_of(text.replace('"use strict"', '"use script"'))


def test_the_page_needs_nothing_from_elsewhere_and_has_names_for_its_fields():
    text = HTML.read_text()
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", text) and " style=" not in text and " onclick=" not in text
    assert 'lang="en"' in text and 'for="question"' in text and "aria-live" in text
    assert "prefers-color-scheme: dark" in text and 'name="viewport"' in text
    assert "innerHTML" not in text


def test_a_question_is_answered(page):
    assert post(page, '{"question": "What?"}') == (200, {"question": "What?", "steps": []})


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ('{"question": ""}', 400, "0 characters"),
        ('{"question": "fail"}', 409, "gone"),
        ("{", 400, "question"),
        ("[]", 400, "question"),
        ('{"question": "' + "a" * LARGEST + '"}', 413, "bytes"),
    ],
)
def test_what_is_wrong_is_said(page, body, status, says):
    got, told = post(page, body)
    assert got == status and says in told["error"]


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Host": "127.0.0.1:1"}],
)
def test_other_pages_may_not_ask(page, headers):
    assert post(page, '{"question": "What?"}', **headers)[0] == 403


def test_forms_of_other_pages_cannot_ask(page):
    answered, _ = request(page, "POST", "/ask", "question=x", Content_Type="text/plain")
    assert answered.status == 404


class Ssm:
    def __init__(self, value):
        self.value = value

    def get_parameter(self, Name):
        return {"Parameter": {"Value": self.value}}


class Runtime:
    def converse(self, **request):
        self.request = request
        return {"output": {"message": {"content": [{"text": "no plan"}]}}}


def test_a_stack_without_a_model_says_how_to_get_one():
    with pytest.raises(NothingDeployed, match="toolsmith watch"):
        DeployedModel(Ssm("none"), Runtime(), "/toolsmith/model")


def test_the_deployed_model_is_asked_at_temperature_zero_with_its_tools():
    runtime = Runtime()
    model = DeployedModel(Ssm("arn:deployment"), runtime, "/toolsmith/model")
    assert model.say("system", "What?", {"tools": []}) == [{"text": "no plan"}]
    assert runtime.request["modelId"] == "arn:deployment" and runtime.request["toolConfig"] == {"tools": []}
    assert runtime.request["inferenceConfig"]["temperature"] == 0


@pytest.fixture
def function(monkeypatch, tmp_path):
    """functions/assistant with stand-ins behind its wiring; `function.ssm.value` is the model."""
    from tests.unit.memory import MemoryStore
    from toolsmith.aws import wiring

    spec = importlib.util.spec_from_file_location("assistant_app", ROOT / "functions" / "assistant" / "app.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.ssm = Ssm("arn:deployment")
    monkeypatch.setenv("MODEL_PARAMETER", "/toolsmith/model")
    monkeypatch.setattr(wiring, "client", lambda name: module.ssm)
    monkeypatch.setattr(wiring, "bedrock_runtime", lambda seconds: Runtime())
    monkeypatch.setattr(wiring, "work", MemoryStore)
    monkeypatch.setattr(module, "Path", lambda _: tmp_path)
    return module


@pytest.mark.parametrize(
    ("body", "status"),
    [('{"question": "What?"}', 200), ("", 400), ("{", 400), ("[]", 400), ('{"question": ""}', 400), (None, 400)],
)
def test_the_function_answers_or_says_what_it_wants(function, body, status):
    answered = function.app({"body": body}, None)
    assert answered["statusCode"] == status
    told = json.loads(answered["body"])
    assert told["answer"] if status == 200 else told["error"]


def test_the_function_says_when_nothing_is_deployed(function):
    function.ssm.value = "none"
    answered = function.app({"body": '{"question": "What?"}'}, None)
    assert answered["statusCode"] == 409 and "no model is deployed" in answered["body"]
