"""Puts one cloud together and serves it until it is told to stop."""

import asyncio
import fcntl
import gc
import json
import logging
import os
import signal
import socket
import time
from pathlib import Path

from local.cloud import emulator, gateway, permissions, pins
from local.cloud.identity import Identities
from local.cloud.persistence import Saver
from local.cloud.settings import Settings, root_keys

logger = logging.getLogger("local.cloud")


class Refused(RuntimeError):
    """The cloud can't start here; the message names the cause and the remedy."""


class Server:
    """Every part of one cloud, in the order in which they are needed."""

    def __init__(self, settings: Settings) -> None:
        # The emulator must be configured before anything imports it.
        emulator.configure(settings)
        from local.cloud.alarms import Alarms
        from local.cloud.bedrock import Bedrock
        from local.cloud.bedrock_runtime import BedrockRuntime
        from local.cloud.lambdas import Lambdas, write_log
        from local.cloud.mail import Mailbox
        from local.cloud.quotas import Quotas
        from local.cloud.sagemaker import SageMaker
        from local.cloud.states import StateMachines

        self.settings = settings
        self.saver = Saver(settings.data / "state")
        self.identities = Identities(settings.endpoint, root_keys(settings.data))
        self.lambdas = Lambdas(settings, self.identities)
        self.sagemaker = SageMaker(settings, self.identities)
        self.models = BedrockRuntime(settings)
        self.bedrock = Bedrock(settings, self.identities, self.models, self.sagemaker.registry.checkpoint)
        self.alarms = Alarms()
        self.states = StateMachines(settings, self.identities, self.alarms.heard)

        self.saver.attach()
        emulator.save_at_stop_with(self.saver.save_all)
        emulator.run_functions_with(self.lambdas.execute, write_log)
        emulator.authorize_with(
            permissions.action_of, permissions.resource_finder(self.bedrock.arn_of), permissions.denial_of
        )
        emulator.mount("sagemaker", gateway.json_service(self.sagemaker), "sagemaker", "SageMaker.")
        quotas = gateway.json_service(Quotas())
        emulator.mount("service-quotas", quotas, "servicequotas", "ServiceQuotasV20190624.")
        emulator.mount("bedrock", gateway.rest_service(self.bedrock, "bedrock"))
        emulator.mount("bedrock-runtime", gateway.rest_service(self.models, "bedrock-runtime"))
        machines = gateway.json_service(self.states, "1.0")
        emulator.mount("states", machines, aliases=("step-functions", "stepfunctions"))
        emulator.start_machines_with(self.states.start_from_event)
        emulator.retry_functions()
        emulator.name_versions()
        emulator.serve_function_urls_at(settings.endpoint)
        emulator.mail_with(Mailbox(settings.data / "mail").deliver)
        groups = self.sagemaker.registry
        emulator.resource_type(
            "AWS::SageMaker::ModelPackageGroup", groups.created, groups.updated, groups.deleted
        )
        types = self.states
        emulator.resource_type("AWS::StepFunctions::StateMachine", types.created, types.updated, types.deleted)

    async def serve(self) -> None:
        from hypercorn.asyncio import serve
        from hypercorn.config import Config

        config = Config()
        config.bind = [f"127.0.0.1:{self.settings.port}"]
        config.loglevel = "WARNING"
        config.keep_alive_timeout = 75
        config.graceful_timeout = 2
        config.h11_max_incomplete_size = 1 << 20
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        hosts = {f"{name}:{self.settings.port}" for name in ("127.0.0.1", "localhost")}
        app = gateway.front(emulator.application(), self.saver.note, hosts)
        serving = asyncio.create_task(serve(app, config, shutdown_trigger=stop.wait))
        await self._open(loop, serving)
        if self.settings.follow:
            self._following = loop.create_task(_follow(os.getppid(), stop))
        await stop.wait()
        await asyncio.to_thread(self._close)
        await serving

    async def _open(self, loop: asyncio.AbstractEventLoop, serving: asyncio.Task) -> None:
        """Wait for the port, then take up the work a former process left."""
        while not _listening(self.settings.port):
            if serving.done():
                await serving
            await asyncio.sleep(0.02)

        def on_loop(function):
            return asyncio.run_coroutine_threadsafe(_as_coroutine(function), loop).result(60)

        self.saver.start(on_loop)
        self.models.open(self.bedrock)
        await asyncio.to_thread(self._resume)
        ready = {"pid": os.getpid(), "port": self.settings.port, "endpoint": self.settings.endpoint,
                 "started": time.time()}  # fmt: skip
        (self.settings.data / "cloud.json").write_text(json.dumps(ready))

    def _resume(self) -> None:
        self.bedrock.resume()
        self.sagemaker.resume()
        self.states.resume()
        self.alarms.start()

    def _close(self) -> None:
        (self.settings.data / "cloud.json").unlink(missing_ok=True)
        self.states.close()
        self.alarms.close()
        self.sagemaker.close()
        self.bedrock.close()
        self.models.close()
        self.lambdas.close()
        self.saver.stop()


def _spare_survivors(phase: str, info: dict) -> None:
    """What outlives a full search for garbage is left out of the next ones: models of services, stacks, modules.

    Without it every such search halts all requests for a sixth of a second.
    """
    if phase == "stop" and info["generation"] == 2:
        gc.freeze()


async def _follow(parent: int, stop: asyncio.Event) -> None:
    while os.getppid() == parent:
        await asyncio.sleep(0.5)
    stop.set()


async def _as_coroutine(function):
    return function()


def _listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises Refused or WrongVersions when it can't start."""
    pins.check_process()
    pins.check_runtime(settings.runtime)
    settings.data.mkdir(parents=True, exist_ok=True)
    gc.callbacks.append(_spare_survivors)
    with _lock(settings.data / "lock"):
        if _listening(settings.port):
            raise Refused(f"port {settings.port} is taken on 127.0.0.1; choose another with --port")
        (settings.data / "cloud.json").unlink(missing_ok=True)
        asyncio.run(Server(settings).serve())


def _lock(path: Path):
    """Keep a second cloud away from the same data. A moment's grace: others look at the lock by taking it."""
    held = path.open("w")
    for _ in range(10):
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(0.05)
        else:
            return held
    held.close()
    raise Refused(f"another cloud works on {path.parent}; stop it or give another --data")
