"""Which teacher the laptop's cloud has: the embedded one, a chat endpoint, or a model of the real Bedrock."""

import argparse
import json
import os
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from local import teacher_proxy
from local.cli.failures import Misused
from local.cloud import Cloud

BEDROCK = "bedrock:"


@dataclass(frozen=True)
class Chosen:
    """settings: of the cloud. parameters: of the stack, by name. environment: of the cloud's process."""

    settings: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)

    def apply(self, cloud: Cloud, mlflow: str = "") -> None:
        """Hand the settings to a cloud that is started next. Raises Misused where it runs already and would have
        another teacher, or log elsewhere than to the address `mlflow`."""
        if (self.settings or mlflow) and cloud.running:
            raise Misused("the cloud is running with the teacher and the MLflow it was started with; stop it first")
        os.environ.update(self.environment)


def chosen(arguments: argparse.Namespace) -> Chosen:
    """Raises Misused for options that do not go together."""
    if arguments.teacher and arguments.teacher_url:
        raise Misused("choose one of --teacher and --teacher-url")
    if arguments.teacher_url:
        return _chat(arguments.teacher_url, arguments.teacher_model)
    if arguments.teacher_model:
        raise Misused("--teacher-model needs --teacher-url")
    if not arguments.teacher:
        return Chosen()
    model = arguments.teacher.removeprefix(BEDROCK)
    if not arguments.teacher.startswith(BEDROCK) or not re.fullmatch(r"[\w.:/-]+", model):
        raise Misused("--teacher is bedrock:MODEL, for example bedrock:us.amazon.nova-pro-v1:0")
    mine = json.dumps({name: value for name, value in os.environ.items() if name.startswith("AWS_")})
    return _of("bedrock", model, {teacher_proxy.MODEL: model, teacher_proxy.AWS: mine})


def _chat(url: str, model: str | None) -> Chosen:
    found = urlsplit(url)
    if found.scheme not in ("http", "https") or not found.hostname:
        raise Misused(f"--teacher-url is http(s)://HOST/v1, not {url!r}")
    name = re.sub(r"[^a-z0-9.-]+", "-", f"{found.hostname}.{model or 'default'}".lower())
    return _of("chat", f"chat.{name}", {teacher_proxy.URL: url, teacher_proxy.MODEL: model or ""})


def _of(function: str, model_id: str, environment: dict[str, str]) -> Chosen:
    arn = model_id if model_id.startswith("arn:") else f"arn:aws:bedrock:us-east-1::foundation-model/{model_id}"
    settings = {"teacher": f"local.teacher_proxy:{function}", "teacher_id": model_id}
    return Chosen(settings, {"Teacher": model_id, "TeacherModelArns": arn}, environment)
