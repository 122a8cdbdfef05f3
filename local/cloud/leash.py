"""Ends a child when the cloud is gone, however the cloud went.

The cloud keeps the write end of a pipe open for as long as it lives. A child started through this
file reads the other end; end-of-file means that the cloud was stopped or killed.

    python leash.py FD module NAME [ARG...]   run a Python module in this very process
    python leash.py FD run COMMAND [ARG...]   run any command as a child

Standard library only: the managed runtime runs it too.
"""

import os
import runpy
import signal
import subprocess
import sys
import threading


def hold(fd: int) -> None:
    """Kill this process group as soon as `fd` reaches its end."""

    def wait() -> None:
        os.read(fd, 1)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


def _module(name: str, args: list[str]) -> None:
    sys.argv = [name, *args]
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def _run(command: list[str]) -> int:
    child = subprocess.Popen(command)
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    code = child.wait()
    return 128 - code if code < 0 else code


if __name__ == "__main__":
    descriptor, mode, *rest = sys.argv[1:]
    hold(int(descriptor))
    if mode == "module":
        _module(rest[0], rest[1:])
    else:
        sys.exit(_run(rest))
