"""Grading: what an answer says, whether it is right, how much of it is. Standard library only.

The reward Lambda imports this package thousands of times, so the attack suite and the arms are separate imports
(`from toolsmith.grading import attacks, arms`), and the strict verdict is loaded when it is first asked for.
"""

from typing import TYPE_CHECKING, Any

from toolsmith.grading.answer import Answer, parse_answer
from toolsmith.grading.reward import Reward, reward
from toolsmith.grading.samples import grade_samples, metrics_event
from toolsmith.grading.shapes import Call
from toolsmith.grading.talk import talk_score

if TYPE_CHECKING:
    from toolsmith.grading.strict import Judge, Verdict, judge

__all__ = [
    "Answer",
    "Call",
    "Judge",
    "Reward",
    "Verdict",
    "grade_samples",
    "judge",
    "metrics_event",
    "parse_answer",
    "reward",
    "talk_score",
]


def __getattr__(name: str) -> Any:
    if name not in ("Judge", "Verdict", "judge"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from toolsmith.grading import strict

    return getattr(strict, name)
