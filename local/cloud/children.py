"""Starts processes that never outlive the cloud (see leash.py)."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

LEASH = str(Path(__file__).with_name("leash.py"))

_lock = threading.Lock()
_pipe: list[int] = []


def _end() -> int:
    """The read end every child inherits; its write end stays open for as long as this process lives."""
    with _lock:
        if not _pipe:
            _pipe.extend(os.pipe())
        return _pipe[0]


def start_module(python: str, module: str, *args: str, **options) -> subprocess.Popen:
    """A Python module as a process of its own, in its own process group."""
    fd = _end()
    command = [python, "-P", LEASH, str(fd), "module", module, *args]
    return subprocess.Popen(command, pass_fds=[fd], start_new_session=True, **options)


def start_command(command: list[str], **options) -> subprocess.Popen:
    """Any command behind a small guard process; the exit code is the command's (128+n for signal n)."""
    fd = _end()
    guarded = [sys.executable, "-I", "-S", LEASH, str(fd), "run", *command]
    return subprocess.Popen(guarded, pass_fds=[fd], start_new_session=True, **options)


def kill(process: subprocess.Popen) -> None:
    """End the whole process group at once."""
    if process.poll() is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
