"""The control plane of Bedrock: foundation models, custom models, deployments, batch inference, tags."""

from collections.abc import Callable
from pathlib import Path

from local.cloud import wire
from local.cloud.bedrock_runtime import STUDENT, TEACHER, BedrockRuntime
from local.cloud.custom_models import PRINCIPAL, CustomModels, Deployments, missing
from local.cloud.customization_jobs import CustomizationJobs
from local.cloud.errors import ApiError
from local.cloud.identity import Identities
from local.cloud.invocation_jobs import InvocationJobs
from local.cloud.records import Records
from local.cloud.settings import REGION, Settings


class Bedrock:
    """handle(action, params) answers the API."""

    def __init__(
        self, settings: Settings, identities: Identities, runtime: BedrockRuntime, package: Callable[[str, str], str]
    ) -> None:
        self._models = CustomModels(settings, identities, package)
        self._customization = CustomizationJobs(settings, identities, self._models)
        self._deployments = Deployments(settings, self._models)
        self._jobs = InvocationJobs(settings, identities, runtime)
        self._tags = Records(settings.data / "bedrock" / "tags")
        self._actions = {
            **self._models.actions,
            **self._deployments.actions,
            **self._jobs.actions,
            **self._customization.actions,
            "GetFoundationModel": _get_foundation_model,
            "ListFoundationModels": lambda params: {"modelSummaries": list(_FOUNDATION.values())},
            "TagResource": self._tag,
            "UntagResource": self._untag,
            "ListTagsForResource": self._list_tags,
        }

    def handle(self, action: str, params: dict) -> dict:
        """Answer one call. Raises ApiError."""
        if action not in self._actions:
            raise ApiError("UnknownOperationException", f"the local Bedrock has no {action}", 404)
        wire.validate("bedrock", action, params)
        answer = self._actions[action](params)
        created = next((answer[key] for key in ("modelArn", "customModelDeploymentArn", "jobArn") if key in answer), "")
        tags = params.get("modelTags") or params.get("tags") or params.get("jobTags")
        if action.startswith("Create") and tags:
            self._add_tags(created, tags)
        return answer

    def passes(self, action: str, params: dict) -> list[tuple[str, str]]:
        takers = ("CreateCustomModel", "CreateModelInvocationJob", "CreateModelCustomizationJob")
        handing = action in takers and params.get("roleArn")
        return [(params["roleArn"], PRINCIPAL)] if handing else []

    def resume(self) -> None:
        self._models.resume()
        self._jobs.resume()
        self._customization.resume()

    def close(self) -> None:
        self._jobs.close()
        self._customization.close()

    def weights(self, arn: str) -> Path:
        return self._deployments.weights(arn)

    def arn_of(self, identifier: str) -> str:
        """The ARN that policies name, from a model id, a name or an ARN."""
        if identifier.startswith("arn:"):
            return identifier
        model, deployment = self._models.find(identifier), self._deployments.find(identifier)
        if model:
            return model["modelArn"]
        if deployment:
            return deployment["customModelDeploymentArn"]
        return f"arn:aws:bedrock:{REGION}::foundation-model/{identifier}"

    def _tag(self, params: dict) -> dict:
        self._require_resource(params["resourceARN"])
        self._add_tags(params["resourceARN"], params["tags"])
        return {}

    def _add_tags(self, arn: str, tags: list[dict]) -> None:
        known = (self._tags.get(arn) or {}) | {tag["key"]: tag["value"] for tag in tags}
        self._tags.put(arn, known)

    def _untag(self, params: dict) -> dict:
        known = self._tags.get(params["resourceARN"]) or {}
        self._tags.put(params["resourceARN"], {k: v for k, v in known.items() if k not in params["tagKeys"]})
        return {}

    def _list_tags(self, params: dict) -> dict:
        self._require_resource(params["resourceARN"])
        known = self._tags.get(params["resourceARN"]) or {}
        return {"tags": [{"key": key, "value": value} for key, value in known.items()]}

    def _require_resource(self, arn: str) -> None:
        if not any(kind.find(arn) for kind in (self._models, self._deployments, self._jobs, self._customization)):
            raise missing(f"resource {arn}")


def _foundation_model(identifier: str, name: str, customizable: bool) -> dict:
    return {
        "modelArn": f"arn:aws:bedrock:{REGION}::foundation-model/{identifier}",
        "modelId": identifier,
        "modelName": name,
        "providerName": "Toolsmith",
        "inputModalities": ["TEXT"],
        "outputModalities": ["TEXT"],
        "responseStreamingSupported": False,
        "customizationsSupported": ["FINE_TUNING"] if customizable else [],
        "inferenceTypesSupported": ["ON_DEMAND"],
        "modelLifecycle": {"status": "ACTIVE"},
    }


_FOUNDATION = {
    TEACHER: _foundation_model(TEACHER, "Embedded teacher", False),
    STUDENT: _foundation_model(STUDENT, "Embedded student", True),
}


def _get_foundation_model(params: dict) -> dict:
    identifier = params["modelIdentifier"].rpartition("/")[2]
    if identifier not in _FOUNDATION:
        raise ApiError("ResourceNotFoundException", "The provided model identifier is invalid.", 404)
    return {"modelDetails": _FOUNDATION[identifier]}
