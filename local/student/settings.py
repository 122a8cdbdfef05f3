"""What the trainer reads from a recipe; the structure is that of the Nova recipes, plus `run.seed`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from toolsmith.errors import RecipeInvalid


@dataclass(frozen=True)
class Optimizer:
    """Learning rate (falls linearly to `floor` times itself after `warmup` steps), decay, and LoRA's shape.

    rank 0 trains all weights. plus: how much faster LoRA's second matrix learns. embeddings: adapt words as well.
    """

    rate: float
    warmup: int = 0
    floor: float = 0.0
    decay: float = 0.0
    beta1: float = 0.9
    beta2: float = 0.95
    clip: float = 1.0
    rank: int = 16
    alpha: float = 32.0
    plus: float = 1.0
    embeddings: bool = False


@dataclass(frozen=True)
class Augmentation:
    """How often a labelled row is told anew, as shares from 0 (never) to 1; see `augment`.

    exchange: of its values, replaced by another row's. terse: of the rows, without `left_out` of their function words.
    """

    exchange: float = 0.0
    terse: float = 0.0
    left_out: float = 0.7


@dataclass(frozen=True)
class Sft:
    """steps, batch: optimizer steps and rows a step. rows: how many rows may be seen (0: all). longest: tokens."""

    seed: int
    steps: int
    save: int
    batch: int
    rows: int
    longest: int
    optimizer: Optimizer
    augmentation: Augmentation = Augmentation()
    check_every: int = 0
    by_row: bool = False


@dataclass(frozen=True)
class Rft:
    """prompts a step, rollouts a prompt; of every group the best and worst few are learnt from.

    screen: answer every prompt once before the first step, and begin with those answered wrongly.
    replay: how many earlier, fully rewarded answers every step learns from again, with the advantage replay_weight.
    demonstrations: how many reference plans every step learns from likewise, with demonstration_weight; 0: answers are
    drawn for all prompts, else only for those without a reference plan.
    augmentation: of the earlier answers; their values are exchanged for those of the reference plans.
    """

    seed: int
    steps: int
    save: int
    prompts: int
    rollouts: int
    new_tokens: int
    temperature: float
    best: int
    worst: int
    negative: float
    updates: int
    screen: bool
    reward_arn: str
    reward_batch: int
    replay: int
    replay_weight: float
    demonstrations: int
    demonstration_weight: float
    optimizer: Optimizer
    augmentation: Augmentation = Augmentation()


@dataclass(frozen=True)
class Evaluate:
    name: str
    new_tokens: int
    temperature: float
    batch: int
    lambda_arn: str
    lambda_type: str
    aggregation: str
    seed: int = 0


class _Recipe:
    """Looks keys up by dotted path; says which one is missing or of the wrong type."""

    def __init__(self, tree: dict[str, Any]) -> None:
        self.tree = tree

    def get(self, dotted: str, default: Any = None) -> Any:
        value: Any = self.tree
        for part in dotted.split("."):
            if not isinstance(value, dict) or part not in value:
                return default
            value = value[part]
        return default if value is None else value

    def number(self, dotted: str, kind: type, default: Any = None) -> Any:
        value = self.get(dotted, default)
        if value is None:
            raise RecipeInvalid(f"{dotted}: missing; write a number")
        try:
            return kind(value)
        except (TypeError, ValueError) as error:
            raise RecipeInvalid(f"{dotted}: {value!r} is no number; write one") from error

    def count(self, dotted: str, default: Any = None) -> int:
        value = self.number(dotted, int, default)
        if value < 1:
            raise RecipeInvalid(f"{dotted}: {value} is below 1; write a positive number")
        return value

    def share(self, dotted: str, default: float) -> float:
        value = self.number(dotted, float, default)
        if not 0.0 <= value <= 1.0:
            raise RecipeInvalid(f"{dotted}: {value} is no share; write a number from 0 to 1")
        return value


def read(file: Path) -> dict[str, Any]:
    """The recipe's tree. Raises RecipeInvalid where it is no YAML mapping."""
    if not file.is_file():
        raise RecipeInvalid(f"{file} does not exist: give the job a `recipe` channel with recipe.yaml")
    try:
        tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise RecipeInvalid(f"{file.name} is not YAML: {error}") from error
    if not isinstance(tree, dict):
        raise RecipeInvalid(f"{file.name} is no mapping of keys")
    return tree


def _optimizer(recipe: _Recipe, block: str, scheduler: str) -> Optimizer:
    scheme = recipe.get(f"{block}.peft.peft_scheme")
    if scheme not in (None, "lora"):
        raise RecipeInvalid(f'{block}.peft.peft_scheme: {scheme!r} is unknown; write "lora", or null for all weights')
    rate = recipe.number(f"{block}.optim_config.lr", float)
    tuning = f"{block}.peft.lora_tuning"
    return Optimizer(
        rate=rate,
        warmup=recipe.number(f"{scheduler}.warmup_steps", int, 0),
        floor=min(1.0, recipe.number(f"{scheduler}.min_lr", float, 0.0) / rate),
        decay=recipe.number(f"{block}.optim_config.weight_decay", float, 0.0),
        beta1=recipe.number(f"{block}.optim_config.adam_beta1", float, 0.9),
        beta2=recipe.number(f"{block}.optim_config.adam_beta2", float, 0.95),
        clip=recipe.number(f"{block}.optim_config.clip", float, 1.0),
        rank=recipe.number(f"{tuning}.rank", int, 16) if scheme else 0,
        alpha=recipe.number(f"{tuning}.alpha", float, 32.0),
        plus=recipe.number(f"{tuning}.lora_plus_lr_ratio", float, 1.0),
        embeddings=bool(recipe.get(f"{tuning}.embeddings", False)),
    )


def _augmentation(recipe: _Recipe) -> Augmentation:
    block, plain = "training_config.augmentation", Augmentation()
    return Augmentation(
        exchange=recipe.share(f"{block}.exchange", plain.exchange),
        terse=recipe.share(f"{block}.terse", plain.terse),
        left_out=recipe.share(f"{block}.left_out", plain.left_out),
    )


def sft(tree: dict[str, Any]) -> Sft:
    recipe = _Recipe(tree)
    steps = recipe.count("training_config.max_steps")
    return Sft(
        seed=recipe.number("run.seed", int, 0),
        steps=steps,
        save=recipe.number("training_config.save_steps", int, steps) or steps,
        batch=recipe.count("training_config.global_batch_size"),
        rows=recipe.number("training_config.max_rows", int, 0),
        longest=recipe.count("training_config.max_length", 4096),
        optimizer=_optimizer(recipe, "training_config", "training_config.lr_scheduler"),
        augmentation=_augmentation(recipe),
        check_every=recipe.number("training_config.val_check_interval", int, 0),
        by_row=recipe.get("training_config.loss_reduction", "token") == "sequence",
    )


def rft(tree: dict[str, Any]) -> Rft:
    recipe = _Recipe(tree)
    rollout, trainer = "training_config.rollout", "training_config.trainer"
    steps = recipe.count(f"{trainer}.max_steps")
    strategy = f"{rollout}.advantage_strategy"
    rollouts = recipe.count(f"{strategy}.number_generation")
    return Rft(
        seed=recipe.number("run.seed", int, 0),
        steps=steps,
        save=recipe.number(f"{trainer}.save_steps", int, steps) or steps,
        prompts=recipe.count("training_config.global_batch_size"),
        rollouts=rollouts,
        new_tokens=recipe.count(f"{rollout}.generator.max_new_tokens"),
        temperature=recipe.number(f"{rollout}.generator.temperature", float, 1.0),
        best=recipe.number(f"{strategy}.keep_best", int, rollouts),
        worst=recipe.number(f"{strategy}.keep_worst", int, 0),
        negative=recipe.number(f"{strategy}.negative_weight", float, 1.0),
        updates=recipe.count(f"{trainer}.updates_per_step", 1),
        screen=bool(recipe.get(f"{strategy}.wrong_first", False)),
        reward_arn=str(recipe.get(f"{rollout}.rewards.api_endpoint.lambda_arn", "")),
        reward_batch=recipe.count(f"{rollout}.rewards.api_endpoint.lambda_batch_size", 128),
        replay=recipe.number(f"{strategy}.replay", int, 0),
        demonstrations=recipe.number(f"{strategy}.demonstrations", int, 0),
        demonstration_weight=recipe.number(f"{strategy}.demonstration_weight", float, 1.0),
        replay_weight=recipe.number(f"{strategy}.replay_weight", float, 1.0),
        optimizer=_optimizer(recipe, trainer, f"{trainer}.lr_scheduler"),
        augmentation=_augmentation(recipe),
    )


def evaluate(tree: dict[str, Any]) -> Evaluate:
    recipe = _Recipe(tree)
    return Evaluate(
        name=str(recipe.get("run.name", "evaluation")),
        new_tokens=recipe.count("inference.max_new_tokens"),
        temperature=recipe.number("inference.temperature", float, 0.0),
        batch=recipe.count("inference.batch_size", 64),
        lambda_arn=str(recipe.get("processor.lambda_arn", "")),
        lambda_type=str(recipe.get("processor.lambda_type", "custom_metrics")),
        aggregation=str(recipe.get("processor.aggregation", "average")),
        seed=recipe.number("run.seed", int, 0),
    )
