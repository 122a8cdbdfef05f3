"""SageMaker's API. `training.py` runs the training jobs; this keeps and reports them, and mounts what stands beside."""

import json
import logging
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

from local.cloud import emulator, wire
from local.cloud.errors import ApiError
from local.cloud.identity import Identities
from local.cloud.mlflow import NEEDED, Tracking, Unreachable
from local.cloud.model_cards import ModelCards
from local.cloud.records import Records
from local.cloud.serverless import Registry
from local.cloud.settings import ACCOUNT, REGION, Settings
from local.cloud.training import Run

logger = logging.getLogger("local.cloud.sagemaker")

PRINCIPAL = "sagemaker.amazonaws.com"
# Which program a container image stands for.
_TECHNIQUES = {"sft": "sft", "rft": "rft", "eval": "evaluate", "evaluate": "evaluate"}
_TAG = re.compile(r":(?:SM-TJ-|student-)(SFT|RFT|EVALUATE|EVAL)\b", re.IGNORECASE)
_EVENT_TIMES = ("CreationTime", "TrainingStartTime", "TrainingEndTime", "LastModifiedTime")


def technique(image: str) -> str:
    """sft, rft or evaluate, from the tag of the training image. Raises ApiError."""
    found = _TAG.search(image)
    if not found:
        raise ApiError(
            "ValidationException",
            f"no local program stands for the training image {image}; known tags: SM-TJ-SFT*, SM-TJ-RFT*, "
            "SM-TJ-Eval*, student-sft, student-rft, student-evaluate",
        )
    return _TECHNIQUES[found[1].lower()]


class SageMaker:
    """handle(action, params) answers the API; resume() takes up jobs that a former process left."""

    def __init__(self, settings: Settings, identities: Identities) -> None:
        self._settings = settings
        self._identities = identities
        self.registry = Registry(settings, identities)
        self._jobs = Records(settings.data / "sagemaker" / "jobs")
        self._tracking = Tracking(settings.mlflow) if settings.mlflow else None
        self._slots = threading.Semaphore(settings.jobs)
        self._runs: dict[str, Run] = {}
        self._lock = threading.Lock()
        self._actions: dict[str, Callable[[dict], dict]] = {
            "CreateTrainingJob": self._create,
            "DescribeTrainingJob": self._describe,
            "StopTrainingJob": self._stop,
            "ListTrainingJobs": self._list,
            "AddTags": self._add_tags,
            "ListTags": self._list_tags,
            **self.registry.actions,
            **ModelCards(settings).actions,
        }

    def handle(self, action: str, params: dict) -> dict:
        """Answer one call. Raises ApiError."""
        if action not in self._actions:
            raise ApiError("UnknownOperationException", f"the local SageMaker has no {action}")
        wire.validate("sagemaker", action, params)
        return self._actions[action](params)

    def passes(self, action: str, params: dict) -> list[tuple[str, str]]:
        return [(params.get("RoleArn"), PRINCIPAL)] if action == "CreateTrainingJob" else []

    def resume(self) -> None:
        """Start unfinished jobs again from the beginning: their processes died with the cloud."""
        for job in self._jobs.all():
            name = job["TrainingJobName"]
            if job["TrainingJobStatus"] == "Stopping":
                self.transition(name, "Stopped", "The training job was stopped.", "Stopped")
            elif job["TrainingJobStatus"] == "InProgress":
                self.transition(name, "Starting", "Restarting: the former instance was lost.")
                try:
                    self._launch(name)
                except ApiError as error:  # what a serverless job was made of is gone
                    reason = f"ClientError: {error}"
                    self.transition(name, "Failed", reason, "Failed", FailureReason=reason)

    def close(self) -> None:
        with self._lock:
            runs = list(self._runs.values())
        for run in runs:
            run.abandon()

    def _create(self, params: dict) -> dict:
        name = params["TrainingJobName"]
        if "ServerlessJobConfig" in params:
            self.registry.plan(params)
        else:
            self._check_instances(params)
        if name in self._jobs:
            raise self._taken(name)
        self._identities.require_trust(params["RoleArn"], PRINCIPAL)
        now = time.time()
        job = {
            **params,
            **self._begin_tracking(params),
            "TrainingJobArn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/{name}",
            "TrainingJobStatus": "InProgress",
            "SecondaryStatus": "Starting",
            "SecondaryStatusTransitions": [_entry("Starting", "Preparing the instances for training", now)],
            "CreationTime": now,
            "LastModifiedTime": now,
        }
        if not self._jobs.add(name, job):
            raise self._taken(name)
        self._announce(job)
        self._launch(name)
        return {"TrainingJobArn": job["TrainingJobArn"]}

    def _check_instances(self, params: dict) -> None:
        missing = [m for m in ("AlgorithmSpecification", "ResourceConfig", "StoppingCondition") if m not in params]
        if missing:
            raise ApiError("ValidationException", f"{missing[0]} is required for a training job with instances")
        technique(params["AlgorithmSpecification"].get("TrainingImage", ""))

    def _begin_tracking(self, params: dict) -> dict:
        """The member MlflowDetails of a job that logs to MLflow. Raises ApiError where it could not."""
        config = params.get("MlflowConfig")
        if config is None:
            return {}
        arn, name = config["MlflowResourceArn"], params["TrainingJobName"]
        if self._tracking is None:
            raise ApiError(
                "ValidationException",
                f"no MLflow stands for {arn} on this machine: start it with --mlflow URL, or leave MlflowConfig out",
            )
        for action in NEEDED:
            if not self._identities.may(params["RoleArn"], f"sagemaker-mlflow:{action}", arn):
                role, denied = params["RoleArn"], f"is not authorized to perform: sagemaker-mlflow:{action}"
                raise ApiError("AccessDeniedException", f"User: {role} {denied} on resource: {arn}")
        tags = {tag["Key"]: tag["Value"] for tag in params.get("Tags", [])}
        try:
            experiment = config.get("MlflowExperimentName", "Default")
            return {"MlflowDetails": self._tracking.begin(experiment, config.get("MlflowRunName", name), tags)}
        except Unreachable as error:
            raise ApiError("ValidationException", str(error)) from error

    def _track(self, job: dict, act: Callable[[Tracking, str], None]) -> None:
        """Tell MLflow more of a job that logs there; a server that went away loses the log, not the job."""
        details = job.get("MlflowDetails")
        if details and self._tracking:
            try:
                act(self._tracking, details["MlflowRunId"])
            except Unreachable as error:
                logger.warning("%s is not logged to the end: %s", job["TrainingJobName"], error)

    def _taken(self, name: str) -> ApiError:
        arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/{name}"
        return ApiError(
            "ResourceInUse",
            f"Training job names must be unique within an AWS account and region, and a training job with this "
            f"name already exists ({arn})",
        )

    def _launch(self, name: str) -> None:
        job = self._jobs.get(name)
        if "ServerlessJobConfig" in job:
            kind, recipe, start = self.registry.plan(job)
            more = (recipe, start, lambda checkpoint: self.registry.register(job, checkpoint))
        else:
            kind, more = technique(job["AlgorithmSpecification"]["TrainingImage"]), ()
        given = job.get("HyperParameters", {})

        def log(base: Path) -> None:
            self._track(job, lambda tracking, number: tracking.log(number, given, base))

        run = Run(self._settings, self._identities, job, kind, self.transition, *more, log=log)
        with self._lock:
            self._runs[name] = run
        threading.Thread(target=self._work, args=(name, run), name=f"job-{name}", daemon=True).start()

    def _work(self, name: str, run: Run) -> None:
        with self._slots:
            run.work()
        with self._lock:
            self._runs.pop(name, None)

    def transition(self, name: str, secondary: str, message: str, final: str | None = None, **fields) -> None:
        """Enter a secondary status, with a final TrainingJobStatus or none, and announce it."""
        job, now = self._jobs.get(name), time.time()
        entries = job["SecondaryStatusTransitions"]
        entries[-1].setdefault("EndTime", now)
        entries.append(_entry(secondary, message, now))
        if final:
            entries[-1]["EndTime"] = now
            fields = {**fields, "TrainingJobStatus": final, "TrainingEndTime": now}
        job = self._jobs.change(
            name,
            SecondaryStatus=secondary,
            SecondaryStatusTransitions=entries,
            LastModifiedTime=now,
            **fields,
        )
        if final:
            self._track(job, lambda tracking, number: tracking.end(number, final))
        self._announce(job)

    def _announce(self, job: dict) -> None:
        detail = {key: value for key, value in job.items() if key != "Tags"}
        detail.update({key: int(detail[key] * 1000) for key in _EVENT_TIMES if key in detail})
        detail["SecondaryStatusTransitions"] = [
            {key: int(value * 1000) if key.endswith("Time") else value for key, value in entry.items()}
            for entry in job["SecondaryStatusTransitions"]
        ]
        detail["Tags"] = {tag["Key"]: tag["Value"] for tag in job.get("Tags", [])}
        emulator.emit(
            "aws.sagemaker",
            "SageMaker Training Job State Change",
            json.dumps(detail),
            [job["TrainingJobArn"]],
        )

    def _find(self, params: dict) -> dict:
        job = self._jobs.get(params["TrainingJobName"])
        if job is None:
            raise ApiError("ValidationException", "Requested resource not found.")
        return job

    def _describe(self, params: dict) -> dict:
        return {key: value for key, value in self._find(params).items() if key != "Tags"}

    def _stop(self, params: dict) -> dict:
        job = self._find(params)
        if job["TrainingJobStatus"] != "InProgress":
            raise ApiError(
                "ValidationException",
                f"The request was rejected because the training job is in status {job['TrainingJobStatus']}.",
            )
        name = job["TrainingJobName"]
        self._jobs.change(name, TrainingJobStatus="Stopping", SecondaryStatus="Stopping")
        with self._lock:
            run = self._runs.get(name)
        if run:
            run.stop()
        return {}

    def _list(self, params: dict) -> dict:
        jobs = [job for job in self._jobs.all() if _selected(job, params)]
        by = {"Name": "TrainingJobName", "Status": "TrainingJobStatus"}.get(params.get("SortBy"), "CreationTime")
        jobs.sort(key=lambda job: job[by], reverse=params.get("SortOrder", "Descending") == "Descending")
        members = ("TrainingJobName", "TrainingJobArn", "CreationTime", "TrainingEndTime", "LastModifiedTime",
                   "TrainingJobStatus")  # fmt: skip
        start, size = int(params.get("NextToken") or 0), params.get("MaxResults", 100)
        page = [{m: job[m] for m in members if m in job} for job in jobs[start : start + size]]
        more = {"NextToken": str(start + size)} if start + size < len(jobs) else {}
        return {"TrainingJobSummaries": page, **more}

    def _tagged(self, params: dict) -> dict:
        name = params["ResourceArn"].rpartition("/")[2]
        job = self._jobs.get(name)
        if job is None or job["TrainingJobArn"] != params["ResourceArn"]:
            raise ApiError("ValidationException", f"Could not find resource {params['ResourceArn']}")
        return job

    def _add_tags(self, params: dict) -> dict:
        job = self._tagged(params)
        tags = {tag["Key"]: tag for tag in [*job.get("Tags", []), *params["Tags"]]}
        self._jobs.change(job["TrainingJobName"], Tags=list(tags.values()))
        return {"Tags": list(tags.values())}

    def _list_tags(self, params: dict) -> dict:
        return {"Tags": self._tagged(params).get("Tags", [])}


def _entry(status: str, message: str, now: float) -> dict:
    return {"Status": status, "StartTime": now, "StatusMessage": message}


def _selected(job: dict, params: dict) -> bool:
    return params.get("NameContains", "") in job["TrainingJobName"] and (
        params.get("StatusEquals") in (None, job["TrainingJobStatus"])
    )
