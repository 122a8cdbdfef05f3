"""From a stage of a run to the whole CreateTrainingJob request and the recipe that goes with it.

The envelope is the one the SageMaker SDKs send for Nova recipes: the recipe travels as the S3 channel `recipe`,
the base model as hyperparameter `base_model` or `base_model_location`, the reward function by its ARN.
"""

import copy
import hashlib
import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from toolsmith import recipes
from toolsmith.customization.lint import lint
from toolsmith.customization.profile import Profile
from toolsmith.errors import InvalidInput, RecipeInvalid

RECIPE_IN_CONTAINER = "/opt/ml/input/data/recipe/recipe.yaml"
_JOB_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")


@dataclass(frozen=True)
class Job:
    """One training or evaluation job of a run.

    stage: "sft", "more_sft", "rft" or "evaluate"; arm: what is evaluated ("base", "base_tools", "sft", ...), or the
    arm that training produces. train_uri, validation_uri: S3 URIs of the data. checkpoint: S3 URI to start from, None
    for the base model. rows: training rows, for the lint.
    """

    run: str
    stage: str
    arm: str
    attempt: int
    train_uri: str
    output_uri: str
    recipe_uri: str
    role_arn: str
    region: str
    seed: int = 0
    validation_uri: str | None = None
    checkpoint: str | None = None
    reward_lambda_arn: str | None = None
    metrics_lambda_arn: str | None = None
    kms_key: str | None = None
    rows: int | None = None
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Prepared:
    """A request ready to send and the recipe to upload first to `recipe_uri`."""

    request: dict[str, Any]
    recipe_yaml: str
    recipe_uri: str
    digest: str


def job_name(run: str, stage: str, arm: str, attempt: int) -> str:
    """A name unique to run, stage, arm and attempt: the service's only idempotency key (1..63 characters).

    Raises InvalidInput when the run's name leaves no room or has a character the service refuses.
    """
    what = stage if stage == arm else f"{stage}-{arm}"
    name = f"{run}-{what}-{attempt}".replace("_", "-")
    if not _JOB_NAME.fullmatch(name):
        raise InvalidInput(
            f"job name {name!r} is not 1..63 letters, digits and single hyphens: shorten the run name {run!r}"
        )
    return name


def render(profile: Profile, job: Job) -> dict[str, Any]:
    """The stage's recipe with everything that depends on the run filled in; nothing is left to interpolate."""
    stage = profile.stage(job.stage)
    text = recipes.path(f"{profile.name}/{stage['recipe']}").read_text(encoding="utf-8")
    recipe = copy.deepcopy(yaml.safe_load(text))
    run = recipe["run"]
    run["name"] = job_name(job.run, job.stage, job.arm, job.attempt)
    run["model_type"] = profile.model_type
    run["model_name_or_path"] = job.checkpoint or profile.base_model
    run["replicas"] = stage["instance_count"]
    if "seed" in run:
        run["seed"] = job.seed
    if "data_s3_path" in run and job.stage == "rft":
        run["data_s3_path"] = job.train_uri
    if job.stage == "rft":
        _set_reward(recipe, job)
    if "processor" in recipe and recipe["processor"].get("lambda_type"):
        recipe["processor"]["lambda_arn"] = job.metrics_lambda_arn or ""
    return recipe


def _set_reward(recipe: dict[str, Any], job: Job) -> None:
    if not job.reward_lambda_arn:
        raise RecipeInvalid("run.reward_lambda_arn: reinforcement needs the ARN of the reward function")
    recipe["run"]["reward_lambda_arn"] = job.reward_lambda_arn
    recipe["training_config"]["rollout"]["rewards"]["api_endpoint"]["lambda_arn"] = job.reward_lambda_arn


def _channel(name: str, uri: str, data_type: str) -> dict[str, Any]:
    source = {"S3DataType": data_type, "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


def _hyperparameters(profile: Profile, job: Job, recipe: dict[str, Any]) -> dict[str, str]:
    """Plain strings; names as the SDKs map them from the recipe."""
    found = {"base_model_location": job.checkpoint} if job.checkpoint else {"base_model": profile.base_model}
    if job.stage == "rft":
        found["reward_lambda_arn"] = recipe["run"]["reward_lambda_arn"]
    if recipe.get("processor", {}).get("lambda_arn"):
        found["eval_lambda_arn"] = recipe["processor"]["lambda_arn"]
    found["sagemaker_recipe_local_path"] = RECIPE_IN_CONTAINER
    return found


def prepare(profile: Profile, job: Job) -> Prepared:
    """The request and recipe of a job. Raises RecipeInvalid when the lint finds what would waste money."""
    recipe = render(profile, job)
    stage = profile.stage(job.stage)
    findings = lint(recipe, job.stage, instance_count=stage["instance_count"], rows=job.rows)
    if findings:
        raise RecipeInvalid("; ".join(str(finding) for finding in findings))
    supervised = job.stage in ("sft", "more_sft")
    channels = [_channel("train", job.train_uri, "Converse" if supervised else "S3Prefix")]
    if supervised and job.validation_uri:
        channels.append(_channel("validation", job.validation_uri, "Converse"))
    channels.append({**_channel("recipe", job.recipe_uri, "S3Prefix"), "InputMode": "File"})
    output = {"S3OutputPath": job.output_uri}
    if job.kms_key:
        output["KmsKeyId"] = job.kms_key
    request = {
        "TrainingJobName": recipe["run"]["name"],
        "RoleArn": job.role_arn,
        "AlgorithmSpecification": {
            "TrainingInputMode": "File",
            "TrainingImage": profile.image(job.stage, job.region),
        },
        "HyperParameters": _hyperparameters(profile, job, recipe),
        "InputDataConfig": channels,
        "OutputDataConfig": output,
        "ResourceConfig": {
            "InstanceType": stage["instance_type"],
            "InstanceCount": stage["instance_count"],
            "VolumeSizeInGB": profile.volume_gb,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": profile.max_runtime_seconds},
        "TensorBoardOutputConfig": {"S3OutputPath": job.output_uri},
    }
    if job.tags:
        request["Tags"] = [{"Key": key, "Value": value} for key, value in sorted(job.tags.items())]
    recipe_yaml = yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True)
    digest = hashlib.sha256(recipe_yaml.encode()).hexdigest()
    return Prepared(request, recipe_yaml, job.recipe_uri, digest)
