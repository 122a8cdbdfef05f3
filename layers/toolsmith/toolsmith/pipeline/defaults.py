"""What a run takes from the stack."""

from dataclasses import dataclass
from typing import Any

from toolsmith import recipes
from toolsmith.pipeline.places import INSTANCES


@dataclass(frozen=True)
class RunDefaults:
    """What a run takes from the stack where its request is silent; on: where its jobs are done."""

    student: str
    teacher: str
    seed: int
    control: bool
    on: str = INSTANCES

    def settings(self) -> dict[str, Any]:
        """What tells two automatic runs on one corpus apart.

        The budget is not among it: it says whether a run may start, not what comes out. Raises RecipeNotFound.
        """
        return {
            "student": self.student,
            "teacher": self.teacher,
            "seed": self.seed,
            "control": self.control,
            "on": self.on,
            "recipes": recipes.digest(self.student),
        }
