"""Bedrock's own customization: FINE_TUNING and REINFORCEMENT_FINE_TUNING of the embedded student.

A job trains with the default recipes of recipes/local and what the request sets; its result is a custom model.
"""

import csv
import json
import logging
import math
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from local.cloud import s3io
from local.cloud.bedrock_runtime import STUDENT
from local.cloud.custom_models import PRINCIPAL, CustomModels, missing
from local.cloud.errors import ApiError
from local.cloud.gateway import new_id
from local.cloud.identity import Identities
from local.cloud.records import Records
from local.cloud.serverless import default_recipe, refused, set_key
from local.cloud.settings import ACCOUNT, REGION, Settings
from local.cloud.training import JobFailed, Run
from local.cloud.wire import iso

logger = logging.getLogger("local.cloud.customization")

BASE = f"arn:aws:bedrock:{REGION}::foundation-model/{STUDENT}"
_TECHNIQUES = {"FINE_TUNING": "sft", "REINFORCEMENT_FINE_TUNING": "rft"}
_SFT = {
    "learningRate": "training_config.optim_config.lr",
    "learningRateWarmupSteps": "training_config.lr_scheduler.warmup_steps",
    "batchSize": "training_config.global_batch_size",
}
_RFT = {
    "learningRate": "training_config.trainer.optim_config.lr",
    "batchSize": "training_config.global_batch_size",
    "trainingSamplePerPrompt": "training_config.rollout.advantage_strategy.number_generation",
    "inferenceMaxTokens": "training_config.rollout.generator.max_new_tokens",
}
_IGNORED = {"maxPromptLength", "reasoningEffort", "evalInterval"}  # the student has no use for them
_STEPS = {"sft": "training_config.max_steps", "rft": "training_config.trainer.max_steps"}
_SAVES = {"sft": "training_config.save_steps", "rft": "training_config.trainer.save_steps"}
_PHASES = ("validationDetails", "dataProcessingDetails", "trainingDetails")
_FINAL = ("Completed", "Failed", "Stopped")


class CustomizationJobs:
    """CreateModelCustomizationJob and what follows it."""

    def __init__(self, settings: Settings, identities: Identities, models: CustomModels) -> None:
        self._settings = settings
        self._identities = identities
        self._models = models
        self._jobs = Records(settings.data / "bedrock" / "customization-jobs")
        self._slots = threading.Semaphore(settings.jobs)
        self._runs: dict[str, _Run] = {}
        self._lock = threading.Lock()
        self.actions = {
            "CreateModelCustomizationJob": self._create,
            "GetModelCustomizationJob": self._get,
            "StopModelCustomizationJob": self._stop,
            "ListModelCustomizationJobs": self._list,
        }

    def resume(self) -> None:
        """Start unfinished jobs again: their processes died with the cloud."""
        for job in self._jobs.all():
            if job["status"] == "Stopping":
                self._change(job["jobArn"], "Stopped")
            elif job["status"] == "InProgress":
                try:
                    self._launch(job["jobArn"])
                except ApiError as error:  # the model that it started from is gone
                    self._change(job["jobArn"], "Failed", failureMessage=str(error))

    def close(self) -> None:
        with self._lock:
            runs = list(self._runs.values())
        for run in runs:
            run.abandon()

    def find(self, identifier: str) -> dict | None:
        """The record of a job by name or ARN."""
        return self._jobs.find(identifier, "jobName")

    def _require(self, params: dict) -> dict:
        found = self.find(params["jobIdentifier"])
        if found is None:
            raise missing(f"model customization job {params['jobIdentifier']}")
        return found

    def _create(self, params: dict) -> dict:
        technique = _technique(params)
        set_by_request(default_recipe(technique), technique, params, rows=1)
        self._start(params["baseModelIdentifier"])
        self._identities.require_trust(params["roleArn"], PRINCIPAL)
        with self._lock:
            again = self._same_request(params)
            if again:
                return {"jobArn": again["jobArn"]}
            if self.find(params["jobName"]) or self._models.find(params["customModelName"]):
                raise ApiError("ConflictException", "The job name or the model name is already in use.", 400)
            arn = f"arn:aws:bedrock:{REGION}:{ACCOUNT}:model-customization-job/{STUDENT}/{new_id()}"
            self._jobs.put(arn, _new_job(arn, params))
        self._launch(arn)
        return {"jobArn": arn}

    def _same_request(self, params: dict) -> dict | None:
        token = params.get("clientRequestToken")
        found = next((job for job in self._jobs.all() if token and job.get("clientRequestToken") == token), None)
        if found and found["_request"] != params:
            raise ApiError("ConflictException", "The clientRequestToken was used with other parameters.")
        return found

    def _start(self, identifier: str) -> Path | None:
        """The weights to start from; None for the base model. Raises ApiError."""
        if identifier in (STUDENT, BASE):
            return None
        if "foundation-model/" in identifier or not self._models.find(identifier):
            raise refused(f"The provided model identifier is invalid: {identifier} can't be customized.")
        model = self._models.require(identifier)
        if model["modelStatus"] != "Active":
            raise refused(f"The custom model is {model['modelStatus']}, not Active.")
        return self._models.weights(model["modelArn"])

    def _launch(self, arn: str) -> None:
        job = self._jobs.get(arn)
        request = job["_request"]
        run = _Run(self._settings, self._identities, job, _technique(request), self._transition,
                   self._start(request["baseModelIdentifier"]), self._models)  # fmt: skip
        with self._lock:
            self._runs[arn] = run
        threading.Thread(target=self._work, args=(arn, run), name=f"customize-{arn[-12:]}", daemon=True).start()

    def _work(self, arn: str, run: "_Run") -> None:
        with self._slots:
            run.work()
        with self._lock:
            self._runs.pop(arn, None)

    def _transition(self, name: str, secondary: str, message: str, final: str | None = None, **fields) -> None:
        """Take up what a run says of itself: SageMaker's words become Bedrock's three phases."""
        job = self.find(name)
        details, now = job["statusDetails"], time.time()
        reached = {"Downloading": 1, "Training": 2}.get(secondary, 2)
        for number, phase in enumerate(_PHASES):
            status = "Completed" if number < reached else "InProgress" if number == reached else "NotStarted"
            if final:
                status = details[phase]["status"]
                status = final if status == "InProgress" else status
            if details[phase]["status"] != status:
                details[phase] = {**details[phase], "status": status, "lastModifiedTime": now}
        told = {"failureMessage": message} if final == "Failed" else {}
        left = {name: fields[name] for name in ("outputModelArn", "trainingMetrics") if name in fields}
        self._change(job["jobArn"], final, statusDetails=details, **told, **left)

    def _change(self, arn: str, status: str | None, **fields) -> None:
        now = time.time()
        reached = {"status": status} if status else {}  # a run that goes on leaves a stop that was asked for alone
        ended = {"endTime": now} if status in _FINAL else {}
        self._jobs.change(arn, lastModifiedTime=now, **reached, **ended, **fields)

    def _get(self, params: dict) -> dict:
        found = self._require(params)
        return _shown({key: value for key, value in found.items() if key[0] != "_"})

    def _stop(self, params: dict) -> dict:
        job = self._require(params)
        if job["status"] != "InProgress":
            raise ApiError("ConflictException", f"The job is {job['status']} and can't be stopped.")
        self._change(job["jobArn"], "Stopping")
        with self._lock:
            run = self._runs.get(job["jobArn"])
        if run:
            run.stop()
        return {}

    def _list(self, params: dict) -> dict:
        members = ("jobArn", "jobName", "baseModelArn", "status", "customizationType", "statusDetails", "creationTime",
                   "lastModifiedTime", "endTime")  # fmt: skip
        found = [
            job
            for job in self._jobs.all()
            if params.get("nameContains", "") in job["jobName"] and params.get("statusEquals") in (None, job["status"])
        ]
        found.sort(key=lambda job: job["creationTime"], reverse=params.get("sortOrder", "Descending") == "Descending")
        told = [_shown({name: job[name] for name in members if name in job}) for job in found]
        return {"modelCustomizationJobSummaries": told}


def _shown(members: dict) -> dict:
    """Members as the API writes them: times as text."""
    return {
        name: _shown(value) if isinstance(value, dict) else iso(value) if name.endswith("Time") else value
        for name, value in members.items()
    }


def _technique(params: dict) -> str:
    kind = params.get("customizationType", "FINE_TUNING")
    if kind not in _TECHNIQUES:
        raise refused(f"The model does not support the customization type {kind}.")
    config = params.get("customizationConfig", {}).get("rftConfig")
    if kind == "REINFORCEMENT_FINE_TUNING":
        if not (config or {}).get("graderConfig", {}).get("lambdaGrader"):
            raise refused("customizationConfig.rftConfig.graderConfig.lambdaGrader is required for this type")
        if params.get("hyperParameters"):
            raise refused("hyperParameters of reinforcement fine-tuning belong into customizationConfig.rftConfig")
    elif config:
        raise refused("customizationConfig.rftConfig is for customization type REINFORCEMENT_FINE_TUNING")
    if "s3Uri" not in params["trainingDataConfig"]:
        raise refused("trainingDataConfig.s3Uri is required for this model")
    return _TECHNIQUES[kind]


def set_by_request(recipe: dict, technique: str, params: dict, rows: int) -> None:
    """Put a request's hyperparameters and grader into a recipe; epochs become steps over `rows` rows.

    Raises ApiError for a hyperparameter that is unknown or no number.
    """
    rft = params.get("customizationConfig", {}).get("rftConfig", {})
    given = rft.get("hyperParameters", {}) if technique == "rft" else params.get("hyperParameters", {})
    places = _RFT if technique == "rft" else _SFT
    passes = 1.0
    for name, value in given.items():
        if name not in places and name != "epochCount" and not (technique == "rft" and name in _IGNORED):
            raise refused(f"The hyperparameter {name} is not supported for this model.")
        try:
            number = value if name == "reasoningEffort" else float(value)
        except ValueError:
            raise refused(f"The value {value!r} of the hyperparameter {name} is no number.") from None
        if name == "epochCount":
            passes = number
        elif name in places:
            set_key(recipe, places[name], number if name == "learningRate" else int(number))
    steps = max(1, math.ceil(passes * rows / recipe["training_config"]["global_batch_size"]))
    set_key(recipe, _STEPS[technique], steps)
    set_key(recipe, _SAVES[technique], steps)
    if technique == "rft":
        function = rft["graderConfig"]["lambdaGrader"]["lambdaArn"]
        set_key(recipe, "run.reward_lambda_arn", function)
        set_key(recipe, "training_config.rollout.rewards.api_endpoint.lambda_arn", function)


def _new_job(arn: str, params: dict) -> dict:
    """Members with an underscore stay inside."""
    now = time.time()
    shown = ("jobName", "clientRequestToken", "roleArn", "trainingDataConfig", "outputDataConfig", "hyperParameters",
             "customizationConfig")  # fmt: skip
    begun = {"status": "InProgress", "creationTime": now, "lastModifiedTime": now}
    idle = {"status": "NotStarted", "creationTime": now, "lastModifiedTime": now}
    return {
        **{name: params[name] for name in shown if name in params},
        "jobArn": arn,
        "outputModelName": params["customModelName"],
        "baseModelArn": BASE,
        "customizationType": params.get("customizationType", "FINE_TUNING"),
        "status": "InProgress",
        "statusDetails": {"validationDetails": begun, "dataProcessingDetails": idle, "trainingDetails": idle},
        "creationTime": now,
        "lastModifiedTime": now,
        "_request": params,
    }


class _Run(Run):
    """A training run that starts from a custom model's folder and ends as one."""

    def __init__(
        self, settings: Settings, identities: Identities, job: dict, technique: str, transition: Callable,
        weights: Path | None, models: CustomModels,
    ) -> None:  # fmt: skip
        request = job["_request"]
        source = {"S3DataSource": {"S3Uri": request["trainingDataConfig"]["s3Uri"]}}
        channel = {"ChannelName": "train", "DataSource": source}
        super().__init__(settings, identities, {
            "TrainingJobName": job["jobName"], "TrainingJobArn": job["jobArn"], "RoleArn": job["roleArn"],
            "InputDataConfig": [channel], "OutputDataConfig": {"S3OutputPath": job["outputDataConfig"]["s3Uri"]},
            "Environment": {"GRADER_FORM": "bedrock"},
        }, technique, transition)  # fmt: skip
        self._base = settings.data / "bedrock" / "work" / job["jobName"]
        self._described, self._weights, self._models = job, weights, models

    def _client(self, service: str):
        return self._identities.client(service, self._job["RoleArn"], "Bedrock")

    def _prepare(self) -> None:
        super()._prepare()
        files = sorted((self._base / "input" / "data" / "train").rglob("*.jsonl"))
        try:
            rows = [json.loads(line) for file in files for line in file.open(encoding="utf-8") if line.strip()]
        except ValueError as error:
            raise JobFailed(f"The training data is not valid JSON Lines: {error}") from error
        if not rows:
            raise JobFailed("The training data has no rows; name a .jsonl file with one object a line.")
        recipe = default_recipe(self._technique)
        set_by_request(recipe, self._technique, self._described["_request"], len(rows))
        self._write_recipe(yaml.safe_dump(recipe))
        if self._weights:
            shutil.copytree(self._weights, self._base / "base")

    def _follow(self, lines) -> None:
        """Bedrock shows nobody what its jobs print."""
        for line in self._heard(lines):
            logger.debug("%s: %s", self._name, line.decode("utf-8", "replace").rstrip())

    def _deliver(self) -> dict:
        """The metrics go to the customer's bucket, the weights become a custom model."""
        number = self._described["jobArn"].rpartition("/")[2]
        target = f"{self._job['OutputDataConfig']['S3OutputPath'].rstrip('/')}/model-customization-job-{number}"
        try:
            s3io.upload(self._client("s3"), self._base / "output" / "data", f"{target}/training_artifacts")
        except Exception as error:
            raise JobFailed(f"The output can't be written to {target}: {error}") from error
        steps = {int(p.name[5:]): p for p in (self._base / "checkpoints").glob("step_*") if p.name[5:].isdigit()}
        if not steps or self._stopping.is_set():
            return {}
        model = {"outputModelArn": self._models.trained(self._described, steps[max(steps)])}
        return {**model, **_metrics(self._base / "output" / "data" / "step_wise_training_metrics.csv")}


def _metrics(table: Path) -> dict:
    """What the service tells of a job's metrics itself: the last loss."""
    rows = list(csv.DictReader(table.open(encoding="utf-8"))) if table.is_file() else []
    loss = rows[-1].get("training_loss") if rows else None
    return {"trainingMetrics": {"trainingLoss": float(loss)}} if loss else {}
