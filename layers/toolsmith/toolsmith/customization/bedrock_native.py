"""Bedrock's own customization: no instances, no recipe, no checkpoint to import; the result is a model ARN.

Fields and ranges: the service model of CreateModelCustomizationJob (botocore 1.44.5) and the Bedrock user guide's pages
on reinforcement fine-tuning of Nova models. us-east-1 only.
"""

from dataclasses import dataclass
from typing import Any

from toolsmith.customization import matrix
from toolsmith.customization.findings import Finding
from toolsmith.customization.jobs import Job, job_name, load_recipe
from toolsmith.customization.limits import Between, Limit, OneOf
from toolsmith.customization.lint_training import function
from toolsmith.customization.profile import Profile
from toolsmith.errors import RecipeInvalid

REGION = "us-east-1"
EMBEDDED = "toolsmith.embedded-student-v1"  # the laptop's own, with ranges of its own
PROMPTS = Between(100, 20_000, whole=True)
ROWS = Between(200, 20_000, whole=True)
_RFT: dict[str, Limit] = {
    "epochCount": Between(1, 50, whole=True),
    "batchSize": Between(16, 512, whole=True),
    "learningRate": Between(1e-7, 1e-3),
    "trainingSamplePerPrompt": Between(2, 16, whole=True),
    "reasoningEffort": OneOf(("low", "medium", "high")),
    "evalInterval": Between(1, 100, whole=True),
    "maxPromptLength": Between(1, 32768, whole=True),
    "inferenceMaxTokens": Between(1, 32768, whole=True),
}
_SFT: dict[str, Limit] = {
    "epochCount": Between(1, 5, whole=True),
    "batchSize": Between(1, 64, whole=True),
    "learningRate": Between(1e-6, 1e-4),
    "learningRateWarmupSteps": Between(0, 100, whole=True),
}


@dataclass(frozen=True)
class Native:
    """What Bedrock's jobs know that recipes don't: epochs instead of steps.

    start: base model id or ARN, or the ARN of a custom model to go on from. reasoning_effort: "low", "medium", "high";
    None leaves the service's default.
    """

    start: str | None = None
    epochs: int = 2
    reasoning_effort: str | None = None
    eval_interval: int = 10


def prepare(profile: Profile, job: Job, native: Native = Native()) -> dict[str, Any]:  # noqa: B008 - frozen
    """The whole CreateModelCustomizationJob request of stage "rft" or "sft".

    The stage's recipe gives batch, rate, rollouts and lengths, the `bedrock` block of its profile what
    differs. Its role is assumed by bedrock.amazonaws.com and needs lambda:InvokeFunction. Raises RecipeInvalid for what
    the service would refuse.
    """
    technique = matrix.technique(job.stage)
    values = _rft(profile, job, native) if technique == "rft" else _sft(profile, job, native)
    values |= profile.stage(job.stage).get("bedrock", {})
    limits = _RFT if technique == "rft" else _SFT if _is_nova(profile) else {}
    findings = [*_findings(profile, job, technique), *_ranges(values, limits)]
    if findings:
        raise RecipeInvalid("; ".join(str(finding) for finding in findings))
    name = job_name(job.run, job.stage, job.arm, job.attempt)
    request = {
        "jobName": name,
        "customModelName": name,
        "roleArn": job.role_arn,
        "clientRequestToken": name,
        "baseModelIdentifier": native.start
        or f"arn:aws:bedrock:{job.region}::foundation-model/{profile.bedrock_model}",
        "trainingDataConfig": {"s3Uri": job.train_uri},
        "outputDataConfig": {"s3Uri": job.output_uri},
    }
    if job.kms_key:
        request["customModelKmsKeyId"] = job.kms_key
    if job.tags:
        request["jobTags"] = [{"key": key, "value": value} for key, value in sorted(job.tags.items())]
    if technique == "rft":
        grader = {"lambdaGrader": {"lambdaArn": job.reward_lambda_arn}}
        rft = {"graderConfig": grader, "hyperParameters": values}
        return {**request, "customizationType": "REINFORCEMENT_FINE_TUNING", "customizationConfig": {"rftConfig": rft}}
    written = {key: str(value) for key, value in values.items()}  # this type takes strings only
    return {**request, "customizationType": "FINE_TUNING", "hyperParameters": written}


def epochs(profile: Profile, stage: str, rows: int | None) -> int:
    """How many passes over `rows` rows come nearest to the steps of the stage's recipe, within what Bedrock takes."""
    training = load_recipe(profile, stage)["training_config"]
    rft = matrix.technique(stage) == "rft"
    steps = training["trainer" if rft else "max_steps"]
    seen = (steps["max_steps"] if rft else steps) * training["global_batch_size"]
    most = 50 if rft else 5 if _is_nova(profile) else seen
    return min(most, max(1, round(seen / rows))) if rows else Native().epochs


def arguments(request: dict[str, Any]) -> dict[str, Any]:
    """The request as Step Functions takes it: members begin with a capital, keys of the map of strings stay."""
    return {_capital(key): value if key == "hyperParameters" else _capitals(value) for key, value in request.items()}


def _capitals(value: Any) -> Any:
    if isinstance(value, list):
        return [_capitals(each) for each in value]
    return {_capital(key): _capitals(each) for key, each in value.items()} if isinstance(value, dict) else value


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]


def _is_nova(profile: Profile) -> bool:
    return profile.bedrock_model.startswith("amazon.nova-2-")


def _rft(profile: Profile, job: Job, native: Native) -> dict[str, Any]:
    training = load_recipe(profile, job.stage)["training_config"]
    new = training["rollout"]["generator"]["max_new_tokens"]
    values = {
        "epochCount": native.epochs,
        "batchSize": training["global_batch_size"],
        "learningRate": training["trainer"]["optim_config"]["lr"],
        "maxPromptLength": training["max_length"] - new,
        "trainingSamplePerPrompt": training["rollout"]["advantage_strategy"]["number_generation"],
        "inferenceMaxTokens": new,
        "evalInterval": native.eval_interval,
    }
    return values | ({"reasoningEffort": native.reasoning_effort} if native.reasoning_effort else {})


def _sft(profile: Profile, job: Job, native: Native) -> dict[str, Any]:
    training = load_recipe(profile, job.stage)["training_config"]
    return {
        "epochCount": native.epochs,
        "batchSize": training["global_batch_size"],
        "learningRate": training["optim_config"]["lr"],
        "learningRateWarmupSteps": training["lr_scheduler"]["warmup_steps"],
    }


def _findings(profile: Profile, job: Job, technique: str):
    if job.region != REGION:
        yield Finding("region", f"{job.region} does not customize Nova 2 in Bedrock", f"choose {REGION}")
    if not (_is_nova(profile) or profile.bedrock_model == EMBEDDED):
        yield Finding("student", f"{profile.name} is not Nova 2", "choose nova-2-lite")
    rows = PROMPTS if technique == "rft" else ROWS
    if _is_nova(profile) and job.rows is not None and not rows.allows(job.rows):
        yield Finding("rows", f"{job.rows} are not taken", f"bring {rows}")
    if job.stage not in ("sft", "more_sft", "rft"):
        yield Finding("stage", f"Bedrock offers no {job.stage} here", "choose sft, more_sft or rft")
    if technique == "rft":
        yield from function(job.reward_lambda_arn or "", "reward_lambda_arn", job.region)


def _ranges(values: dict[str, Any], limits: dict[str, Limit]):
    for key, value in values.items():
        if key in limits and not limits[key].allows(value):
            yield Finding(key, f"{value!r} is not allowed", f"write {limits[key]}")
