"""Serverless customization: hubs, model packages, and what a ServerlessJobConfig comes to on this machine.

The hub holds one model, the embedded student, whose default recipes are those of recipes/local.
"""

import json
import time
from typing import NamedTuple

import yaml

from local.cloud.errors import ApiError
from local.cloud.identity import Identities
from local.cloud.records import Records
from local.cloud.settings import ACCOUNT, REGION, ROOT, Settings
from toolsmith.customization.findings import walk
from toolsmith.customization.serverless import parameter

MODEL = "toolsmith-embedded-student"
RECIPES = {"sft": "sft-lora.yaml", "rft": "rft-lora.yaml", "evaluate": "evaluate.yaml"}
_TECHNIQUES = {"SFT": "sft", "RLVR": "rft"}
_ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}"


class Plan(NamedTuple):
    """technique: sft, rft or evaluate; recipe: its text; start: S3 URI of a checkpoint, None for the base model."""

    technique: str
    recipe: str
    start: str | None


def refused(text: str) -> ApiError:
    return ApiError("ValidationException", text)


def default_recipe(technique: str) -> dict:
    """The recipe that a service fills in for what a request leaves out."""
    return yaml.safe_load((ROOT / "recipes" / "local" / RECIPES[technique]).read_text(encoding="utf-8"))


def set_key(recipe: dict, dotted: str, value) -> None:
    *path, last = dotted.split(".")
    for part in path:
        recipe = recipe[part]
    recipe[last] = value


class Registry:
    """Hubs with their JsonDocs, model package groups and model packages."""

    def __init__(self, settings: Settings, identities: Identities) -> None:
        self._identities = identities
        self._hubs = Records(settings.data / "sagemaker" / "hubs")
        self._contents = Records(settings.data / "sagemaker" / "hub-contents")
        self._groups = Records(settings.data / "sagemaker" / "model-package-groups")
        self._packages = Records(settings.data / "sagemaker" / "model-packages")
        self.actions = {
            "CreateHub": self._create_hub,
            "ImportHubContent": self._import_content,
            "DescribeHubContent": self._describe_content,
            "CreateModelPackageGroup": lambda params: {"ModelPackageGroupArn": self._create_group(params)},
            "DeleteModelPackageGroup": lambda params: self._delete_group(params["ModelPackageGroupName"]),
            "DescribeModelPackage": lambda params: self.package(params["ModelPackageName"]),
            "ListModelPackages": self._list_packages,
            "DeleteModelPackage": self._delete_package,
        }

    # -- jobs ---------------------------------------------------------------------------------------

    def plan(self, job: dict) -> Plan:
        """What to run for a CreateTrainingJob request with a ServerlessJobConfig. Raises ApiError."""
        config, package = job["ServerlessJobConfig"], job.get("ModelPackageConfig", {})
        for member in ("AlgorithmSpecification", "ResourceConfig", "CheckpointConfig"):
            if member in job:
                raise refused(f"{member} can't be specified together with ServerlessJobConfig")
        if f"/Model/{MODEL}" not in config["BaseModelArn"]:
            raise refused(f"no hub content was found for BaseModelArn {config['BaseModelArn']}")
        technique = self._technique(config, package)
        if "InputDataConfig" not in job:
            raise refused("InputDataConfig is required for this serverless job")
        if package.get("ModelPackageGroupArn") and package["ModelPackageGroupArn"] not in self._groups:
            raise refused(f"the model package group {package['ModelPackageGroupArn']} does not exist")
        recipe = default_recipe(technique)
        override(recipe, technique, job.get("HyperParameters", {}))
        if technique == "rft":
            function = self._evaluator(config["EvaluatorArn"])
            set_key(recipe, "run.reward_lambda_arn", function)
            set_key(recipe, "training_config.rollout.rewards.api_endpoint.lambda_arn", function)
        source = package.get("SourceModelPackageArn")
        return Plan(technique, yaml.safe_dump(recipe), self.checkpoint(source, job["RoleArn"]) if source else None)

    def _technique(self, config: dict, package: dict) -> str:
        if config["JobType"] == "Evaluation":
            if config.get("EvaluationType") != "CustomScorerEvaluation":
                raise refused("EvaluationType must be CustomScorerEvaluation: no local program stands for the others")
            return "evaluate"
        if not package.get("ModelPackageGroupArn"):
            raise refused("ModelPackageConfig is required for a serverless job of type FineTuning")
        named = config.get("CustomizationTechnique")
        if named not in _TECHNIQUES:
            raise refused(f"no local program stands for the CustomizationTechnique {named}; known: SFT, RLVR")
        if named == "RLVR" and not config.get("EvaluatorArn"):
            raise refused("EvaluatorArn is required for the CustomizationTechnique RLVR")
        return _TECHNIQUES[named]

    def _evaluator(self, arn: str) -> str:
        """The function that a registered reward stands for."""
        found = self._contents.get(arn)
        if found is None:
            raise refused(f"no hub content was found for EvaluatorArn {arn}")
        document = json.loads(found["HubContentDocument"])
        return json.loads(document["JsonContent"])["Reference"]

    def register(self, job: dict, checkpoint: str) -> dict:
        """Make a package of what a job trained; returns members of the job's description."""
        group = job["ModelPackageConfig"]["ModelPackageGroupArn"].rpartition("/")[2]
        version = 1 + max((p["ModelPackageVersion"] for p in self._of(group)), default=0)
        arn = f"{_ARN}:model-package/{group}/{version}"
        source = {"S3DataSource": {"S3Uri": checkpoint + "/", "S3DataType": "S3Prefix", "CompressionType": "None"}}
        self._packages.put(arn, {
            "ModelPackageGroupName": group, "ModelPackageVersion": version, "ModelPackageArn": arn,
            "ModelPackageStatus": "Completed", "ModelPackageStatusDetails": {"ValidationStatuses": []},
            "CreationTime": time.time(), "InferenceSpecification": {"Containers": [{"ModelDataSource": source}]},
        })  # fmt: skip
        return {"OutputModelPackageArn": arn}

    def package(self, arn: str) -> dict:
        found = self._packages.get(arn)
        if found is None:
            raise refused(f"ModelPackage {arn} does not exist.")
        return found

    def _of(self, group: str) -> list[dict]:
        return [package for package in self._packages.all() if package["ModelPackageGroupName"] == group]

    def _list_packages(self, params: dict) -> dict:
        group = params.get("ModelPackageGroupName", "").rpartition("/")[2]
        members = ("ModelPackageGroupName", "ModelPackageVersion", "ModelPackageArn", "CreationTime",
                   "ModelPackageStatus")  # fmt: skip
        packages = self._of(group) if group else self._packages.all()
        return {"ModelPackageSummaryList": [{name: each[name] for name in members} for each in packages]}

    def _delete_package(self, params: dict) -> dict:
        self._packages.remove(self.package(params["ModelPackageName"])["ModelPackageArn"])
        return {}

    def checkpoint(self, arn: str, role: str) -> str:
        """Where the weights of a package lie, for a job or an import that works as `role`. Raises ApiError."""
        found = self.package(arn)
        if not self._identities.may(role, "sagemaker:AccessModelPackage", arn):
            raise ApiError(
                "AccessDeniedException",
                f"User: {role} is not authorized to perform: sagemaker:AccessModelPackage on resource: {arn} because "
                "no identity-based policy allows the sagemaker:AccessModelPackage action",
            )
        container = found["InferenceSpecification"]["Containers"][0]
        return container["ModelDataSource"]["S3DataSource"]["S3Uri"].rstrip("/")

    # -- hubs and groups ----------------------------------------------------------------------------

    def _create_hub(self, params: dict) -> dict:
        arn = f"{_ARN}:hub/{params['HubName']}"
        if not self._hubs.add(arn, {**params, "HubArn": arn, "HubStatus": "InService"}):
            raise ApiError("ResourceInUse", f"The hub {params['HubName']} already exists.")
        return {"HubArn": arn}

    def _import_content(self, params: dict) -> dict:
        hub = f"{_ARN}:hub/{params['HubName'].rpartition('/')[2]}"
        if hub not in self._hubs:
            raise ApiError("ResourceNotFound", f"The hub {params['HubName']} does not exist.")
        version = params.get("HubContentVersion", "1.0.0")
        kind, name = params["HubContentType"], params["HubContentName"]
        arn = f"{hub.replace(':hub/', ':hub-content/')}/{kind}/{name}/{version}"
        content = {**params, "HubArn": hub, "HubContentArn": arn, "HubContentVersion": version}
        if not self._contents.add(arn, {**content, "HubContentStatus": "Available", "CreationTime": time.time()}):
            raise ApiError("ResourceInUse", f"The hub content {arn} already exists.")
        return {"HubArn": hub, "HubContentArn": arn}

    def _describe_content(self, params: dict) -> dict:
        hub, version = params["HubName"].rpartition("/")[2], params.get("HubContentVersion", "1.0.0")
        kind, name = params["HubContentType"], params["HubContentName"]
        found = self._contents.get(f"{_ARN}:hub-content/{hub}/{kind}/{name}/{version}")
        if found is None:
            raise ApiError("ResourceNotFound", f"The hub content {name} does not exist.")
        return {**found, "HubName": hub}

    def _create_group(self, params: dict) -> str:
        arn = f"{_ARN}:model-package-group/{params['ModelPackageGroupName']}"
        if not self._groups.add(arn, {**params, "ModelPackageGroupArn": arn}):
            raise refused(f"Model Package Group already exists: {arn}")
        return arn

    def _delete_group(self, identifier: str) -> dict:
        name = identifier.rpartition("/")[2]
        arn = f"{_ARN}:model-package-group/{name}"
        if arn not in self._groups:
            raise refused(f"The model package group {name} does not exist.")
        if self._of(name):
            raise ApiError("ConflictException", f"Cannot delete the model package group {name}: it has model packages.")
        self._groups.remove(arn)
        return {}

    # -- AWS::SageMaker::ModelPackageGroup ----------------------------------------------------------

    def created(self, logical_id: str, props: dict, stack: str) -> tuple[str, dict]:
        arn = self._create_group(props)
        return arn, {"ModelPackageGroupArn": arn}

    def updated(self, arn: str, old: dict, new: dict, stack: str, logical_id: str | None = None) -> tuple[str, dict]:
        if old["ModelPackageGroupName"] != new["ModelPackageGroupName"]:
            return self.created(logical_id or arn, new, stack)
        return arn, {"ModelPackageGroupArn": arn}

    def deleted(self, arn: str, props: dict) -> None:
        if arn in self._groups:
            self._delete_group(arn)


def override(recipe: dict, technique: str, given: dict[str, str]) -> None:
    """Put hyperparameters where the recipe has them. Raises ApiError for one that it has not."""
    left = dict(given)
    for key, _ in list(walk(recipe)):
        name = parameter(key, technique)
        if name in given:
            set_key(recipe, key, yaml.safe_load(given[name]))
            left.pop(name, None)
    if technique == "evaluate" and "lambda_arn" in left:
        set_key(recipe, "processor.lambda_arn", left.pop("lambda_arn"))
        set_key(recipe, "processor.lambda_type", left.pop("lambda_type", "rft"))
    if left:
        raise refused(f"unknown hyperparameters for this model and technique: {sorted(left)}")
