"""Recipe lint: refuses what would waste money, each finding with the key and the fix.

Ranges are those of the published Nova 2 recipe templates (aws/sagemaker-hyperpod-recipes, 2026-06-23) and of the
Nova user guide's pages on iterative training and reinforcement.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

TECHNIQUES = {
    "amazon.nova-2-lite": {"sft", "more_sft", "rft", "evaluate"},
    "amazon.nova-micro": {"sft", "more_sft", "dpo", "ppo", "evaluate"},
    "amazon.nova-lite": {"sft", "more_sft", "dpo", "ppo", "evaluate"},
    "amazon.nova-pro": {"sft", "more_sft", "dpo", "ppo", "evaluate"},
}
CHAIN_ALPHA = {32, 64}
_UNRESOLVED = re.compile(r"\$\{[^}]*\}|\{\{[^}]*\}\}")


@dataclass(frozen=True)
class Finding:
    """What is wrong with one key of a recipe, and what to write instead."""

    key: str
    problem: str
    fix: str

    def __str__(self) -> str:
        return f"{self.key}: {self.problem}; {self.fix}"


def lint(recipe: dict[str, Any], stage: str, *, instance_count: int, rows: int | None = None) -> list[Finding]:
    """All findings of a rendered recipe; an empty list means it may run."""
    checks = (
        _unresolved(recipe),
        _technique(recipe, stage),
        _replicas(recipe, instance_count),
        _steps(recipe),
        _peft(recipe, stage),
        _rollouts(recipe),
        _reward(recipe, stage),
        _rows(recipe, rows),
    )
    return [finding for check in checks for finding in check]


def get(recipe: dict[str, Any], dotted: str) -> Any:
    """The value at a dotted key, or None."""
    value: Any = recipe
    for part in dotted.split("."):
        if not isinstance(value, dict) or part not in value:
            return None
        value = value[part]
    return value


def _walk(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _walk(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _walk(inner, f"{key}[{index}]")
    else:
        yield key, value


def _unresolved(recipe: dict[str, Any]) -> Iterator[Finding]:
    for key, value in _walk(recipe):
        if isinstance(value, str) and _UNRESOLVED.search(value):
            yield Finding(key, f"still holds {value!r}", "write the value itself: the container does not interpolate")


def _technique(recipe: dict[str, Any], stage: str) -> Iterator[Finding]:
    model = str(get(recipe, "run.model_type") or "")
    for prefix, offered in TECHNIQUES.items():
        if model.startswith(prefix + "-") and stage not in offered:
            yield Finding("run.model_type", f"{model} offers no {stage}", f"choose one of {sorted(offered)}")


def _replicas(recipe: dict[str, Any], instance_count: int) -> Iterator[Finding]:
    replicas = get(recipe, "run.replicas")
    if replicas != instance_count:
        yield Finding(
            "run.replicas",
            f"{replicas} differs from the request's InstanceCount {instance_count}",
            "write the same number in both",
        )


def _steps(recipe: dict[str, Any]) -> Iterator[Finding]:
    for block in ("training_config", "training_config.trainer"):
        most, save = get(recipe, f"{block}.max_steps"), get(recipe, f"{block}.save_steps")
        if most is None:
            continue
        if not isinstance(most, int) or most < 1:
            yield Finding(f"{block}.max_steps", f"{most!r} is no positive integer", "write the number of steps")
        elif isinstance(save, int) and save > most:
            yield Finding(
                f"{block}.save_steps",
                f"{save} is above max_steps {most}: no checkpoint would be kept",
                f"write at most {most}",
            )


def _peft_block(recipe: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    for key in ("training_config.peft", "training_config.trainer.peft"):
        block = get(recipe, key)
        if isinstance(block, dict):
            return key, block
    return None


def _peft(recipe: dict[str, Any], stage: str) -> Iterator[Finding]:
    found = _peft_block(recipe)
    if found is None or not str(get(recipe, "run.model_type") or "").startswith("amazon.nova"):
        return
    key, block = found
    scheme = block.get("peft_scheme")
    if scheme not in ("lora", None):
        yield Finding(f"{key}.peft_scheme", f"{scheme!r} is unknown", 'write "lora", or null for full rank')
    alpha = get(block, "lora_tuning.alpha")
    if scheme == "lora" and alpha not in CHAIN_ALPHA:
        yield Finding(
            f"{key}.lora_tuning.alpha",
            f"{alpha} is not allowed in both SFT and RFT",
            f"write one of {sorted(CHAIN_ALPHA)}, the same along the chain",
        )


def _rollouts(recipe: dict[str, Any]) -> Iterator[Finding]:
    rollout = get(recipe, "training_config.rollout")
    if not isinstance(rollout, dict):
        return
    generations = get(rollout, "advantage_strategy.number_generation") or 1
    if generations < 2:
        yield Finding(
            "training_config.rollout.advantage_strategy.number_generation",
            f"{generations} rollout has no advantage",
            "write at least 2, better 8",
        )
    if get(rollout, "generator.top_k") == 1 or get(rollout, "generator.temperature") == 0:
        yield Finding(
            "training_config.rollout.generator",
            "greedy sampling makes all rollouts of a prompt equal: no gradient",
            "write temperature: 1 and top_k: 0",
        )
    longest, new = get(recipe, "training_config.max_length"), get(rollout, "generator.max_new_tokens")
    if isinstance(longest, int) and isinstance(new, int) and new >= longest:
        yield Finding(
            "training_config.rollout.generator.max_new_tokens",
            f"{new} leaves no room for the prompt in max_length {longest}",
            "write less than max_length",
        )


def _reward(recipe: dict[str, Any], stage: str) -> Iterator[Finding]:
    if stage != "rft":
        return
    first, second = (
        get(recipe, "run.reward_lambda_arn"),
        get(recipe, "training_config.rollout.rewards.api_endpoint.lambda_arn"),
    )
    if not first or first != second:
        yield Finding(
            "training_config.rollout.rewards.api_endpoint.lambda_arn",
            f"{second!r} is not run.reward_lambda_arn {first!r}",
            "write the same ARN in both",
        )
        return
    if "sagemaker" not in first.rsplit(":", 1)[-1].lower():
        yield Finding(
            "run.reward_lambda_arn",
            f"the function name {first.rsplit(':', 1)[-1]!r} lacks 'SageMaker'",
            "managed policies only grant functions whose name has it",
        )
    if first.count(":") != 6:
        yield Finding("run.reward_lambda_arn", "has a version or alias", "write the unqualified function ARN")


def _rows(recipe: dict[str, Any], rows: int | None) -> Iterator[Finding]:
    batch = get(recipe, "training_config.global_batch_size")
    if rows is not None and isinstance(batch, int) and rows < batch:
        yield Finding(
            "training_config.global_batch_size",
            f"{rows} training rows are fewer than one batch of {batch}",
            "drop more documents or write a smaller batch",
        )
