"""Model servers: one process for each set of weights, started on first use and stopped when idle.

Contract: the command with "--model DIR" reads lines {"id","system","messages":[{"role","text"}],"max_tokens"}
and writes lines {"id","text","input_tokens","output_tokens"} or {"id","error"}. Answers may come in any order.
"""

import concurrent.futures
import json
import logging
import os
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from local.cloud import children
from local.cloud.errors import ApiError
from local.cloud.settings import ROOT, Settings

logger = logging.getLogger("local.cloud.models")

ANSWER_SECONDS = 300


@dataclass(frozen=True)
class Question:
    """One conversation to answer. messages: (role, text) in order."""

    system: str
    messages: tuple[tuple[str, str], ...]
    max_tokens: int


@dataclass(frozen=True)
class Reply:
    text: str
    input_tokens: int
    output_tokens: int
    stop_reason: str = ""


class ModelServers:
    """Answers questions with the weights in a folder."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._servers: dict[Path, _Server] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        threading.Thread(target=self._reap, name="model-reaper", daemon=True).start()

    def ask(self, folder: Path, question: Question) -> Reply:
        """Raises ApiError("ModelErrorException") when the server fails."""
        with self._lock:
            server = self._servers.get(folder)
            if server is None or not server.alive:
                server = self._servers[folder] = _Server(self._settings.serving, folder)
            answer = server.send(question)
        try:
            return answer.result(ANSWER_SECONDS)
        except concurrent.futures.TimeoutError:
            raise ApiError("ModelTimeoutException", "The model took too long to answer.", 408) from None
        finally:
            server.used = time.monotonic()

    def _reap(self) -> None:
        while not self._closing.wait(2):
            limit = time.monotonic() - self._settings.idle
            with self._lock:
                old = [f for f, s in self._servers.items() if not s.alive or (not s.busy and s.used < limit)]
                stopped = [self._servers.pop(folder) for folder in old]
            for server in stopped:
                server.stop()

    def close(self) -> None:
        self._closing.set()
        with self._lock:
            servers = list(self._servers.values())
            self._servers.clear()
        for server in servers:
            server.stop()


class _Server:
    """One process and the answers that are still owed."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self.used = time.monotonic()
        self._folder = folder
        self._owed: dict[str, concurrent.futures.Future] = {}
        self._lock = threading.Lock()
        self._number = 0
        self._complaint = ""
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "TOOLSMITH_TEACHER_"))}
        self._process = children.start_command(
            [*command, "--model", str(folder)], cwd=ROOT, env=environment, text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._complaints, daemon=True).start()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def busy(self) -> bool:
        return bool(self._owed)

    def send(self, question: Question) -> concurrent.futures.Future:
        answer: concurrent.futures.Future = concurrent.futures.Future()
        with self._lock:
            self._number += 1
            key = str(self._number)
            self._owed[key] = answer
            line = {
                "id": key,
                "system": question.system,
                "messages": [{"role": role, "text": text} for role, text in question.messages],
                "max_tokens": question.max_tokens,
            }
            try:
                self._process.stdin.write(json.dumps(line) + "\n")
                self._process.stdin.flush()
            except OSError:
                self._fail(self._owed.pop(key))
        return answer

    def _read(self) -> None:
        for line in self._process.stdout:
            try:
                said = json.loads(line)
            except ValueError:
                logger.warning("model server %s printed no JSON: %s", self._folder, line[:200])
                continue
            with self._lock:
                answer = self._owed.pop(str(said.get("id")), None)
            if answer is None:
                continue
            if "error" in said:
                answer.set_exception(ApiError("ModelErrorException", str(said["error"]), 424))
            else:
                answer.set_result(Reply(said["text"], int(said["input_tokens"]), int(said["output_tokens"])))
        self._process.wait()
        with self._lock:
            owed, self._owed = list(self._owed.values()), {}
        for answer in owed:
            self._fail(answer)

    def _complaints(self) -> None:
        for line in self._process.stderr:
            self._complaint = (self._complaint + line)[-2000:]

    def _fail(self, answer: concurrent.futures.Future) -> None:
        last = self._complaint.strip().splitlines()[-1:] or ["no message"]
        answer.set_exception(ApiError("ModelErrorException", f"the model server ended: {last[0]}", 424))

    def stop(self) -> None:
        children.kill(self._process)
