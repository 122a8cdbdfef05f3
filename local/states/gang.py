"""Many jobs, few threads: what Parallel and both kinds of Map run their parts with, and calls of services."""

import functools
import logging
import queue
import threading
from collections.abc import Callable, Iterable
from typing import Any

from local.states.clock import Cancel, Clock

logger = logging.getLogger("local.states")
IDLE = 64  # threads kept for the next job; starting one costs more than most steps


class Threads:
    """Daemon threads that are used again. A job nobody waits for any more holds up neither the others nor the exit."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[queue.SimpleQueue] = []

    def run(self, job: Callable[[], None]) -> None:
        """Run the job at once on an idle thread, or on a new one."""
        with self._lock:
            inbox = self._idle.pop() if self._idle else None
        if inbox is None:
            inbox = queue.SimpleQueue()
            threading.Thread(target=self._work, args=(inbox,), daemon=True, name="states-job").start()
        inbox.put(job)

    def _work(self, inbox: queue.SimpleQueue) -> None:
        while True:
            try:
                inbox.get()()
            except Exception:
                logger.exception("a job of a state machine broke")
            with self._lock:
                if len(self._idle) >= IDLE:
                    return
                self._idle.append(inbox)


THREADS = Threads()


class Slots:
    """So many jobs at a time over all gangs. Who waits for one sleeps until it is free: thousands of executions that
    looked now and then would leave no time for those that work."""

    def __init__(self, count: int):
        self._free = count
        self._waiting: dict[threading.Event, None] = {}  # first come, first served
        self._lock = threading.Lock()

    def acquire(self, cancel: Cancel) -> bool:
        """Wait for a slot; False without one once the signal came."""
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            turn = threading.Event()
            self._waiting[turn] = None
        cancel.attach(turn)
        turn.wait()
        cancel.detach(turn)
        with self._lock:
            if turn in self._waiting:
                del self._waiting[turn]
                return False
        return True

    def release(self) -> None:
        with self._lock:
            if self._waiting:
                turn = next(iter(self._waiting))
                del self._waiting[turn]
                turn.set()
            else:
                self._free += 1


class Gang:
    """Jobs on threads: at most `width` at a time, started by whoever calls `run`, stopped by `cancel`."""

    def __init__(self, width: int, cancel: Cancel, slots: Slots | None = None):
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
                THREADS.run(functools.partial(self._work, job))
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
        if self._slots and not self._slots.acquire(self._cancel):
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


class Attempt:
    """A call on a thread of its own, so that whoever waits for it can give up on time."""

    def __init__(self, call: Callable[[], Any]):
        self.done = threading.Event()
        self._value: Any = None
        self._error: BaseException | None = None
        self._call = call
        self.finished = False
        THREADS.run(self._run)

    def _run(self) -> None:
        try:
            self._value = self._call()
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
            self._error = error
        self.finished = True
        self.done.set()

    def result(self, clock: Clock, until: float | None, cancel: Cancel) -> Any:
        """The call's value or its exception; TimeoutError at `until`, Cancelled if told to stop."""
        cancel.attach(self.done)
        try:
            clock.wait(self.done, until)
        finally:
            cancel.detach(self.done)
        if not self.finished:
            cancel.check()
            raise TimeoutError
        if self._error:
            raise self._error
        return self._value
