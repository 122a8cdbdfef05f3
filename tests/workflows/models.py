"""Bedrock's custom models, their deployments, and Converse: the embedded teacher, or a deployed student."""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from local.teacher import answer
from tests.local.states_bench import fault
from tests.workflows.stack import ACCOUNT, REGION

PLAN = (
    '{"category":"Regulatory compliance","calls":[{"name":"statute_retrieval",'
    '"arguments":{"regulation":"17 CFR 230.501(a)"}}]}'
)
ARN = f"arn:aws:bedrock:{REGION}:{ACCOUNT}"


@dataclass
class Models:
    """The control plane. imports: models that were really created; sources: what they were created from; polls: how
    often a model or deployment is looked at before it is ready; broken: the status that models end with instead of
    Active."""

    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    deployments: dict[str, dict[str, Any]] = field(default_factory=dict)
    imports: list[str] = field(default_factory=list)
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    updates: list[str] = field(default_factory=list)
    polls: int = 1
    broken: str | None = None
    _tokens: dict[str, str] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def deployed_before(self, name: str, model: str = "older") -> str:
        """A deployment of an older model, as a run finds it that is not the first; the model's ARN."""
        arn, at = f"{ARN}:custom-model/imported/{model}", f"{ARN}:custom-model-deployment/{name}"
        self.models[arn] = {"modelArn": arn, "modelName": model, "left": 0}
        self.deployments[at] = {"customModelDeploymentArn": at, "modelDeploymentName": name, "modelArn": arn, "left": 0}
        return arn

    def create_custom_model(self, modelName: str, clientRequestToken: str, **request: Any) -> dict[str, str]:
        with self._lock:
            if clientRequestToken in self._tokens:
                return {"modelArn": self._tokens[clientRequestToken]}
            arn = f"{ARN}:custom-model/imported/{modelName}"
            if arn in self.models:
                raise fault("ConflictException", f"The model name {modelName} is already in use.")
            self.models[arn] = {"modelArn": arn, "modelName": modelName, "left": self.polls}
            self._tokens[clientRequestToken] = arn
            self.imports.append(modelName)
            self.sources[modelName] = request.get("modelSourceConfig") or request.get("customModelDataSource", {})
            return {"modelArn": arn}

    def get_custom_model(self, modelIdentifier: str) -> dict[str, Any]:
        with self._lock:
            found = self.models.get(modelIdentifier) or self.models.get(
                f"{ARN}:custom-model/imported/{modelIdentifier}"
            )
            if not found:
                raise fault("ResourceNotFoundException", f"no model {modelIdentifier}", 404)
            found["left"] -= 1
            status = "Creating" if found["left"] >= 0 else self.broken or "Active"
            told = {"failureMessage": "weights are broken"} if status == "Failed" else {}
            return {"modelArn": found["modelArn"], "modelName": found["modelName"], "modelStatus": status, **told}

    def create_deployment(self, modelDeploymentName: str, modelArn: str, **_: Any) -> dict[str, str]:
        arn = f"{ARN}:custom-model-deployment/{modelDeploymentName}"
        self.deployments[arn] = {"customModelDeploymentArn": arn, "modelDeploymentName": modelDeploymentName,
                                 "modelArn": modelArn, "left": self.polls}  # fmt: skip
        return {"customModelDeploymentArn": arn}

    def get_deployment(self, customModelDeploymentIdentifier: str) -> dict[str, Any]:
        with self._lock:
            found = self._deployment(customModelDeploymentIdentifier)
            found["left"] -= 1
            going = found["left"] >= 0
            shown = {name: value for name, value in found.items() if name not in ("left", "next")}
            if "next" not in found:
                return {**shown, "status": "Creating" if going else "Active"}
            if not going:
                found["modelArn"] = shown["modelArn"] = found["next"]
            status = "Updating" if going else "UpdateCompleted"
            return {**shown, "status": "Active", "updateDetails": {"modelArn": found["next"], "updateStatus": status}}

    def update_deployment(self, customModelDeploymentIdentifier: str, modelArn: str) -> dict[str, str]:
        found = self._deployment(customModelDeploymentIdentifier)
        found.update(next=modelArn, left=self.polls)
        self.updates.append(modelArn)
        return {"customModelDeploymentArn": found["customModelDeploymentArn"]}

    def delete_deployment(self, customModelDeploymentIdentifier: str) -> dict[str, Any]:
        del self.deployments[self._deployment(customModelDeploymentIdentifier)["customModelDeploymentArn"]]
        return {}

    def _deployment(self, identifier: str) -> dict[str, Any]:
        for found in self.deployments.values():
            if identifier in (found["customModelDeploymentArn"], found["modelDeploymentName"]):
                return found
        raise fault("ResourceNotFoundException", f"no deployment {identifier}", 404)


@dataclass
class Speech:
    """Converse. `hello` is what a deployed student answers to "hi", `stumbles` its first answers to questions, `plan`
    all others; `students` answers first, where it knows the model and the question; `asked` counts calls by model, and
    `prompts` the teacher's by prompt (not its greeting)."""

    teacher: str
    asked: Counter[str] = field(default_factory=Counter)
    prompts: Counter[str] = field(default_factory=Counter)
    hello: str = "Hello."
    plan: str = PLAN
    stumbles: list[str] = field(default_factory=list)
    answer: Any = staticmethod(answer)
    students: Callable[[str, str], str | None] = staticmethod(lambda model_id, text: None)

    def converse(self, modelId: str, messages: list[dict], system: Any = (), **_: Any) -> dict[str, Any]:
        self.asked[modelId] += 1
        text = messages[-1]["content"][0]["text"]
        told = "".join(block["text"] for block in system)
        if (known := self.students(modelId, text)) is not None:
            return _reply(known, "end_turn", 10, 10)
        if modelId != self.teacher:
            planned = self.stumbles.pop(0) if self.stumbles and text != "hi" else self.plan
            return _reply(self.hello if text == "hi" else planned, "end_turn", 10, 10)
        self.prompts.update([told + text] if told else [])  # not the greeting, which has no system text
        said = self.answer(told, text)
        return _reply(said.text, said.stop_reason, said.input_tokens, said.output_tokens)


def _reply(text: str, stop: str, given: int, taken: int) -> dict[str, Any]:
    usage = {"inputTokens": given, "outputTokens": taken, "totalTokens": given + taken}
    message = {"role": "assistant", "content": [{"text": text}]}
    return {"output": {"message": message}, "stopReason": stop, "usage": usage, "metrics": {"latencyMs": 1}}
