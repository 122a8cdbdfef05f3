"""Runs Lambda functions in sandboxes: one process per concurrent invocation, kept warm and reused."""

import hashlib
import io
import json
import logging
import shutil
import threading
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from local.cloud import emulator
from local.cloud.identity import Identities
from local.cloud.sandbox import Blueprint, Sandbox
from local.cloud.settings import Settings

logger = logging.getLogger("local.cloud.lambdas")


@dataclass
class _Fleet:
    """The sandboxes of one function version."""

    blueprint: Blueprint
    role: str
    limit: int
    slots: threading.BoundedSemaphore
    idle: list[Sandbox] = field(default_factory=list)
    retired: bool = False


class Lambdas:
    """The executor behind lambda:Invoke, event source mappings and asynchronous invocations."""

    def __init__(self, settings: Settings, identities: Identities) -> None:
        self._settings = settings
        self._identities = identities
        self._store = settings.data / "lambda"
        self._scratch = self._store / "tmp"
        self._lock = threading.Lock()
        self._fleets: dict[str, _Fleet] = {}
        self._all: set[Sandbox] = set()
        self._closing = threading.Event()
        shutil.rmtree(self._scratch, ignore_errors=True)
        threading.Thread(target=self._reap, name="sandbox-reaper", daemon=True).start()

    def execute(self, func: dict, event, request_id: str) -> dict:
        """One invocation; see emulator.run_functions_with for the answer."""
        fleet = self._fleet(func)
        config = func.get("config") or func
        # Reserved concurrency throttles in the emulator; the default only bounds this machine's processes,
        # so callers queue for it.
        if not fleet.slots.acquire(timeout=max(60, fleet.blueprint.timeout)):
            return emulator.throttled(f"Rate Exceeded: no sandbox of {fleet.blueprint.name} became free")
        try:
            return self._run(fleet, json.dumps(event).encode(), request_id, config["FunctionArn"])
        finally:
            fleet.slots.release()

    def _run(self, fleet: _Fleet, payload: bytes, request_id: str, arn: str) -> dict:
        sandbox = self._lease(fleet)
        outcome = sandbox.invoke(payload, request_id, arn)
        peak = sandbox.peak_memory_mb()
        self._release(fleet, sandbox)
        answer = {
            "body": _decoded(outcome.payload),
            "log": outcome.log,
            "log_source": f"{sandbox.stream} {peak}",
        }
        if outcome.error:
            answer.update(error=True, function_error="Unhandled")
        return answer

    def _lease(self, fleet: _Fleet) -> Sandbox:
        with self._lock:
            while fleet.idle:
                sandbox = fleet.idle.pop()
                if sandbox.alive:
                    return sandbox
                self._all.discard(sandbox)
        name = fleet.blueprint.name
        credentials = self._identities.environment(fleet.role, name)
        sandbox = Sandbox(self._settings.runtime, fleet.blueprint, credentials, self._scratch)
        with self._lock:
            self._all.add(sandbox)
        return sandbox

    def _release(self, fleet: _Fleet, sandbox: Sandbox) -> None:
        with self._lock:
            keep = sandbox.alive and not fleet.retired and not self._closing.is_set()
            if keep:
                fleet.idle.append(sandbox)
            else:
                self._all.discard(sandbox)
        if not keep:
            sandbox.kill()

    def _fleet(self, func: dict) -> _Fleet:
        """The fleet of the function as it is configured now; an older one is retired."""
        config = func.get("config") or func
        key = f"{config['FunctionName']}:{config.get('Version', '$LATEST')}"
        blueprint = self._blueprint(func, config)
        reserved = func.get("concurrency")
        limit = reserved if isinstance(reserved, int) and reserved > 0 else self._settings.sandboxes
        with self._lock:
            found = self._fleets.get(key)
            if found and (found.blueprint, found.role, found.limit) == (blueprint, config["Role"], limit):
                return found
            if found:
                found.retired = True
                for sandbox in found.idle:
                    sandbox.kill()
            made = _Fleet(blueprint, config["Role"], limit, threading.BoundedSemaphore(limit))
            self._fleets[key] = made
            return made

    def _blueprint(self, func: dict, config: dict) -> Blueprint:
        layers = [_layer_key(layer) for layer in config.get("Layers") or []]
        logging_ = config.get("LoggingConfig") or {}
        return Blueprint(
            name=config["FunctionName"],
            arn=config["FunctionArn"].split(":function:")[0] + f":function:{config['FunctionName']}",
            version=config.get("Version", "$LATEST"),
            handler=config["Handler"],
            runtime=config["Runtime"],
            timeout=int(config.get("Timeout", 3)),
            memory=int(config.get("MemorySize", 128)),
            code=self._unpacked(config["CodeSha256"], lambda: func["code_zip"]),
            layers=tuple(self._unpacked(key, lambda layer=layer: emulator.layer_zip(layer))
                         for key, layer in zip(layers, config.get("Layers") or [], strict=True)),
            variables={k: str(v) for k, v in (config.get("Environment") or {}).get("Variables", {}).items()},
            log_group=_log_group(config),
            log_format=logging_.get("LogFormat", "Text"),
            log_level=logging_.get("ApplicationLogLevel", "INFO"),
        )  # fmt: skip

    def _unpacked(self, key: str, archive) -> Path:
        """The folder of an archive, unpacked once for each content."""
        folder = self._store / "code" / hashlib.sha256(key.encode()).hexdigest()[:24]
        if folder.is_dir():
            return folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = folder.with_name(f"{folder.name}.{threading.get_ident()}.part")
        with zipfile.ZipFile(io.BytesIO(archive())) as packed:
            packed.extractall(partial)
        try:
            partial.rename(folder)
        except OSError:  # another thread was first
            shutil.rmtree(partial, ignore_errors=True)
        return folder

    def _reap(self) -> None:
        """Stop sandboxes that nobody used for a while."""
        while not self._closing.wait(5):
            limit = time.monotonic() - self._settings.idle
            with self._lock:
                old = [s for fleet in self._fleets.values() for s in fleet.idle if s.used < limit]
                for fleet in self._fleets.values():
                    fleet.idle = [s for s in fleet.idle if s not in old]
                self._all.difference_update(old)
            for sandbox in old:
                sandbox.kill()

    def close(self) -> None:
        self._closing.set()
        with self._lock:
            sandboxes, self._all = list(self._all), set()
        for sandbox in sandboxes:
            sandbox.kill()


def _layer_key(layer) -> str:
    return layer if isinstance(layer, str) else layer["Arn"]


def _log_group(config: dict) -> str:
    return (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{config['FunctionName']}"


def _decoded(payload: bytes):
    """The payload as a value; what is no JSON goes back as it came."""
    try:
        return json.loads(payload) if payload else None
    except ValueError:
        return payload


def write_log(func: dict, request_id: str, text: str, error: bool, duration_ms: int, *, log_source=None) -> None:
    """Write an invocation to /aws/lambda/<name> as Lambda does: one stream for each sandbox."""
    config = func.get("config") or func
    stream, _, peak = (log_source or "").partition(" ")
    if not stream:
        return
    group = _log_group(config)
    report = (
        f"REPORT RequestId: {request_id}\tDuration: {duration_ms} ms\tBilled Duration: {duration_ms} ms\t"
        f"Memory Size: {config.get('MemorySize', 128)} MB\tMax Memory Used: {peak or 0} MB"
    )
    start = f"START RequestId: {request_id} Version: {config.get('Version', '$LATEST')}"
    now = int(time.time() * 1000)
    lines = [start, *text.splitlines(), f"END RequestId: {request_id}", report]
    try:
        emulator.append_log(group, stream, [(now, line) for line in lines])
    except Exception:
        logger.exception("the log of %s could not be written", config["FunctionName"])
