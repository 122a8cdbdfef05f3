"""The laptop's own teachers: a chat server on a real socket, and Bedrock with the caller's settings."""

import argparse
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from botocore.awsrequest import AWSResponse

from local import teacher, teacher_proxy
from local.cli import stack, teachers
from local.cli.failures import Misused
from local.cli.main import main
from local.cloud.bedrock_runtime import BedrockRuntime
from local.cloud.errors import ApiError
from local.cloud.settings import Settings
from tests.workflows.wire import _Raw
from toolsmith.errors import TeacherThrottled, TeacherTimeout, TeacherUnavailable


class Server:
    """Answers chat requests with the embedded teacher, or as `status` and `body` say."""

    def __init__(self) -> None:
        self.status, self.body, self.slow = 200, None, threading.Event()
        self.slow.set()
        self.requests: list[tuple[str, dict[str, str], dict]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.requests.append((self.path, dict(self.headers), asked))
                outer.slow.wait(5)
                body = outer.body if outer.body is not None else outer.answer(asked)
                self.send_response(outer.status)
                self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()

    @staticmethod
    def answer(asked: dict) -> bytes:
        turns = {turn["role"]: turn["content"] for turn in asked["messages"]}
        said = teacher.answer(turns.get("system", ""), turns["user"])
        choice = {"message": {"role": "assistant", "content": said.text}, "finish_reason": "stop"}
        return json.dumps({"choices": [choice], "usage": {"prompt_tokens": 5, "completion_tokens": 6}}).encode()

    def close(self) -> None:
        self.slow.set()
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    made = Server()
    monkeypatch.setenv(teacher_proxy.URL, made.url)
    monkeypatch.delenv(teacher_proxy.KEY, raising=False)
    yield made
    made.close()


def test_a_chat_endpoint_answers_under_its_own_model_id(server, monkeypatch, tmp_path):
    monkeypatch.setenv(teacher_proxy.MODEL, "phi")
    monkeypatch.setenv(teacher_proxy.KEY, "k-1")
    settings = Settings(data=tmp_path, teacher="local.teacher_proxy:chat", teacher_id="chat.phi")
    runtime = BedrockRuntime(settings)
    asked = {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}
    try:
        said = runtime.handle("Converse", {"modelId": "chat.phi", **asked})
        with pytest.raises(ApiError, match="invalid"):
            runtime.handle("Converse", {"modelId": "toolsmith.embedded-teacher-v1", **asked})
    finally:
        runtime.close()
    assert said["output"]["message"]["content"][0]["text"] == teacher.GREETING
    assert (said["stopReason"], said["usage"]["inputTokens"]) == ("end_turn", 5)
    ((path, headers, body),) = server.requests
    assert path == "/v1/chat/completions" and headers["Authorization"] == "Bearer k-1"
    assert body["model"] == "phi" and body["messages"] == [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize(
    ("status", "error"),
    [(429, TeacherThrottled), (503, TeacherThrottled), (504, TeacherTimeout), (401, TeacherUnavailable),
     (404, TeacherUnavailable), (302, TeacherUnavailable)],
)  # fmt: skip
def test_what_a_chat_endpoint_refuses_is_named_as_on_aws(server, status, error):
    server.status = status
    with pytest.raises(error, match=str(status)):
        teacher_proxy.chat("system", "user")
    assert len(server.requests) == 1


def test_a_silent_or_absent_endpoint_is_told_apart(server, monkeypatch):
    monkeypatch.setattr(teacher_proxy, "SECONDS", 0.2)
    server.slow.clear()
    with pytest.raises(TeacherTimeout):
        teacher_proxy.chat("system", "user")
    monkeypatch.setenv(teacher_proxy.URL, "http://127.0.0.1:9/v1")
    with pytest.raises(TeacherUnavailable, match="is the server running"):
        teacher_proxy.chat("system", "user")


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"choices": [{"message": {"content": ""}}]}'])
def test_an_answer_that_is_no_chat_is_malformed(server, body):
    server.body = body
    assert teacher_proxy.chat("system", "user").stop_reason == "malformed_model_output"


def test_bedrock_is_asked_as_the_caller_and_not_through_this_cloud(monkeypatch, tmp_path):
    """The cloud's process has its own AWS variables; the request has to leave with the caller's."""
    config = tmp_path / "credentials"
    config.write_text("[mine]\naws_access_key_id = AKIAMINE\naws_secret_access_key = s\n")
    for name, value in {"AWS_SHARED_CREDENTIALS_FILE": str(config), "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
                        "AWS_ACCESS_KEY_ID": "AKIALOCAL", "AWS_SECRET_ACCESS_KEY": "s"}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    mine = {"AWS_PROFILE": "mine", "AWS_REGION": "us-west-2"}
    monkeypatch.setenv(teacher_proxy.AWS, json.dumps(mine))
    monkeypatch.setenv(teacher_proxy.MODEL, "us.amazon.nova-pro-v1:0")
    sent = []

    def wire(request, **_):
        sent.append(request)
        message = {"role": "assistant", "content": [{"text": "Hello"}]}
        said = {"output": {"message": message}, "stopReason": "max_tokens"}
        return AWSResponse(request.url, 200, {"content-type": "application/json"}, _Raw(json.dumps(said).encode()))

    made = teacher_proxy._bedrock()
    made._client.meta.events.register("before-send", wire)
    monkeypatch.setattr(teacher_proxy, "_bedrock", lambda: made)
    assert teacher_proxy.bedrock("", "hi").stop_reason == "max_tokens"
    (request,) = sent
    assert request.url.startswith("https://bedrock-runtime.us-west-2.amazonaws.com/model/us.amazon.nova-pro")
    assert b"AKIAMINE" in request.headers["Authorization"] and "system" not in json.loads(request.body)


# -- options ---------------------------------------------------------------------------------------------------------
def given(**options) -> argparse.Namespace:
    return argparse.Namespace(**{"teacher": None, "teacher_url": None, "teacher_model": None, **options})


class Running:
    running = True


def test_a_chosen_teacher_has_a_model_id_of_its_own_so_that_answers_are_not_mixed_up():
    plain = stack.parameters(0)
    one = teachers.chosen(given(teacher_url="http://localhost:11434/v1", teacher_model="meta/Llama 3"))
    two = teachers.chosen(given(teacher_url="http://localhost:11434/v1", teacher_model="other"))
    real = teachers.chosen(given(teacher="bedrock:us.amazon.nova-pro-v1:0"))
    ids = [each.settings["teacher_id"] for each in (one, two, real)]
    assert len(set(ids)) == 3 and ids[2] == "us.amazon.nova-pro-v1:0"
    changed = stack.parameters(0, one.parameters)
    assert f"Teacher={ids[0]}" in changed and len(changed) == len(plain)
    assert {line.split("=")[0] for line in set(changed) - set(plain)} == {"Teacher", "TeacherModelArns"}
    assert teachers.chosen(given()) == teachers.Chosen()


@pytest.mark.parametrize(
    "options",
    [{"teacher": "bedrock:x", "teacher_url": "http://h/v1"}, {"teacher_model": "phi"}, {"teacher": "claude"},
     {"teacher_url": "localhost:1234"}, {"teacher": "bedrock:"}, {"teacher_url": "file:///etc/passwd"}],
)  # fmt: skip
def test_options_that_do_not_go_together_are_refused(options):
    with pytest.raises(Misused):
        teachers.chosen(given(**options))


def test_a_running_cloud_keeps_its_teacher():
    with pytest.raises(Misused, match="stop it first"):
        teachers.chosen(given(teacher_url="http://h/v1")).apply(Running())
    with pytest.raises(Misused, match="the MLflow it was started with"):
        teachers.chosen(given()).apply(Running(), "http://127.0.0.1:5000")
    teachers.chosen(given()).apply(Running())


def test_the_command_line_refuses_them_too(capsys, tmp_path):
    assert main(["up", "--home", str(tmp_path), "--teacher", "gpt"]) == 2
    assert "bedrock:MODEL" in capsys.readouterr().err
