"""The grader's numbers: recipes/securities/grading.json, read when the first answer is graded."""

import json
from functools import cache
from typing import Any, NamedTuple

from toolsmith import recipes


class Settings(NamedTuple):
    """Weights are fractions; `partial_ceiling` is the most that an answer with an error can reach."""

    category: float
    tools: float
    order: float
    parameters: float
    partial_ceiling: float
    extra_call: float
    trailing_text: float
    argument_error: float
    text_floor: float
    text_ceiling: float
    copied_length: float
    copied_share: float
    max_calls: int
    same_section: float
    same_regulation: float
    same_party: float
    says_more: float
    abstain_category: str
    abstain_wrong_category: float
    kinds: dict[str, dict[str, str]]
    stopwords: frozenset[str]
    common_words: frozenset[str]
    common_weight: float
    talk: dict[str, float]


@cache
def settings() -> Settings:
    """The numbers in force; raises KeyError naming a missing one when the file is incomplete."""
    raw: dict[str, Any] = json.loads(recipes.path("securities/grading.json").read_text(encoding="utf-8"))
    words = {key: frozenset(raw["words"][key].split()) for key in ("stopwords", "common_words")}
    return Settings(
        **raw["weights"],
        **raw["limits"],
        **raw["partial_credit"],
        **raw["abstention"],
        kinds=raw["parameter_kinds"],
        common_weight=raw["words"]["common_weight"],
        talk=raw["talk_weights"],
        **words,
    )
