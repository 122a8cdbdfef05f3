"""A student's profile: what its recipes folder says about images, instances and techniques."""

from dataclasses import dataclass
from typing import Any

import yaml

from toolsmith import recipes
from toolsmith.errors import InvalidInput


@dataclass(frozen=True)
class Profile:
    """One student model family, read from recipes/<student>/profile.yaml.

    stages maps a stage ("sft", "rft", "more_sft", "evaluate") to its recipe file, image repository:tag,
    instance type and count. registries maps a region to the account that publishes the images.
    """

    name: str
    model_type: str
    base_model: str
    base_model_id: str
    registries: dict[str, str]
    stages: dict[str, dict[str, Any]]
    volume_gb: int
    max_runtime_seconds: int

    def image(self, stage: str, region: str) -> str:
        """The container image URI of a stage. Raises InvalidInput where the region has no images."""
        account = self.registries.get(region) or self.registries.get("*")
        if account is None:
            raise InvalidInput(
                f"student {self.name} has no training images in {region}; regions with images: {sorted(self.registries)}"
            )
        return f"{account}.dkr.ecr.{region}.amazonaws.com/{self.stage(stage)['image']}"

    def stage(self, stage: str) -> dict[str, Any]:
        """The entry of one stage. Raises InvalidInput for a technique that this student does not offer."""
        if stage not in self.stages:
            raise InvalidInput(f"student {self.name} offers no {stage}; it offers {sorted(self.stages)}")
        return self.stages[stage]


def load(student: str) -> Profile:
    """The profile of recipes/<student>/. Raises RecipeNotFound for an unknown student."""
    data = yaml.safe_load(recipes.path(f"{student}/profile.yaml").read_text(encoding="utf-8"))
    return Profile(name=student, **data)
