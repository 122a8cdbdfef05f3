"""Serverless customization: the same CreateTrainingJob without instances, billed per token.

The model comes from SageMaker's public hub, the recipe's values travel as hyperparameters under other names, the result
is a model package (OutputModelPackageArn), which Bedrock's CreateCustomModel takes as modelPackageArnDataSource. Names
of hyperparameters and the shape of the request: the vendor's amzn-nova-forge 1.4.10; the evaluator's document:
sagemaker-train 1.27.
"""

import json
from dataclasses import dataclass
from typing import Any

from toolsmith.customization import matrix, mixing
from toolsmith.customization.findings import Finding, get, rank, walk
from toolsmith.customization.jobs import Job, check, mlflow_config, output_config, render, tags
from toolsmith.customization.profile import Profile
from toolsmith.errors import RecipeInvalid

REGIONS = ("ap-northeast-1", "ap-southeast-2", "eu-central-1", "eu-west-1", "us-east-1", "us-west-2")
_TECHNIQUES = {"sft": "SFT", "dpo": "DPO", "rft": "RLVR"}
_RENAMED = {
    "lr": "learning_rate",
    "lora_plus_lr_ratio": "learning_rate_ratio",
    "loraplus_lr_ratio": "learning_rate_ratio",
    "alpha": "lora_alpha",
    "beta": "adam_beta",
}
_SAME = (
    "global_batch_size",
    "warmup_steps",
    "reasoning_effort",
    "reasoning_enabled",
    "max_epochs",
    "max_steps",
    "save_steps",
    "val_check_interval",
    "fine_tuned_model",
    "top_logprobs",
    "name",
)


@dataclass(frozen=True)
class ServerlessPlace:
    """What a serverless job needs beside the job itself.

    model_package_group: ARN of the group the result is registered in. evaluator: ARN of the reward function registered
    in a hub as a JsonDoc (reinforcement only). source_package: model package to start from; None for the base model.
    """

    model_package_group: str
    evaluator: str | None = None
    source_package: str | None = None


def evaluator_document(function_arn: str) -> str:
    """The JsonDoc (HubContentDocument) that registers a reward function in a hub."""
    content = json.dumps({"Reference": function_arn, "EvaluatorType": "RewardFunction"})
    return json.dumps({"SubType": "AWS/Evaluator", "JsonContent": content})


def parameter(key: str, technique: str) -> str | None:
    """What the service calls a dotted key of a recipe; None for what it does not take."""
    name = key.rsplit(".", 1)[-1]
    if key.endswith("optim.name"):
        return None
    if name == "max_length":
        return "max_length" if technique == "rft" else "max_context_length"
    return _RENAMED.get(name) or (name if name in _SAME else None)


def hyperparameters(recipe: dict[str, Any], technique: str) -> dict[str, str]:
    """The recipe's values under the names of the serverless service, all strings."""
    found: dict[str, str] = {}
    for key, value in walk({name: block for name, block in recipe.items() if name != "data_mixing"}):
        name = parameter(key, technique)
        if name and value is not None:
            found[name] = str(value)
    for name, value in (get(recipe, "data_mixing.sources.nova_data") or {}).items():
        found[f"nova_{name}_percent"] = str(value)
    if "data_mixing" in recipe:
        found["customer_data_percent"] = str(get(recipe, "data_mixing.sources.customer_data.percent"))
    return found


def prepare(profile: Profile, job: Job, place: ServerlessPlace, recipe: dict[str, Any] | None = None) -> dict[str, Any]:
    """The whole CreateTrainingJob request. Raises RecipeInvalid for what serverless customization does not take."""
    recipe = recipe or render(profile, job)
    technique = matrix.technique(job.stage)
    findings = list(_findings(profile, job, place, recipe, technique))
    if findings:
        raise RecipeInvalid("; ".join(str(finding) for finding in findings))
    check(profile, job, recipe)
    sent = hyperparameters(recipe, technique)
    function = get(recipe, "rl_env.reward_lambda_arn") or get(recipe, "processor.lambda_arn")
    if technique == "evaluate" and function:
        sent |= {"lambda_arn": function, "lambda_type": get(recipe, "processor.lambda_type") or "rft"}
    group = {"ModelPackageGroupArn": place.model_package_group}
    if place.source_package:
        group["SourceModelPackageArn"] = place.source_package
    request = {
        "TrainingJobName": recipe["run"]["name"],
        "RoleArn": job.role_arn,
        "HyperParameters": sent,
        "OutputDataConfig": {**output_config(job), "CompressionType": "NONE"},
        "StoppingCondition": {"MaxRuntimeInSeconds": profile.max_runtime_seconds},
        "ServerlessJobConfig": _config(profile, job, place, recipe, technique),
        "ModelPackageConfig": group,
        **tags(job),
    }
    if job.mlflow_arn:
        request["MlflowConfig"] = mlflow_config(job, request["TrainingJobName"])
    if job.stage != "benchmark":
        request["InputDataConfig"] = _channels(job, technique)
    return request


def _findings(profile: Profile, job: Job, place: ServerlessPlace, recipe: dict[str, Any], technique: str):
    if not profile.hub_content:
        yield Finding("student", f"{profile.name} is in no public hub", "choose a Nova student")
    if job.region not in REGIONS:
        yield Finding("region", f"{job.region} has no serverless customization", f"choose one of {list(REGIONS)}")
    if technique not in _TECHNIQUES and technique != "evaluate":
        yield Finding("stage", f"serverless customization offers no {job.stage}", f"choose {sorted(_TECHNIQUES)}")
    if technique != "evaluate" and rank(recipe) != matrix.LORA:
        yield Finding("peft_scheme", "serverless customization trains adapters only", "choose the stage without _full")
    if technique == "rft" and not place.evaluator:
        yield Finding("evaluator", "is missing", "register the reward function in a hub as a JsonDoc and give its ARN")
    if job.checkpoint:
        yield Finding(
            "checkpoint", "an S3 checkpoint cannot be the start", "give source_package, a model package's ARN"
        )
    if "data_mixing" in recipe and not job.forge:
        yield Finding("data_mixing", f"needs {mixing.GATE}", "subscribe and say so, or remove the block")


def _config(
    profile: Profile, job: Job, place: ServerlessPlace, recipe: dict[str, Any], technique: str
) -> dict[str, Any]:
    model = f"arn:aws:sagemaker:{job.region}:aws:hub-content/SageMakerPublicHub/Model/{profile.hub_content}"
    config: dict[str, Any] = {"BaseModelArn": model, "AcceptEula": True}
    if technique == "evaluate":
        custom = get(recipe, "evaluation.task") in ("gen_qa", "rft_eval")
        kind = "CustomScorerEvaluation" if custom else "BenchmarkEvaluation"
        return {**config, "JobType": "Evaluation", "EvaluationType": kind}
    config |= {"JobType": "FineTuning", "CustomizationTechnique": _TECHNIQUES[technique], "Peft": "LORA"}
    if technique == "rft":
        config["EvaluatorArn"] = place.evaluator
    return config


def _channels(job: Job, technique: str) -> list[dict[str, Any]]:
    kind = "Converse" if technique in ("sft", "dpo") else "S3Prefix"
    uris = {"train": job.train_uri, "validation": job.validation_uri if kind == "Converse" else None}
    return [
        {
            "ChannelName": name,
            "DataSource": {
                "S3DataSource": {"S3DataType": kind, "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
            },
            "CompressionType": "None",
            "RecordWrapperType": "None",
        }
        for name, uri in uris.items()
        if uri
    ]
