"""What one local cloud is started with; the same facts for the process and for those who start it."""

import json
import os
import secrets
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

ACCOUNT = "123456789012"
REGION = "us-east-1"
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Settings:
    """Where the cloud lives and what it runs.

    data        folder of everything durable.
    port        TCP port on 127.0.0.1.
    runtime     Python of the managed runtime: a virtual environment with awslambdaric and boto3 only.
    training    command of a training job (see the engine in training.py for its environment).
    serving     command of a model server; "--model DIR" is added.
    student     model directory of the embedded base student.
    states      "module:factory" of the state-machine interpreter.
    teacher     "module:function(system, user)" of the embedded teacher; its reply has text, input_tokens and
                output_tokens, and a stop_reason as Converse names it where it has one.
    teacher_id  model id under which the teacher answers.
    pace        seconds that a model import or a deployment stays in progress.
    waits       factor on the waits and retry delays of state machines (1 = as written, 0 = none).
    idle        seconds after which an unused model server or sandbox is stopped.
    sandboxes   concurrent sandboxes of a function without ReservedConcurrentExecutions.
    follow      stop as soon as the process that started the cloud is gone.
    jobs        training jobs that run at once.
    mlflow      address of a tracking server of MLflow that jobs with an MlflowConfig log to; empty for none.
    """

    data: Path
    port: int = 4566
    runtime: Path = ROOT / ".runtime" / "bin" / "python"
    training: list[str] = field(default_factory=lambda: [sys.executable, "-m", "local.student"])
    serving: list[str] = field(default_factory=lambda: [sys.executable, "-m", "local.student", "serve"])
    student: Path = ROOT / "local" / "student" / "base"
    states: str = "local.cloud.states:interpreter"
    teacher: str = "local.teacher:answer"
    teacher_id: str = "toolsmith.embedded-teacher-v1"
    pace: float = 1.0
    waits: float = 1.0
    idle: float = 120.0
    sandboxes: int = 4
    jobs: int = 2
    mlflow: str = ""
    follow: bool = False

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def dump(self) -> str:
        """The settings as JSON, for the command line of the process."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def load(cls, text: str) -> "Settings":
        values = json.loads(text)
        return cls(**{**values, **{name: Path(values[name]) for name in ("data", "runtime", "student")}})


def root_keys(data: Path) -> dict[str, str]:
    """Access key and secret of the account's root, drawn once for a data folder, readable by its owner only.

    Whoever knows them can run code here (a function is code), so other users of the machine must not.
    """
    kept = data / "root.json"
    if not kept.exists():
        data.mkdir(parents=True, exist_ok=True)
        keys = {
            "AWS_ACCESS_KEY_ID": "AKIA" + secrets.token_hex(8).upper(),
            "AWS_SECRET_ACCESS_KEY": secrets.token_hex(20),
        }
        partial = kept.with_name(f"root.{os.getpid()}")
        with os.fdopen(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            json.dump(keys, file)
        with suppress(FileExistsError):
            os.link(partial, kept)
        partial.unlink()
    return json.loads(kept.read_text())


def caller_env(settings: Settings) -> dict[str, str]:
    """Environment with which SDKs, the AWS CLI and SAM reach this cloud as the account's root."""
    return {
        **root_keys(settings.data),
        "AWS_ENDPOINT_URL": settings.endpoint,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAM_CLI_TELEMETRY": "0",
    }
