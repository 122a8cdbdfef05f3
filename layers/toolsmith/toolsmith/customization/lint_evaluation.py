"""Lint of evaluation recipes: task, strategy, inference, and the functions that score."""

from collections.abc import Iterator
from typing import Any

from toolsmith.customization import limits, matrix
from toolsmith.customization.findings import Finding, Setting, get, has
from toolsmith.customization.lint_training import function

LAMBDA_TYPES = ("rft", "custom_metrics")
AGGREGATIONS = ("min", "max", "average", "sum")


def evaluation(recipe: dict[str, Any], stage: str, setting: Setting) -> Iterator[Finding]:
    """Findings of an evaluation recipe; none for one that trains."""
    if matrix.technique(stage) != "evaluate":
        return
    if not isinstance(recipe.get("evaluation"), dict):
        yield Finding("evaluation", "is missing", "copy the block of evaluate.yaml")
        return
    model = matrix.MODELS.get(recipe["run"]["model_type"])
    task = get(recipe, "evaluation.task")
    if model is not None:
        yield from _task(recipe, model.generation)
        yield from _inference(recipe, model.generation)
        if not has(recipe, "run.data_s3_path"):
            yield Finding("run.data_s3_path", "is missing: the evaluation container asks for the key", 'write ""')
    yield from _scorers(recipe, task, setting)


def _task(recipe: dict[str, Any], generation: str) -> Iterator[Finding]:
    task = get(recipe, "evaluation.task")
    if task not in limits.TASKS[generation]:
        yield Finding(
            "evaluation.task", f"{generation} offers no {task!r}", f"write one of {sorted(limits.TASKS[generation])}"
        )
        return
    for name, wanted in (("strategy", limits.STRATEGIES[task]), ("metric", limits.METRICS[task])):
        found = get(recipe, f"evaluation.{name}")
        if found != wanted:
            yield Finding(f"evaluation.{name}", f"{found!r} does not go with task {task}", f"write {wanted}")


def _inference(recipe: dict[str, Any], generation: str) -> Iterator[Finding]:
    table = {**limits.INFERENCE, "max_new_tokens": limits.Between(1, limits.MOST_NEW_TOKENS[generation], whole=True)}
    for name, limit in table.items():
        key = f"inference.{name}"
        if has(recipe, key) and not limit.allows(get(recipe, key)):
            yield Finding(key, f"{get(recipe, key)!r} is not allowed", f"write {limit}")
    effort = "inference.reasoning_effort"
    if has(recipe, effort) and (generation == "nova-1" or get(recipe, "evaluation.strategy") == "judge"):
        yield Finding(effort, "has no meaning here", "remove the key")


def _scorers(recipe: dict[str, Any], task: str, setting: Setting) -> Iterator[Finding]:
    processor, environment = recipe.get("processor"), recipe.get("rl_env")
    if processor is not None and task != "gen_qa":
        yield Finding("processor", f"goes with task gen_qa only, not {task}", "remove the block")
    if environment is not None and task != "rft_eval":
        yield Finding("rl_env", f"goes with task rft_eval only, not {task}", "remove the block")
    if task == "rft_eval":
        arn = get(recipe, "rl_env.reward_lambda_arn")
        if not arn:
            yield Finding(
                "rl_env.reward_lambda_arn",
                "is missing: no SDK sends it any other way",
                "write the reward function's ARN",
            )
        else:
            yield from function(arn, "rl_env.reward_lambda_arn", setting.region)
    if task == "gen_qa" and get(recipe, "processor.lambda_arn"):
        yield from _processor(recipe, setting)


def _processor(recipe: dict[str, Any], setting: Setting) -> Iterator[Finding]:
    yield from function(recipe["processor"]["lambda_arn"], "processor.lambda_arn", setting.region)
    kind, how = get(recipe, "processor.lambda_type"), get(recipe, "processor.aggregation")
    if kind not in LAMBDA_TYPES:
        yield Finding("processor.lambda_type", f"{kind!r} is unknown", f"write one of {list(LAMBDA_TYPES)}")
    if how not in AGGREGATIONS:
        yield Finding("processor.aggregation", f"{how!r} is unknown", f"write one of {list(AGGREGATIONS)}")
    sent = (setting.hyperparameters or {}).get("eval_lambda_arn")
    if setting.hyperparameters is not None and sent != recipe["processor"]["lambda_arn"]:
        yield Finding(
            "HyperParameters.eval_lambda_arn", f"{sent!r} is not processor.lambda_arn", "send the recipe's ARN"
        )
