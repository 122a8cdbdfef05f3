"""From a stage of a run to the whole CreateTrainingJob request and the recipe that goes with it.

The envelope is the one the SageMaker SDKs send for Nova recipes: the recipe travels as the S3 channel `recipe`,
the base model as hyperparameter `base_model` or `base_model_location`, the reward function by its ARN.
"""

import copy
import hashlib
import json
import re
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from toolsmith import recipes
from toolsmith.customization import matrix
from toolsmith.customization.lint import lint
from toolsmith.customization.profile import Profile
from toolsmith.errors import InvalidInput, RecipeInvalid

SPEC_TAG = "toolsmith:spec"
EXPERIMENT = "toolsmith"
RECIPE_IN_CONTAINER = "/opt/ml/input/data/recipe/recipe.yaml"
_JOB_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")


@dataclass(frozen=True)
class Job:
    """One training or evaluation job of a run.

    stage: one of the profile's, such as "sft", "rft_full", "dpo", "evaluate", "benchmark"; arm: what is evaluated
    ("base", "base_tools", "sft", ...), or the arm that training produces. train_uri, validation_uri: S3 URIs of the
    data. checkpoint: S3 URI to start from, None for the base model. rows: training rows, for the lint. forge: the
    account subscribes to Nova Forge. mlflow_arn: a managed MLflow (server or app) that the job logs to.
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
    forge: bool = False
    mlflow_arn: str | None = None
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Prepared:
    """A request ready to send and the recipe to upload first to `recipe_uri`.

    digest: of both, without tags; a job of the same name whose tag SPEC_TAG holds it is the same job and is adopted.
    service: who does the job: "training" (SageMaker, with or without instances), "customization" (Bedrock), or
    "questions" (a model in Bedrock that is to be asked).
    """

    request: dict[str, Any]
    recipe_yaml: str
    recipe_uri: str
    digest: str
    service: str = "training"

    @property
    def name(self) -> str:
        """What the job is called; the service's only idempotency key."""
        return next(self.request[key] for key in ("TrainingJobName", "JobName", "Name") if key in self.request)


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
    stage, technique = profile.stage(job.stage), matrix.technique(job.stage)
    recipe = load_recipe(profile, job.stage)
    run = recipe["run"]
    run["name"] = job_name(job.run, job.stage, job.arm, job.attempt)
    run["model_type"] = profile.model_type
    run["model_name_or_path"] = job.checkpoint or profile.base_model
    if "replicas" in run:
        run["replicas"] = stage["instance_count"]
    if "seed" in run:
        run["seed"] = job.seed
    if "data_s3_path" in run and technique == "rft":
        run["data_s3_path"] = job.train_uri
    _set_functions(recipe, job, technique)
    return recipe


def load_recipe(profile: Profile, stage: str) -> dict[str, Any]:
    """The recipe file of a stage as it stands in recipes/."""
    text = recipes.path(f"{profile.name}/{profile.stage(stage)['recipe']}").read_text(encoding="utf-8")
    return copy.deepcopy(yaml.safe_load(text))


def _set_functions(recipe: dict[str, Any], job: Job, technique: str) -> None:
    """The reward or metrics function, wherever this recipe names one."""
    if technique == "rft" or "rl_env" in recipe:
        if not job.reward_lambda_arn:
            raise RecipeInvalid("run.reward_lambda_arn: reinforcement needs the ARN of the reward function")
        if "rl_env" in recipe:
            recipe["rl_env"]["reward_lambda_arn"] = job.reward_lambda_arn
        else:
            recipe["run"]["reward_lambda_arn"] = job.reward_lambda_arn
            recipe["training_config"]["rollout"]["rewards"]["api_endpoint"]["lambda_arn"] = job.reward_lambda_arn
    if "processor" in recipe and recipe["processor"].get("lambda_type"):
        recipe["processor"]["lambda_arn"] = job.metrics_lambda_arn or ""


def _channel(name: str, uri: str, data_type: str) -> dict[str, Any]:
    source = {"S3DataType": data_type, "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


def _hyperparameters(job: Job, recipe: dict[str, Any]) -> dict[str, str]:
    """Plain strings; names as the SDKs map them from the recipe. A scoring function of rft_eval has no name here."""
    start = recipe["run"]["model_name_or_path"]
    found = {"base_model_location" if start.startswith("s3://") else "base_model": start}
    if matrix.technique(job.stage) == "rft":
        found["reward_lambda_arn"] = recipe["run"]["reward_lambda_arn"]
    if recipe.get("processor", {}).get("lambda_arn"):
        found["eval_lambda_arn"] = recipe["processor"]["lambda_arn"]
    found["sagemaker_recipe_local_path"] = RECIPE_IN_CONTAINER
    return found


def _channels(job: Job) -> list[dict[str, Any]]:
    """Data and recipe. Supervised and preference rows are Converse rows; a benchmark brings its own questions."""
    conversations = matrix.technique(job.stage) in ("sft", "dpo")
    found = []
    if job.stage != "benchmark":
        found.append(_channel("train", job.train_uri, "Converse" if conversations else "S3Prefix"))
    if conversations and job.validation_uri:
        found.append(_channel("validation", job.validation_uri, "Converse"))
    return [*found, {**_channel("recipe", job.recipe_uri, "S3Prefix"), "InputMode": "File"}]


def previous_recipe(profile: Profile, job: Job) -> dict[str, Any] | None:
    """The recipe that made the job's checkpoint, as the profile tells it; None for the base model."""
    source = job.arm if matrix.technique(job.stage) == "evaluate" else profile.stage(job.stage).get("starts_from")
    if not job.checkpoint or source not in profile.stages:
        return None
    return load_recipe(profile, source)


def check(
    profile: Profile, job: Job, recipe: dict[str, Any], *, platform: str = matrix.TRAINING_JOBS, **facts: Any
) -> None:
    """Raises RecipeInvalid with everything that the lint finds in a rendered recipe."""
    stage = profile.stage(job.stage)
    findings = lint(
        recipe,
        job.stage,
        instance_count=stage["instance_count"],
        instance_type=stage["instance_type"],
        rows=job.rows,
        region=job.region,
        previous=previous_recipe(profile, job),
        forge=job.forge,
        platform=platform,
        **facts,
    )
    if findings:
        raise RecipeInvalid("; ".join(str(finding) for finding in findings))


def prepare(profile: Profile, job: Job, recipe: dict[str, Any] | None = None) -> Prepared:
    """The request and recipe of a job; recipe: a changed one instead of the stage's (mixing.mixed, ...).

    Raises RecipeInvalid when the lint finds what would waste money.
    """
    recipe = recipe or render(profile, job)
    stage = profile.stage(job.stage)
    hyperparameters = _hyperparameters(job, recipe)
    check(profile, job, recipe, hyperparameters=hyperparameters)
    request = {
        "TrainingJobName": recipe["run"]["name"],
        "RoleArn": job.role_arn,
        "AlgorithmSpecification": {
            "TrainingInputMode": "File",
            "TrainingImage": profile.image(job.stage, job.region),
        },
        "HyperParameters": hyperparameters,
        "InputDataConfig": _channels(job),
        "OutputDataConfig": output_config(job),
        "ResourceConfig": {
            "InstanceType": stage["instance_type"],
            "InstanceCount": stage["instance_count"],
            "VolumeSizeInGB": profile.volume_gb,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": profile.max_runtime_seconds},
        "TensorBoardOutputConfig": {"S3OutputPath": job.output_uri},
    }
    if job.mlflow_arn:
        request["MlflowConfig"] = mlflow_config(job, request["TrainingJobName"])
    recipe_yaml = dump(recipe)
    digest = hashlib.sha256(json.dumps([request, recipe_yaml], sort_keys=True).encode()).hexdigest()
    if job.tags:
        request |= tags(replace(job, tags={**job.tags, SPEC_TAG: digest}))
    return Prepared(request, recipe_yaml, job.recipe_uri, digest)


def dump(recipe: dict[str, Any]) -> str:
    """The recipe as the container reads it."""
    return yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True)


def output_config(job: Job) -> dict[str, str]:
    """Where outputs go; the key also encrypts the checkpoint, so it stays the same along a chain."""
    return {"S3OutputPath": job.output_uri, **({"KmsKeyId": job.kms_key} if job.kms_key else {})}


def mlflow_config(job: Job, name: str) -> dict[str, str]:
    """Where the job logs to: one MLflow run a job, all runs of the project in one experiment.

    It stands in the request because the recipe's own mlflow_* keys are only read on HyperPod.
    """
    return {"MlflowResourceArn": job.mlflow_arn or "", "MlflowExperimentName": EXPERIMENT, "MlflowRunName": name}


def tags(job: Job) -> dict[str, Any]:
    """The Tags member of a request; none where the job has none."""
    return {"Tags": [{"Key": key, "Value": value} for key, value in sorted(job.tags.items())]} if job.tags else {}
