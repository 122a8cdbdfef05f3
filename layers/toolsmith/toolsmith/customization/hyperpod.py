"""SageMaker HyperPod: the rendered recipe and the command that launches it, for people who have a cluster.

Outside the state machine: nothing here is sent, followed or paid by Toolsmith. Command and places: the vendor's
amzn-nova-forge 1.4.10 (HyperPod runtime) and the launcher scripts of aws/sagemaker-hyperpod-recipes (2026-06-23).
"""

import copy
import json
import shlex
from dataclasses import dataclass, replace
from typing import Any

from toolsmith.customization import matrix
from toolsmith.customization.jobs import Job, check, dump, render
from toolsmith.customization.profile import Profile
from toolsmith.errors import InvalidInput

RECIPES = "sagemaker_hyperpod_recipes/recipes_collection/recipes"
FOLDER = "toolsmith"


@dataclass(frozen=True)
class Launch:
    """recipe_yaml is to be saved at recipe_path of a checkout of the HyperPod CLI; then the commands run."""

    recipe_yaml: str
    recipe_path: str
    commands: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join((f"# save as {self.recipe_path}", self.recipe_yaml, *(f"# {line}" for line in self.commands)))


def prepare(
    profile: Profile,
    job: Job,
    cluster: str,
    namespace: str = "kubeflow",
    recipe: dict[str, Any] | None = None,
) -> Launch:
    """Render a stage for HyperPod. Raises InvalidInput where the profile has no image for it, RecipeInvalid by lint."""
    if job.stage not in profile.hyperpod:
        raise InvalidInput(f"student {profile.name} has no HyperPod image for {job.stage}: {sorted(profile.hyperpod)}")
    entry = profile.hyperpod[job.stage]
    stages = dict(profile.stages)
    if "recipe" in entry:
        stages[job.stage] = {**stages[job.stage], "recipe": entry["recipe"]}
    there = replace(profile, stages=stages)
    recipe = placed(recipe or render(there, job), job)
    check(there, job, recipe, platform=matrix.HYPERPOD)
    name = recipe["run"]["name"]
    override = {
        "instance_type": profile.stage(job.stage)["instance_type"],
        "container": profile.registry(job.region) + entry["image"],
    }
    start = ("hyperpod", "start-job", "--namespace", namespace, "--recipe", f"{FOLDER}/{name}")
    commands = (
        shlex.join(("hyperpod", "connect-cluster", "--cluster-name", cluster, "--namespace", namespace)),
        shlex.join((*start, "--override-parameters", json.dumps(override))),
    )
    return Launch(dump(recipe), f"{RECIPES}/{FOLDER}/{name}.yaml", commands)


def placed(recipe: dict[str, Any], job: Job) -> dict[str, Any]:
    """The recipe with the data and output places that training jobs take from the request."""
    found = copy.deepcopy(recipe)
    found["run"] |= {"data_s3_path": job.train_uri, "output_s3_path": job.output_uri}
    if matrix.technique(job.stage) == "sft" and job.validation_uri:
        found["run"]["validation_data_s3_path"] = job.validation_uri
    return found
