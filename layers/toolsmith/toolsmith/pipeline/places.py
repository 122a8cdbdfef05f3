"""Where the jobs of a run are done: on instances, by serverless customization, or by Bedrock itself."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from toolsmith.customization import Job, Prepared, Profile, bedrock_native, serverless
from toolsmith.customization import prepare as prepare_on_instances
from toolsmith.customization.jobs import dump, render
from toolsmith.customization.serverless import ServerlessPlace

INSTANCES, SERVERLESS, BEDROCK = "training-job", "serverless", "bedrock"


@dataclass(frozen=True)
class TrainingPlace:
    """Where jobs run: role, region, the reward and metrics functions, the key of outputs, the MLflow they log to.

    on: INSTANCES, SERVERLESS or BEDROCK. model_package_group, evaluator_arn: what serverless jobs need beside.
    customization_role_arn: the role that Bedrock's own jobs take.
    """

    role_arn: str
    region: str
    reward_lambda_arn: str
    metrics_lambda_arn: str
    kms_key: str | None
    mlflow_arn: str | None = None
    on: str = INSTANCES
    model_package_group: str = ""
    evaluator_arn: str | None = None
    customization_role_arn: str = ""


Recipe = dict[str, Any]
Change = Callable[[Recipe], Recipe]


def unchanged(recipe: Recipe) -> Recipe:
    return recipe


def prepare(profile: Profile, job: Job, place: TrainingPlace, change: Change = unchanged) -> Prepared:
    """The request of a job at its place; job.checkpoint is what the place calls a trained model (an S3 URI, the ARN of
    a model package, the ARN of a custom model). change: what is done to the rendered recipe first.

    Raises RecipeInvalid for what the place does not take.
    """
    return _PLACES[place.on](profile, job, place, change)


def _on_instances(profile: Profile, job: Job, place: TrainingPlace, change: Change) -> Prepared:
    return prepare_on_instances(profile, job, change(render(profile, job)))


def _serverless(profile: Profile, job: Job, place: TrainingPlace, change: Change) -> Prepared:
    there = ServerlessPlace(place.model_package_group, place.evaluator_arn, job.checkpoint)
    job = replace(job, checkpoint=None)
    recipe = change(render(profile, job))
    return _packed(serverless.prepare(profile, job, there, recipe), recipe, job, "training")


def _bedrock(profile: Profile, job: Job, place: TrainingPlace, change: Change) -> Prepared:
    start, job = job.checkpoint, replace(job, checkpoint=None)
    recipe = change(render(profile, job))
    name = recipe["run"]["name"]
    if job.stage == "evaluate":
        # a custom model of Bedrock has no checkpoint that an evaluation job could load: it is deployed and asked
        asked = {
            "Name": name,
            "Model": start or profile.base_model_id,
            "IsCustom": start is not None,
            "Questions": job.train_uri,
            "MaxTokens": recipe["inference"]["max_new_tokens"],
            "Temperature": recipe["inference"]["temperature"],
        }
        return _packed(asked, recipe, job, "questions")
    native = bedrock_native.Native(start, bedrock_native.epochs(profile, job.stage, job.rows))
    job = replace(job, role_arn=place.customization_role_arn, output_uri=f"{job.output_uri}/{name}")
    request = bedrock_native.arguments(bedrock_native.prepare(profile, job, native))
    return _packed(request, recipe, job, "customization")


def _packed(request: dict[str, Any], recipe: dict[str, Any], job: Job, service: str) -> Prepared:
    text = dump(recipe)
    digest = hashlib.sha256(json.dumps([request, text], sort_keys=True).encode()).hexdigest()
    return Prepared(request, text, job.recipe_uri, digest, service)


_PLACES: dict[str, Callable[[Profile, Job, TrainingPlace, Change], Prepared]] = {
    INSTANCES: _on_instances,
    SERVERLESS: _serverless,
    BEDROCK: _bedrock,
}
