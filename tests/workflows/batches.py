"""Bedrock's batch jobs: the input files of a job are answered at once, in another order, and not all of them."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.workflows.memory_aws import Objects
from tests.workflows.models import ARN
from tests.workflows.training import place


@dataclass
class Batches:
    """spoil(number, line) may change an output line, or drop it by returning None; polls: looks before the end;
    refusals: what the next CreateModelInvocationJob calls raise; paid: records that were asked about."""

    objects: Objects
    converse: Callable[..., dict[str, Any]]
    spoil: Callable[[int, dict[str, Any]], Any] = lambda number, line: line
    status: str = "Completed"
    polls: int = 2
    refusals: list[Exception] = field(default_factory=list)
    paid: list[str] = field(default_factory=list)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def create(self, **request: Any) -> dict[str, str]:
        if self.refusals:
            raise self.refusals.pop(0)
        arn = f"{ARN}:model-invocation-job/{request['clientRequestToken'][:12]}"
        if arn not in self.jobs:
            self.jobs[arn] = {"jobArn": arn, "left": self.polls, **request}
            self._work(arn, request)
        return {"jobArn": arn}

    def describe(self, jobIdentifier: str) -> dict[str, Any]:
        job = self.jobs[jobIdentifier]
        job["left"] -= 1
        return {"jobArn": jobIdentifier, "status": "InProgress" if job["left"] >= 0 else self.status}

    def _work(self, arn: str, request: dict[str, Any]) -> None:
        bucket, prefix = place(request["inputDataConfig"]["s3InputDataConfig"]["s3Uri"])
        _, output = place(request["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"])
        for key in self.objects.keys(bucket, prefix):
            lines = [json.loads(line) for line in self.objects.data(bucket, key).splitlines()]
            said = [self._answer(number, line, request["modelId"]) for number, line in enumerate(lines)]
            rows = [line if isinstance(line, str) else json.dumps(line) + "\n" for line in reversed(said) if line]
            target = f"{output}/{arn.rpartition('/')[2]}/{key.rpartition('/')[2]}.out"
            self.objects.put_object(bucket, target, "".join(rows))

    def _answer(self, number: int, line: dict[str, Any], model: str) -> Any:
        self.paid.append(line["recordId"])
        asked = line["modelInput"]
        said = self.converse(modelId=model, messages=asked["messages"], system=asked["system"])
        return self.spoil(number, {"recordId": line["recordId"], "modelInput": asked, "modelOutput": said})
