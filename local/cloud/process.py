"""Starts and stops the cloud as a process of its own."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from local.cloud.settings import ROOT, Settings, caller_env


class CloudError(RuntimeError):
    """The cloud did not start or went away; the message shows the end of its log."""


class Cloud:
    """The handle of one cloud process.

    Takes the fields of Settings, for example Cloud(data=Path("..."), port=4566). start() waits until the
    cloud answers. stop() ends it cleanly; kill() ends it as a crash would. Both leave the data, and
    start() takes it up again. `log` is the file with everything the process printed.
    """

    def __init__(self, data: Path, port: int = 4566, **settings) -> None:
        self.settings = replace(Settings(data=Path(data).absolute(), port=port), **settings)
        self.endpoint = self.settings.endpoint
        self.log = self.settings.data / "cloud.log"
        self._ready = self.settings.data / "cloud.json"
        self._process: subprocess.Popen | None = None

    def env(self) -> dict[str, str]:
        """Environment variables for callers (SDKs, sam, aws)."""
        return caller_env(self.settings)

    def start(self, timeout: float = 60) -> "Cloud":
        """Start the process unless it runs already on this data and port. Raises CloudError."""
        if self.running:
            self._require_same_port()
            return self
        self.settings.data.mkdir(parents=True, exist_ok=True)
        self._ready.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "local.cloud", "--settings", self.settings.dump()],
                cwd=ROOT, env=_host_env(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        limit = time.monotonic() + timeout
        while not self._ready.exists():
            if self._process.poll() is not None:
                raise CloudError(f"the local cloud did not start:\n{self._log_tail()}")
            if time.monotonic() > limit:
                self.kill()
                raise CloudError(f"the local cloud was not ready after {timeout:.0f} s:\n{self._log_tail()}")
            time.sleep(0.02)
        return self

    @property
    def pid(self) -> int | None:
        """Process id of the cloud that works on this data folder, also when another program started it."""
        if not is_held(self.settings.data / "lock"):
            return None
        try:
            return json.loads(self._ready.read_text())["pid"]
        except (OSError, ValueError, KeyError):
            return None

    @property
    def running(self) -> bool:
        if self._process is not None:
            return self._process.poll() is None
        return self.pid is not None

    def _require_same_port(self) -> None:
        port = json.loads(self._ready.read_text())["port"] if self._ready.exists() else self.settings.port
        if port != self.settings.port:
            raise CloudError(
                f"a cloud works on {self.settings.data} already, on port {port}: stop it, or use that port"
            )

    def stop(self, timeout: float = 30) -> None:
        """End it cleanly: everything is saved, all its children end."""
        self._end(signal.SIGTERM, timeout)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._end(signal.SIGKILL, 10)

    def _end(self, number: int, timeout: float) -> None:
        pid = self._process.pid if self._process else self.pid
        if pid is None:
            return
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            self._process = None
            return
        self._wait(pid, timeout)
        self._process = None

    def _wait(self, pid: int, timeout: float) -> None:
        limit = time.monotonic() + timeout
        while time.monotonic() < limit:
            if self._process is not None:
                if self._process.poll() is not None:
                    return
            elif not Path(f"/proc/{pid}").exists() and not _exists(pid):
                return
            time.sleep(0.02)
        os.kill(pid, signal.SIGKILL)

    def _log_tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-25:])

    def __enter__(self) -> "Cloud":
        return self.start()

    def __exit__(self, *exc) -> None:
        self.stop()


def is_held(lock: Path) -> bool:
    """Whether a living process holds the lock file of a data folder."""
    try:
        with lock.open("r+") as probe:
            fcntl.flock(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _host_env() -> dict[str, str]:
    """The host's environment without its AWS settings, and with this repository importable."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    path = [str(ROOT), str(ROOT / "layers" / "toolsmith"), *filter(None, [kept.get("PYTHONPATH")])]
    return {**kept, "PYTHONPATH": os.pathsep.join(path), "PYTHONUNBUFFERED": "1"}
