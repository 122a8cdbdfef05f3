"""The stack's functions called in process: their own app.py and variables, errors as the runtime reports them."""

import ast
import contextvars
import functools
import importlib.util
import io
import json
import threading
import traceback
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.local.states_bench import fault
from tests.template.loading import ROOT
from tests.workflows.stack import Function, Stack

# Functions share this process here, a thread each, and CPython 3.11 now and then raises SystemError ("AST constructor
# recursion depth mismatch") when two threads parse at once; a sandbox of Lambda runs one call at a time.
_parse, _parsing = ast.parse, threading.RLock()


def _parse_alone(*args: Any, **named: Any) -> Any:
    with _parsing:
        return _parse(*args, **named)


ast.parse = _parse_alone
LARGEST = 6 * 1024 * 1024
_environment: contextvars.ContextVar[dict[str, str]] = contextvars.ContextVar("environment")


class Killed(BaseException):
    """The sandbox died in the middle of the call; nothing of the handler runs any more."""


class Throttled(Exception):
    """As many calls run as the function's reserved concurrency allows."""


def setting(name: str) -> str:
    """Stands in for reading the environment: the variables of the function that runs on this thread."""
    return _environment.get()[name]


@functools.cache
def entry(folder: str, handler: str) -> Callable[[Any, Any], Any]:
    """The handler function, loaded by its path."""
    module_name, _, name = handler.partition(".")
    label = f"{folder.replace('/', '_')}_{module_name}"
    spec = importlib.util.spec_from_file_location(label, ROOT / folder / f"{module_name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


class Functions:
    """`calls` counts invocations; `stub(name, body)` puts something else in a function's place; `fail(name, ...)` makes
    its next calls end with these error types before the handler runs ("Lambda.TooManyRequestsException" at the API).
    Calls beyond a function's reserved concurrency are refused as Lambda does it; `throttled` counts them."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.calls: Counter[str] = Counter()
        self.events: list[tuple[str, Any]] = []
        self._stubs: dict[str, Callable[[Any], Any]] = {}
        self._failures: dict[str, list[str]] = {}
        self._lock = threading.Lock()
        self._sandboxes = {name: ThreadPoolExecutor(1, f"sandbox-{name}") for name in stack.functions}
        self.busy: Counter[str] = Counter()
        self.busiest: Counter[str] = Counter()
        self.throttled: Counter[str] = Counter()

    def close(self) -> None:
        for sandbox in self._sandboxes.values():
            sandbox.shutdown(wait=False)

    def stub(self, name: str, body: Callable[[Any], Any]) -> None:
        self._stubs[name] = body

    def fail(self, name: str, *errors: str) -> None:
        self._failures[name] = list(errors)

    def invoke(self, FunctionName: str, Payload: bytes = b"null", **_: Any) -> dict[str, Any]:
        """lambda.invoke"""
        name = FunctionName.rpartition(":")[2]
        function = self._stack.functions[name]
        with self._lock:
            self.calls[name] += 1
            self.events.append((name, json.loads(Payload)))
            error = self._failures[name].pop(0) if self._failures.get(name) else None
        if error and error.startswith("Lambda."):
            raise fault(error.removeprefix("Lambda."), "by the bench")
        told = {"errorType": error, "errorMessage": "by the bench"} if error else None
        payload, broken = (told, True) if told else self._run(function, json.loads(Payload))
        body = json.dumps(payload).encode()
        assert len(body) <= LARGEST, f"{name} answered with {len(body)} bytes"
        reply = {"StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": io.BytesIO(body)}
        return {**reply, "FunctionError": "Unhandled"} if broken else reply

    def call(self, name: str, event: Any) -> Any:
        """What the handler returns; its exception where it raises one. A function has one sandbox with one thread."""
        with self._lock:
            if 0 < self._stack.reserved(name) <= self.busy[name]:
                self.throttled[name] += 1
                raise Throttled(name)
            self.busy[name] += 1
            self.busiest[name] = max(self.busiest[name], self.busy[name])
        try:
            return self._sandboxes[name].submit(self._handle, name, event).result()
        finally:
            with self._lock:
                self.busy[name] -= 1

    def _handle(self, name: str, event: Any) -> Any:
        function = self._stack.functions[name]
        _environment.set(function.environment)
        body = self._stubs.get(name)
        return body(event) if body else entry(function.folder, function.handler)(event, None)

    def _run(self, function: Function, event: Any) -> tuple[Any, bool]:
        try:
            return self.call(function.name, event), False
        except Throttled:
            raise fault("TooManyRequestsException", "Rate Exceeded.", 429) from None
        except Killed:
            return {"errorType": "Runtime.ExitError", "errorMessage": "RequestId: 0 Error: exit status 137"}, True
        except Exception as error:
            return {"errorType": type(error).__name__, "errorMessage": str(error),
                    "stackTrace": traceback.format_tb(error.__traceback__)[-3:]}, True  # fmt: skip
