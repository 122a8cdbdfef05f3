"""Many jobs, few threads: what Parallel and both kinds of Map run their parts with."""

import threading
from collections.abc import Callable, Iterable

from local.states.clock import Cancel


class Gang:
    """Jobs on threads: at most `width` at a time, started by whoever calls `run`, stopped by `cancel`."""

    def __init__(self, width: int, cancel: Cancel, slots: threading.Semaphore | None = None):
        self._width = width
        self._cancel = cancel
        self._slots = slots
        self._changed = threading.Condition()
        self._active = 0

    def run(self, jobs: Iterable[Callable[[], None]]) -> None:
        """Start the jobs in order and wait until all ended; after a cancel no further one starts."""
        wake = _Bell(self._changed)
        self._cancel.attach(wake)
        try:
            for job in jobs:
                if not self._enter():
                    break
                threading.Thread(target=self._work, args=(job,), daemon=True, name="states-item").start()
            with self._changed:
                self._changed.wait_for(lambda: self._active == 0)
        finally:
            self._cancel.detach(wake)

    def _enter(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._active < self._width or self._cancel.reason)
            if self._cancel.reason:
                return False
            self._active += 1
        while self._slots and not self._slots.acquire(timeout=0.2):
            if self._cancel.reason:
                self._leave()
                return False
        return True

    def _leave(self) -> None:
        with self._changed:
            self._active -= 1
            self._changed.notify_all()

    def _work(self, job: Callable[[], None]) -> None:
        try:
            job()
        finally:
            if self._slots:
                self._slots.release()
            self._leave()


class _Bell:
    """Lets a Cancel wake a Condition."""

    def __init__(self, condition: threading.Condition):
        self._condition = condition

    def set(self) -> None:
        with self._condition:
            self._condition.notify_all()
