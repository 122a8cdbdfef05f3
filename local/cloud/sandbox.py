"""One Lambda sandbox: a process that runs AWS's runtime client and handles one invocation at a time."""

import json
import os
import queue
import select
import shutil
import subprocess
import tempfile
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from local.cloud import children
from local.cloud.runtime_api import Invocation, Message, RuntimeApi
from local.cloud.settings import REGION

INIT_SECONDS = 60  # AWS allows 10; a busy laptop imports more slowly
_LOG_BYTES = 4 << 20  # of one invocation's output, the last
_PATH = "/usr/local/bin:/usr/bin/:/bin:/opt/bin"


@dataclass(frozen=True)
class Blueprint:
    """Everything a sandbox of one function version is made from."""

    name: str
    arn: str
    version: str
    handler: str
    runtime: str
    timeout: int
    memory: int
    code: Path
    layers: tuple[Path, ...]
    variables: dict[str, str] = field(hash=False)
    log_group: str = ""
    log_format: str = "Text"
    log_level: str = ""


@dataclass(frozen=True)
class Outcome:
    """The end of an invocation. error: the payload is an error object of the runtime."""

    payload: bytes
    error: bool
    log: str


class Sandbox:
    """Started once, then invoked again and again until it dies or is killed."""

    def __init__(self, python: Path, blueprint: Blueprint, credentials: dict[str, str], scratch: Path) -> None:
        self.blueprint = blueprint
        self.stream = f"{time.strftime('%Y/%m/%d')}/[{blueprint.version}]{uuid.uuid4().hex}"
        self.used = time.monotonic()
        self._written = bytearray()  # output that is in no log yet
        self._reading = threading.Lock()
        self._dead = False
        self._api = RuntimeApi()
        scratch.mkdir(parents=True, exist_ok=True)
        self._scratch = Path(tempfile.mkdtemp(dir=scratch))
        self._process = children.start_module(
            str(python), "awslambdaric", blueprint.handler,
            cwd=blueprint.code, env=self._environment(credentials),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._output = self._process.stdout.fileno()
        os.set_blocking(self._output, False)
        self._drained = threading.Event()
        threading.Thread(target=self._read_output, daemon=True).start()
        self._failed = self._initialise()

    def _environment(self, credentials: dict[str, str]) -> dict[str, str]:
        """Exactly what Lambda sets, with the host's environment left out."""
        made = self.blueprint
        json_logs = {"AWS_LAMBDA_LOG_FORMAT": made.log_format, "AWS_LAMBDA_LOG_LEVEL": made.log_level}
        path = [str(made.code), *(str(layer / "python") for layer in made.layers)]
        return {
            "PATH": _PATH,
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "TMPDIR": str(self._scratch),
            "HOME": str(self._scratch),
            "PYTHONPATH": ":".join(path),
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "LAMBDA_TASK_ROOT": str(made.code),
            "_HANDLER": made.handler,
            "AWS_LAMBDA_RUNTIME_API": self._api.address,
            "AWS_LAMBDA_FUNCTION_NAME": made.name,
            "AWS_LAMBDA_FUNCTION_VERSION": made.version,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(made.memory),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": made.log_group,
            "AWS_LAMBDA_LOG_STREAM_NAME": self.stream,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{made.runtime}",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            **(json_logs if made.log_format == "JSON" else {}),
            **made.variables,
            **credentials,
        }

    def _read_output(self) -> None:
        waiting = select.poll()
        waiting.register(self._output, select.POLLIN)
        while self._drain():
            waiting.poll()
        self._drained.set()
        code = self._process.wait()
        error = {
            "errorType": "Runtime.ExitError",
            "errorMessage": f"Error: Runtime exited with error: exit status {code}",
        }
        if code == 0:
            error["errorMessage"] = "Error: Runtime exited without providing a reason"
        self._api.messages.put(Message("exit", json.dumps(error).encode()))

    def _drain(self) -> bool:
        """Take in what the process has written so far; False once there will be no more."""
        with self._reading:
            while True:
                try:
                    text = os.read(self._output, 1 << 16)
                except BlockingIOError:
                    return True
                if not text:
                    return False
                self._written += text
                del self._written[:-_LOG_BYTES]

    def _initialise(self) -> bytes | None:
        """Wait until the handler's module is imported. Returns the error payload when it failed."""
        message = self._receive(INIT_SECONDS)
        if message is None:
            self.kill()
            return _error("Sandbox.Timedout", f"Init timed out after {INIT_SECONDS} seconds")
        return None if message.kind == "ready" else message.body

    def _receive(self, seconds: float) -> Message | None:
        try:
            return self._api.messages.get(timeout=seconds)
        except queue.Empty:
            return None

    def invoke(self, payload: bytes, request_id: str, function_arn: str) -> Outcome:
        """Run the handler once. Never raises: every failure is an error payload as Lambda words it."""
        if self._failed is not None:
            self.kill()
            self._drained.wait(2)
            return Outcome(self._failed, True, self._take_log())
        timeout = self.blueprint.timeout
        self._api.push(
            Invocation(
                request_id, payload, int((time.time() + timeout) * 1000), function_arn,
                f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]};Sampled=0",
            )
        )  # fmt: skip
        message = self._receive(timeout)
        self.used = time.monotonic()
        if message is None:
            self.kill()
            now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
            text = f"{now} {request_id} Task timed out after {timeout:.2f} seconds"
            return Outcome(_error("Sandbox.Timedout", text), True, f"{self._take_log()}\n{text}")
        if message.kind == "exit":
            self._dead = True
            body = json.loads(message.body)
            body["errorMessage"] = f"RequestId: {request_id} {body['errorMessage']}"
            return Outcome(json.dumps(body).encode(), True, self._take_log())
        if not self._polls_again():
            self.kill()
        return Outcome(message.body, message.kind == "error", self._take_log())

    def _polls_again(self) -> bool:
        message = self._receive(5)
        return message is not None and message.kind == "ready"

    def _take_log(self) -> str:
        """All that was written before now; whoever polled again or died had written its last line before."""
        self._drain()
        with self._reading:
            taken, self._written = self._written, bytearray()
        return taken.decode("utf-8", "replace").rstrip("\n")

    def peak_memory_mb(self) -> int:
        """Highest resident memory so far; 0 where the system doesn't say."""
        try:
            status = Path(f"/proc/{self._process.pid}/status").read_text()
        except OSError:
            return 0
        peak = next((line for line in status.splitlines() if line.startswith("VmHWM")), "VmHWM: 0 kB")
        return round(int(peak.split()[1]) / 1024)

    @property
    def alive(self) -> bool:
        return not self._dead and self._failed is None and self._process.poll() is None

    def kill(self) -> None:
        if not self._dead:
            self._dead = True
            children.kill(self._process)
            self._api.close()
            shutil.rmtree(self._scratch, ignore_errors=True)


def _error(kind: str, text: str) -> bytes:
    return json.dumps({"errorType": kind, "errorMessage": text}).encode()
