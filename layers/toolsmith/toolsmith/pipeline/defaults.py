"""What a run takes from the stack."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class RunDefaults:
    """What a run takes from the stack where its request is silent."""

    student: str
    teacher: str
    seed: int
    control: bool
    budget_usd: float

    def settings(self) -> dict[str, Any]:
        """What tells two automatic runs on one corpus apart."""
        return {"student": self.student, "teacher": self.teacher, "seed": self.seed}
