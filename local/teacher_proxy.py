"""Teachers outside this machine, asked by the cloud's process: a chat endpoint, or Bedrock with your own profile.

Nothing of this reaches a sandbox, a training job or a model server: they do not get these variables of the environment.
"""

import json
import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from toolsmith.aws.teacher import BedrockTeacher
from toolsmith.errors import TeacherThrottled, TeacherTimeout, TeacherUnavailable
from toolsmith.pipeline.answers import converse_body
from toolsmith.teaching import TeacherReply
from toolsmith.teaching.chat import chat_request, converse_response

PREFIX = "TOOLSMITH_TEACHER_"
URL, MODEL, KEY, AWS = (PREFIX + name for name in ("URL", "MODEL", "KEY", "AWS"))
SECONDS = 120
LARGEST = 4_000_000
_BUSY, _SLOW = {429, 500, 502, 503, 529}, {408, 504}


@dataclass(frozen=True)
class Reply:
    """An answer in the form that the cloud's Bedrock expects of a teacher."""

    text: str
    input_tokens: int
    output_tokens: int
    stop_reason: str


def chat(system: str, user: str) -> Reply:
    """Asks the chat endpoint TOOLSMITH_TEACHER_URL, with TOOLSMITH_TEACHER_KEY where it is set.

    Raises TeacherThrottled, TeacherTimeout or TeacherUnavailable.
    """
    body = json.dumps(chat_request(_body(system, user), os.environ.get(MODEL) or None)).encode()
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if key := os.environ.get(KEY):
        headers["Authorization"] = f"Bearer {key}"
    url = os.environ[URL].rstrip("/").removesuffix("/chat/completions") + "/chat/completions"
    said = _posted(urllib.request.Request(url, body, headers, method="POST"))
    try:
        return _reply(converse_response(json.loads(said)))
    except ValueError:
        return _reply({})


def bedrock(system: str, user: str) -> Reply:
    """Asks the model TOOLSMITH_TEACHER_MODEL of AWS with the caller's own credentials. Raises as `chat` does."""
    return _reply(_bedrock().converse(_body(system, user)))


def _body(system: str, user: str) -> dict[str, Any]:
    body = converse_body(system, user)
    return body if system else {name: value for name, value in body.items() if name != "system"}


def _reply(response: dict[str, Any]) -> Reply:
    """What TeacherReply refuses to read keeps a stop reason that it will refuse again."""
    found = TeacherReply.from_converse(response)
    reason = "malformed_model_output" if found.stop_reason == "malformed" else found.stop_reason
    return Reply(found.text, found.input_tokens, found.output_tokens, reason)


def _posted(request: urllib.request.Request) -> bytes:
    where = request.full_url
    try:
        with _OPENER.open(request, timeout=SECONDS) as response:
            return response.read(LARGEST)
    except urllib.error.HTTPError as error:
        told = f"{where} answered {error.code}: {error.read(300).decode('utf-8', 'replace')}"
        if error.code in _BUSY:
            raise TeacherThrottled(told) from error
        if error.code in _SLOW:
            raise TeacherTimeout(told) from error
        raise TeacherUnavailable(f"{told}; check --teacher-url, --teacher-model and ${KEY}") from error
    except TimeoutError as error:
        raise TeacherTimeout(f"{where} did not answer within {SECONDS} s") from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise TeacherTimeout(f"{where} did not answer within {SECONDS} s") from error
        raise TeacherUnavailable(f"{where} cannot be reached ({error.reason}); is the server running?") from error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The key must not follow a redirect to somewhere else."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


def _bedrock() -> BedrockTeacher:
    """A client of the real AWS: the caller's settings, not those of the cloud that runs in this process."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    given = json.loads(os.environ[AWS])
    keys = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    static = {name: given[name.upper()] for name in keys if name.upper() in given}
    profile = {} if static else {"profile_name": given.get("AWS_PROFILE", "default")}
    region = given.get("AWS_REGION") or given.get("AWS_DEFAULT_REGION")
    retries = {"mode": "standard", "total_max_attempts": 3}
    config = Config(retries=retries, read_timeout=SECONDS, ignore_configured_endpoint_urls=True)
    try:
        session = boto3.Session(**static, **profile, region_name=region)
        return BedrockTeacher(session.client("bedrock-runtime", config=config), os.environ[MODEL])
    except BotoCoreError as error:
        raise TeacherUnavailable(f"AWS cannot be asked ({error}); set AWS_PROFILE and AWS_REGION") from error
