"""A student's profile: what its recipes folder says about images, instances and techniques."""

from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from toolsmith import recipes
from toolsmith.customization import aims
from toolsmith.customization.matrix import FULL, LORA, technique
from toolsmith.errors import InvalidInput


@dataclass(frozen=True)
class Profile:
    """One student model family, read from recipes/<student>/profile.yaml.

    stages maps a stage ("sft", "rft", "sft_full", "dpo", "evaluate", ...) to its recipe file, image repository:tag,
    instance type and count; starts_from names the stage whose checkpoint it takes. registries maps a region to the
    account that publishes the images. hub_content: the model's name in SageMaker's public hub, for serverless
    customization. bedrock_model: its id in Bedrock's own customization. hyperpod: stage -> recipe path of the HyperPod
    launcher and image tag. unlabelled: registers whose training questions SFT does not see; RFT has them without plans.
    aims: what the student is to reach, entries as `aims.read` takes them.
    free: its jobs cost nothing wherever they are done.
    """

    name: str
    model_type: str
    base_model: str
    base_model_id: str
    registries: dict[str, str]
    stages: dict[str, dict[str, Any]]
    volume_gb: int
    max_runtime_seconds: int
    hub_content: str = ""
    bedrock_model: str = ""
    hyperpod: dict[str, dict[str, str]] = field(default_factory=dict)
    unlabelled: list[str] = field(default_factory=list)
    aims: list[dict[str, Any]] = field(default_factory=list)
    free: bool = False

    def image(self, stage: str, region: str) -> str:
        """The container image URI of a stage. Raises InvalidInput where the region has no images."""
        return self.registry(region) + str(self.stage(stage)["image"])

    def registry(self, region: str) -> str:
        """The registry of a region with a slash at its end. Raises InvalidInput where the region has no images."""
        account = self.registries.get(region) or self.registries.get("*")
        if account is None:
            raise InvalidInput(
                f"student {self.name} has no training images in {region}; "
                f"regions with images: {sorted(self.registries)}"
            )
        return f"{account}.dkr.ecr.{region}.amazonaws.com/"

    def stage(self, stage: str) -> dict[str, Any]:
        """The entry of one stage. Raises InvalidInput for a technique that this student does not offer."""
        if stage not in self.stages:
            raise InvalidInput(f"student {self.name} offers no {stage}; it offers {sorted(self.stages)}")
        return self.stages[stage]

    def full_rank(self) -> "Profile":
        """The same student with every training stage at full rank; stages without such a recipe are left out."""
        full = {name.removesuffix("_full"): entry for name, entry in self.stages.items() if name.endswith("_full")}
        rankless = {name: entry for name, entry in self.stages.items() if technique(name) == "evaluate"}
        if not full:
            raise InvalidInput(f"student {self.name} has no recipe at full rank")
        return replace(self, stages={**full, **rankless})


def load(student: str, rank: str = LORA) -> Profile:
    """The profile of recipes/<student>/, its stages at the rank "lora" or "full".

    Raises RecipeNotFound for an unknown student, InvalidInput for a rank that it has no recipes for, RecipeInvalid for
    aims that cannot be read.
    """
    file = f"{student}/profile.yaml"
    profile = Profile(name=student, **yaml.safe_load(recipes.path(file).read_text(encoding="utf-8")))
    aims.read(profile.aims, file)
    return profile.full_rank() if rank == FULL else profile
