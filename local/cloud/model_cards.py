"""SageMaker's model cards: kept in versions, and refused where their content is not what the service takes.

Bounds of the content: https://docs.aws.amazon.com/sagemaker/latest/dg/model-cards.html#model-cards-json-schema and the
resource schema of AWS::SageMaker::ModelCard. Cards of model packages are left out.
"""

import json
import time

import jsonschema

from local.cloud.errors import ApiError
from local.cloud.records import Records
from local.cloud.settings import ACCOUNT, REGION, Settings


def _text(most: int) -> dict:
    return {"type": "string", "maxLength": most}


def _texts(most: int) -> dict:
    return {"type": "array", "maxItems": most, "items": _text(1024)}


def _list(items: dict, **bounds: int) -> dict:
    return {"type": "array", "items": items, **bounds}


def _object(required: tuple[str, ...] = (), **properties: dict) -> dict:
    return {"type": "object", "additionalProperties": False, "required": list(required), "properties": properties}


def _free(most: int) -> dict:
    """Keys of one's own."""
    keys = {"^[a-zA-Z_][a-zA-Z0-9_]*$": _text(most)}
    return {"type": "object", "additionalProperties": False, "patternProperties": keys}


_NAME = {"type": "string", "pattern": "^.{1,255}$"}
_SHORT_NAME = {"type": "string", "pattern": "^.{1,63}$"}
_IMAGES = _object(container_image=_texts(15))
_NUMBER = {"type": "number"}
_TRAINED = _list(_object(("name", "value"), name=_NAME, value=_NUMBER, notes=_text(1024)), maxItems=50)
_GIVEN = _list(_object(("name", "value"), name=_NAME, value=_NAME), maxItems=100)


def _metric(kinds: list[str], value: dict, x: dict, y: dict) -> dict:
    return _object(("name", "type", "value"), name=_NAME, type={"enum": kinds}, value=value, notes=_text(1024),
                   x_axis_name=x, y_axis_name=y)  # fmt: skip


_AXIS, _AXES = _text(63), _list(_text(63))
_METRIC = {
    "anyOf": [
        _metric(["number", "string", "boolean"], {"anyOf": [_NUMBER, _text(63), {"type": "boolean"}]}, _AXIS, _AXIS),
        _metric(["linear_graph"], _list(_list(_NUMBER, minItems=2, maxItems=2), minItems=1), _AXIS, _AXIS),
        _metric(["bar_chart"], _list(_NUMBER, minItems=1), _AXES, _AXIS),
        _metric(["matrix"], _list(_list(_NUMBER, minItems=1, maxItems=20), minItems=1, maxItems=20), _AXES, _AXES),
    ]
}
CONTENT = _object(
    model_overview=_object(
        model_id=_text(1024), model_name=_text(1024), model_description=_text(1024),
        model_version={"type": "number", "minimum": 1}, problem_type=_text(1024), algorithm_type=_text(1024),
        model_creator=_text(1024), model_owner=_text(1024), model_artifact=_texts(15), inference_environment=_IMAGES,
    ),
    business_details=_object(
        business_problem=_text(2048), business_stakeholders=_text(2048), line_of_business=_text(2048)
    ),
    intended_uses=_object(
        purpose_of_model=_text(2048), intended_uses=_text(2048), factors_affecting_model_efficiency=_text(2048),
        risk_rating={"enum": ["High", "Medium", "Low", "Unknown"]}, explanations_for_risk_rating=_text(2048),
    ),
    training_details=_object(
        objective_function=_object(
            function=_object(function={"enum": ["Maximize", "Minimize"]}, facet=_text(63), condition=_text(63)),
            notes=_text(1024),
        ),
        training_observations=_text(1024),
        training_job_details=_object(
            training_arn=_text(1024), training_datasets=_texts(15), training_environment=_IMAGES,
            training_metrics=_TRAINED, user_provided_training_metrics=_TRAINED,
            hyper_parameters=_GIVEN, user_provided_hyper_parameters=_GIVEN,
        ),
    ),
    evaluation_details=_list(
        _object(
            ("name",), name=_SHORT_NAME, evaluation_observation=_text(2096), evaluation_job_arn=_text(256),
            datasets=_texts(10), metadata=_free(1024),
            metric_groups=_list(_object(("name", "metric_data"), name=_SHORT_NAME, metric_data=_list(_METRIC))),
        )
    ),
    additional_information=_object(
        ethical_considerations=_text(2048), caveats_and_recommendations=_text(2048), custom_details=_free(1024)
    ),
)  # fmt: skip


class ModelCards:
    """Create, update, describe, list and delete."""

    def __init__(self, settings: Settings) -> None:
        self._versions = Records(settings.data / "sagemaker" / "model-cards")
        self.actions = {
            "CreateModelCard": self._create,
            "UpdateModelCard": self._update,
            "DescribeModelCard": self._describe,
            "ListModelCards": self._list,
            "DeleteModelCard": self._delete,
        }

    def _create(self, params: dict) -> dict:
        name, now = params["ModelCardName"], time.time()
        _check(params["Content"])
        card = {
            **{key: value for key, value in params.items() if key != "Tags"},
            "ModelCardArn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-card/{name}",
            "ModelCardVersion": 1, "CreationTime": now, "LastModifiedTime": now, "CreatedBy": {}, "LastModifiedBy": {},
        }  # fmt: skip
        if not self._versions.add(name, {"versions": [card]}):
            raise ApiError("ConflictException", f"Model card {name} already exists.")
        return {"ModelCardArn": card["ModelCardArn"]}

    def _update(self, params: dict) -> dict:
        versions = self._find(params["ModelCardName"])
        newest = versions[-1]
        if newest["ModelCardStatus"] == "Archived":
            raise ApiError("ConflictException", "An archived model card cannot be updated.")
        changes = {key: params[key] for key in ("Content", "ModelCardStatus") if key in params}
        if "Content" in changes:
            _check(changes["Content"])
        card = {**newest, **changes, "LastModifiedTime": time.time()}
        if "Content" in changes:  # a change of the status alone makes no version
            card["ModelCardVersion"] += 1
            versions.append(card)
        else:
            versions[-1] = card
        self._versions.put(card["ModelCardName"], {"versions": versions})
        return {"ModelCardArn": card["ModelCardArn"]}

    def _describe(self, params: dict) -> dict:
        versions = self._find(params["ModelCardName"])
        wanted = params.get("ModelCardVersion", len(versions))
        if not 0 < wanted <= len(versions):
            raise ApiError("ResourceNotFound", f"Model card {params['ModelCardName']} has no version {wanted}.")
        return versions[wanted - 1]

    def _list(self, params: dict) -> dict:
        members = ("ModelCardName", "ModelCardArn", "ModelCardStatus", "CreationTime", "LastModifiedTime")
        newest = (record["versions"][-1] for record in self._versions.all())
        return {
            "ModelCardSummaries": [
                {member: card[member] for member in members}
                for card in newest
                if params.get("NameContains", "") in card["ModelCardName"]
                and params.get("ModelCardStatus") in (None, card["ModelCardStatus"])
            ]
        }

    def _delete(self, params: dict) -> dict:
        self._versions.remove(self._find(params["ModelCardName"])[0]["ModelCardName"])
        return {}

    def _find(self, identifier: str) -> list[dict]:
        found = self._versions.get(identifier.rpartition("/")[2])
        if found is None:
            raise ApiError("ResourceNotFound", f"Model card {identifier} does not exist.")
        return found["versions"]


def _check(content: str) -> None:
    """Raises ApiError with the place and the rule where the content is no card."""
    try:
        jsonschema.validate(json.loads(content), CONTENT)
    except ValueError as error:
        raise ApiError("ValidationException", f"Model card content is not JSON: {error}") from error
    except jsonschema.ValidationError as error:
        where = f"Model card content at {error.json_path}: {error.message[:300]}"
        raise ApiError("ValidationException", where) from error
