"""What a lint finds, and how it looks into a recipe."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Finding:
    """What is wrong with one key of a recipe, and what to write instead."""

    key: str
    problem: str
    fix: str

    def __str__(self) -> str:
        return f"{self.key}: {self.problem}; {self.fix}"


@dataclass(frozen=True)
class Setting:
    """Where a recipe is to run: what a lint needs to know beside the recipe itself.

    platform: matrix.TRAINING_JOBS or matrix.HYPERPOD. hyperparameters: those of the request, None where none is
    sent. previous: the recipe whose checkpoint this one starts from (or evaluates). forge: the account has a paid
    Nova Forge subscription.
    """

    instance_count: int
    instance_type: str | None = None
    rows: int | None = None
    region: str | None = None
    platform: str = "training jobs"
    hyperparameters: dict[str, str] | None = None
    previous: dict[str, Any] | None = None
    forge: bool = False


def get(recipe: Any, dotted: str) -> Any:
    """The value at a dotted key, or None."""
    value = recipe
    for part in dotted.split("."):
        if not isinstance(value, dict) or part not in value:
            return None
        value = value[part]
    return value


def has(recipe: Any, dotted: str) -> bool:
    """Whether the recipe holds the dotted key, be it null."""
    parent, _, name = dotted.rpartition(".")
    block = get(recipe, parent) if parent else recipe
    return isinstance(block, dict) and name in block


def walk(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf with its dotted key."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from walk(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from walk(inner, f"{key}[{index}]")
    else:
        yield key, value


PEFT_BLOCKS = ("training_config.peft", "training_config.trainer.peft", "training_config.model.peft")


def peft_block(recipe: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """The block that says whether an adapter or all weights are trained, with its dotted key."""
    for key in PEFT_BLOCKS:
        block = get(recipe, key)
        if isinstance(block, dict):
            return key, block
    return None


def rank(recipe: dict[str, Any]) -> str | None:
    """ "lora", "full", or None for a recipe that trains nothing. PPO recipes have no peft block: full rank."""
    found = peft_block(recipe)
    if found is None:
        return "full" if "ppo_actor_train" in recipe else None
    return "lora" if found[1].get("peft_scheme") == "lora" else "full"


def is_nova(recipe: dict[str, Any]) -> bool:
    """Whether the vendor's limits hold; the embedded student has none of them."""
    return str(get(recipe, "run.model_type") or "").startswith("amazon.nova")
