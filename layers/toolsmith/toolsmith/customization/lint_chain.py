"""Lint of two recipes in a row: the second starts from, or evaluates, the checkpoint of the first.

Rules of the Nova user guide's page on iterative training: one model type, one rank; an adapter is replaced, not
stacked; supervised tuning does not follow reinforcement.
"""

from collections.abc import Iterator
from typing import Any

from toolsmith.customization import matrix
from toolsmith.customization.findings import Finding, Setting, get, is_nova, peft_block, rank


def chain(recipe: dict[str, Any], stage: str, setting: Setting) -> Iterator[Finding]:
    """Findings of the step from setting.previous to this recipe; none where there is no previous recipe."""
    before = setting.previous
    if before is None:
        return
    made, wanted = get(before, "run.model_type"), recipe["run"]["model_type"]
    if made != wanted:
        yield Finding("run.model_type", f"{wanted} is not the checkpoint's {made}", f"write {made}")
    if matrix.technique(stage) == "evaluate" or not is_nova(recipe):
        return
    if "rollout" in (before.get("training_config") or {}) and matrix.technique(stage) != "rft":
        yield Finding(
            "run.model_name_or_path",
            f"{stage} cannot start from a reinforced checkpoint",
            "start from the SFT checkpoint",
        )
    yield from _adapters(recipe, before)


def _adapters(recipe: dict[str, Any], before: dict[str, Any]) -> Iterator[Finding]:
    found = peft_block(recipe)
    if found is None:
        return
    key, ours, theirs = found[0], rank(recipe), rank(before)
    if theirs is not None and ours != theirs:
        yield Finding(
            f"{key}.peft_scheme",
            f"{ours} cannot start from a {theirs} checkpoint",
            f"train {theirs} along the whole chain",
        )
        return
    alpha, first = get(found[1], "lora_tuning.alpha"), get((peft_block(before) or ("", {}))[1], "lora_tuning.alpha")
    if ours == matrix.LORA and first is not None and alpha != first:
        yield Finding(
            f"{key}.lora_tuning.alpha",
            f"{alpha} is not the previous stage's {first}",
            f"write {first} here, or {alpha} there",
        )
