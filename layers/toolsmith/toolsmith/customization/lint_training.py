"""Lint of training recipes: steps, ranges, adapters, rollouts, the reward function, data mixing."""

import re
from collections.abc import Iterator
from typing import Any

from toolsmith.customization import limits, matrix, mixing
from toolsmith.customization.findings import Finding, Setting, get, has, is_nova, peft_block

NEXT_ALPHAS = (32, 64)
_RATIOS = ("lora_plus_lr_ratio", "loraplus_lr_ratio")
_ARN = re.compile(r"arn:aws[a-z-]*:lambda:([a-z0-9-]+):\d{12}:function:([A-Za-z0-9_-]+)(:[^:]+)?")
_FEWEST_PROMPTS = 100


def training(recipe: dict[str, Any], stage: str, setting: Setting) -> Iterator[Finding]:
    """Findings of a recipe that trains; none for an evaluation."""
    technique = matrix.technique(stage)
    if technique == "evaluate":
        return
    model = matrix.MODELS.get(recipe["run"]["model_type"])
    if model is not None:
        yield from _values(recipe, limits.TRAINING.get((model.generation, technique), {}))
        yield from _length_of_training(recipe, model.generation)
        yield from _adapter(recipe, model.generation, technique, setting.platform)
        yield from mixing.findings(recipe, setting.forge)
    yield from _steps(recipe)
    yield from _schedule(recipe)
    yield from _rows(recipe, technique, setting)
    if technique == "rft":
        yield from _rollouts(recipe)
        yield from reward(recipe, setting)


def _values(recipe: dict[str, Any], table: dict[str, limits.Limit]) -> Iterator[Finding]:
    for name, limit in table.items():
        key = f"training_config.{name}"
        if has(recipe, key) and not limit.allows(get(recipe, key)):
            yield Finding(key, f"{get(recipe, key)!r} is not allowed", f"write {limit}")


def _length_of_training(recipe: dict[str, Any], generation: str) -> Iterator[Finding]:
    for block in ("training_config", "training_config.trainer"):
        if generation == "nova-2" and has(recipe, f"{block}.max_epochs"):
            yield Finding(
                f"{block}.max_epochs",
                "Nova 2 counts steps, not epochs",
                "write max_steps: epochs x rows / global_batch_size",
            )
        if generation == "nova-1" and has(recipe, f"{block}.max_steps"):
            yield Finding(f"{block}.max_steps", "Nova 1 counts epochs, not steps", "write trainer.max_epochs")


def _steps(recipe: dict[str, Any]) -> Iterator[Finding]:
    for block in ("training_config", "training_config.trainer"):
        most, save = get(recipe, f"{block}.max_steps"), get(recipe, f"{block}.save_steps")
        if most is None:
            continue
        if isinstance(most, bool) or not isinstance(most, int) or most < 1:
            yield Finding(f"{block}.max_steps", f"{most!r} is no positive integer", "write the number of steps")
            continue
        if isinstance(save, int) and save > most:
            yield Finding(
                f"{block}.save_steps",
                f"{save} is above max_steps {most}: no checkpoint would be kept",
                f"write at most {most}",
            )
        every = get(recipe, f"{block}.val_check_interval")
        if isinstance(every, int) and every > most:
            yield Finding(
                f"{block}.val_check_interval",
                f"{every} is above max_steps {most}: nothing would be validated",
                f"write at most {most}",
            )


_SCHEDULES = (
    ("training_config.lr_scheduler", "training_config.optim_config.lr", "training_config.max_steps"),
    (
        "training_config.trainer.lr_scheduler",
        "training_config.trainer.optim_config.lr",
        "training_config.trainer.max_steps",
    ),
    ("training_config.model.optim.sched", "training_config.model.optim.lr", "training_config.max_steps"),
)


def _schedule(recipe: dict[str, Any]) -> Iterator[Finding]:
    for block, rate, steps in _SCHEDULES:
        least, lr = get(recipe, f"{block}.min_lr"), get(recipe, rate)
        if isinstance(least, float | int) and isinstance(lr, float | int) and least > lr:
            yield Finding(f"{block}.min_lr", f"{least} is above lr {lr}: the rate would rise", f"write less than {lr}")
        warm, most = get(recipe, f"{block}.warmup_steps"), get(recipe, steps)
        if isinstance(warm, int) and isinstance(most, int) and warm >= most:
            yield Finding(
                f"{block}.warmup_steps",
                f"{warm} of {most} steps: the full rate is never reached",
                "write about 15% of max_steps",
            )
        if isinstance(lr, str) or isinstance(least, str):
            key = rate if isinstance(lr, str) else f"{block}.min_lr"
            yield Finding(key, "YAML read a string", "write 1.0e-5: without the point it is no number")


def _adapter(recipe: dict[str, Any], generation: str, technique: str, platform: str) -> Iterator[Finding]:
    found = peft_block(recipe)
    if found is None:
        if technique != "ppo":
            problem = "is missing: the rank would be the container's choice"
            yield Finding("training_config.peft", problem, "write peft_scheme lora or null")
        return
    key, block = found
    scheme, tuning = block.get("peft_scheme"), block.get("lora_tuning")
    if scheme not in ("lora", None, "null"):  # the vendor's full-rank recipe spells null as a string
        yield Finding(f"{key}.peft_scheme", f"{scheme!r} is unknown", 'write "lora", or null for full rank')
    if scheme != "lora":
        if tuning:
            yield Finding(f"{key}.lora_tuning", "has no effect at full rank", "remove it, or write peft_scheme: lora")
        return
    newer = generation == "nova-2" and not (technique == "rft" and platform == matrix.HYPERPOD)
    right, wrong = _RATIOS if newer else reversed(_RATIOS)
    if wrong in (tuning or {}):
        yield Finding(f"{key}.lora_tuning.{wrong}", f"{generation} on {platform} spells it {right}", f"write {right}")
    alpha = get(block, "lora_tuning.alpha")
    if generation == "nova-2" and technique == "sft" and alpha not in NEXT_ALPHAS:
        yield Finding(
            f"{key}.lora_tuning.alpha",
            f"{alpha} is not allowed in the RFT stage that may follow",
            f"write one of {list(NEXT_ALPHAS)}, the same along the chain",
        )


def _rollouts(recipe: dict[str, Any]) -> Iterator[Finding]:
    rollout, block = get(recipe, "training_config.rollout"), "training_config.rollout"
    if not isinstance(rollout, dict):
        yield Finding(block, "is missing", "copy the block of rft-lora.yaml")
        return
    generations = get(rollout, "advantage_strategy.number_generation") or 1
    if generations < 2:
        yield Finding(
            f"{block}.advantage_strategy.number_generation",
            f"{generations} rollout has no advantage",
            "write at least 2, better 8",
        )
    if get(rollout, "generator.top_k") == 1:
        yield Finding(
            f"{block}.generator.top_k",
            "1 makes all rollouts of a prompt equal: no variance, no gradient",
            "write top_k: 0",
        )
    if get(rollout, "generator.temperature") == 0:
        yield Finding(
            f"{block}.generator.temperature",
            "0 makes all rollouts of a prompt equal: no gradient",
            "write temperature: 1",
        )
    longest, new = get(recipe, "training_config.max_length"), get(rollout, "generator.max_new_tokens")
    if isinstance(longest, int) and isinstance(new, int) and new >= longest:
        yield Finding(
            f"{block}.generator.max_new_tokens",
            f"{new} leaves no room for the prompt in max_length {longest}",
            "write less than max_length",
        )


def reward(recipe: dict[str, Any], setting: Setting) -> Iterator[Finding]:
    """The reward function stands in the recipe twice and in the request once; all three are the same."""
    endpoint = "training_config.rollout.rewards.api_endpoint.lambda_arn"
    first, second = get(recipe, "run.reward_lambda_arn"), get(recipe, endpoint)
    if not first or first != second:
        yield Finding(endpoint, f"{second!r} is not run.reward_lambda_arn {first!r}", "write the same ARN in both")
        return
    sent = (setting.hyperparameters or {}).get("reward_lambda_arn")
    if setting.hyperparameters is not None and sent != first:
        yield Finding(
            "HyperParameters.reward_lambda_arn",
            f"{sent!r} is not run.reward_lambda_arn {first!r}",
            "send the recipe's ARN",
        )
    yield from function(first, "run.reward_lambda_arn", setting.region)
    preset = get(recipe, "training_config.rollout.rewards.preset_reward_function")
    if preset:
        yield Finding(
            "training_config.rollout.rewards.preset_reward_function",
            f"{preset!r} stands beside a reward function of your own",
            "write null",
        )


def function(arn: str, key: str, region: str | None) -> Iterator[Finding]:
    """Findings of a Lambda function's ARN that the training container is to call."""
    found = _ARN.fullmatch(arn)
    if found is None:
        yield Finding(
            key, f"{arn!r} is no ARN of a Lambda function", "write arn:aws:lambda:REGION:ACCOUNT:function:NAME"
        )
        return
    place, name, qualifier = found.groups()
    if qualifier:
        yield Finding(key, f"has the version or alias {qualifier[1:]!r}", "write the unqualified function ARN")
    if "sagemaker" not in name.lower():
        yield Finding(
            key,
            f"the function name {name!r} lacks 'SageMaker'",
            "managed policies only grant functions whose name has it",
        )
    if region and place != region:
        yield Finding(key, f"the function is in {place}, the job in {region}", f"deploy it in {region}")


def _rows(recipe: dict[str, Any], technique: str, setting: Setting) -> Iterator[Finding]:
    batch = get(recipe, "training_config.global_batch_size")
    if setting.rows is None or not isinstance(batch, int):
        return
    if setting.rows < batch:
        yield Finding(
            "training_config.global_batch_size",
            f"{setting.rows} training rows are fewer than one batch of {batch}",
            "drop more documents or write a smaller batch",
        )
    elif technique == "rft" and is_nova(recipe) and setting.rows < _FEWEST_PROMPTS:
        yield Finding(
            "rows",
            f"{setting.rows} prompts are fewer than the {_FEWEST_PROMPTS} that reinforcement needs",
            "drop more documents",
        )
