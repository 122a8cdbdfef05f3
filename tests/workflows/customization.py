"""Bedrock's own customization jobs, which end at once, and the answers of the models that they make."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from tests.local.states_bench import fault
from tests.workflows.memory_aws import Objects
from tests.workflows.models import ARN, Models
from tests.workflows.training import NONSENSE, Outcome, Training, share

BASE = "toolsmith.embedded-student-v1"


@dataclass
class Customization:
    """paid: requests that started a job; fails: how the next jobs end; arms: model ARN -> the arm it was made as."""

    objects: Objects
    training: Training
    models: Models
    fails: Outcome | None = None
    paid: list[dict[str, Any]] = field(default_factory=list)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    arms: dict[str, str] = field(default_factory=dict)

    def create(self, **request: Any) -> dict[str, str]:
        name = request["jobName"]
        if request in self.paid and request["clientRequestToken"]:  # the same request again
            return {"jobArn": self.jobs[name]["jobArn"]}
        if name in self.jobs:
            raise fault("ConflictException", f"The provided job name is currently being used: {name}")
        self.paid.append(request)
        arn, outcome = f"{ARN}:model-customization-job/{BASE}/{name}", self.fails or Outcome()
        self.jobs[name] = {"jobArn": arn, "jobName": name, "status": outcome.status, "left": outcome.describes,
                           **({"failureMessage": outcome.reason} if outcome.reason else {})}  # fmt: skip
        if outcome.status == "Completed":
            model = f"{ARN}:custom-model/{BASE}/{name}"
            self.models.models[model] = {"modelArn": model, "modelName": name, "left": 0}
            self.arms[model] = re.sub(r"-\d+$", "", name).rpartition("-")[2]
            self.jobs[name]["outputModelArn"] = model
            bucket, _, prefix = request["outputDataConfig"]["s3Uri"].removeprefix("s3://").partition("/")
            rows = ["step_number,training_loss", *(f"{n},{loss}" for n, loss in enumerate(outcome.losses, 1))]
            key = f"{prefix}/model-customization-job-1/training_artifacts/step_wise_training_metrics.csv"
            self.objects.put_object(bucket, key, "\n".join(rows) + "\n")
        return {"jobArn": arn}

    def describe(self, jobIdentifier: str) -> dict[str, Any]:
        found = self.jobs[jobIdentifier]
        found["left"] -= 1
        going = {"status": "InProgress"} if found["left"] >= 0 else {}
        return {name: value for name, value in {**found, **going}.items() if name != "left"}

    def stop(self, jobIdentifier: str) -> dict[str, Any]:
        self.jobs[jobIdentifier].update(status="Stopped", left=0)
        return {}

    def answer(self, model_id: str, text: str) -> str | None:
        """What the base model, or a model that was made here, answers to a question of the test split."""
        deployed = self.models.deployments.get(model_id, {}).get("modelArn")
        arm = "base" if model_id == BASE else self.arms.get(deployed)
        row = self._questions().get(text) if arm else None
        if row is None:
            return None
        return row["response"] if share(row["metadata"]) < self.training.skills[arm] else NONSENSE

    def _questions(self) -> dict[str, dict[str, Any]]:
        keys = [key for key in self.objects.keys("work-bucket", "datasets/") if key.endswith("/eval/gen_qa.jsonl")]
        rows = [json.loads(line) for key in keys for line in self.objects.data("work-bucket", key).splitlines()]
        return {row["query"]: row for row in rows}
