"""Runs one training job: fetch the channels, run the program, deliver what it wrote.

The program sees /opt/ml's layout under $SM_BASE and works with the credentials of the job's role.
Layout and status names: docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo.html
"""

import json
import logging
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from local.cloud import children, s3io
from local.cloud.identity import Identities
from local.cloud.joblog import JobLog, last_words
from local.cloud.settings import ACCOUNT, ROOT, Settings

logger = logging.getLogger("local.cloud.training")

TAIL = 200  # lines of a log that are looked at for why its program ended
GRACE = 30  # seconds between SIGTERM and SIGKILL; AWS allows 120
_HOST_KEPT = (
    "PATH",
    "LANG",
    "LC_ALL",
    "PYTHONPATH",
    "OMP_NUM_THREADS",
    "HF_HOME",
    "LD_LIBRARY_PATH",
    "VIRTUAL_ENV",
)


class JobFailed(Exception):
    """The job ends as Failed; the text is its FailureReason."""


class Run:
    """One attempt at a job. work() blocks until the end; stop() and abandon() may be called from outside.

    recipe: its text, where no channel brings it; start: the checkpoint to start from, where no hyperparameter says so;
    register: called with the last checkpoint, returns members of the job's description. log: called with the folder
    that stands for /opt/ml, before outputs are delivered.
    """

    def __init__(
        self,
        settings: Settings,
        identities: Identities,
        job: dict,
        technique: str,
        transition: Callable,
        recipe: str | None = None,
        start: str | None = None,
        register: Callable[[str], dict] | None = None,
        log: Callable[[Path], None] = lambda base: None,
    ) -> None:
        self._recipe = recipe
        self._start = start
        self._register = register
        self._log = log
        self._settings = settings
        self._identities = identities
        self._job = job
        self._name = job["TrainingJobName"]
        self._technique = technique
        self._transition = transition
        self._base = settings.data / "sagemaker" / "work" / self._name
        self._process: subprocess.Popen | None = None
        self._tail: deque[str] = deque(maxlen=TAIL)
        self._stopping = threading.Event()
        self._abandoned = threading.Event()
        self._overtime = threading.Event()
        self._started = time.time()

    def stop(self) -> None:
        """Ask the program to end; it is killed when it does not."""
        self._stopping.set()
        self._terminate()

    def abandon(self) -> None:
        """The cloud is closing: end the program and leave the record as it is."""
        self._abandoned.set()
        if self._process:
            children.kill(self._process)

    def work(self) -> None:
        try:
            self._attempt()
        except JobFailed as error:
            self._end("Failed", "Failed", str(error), FailureReason=str(error)[:1024])
        except Exception as error:
            if not self._abandoned.is_set():
                logger.exception("job %s", self._name)
                reason = f"InternalServerError: {type(error).__name__}: {error}"
                self._end("Failed", "Failed", reason, FailureReason=reason[:1024])
        finally:
            if not self._abandoned.is_set():
                shutil.rmtree(self._base, ignore_errors=True)

    def _attempt(self) -> None:
        shutil.rmtree(self._base, ignore_errors=True)
        if self._stopped_early():
            return
        self._enter("Downloading", "Downloading the training image and input data")
        self._prepare()
        if self._stopped_early():
            return
        self._started = time.time()
        self._enter("Training", "Training image download completed. Training in progress.",
                    TrainingStartTime=self._started)  # fmt: skip
        code = self._run_program()
        if self._abandoned.is_set():
            return
        self._finish(code)

    def _stopped_early(self) -> bool:
        if self._abandoned.is_set():
            return True
        if self._stopping.is_set():
            self._end("Stopped", "Stopped", "The training job was stopped before it started.")
            return True
        return False

    def _enter(self, status: str, message: str, final: str | None = None, **fields) -> None:
        if not self._abandoned.is_set():
            self._transition(self._name, status, message, final, **fields)

    def _end(self, status: str, final: str, message: str, **fields) -> None:
        spent = max(1, round(time.time() - self._started))
        self._enter(status, message, final, TrainingTimeInSeconds=spent, BillableTimeInSeconds=spent, **fields)

    # -- before -------------------------------------------------------------------------------------

    def _client(self, service: str):
        return self._identities.client(service, self._job["RoleArn"], "SageMaker")

    def _prepare(self) -> None:
        for folder in ("input/config", "input/data", "output/data", "model", "checkpoints"):
            (self._base / folder).mkdir(parents=True)
        for channel in self._job.get("InputDataConfig", []):
            source = channel["DataSource"]["S3DataSource"]["S3Uri"]
            folder = self._base / "input" / "data" / channel["ChannelName"]
            folder.mkdir()
            self._fetch(self._client("s3"), source, folder)
        if self._recipe:
            self._write_recipe(self._recipe)
        location = self._start or self._job.get("HyperParameters", {}).get("base_model_location")
        if location:
            # The escrow bucket belongs to the service, which reads it for the job.
            escrow = location.startswith(f"s3://customer-escrow-{ACCOUNT}-")
            client = self._identities.client("s3") if escrow else self._client("s3")
            self._fetch(client, self._checkpoint_prefix(client, location), self._base / "base")
        config = self._base / "input" / "config"
        instances = [f"algo-{n + 1}" for n in range(self._job.get("ResourceConfig", {}).get("InstanceCount", 1))]
        hosts = {"current_host": "algo-1", "hosts": instances, "network_interface_name": "lo"}
        channels = {c["ChannelName"]: c for c in self._job.get("InputDataConfig", [])}
        (config / "hyperparameters.json").write_text(json.dumps(self._job.get("HyperParameters", {})))
        (config / "resourceconfig.json").write_text(json.dumps(hosts))
        (config / "inputdataconfig.json").write_text(json.dumps(channels))

    def _write_recipe(self, text: str) -> None:
        folder = self._base / "input" / "data" / "recipe"
        folder.mkdir()
        (folder / "recipe.yaml").write_text(text, encoding="utf-8")

    def _fetch(self, client, uri: str, folder: Path) -> None:
        try:
            count = s3io.download(client, uri, folder)
        except (ClientError, BotoCoreError, ValueError, OSError) as error:
            raise JobFailed(f"ClientError: Data download failed: {error}") from error
        if not count:
            raise JobFailed(f"ClientError: Data download failed: No S3 objects found under S3 URL {uri!r}")

    def _checkpoint_prefix(self, client, location: str) -> str:
        """A checkpoint is named by its step folder or by its job; a job means its last step."""
        location = location.rstrip("/") + "/"
        try:
            bucket, prefix = s3io.split(location)
            names = [key[len(prefix) :] for key in s3io.keys(client, location)]
        except (ClientError, ValueError) as error:
            raise JobFailed(f"ClientError: base model {location} can't be read: {error}") from error
        steps = [int(found[1]) for found in (re.match(r"step_(\d+)/", name) for name in names) if found]
        return f"{location}step_{max(steps)}/" if steps else location

    # -- the program --------------------------------------------------------------------------------

    def _environment(self) -> dict[str, str]:
        base, role = self._base, self._job["RoleArn"]
        kept = {name: os.environ[name] for name in _HOST_KEPT if name in os.environ}
        channels = {f"SM_CHANNEL_{path.name.upper()}": str(path) for path in (base / "input" / "data").iterdir()}
        checkpoint = {"SM_BASE_CHECKPOINT": str(base / "base")} if (base / "base").is_dir() else {}
        return {
            **kept,
            "HOME": str(base),
            "PYTHONUNBUFFERED": "1",
            "SM_BASE": str(base),
            "SM_MODEL_DIR": str(base / "model"),
            "SM_OUTPUT_DATA_DIR": str(base / "output" / "data"),
            "SM_TECHNIQUE": self._technique,
            "TRAINING_JOB_NAME": self._name,
            "TRAINING_JOB_ARN": self._job["TrainingJobArn"],
            **channels,
            **checkpoint,
            **self._job.get("Environment", {}),
            **self._identities.environment(role, "SageMaker"),
        }

    def _run_program(self) -> int:
        self._process = children.start_command(
            self._settings.training, cwd=ROOT, env=self._environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        if self._stopping.is_set() or self._abandoned.is_set():
            self._terminate()
        limit = self._job.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", 86400)
        alarm = threading.Timer(limit, self._out_of_time)
        alarm.daemon = True
        alarm.start()
        try:
            self._follow(self._process.stdout)
            return self._process.wait()
        finally:
            alarm.cancel()
            children.kill(self._process)

    def _follow(self, lines: Iterable[bytes]) -> None:
        JobLog(self._client("logs"), f"{self._name}/algo-1-{int(time.time())}").follow(self._heard(lines))

    def _heard(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """The lines as they come; the end of them is remembered."""
        for line in lines:
            self._tail.append(line.decode("utf-8", "replace"))
            yield line

    def _out_of_time(self) -> None:
        self._overtime.set()
        self._terminate()

    def _terminate(self) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        try:
            os.killpg(process.pid, signal.SIGTERM)
        except ProcessLookupError:
            return
        killer = threading.Timer(GRACE, children.kill, args=(process,))
        killer.daemon = True
        killer.start()

    # -- after --------------------------------------------------------------------------------------

    def _finish(self, code: int) -> None:
        if self._stopping.is_set():
            self._deliver()
            self._end("Stopped", "Stopped", "The training job was stopped.")
        elif self._overtime.is_set():
            self._deliver()
            limit = self._job["StoppingCondition"].get("MaxRuntimeInSeconds")
            self._end("MaxRuntimeExceeded", "Stopped", f"The training job ran longer than {limit} seconds.")
        elif code:
            raise JobFailed(self._reason(code))
        else:
            self._enter("Uploading", "Uploading generated training model")
            artifacts = self._deliver()
            self._end("Completed", "Completed", "Training job completed", **artifacts)

    def _reason(self, code: int) -> str:
        told = self._base / "output" / "failure"
        text = told.read_text(errors="replace").strip() if told.is_file() else self._unexplained()
        killed = f" ({signal.Signals(code - 128).name})" if code - 128 in set(signal.Signals) else ""
        return f"AlgorithmError: {text[:900]}, exit code: {code}{killed}"

    def _unexplained(self) -> str:
        words = last_words(self._tail)
        return f"no output/failure was left; the log ends with: {words}" if words else "no output/failure, no log"

    def _deliver(self) -> dict:
        """Upload checkpoints, output.tar.gz and model.tar.gz; returns members of the job's description."""
        self._log(self._base)
        try:
            checkpoint = self._upload_checkpoints()
            target = self._job["OutputDataConfig"]["S3OutputPath"].rstrip("/") + f"/{self._name}/output"
            bucket, prefix = s3io.split(target)
            manifest = {}
            if checkpoint:
                manifest = {"manifest.json": json.dumps({"checkpoint_s3_bucket": checkpoint}).encode()}
            output, model = self._base / "output" / "data", self._base / "model"
            packed = self._job["OutputDataConfig"].get("CompressionType") != "NONE"
            if not packed:
                for name, body in manifest.items():
                    (output / name).write_bytes(body)
                s3io.upload(self._client("s3"), output, f"{target}/output")
            elif manifest or any(output.iterdir()):
                body = s3io.archive(output, manifest)
                self._client("s3").put_object(Bucket=bucket, Key=f"{prefix}/output.tar.gz", Body=body)
            if any(model.iterdir()):
                self._client("s3").put_object(Bucket=bucket, Key=f"{prefix}/model.tar.gz", Body=s3io.archive(model))
        except (ClientError, BotoCoreError, ValueError, OSError) as error:
            raise JobFailed(f"ClientError: Artifact upload failed: {error}") from error
        hint = {"CheckpointConfig": {"S3Uri": checkpoint.rpartition("/")[0]}} if checkpoint else {}
        if checkpoint and self._register:
            hint |= self._register(checkpoint)
        return {"ModelArtifacts": {"S3ModelArtifacts": f"{target}/model.tar.gz"}, **hint}

    def _upload_checkpoints(self) -> str | None:
        """The address of the last checkpoint in the service's escrow bucket, or None without any."""
        found = {int(p.name[5:]): p for p in (self._base / "checkpoints").glob("step_*") if p.name[5:].isdigit()}
        if not found:
            return None
        client = self._identities.client("s3")
        bucket = escrow_bucket(self._settings)
        client.create_bucket(Bucket=bucket)
        for step, folder in sorted(found.items()):
            s3io.upload(client, folder, f"s3://{bucket}/{self._name}/step_{step}")
        return f"s3://{bucket}/{self._name}/step_{max(found)}"


def escrow_bucket(settings: Settings) -> str:
    """The service-owned bucket of checkpoints: one for each account, its name drawn once."""
    known = settings.data / "sagemaker" / "escrow"
    if not known.is_file():
        known.write_text(os.urandom(4).hex())
    return f"customer-escrow-{ACCOUNT}-smtj-{known.read_text()}"
