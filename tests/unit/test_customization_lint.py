"""Recipes that would waste money: each is refused with the key that is wrong and what to write instead."""

import copy
from dataclasses import dataclass
from typing import Any

import pytest

from toolsmith.customization import Job, lint, load_profile, matrix, mixing, prepare
from toolsmith.customization.findings import walk
from toolsmith.customization.jobs import load_recipe, render
from toolsmith.errors import InvalidInput, RecipeInvalid

REWARD = "arn:aws:lambda:us-east-1:111122223333:function:toolsmith-SageMakerReward"
METRICS = REWARD.replace("Reward", "Metrics")
CHECKPOINT = "s3://customer-escrow-111122223333-smtj-abcdef/run-1-sft-1/step_100"
ROLLOUT = "training_config.rollout"
LORA = "peft.lora_tuning"


def job(stage: str, **changes) -> Job:
    facts = dict(
        run="run-1", stage=stage, arm=stage, attempt=1, region="us-east-1", rows=700, train_uri="s3://bucket/train.jsonl",
        output_uri="s3://bucket/out", recipe_uri="s3://bucket/recipe.yaml",
        role_arn="arn:aws:iam::111122223333:role/Training", reward_lambda_arn=REWARD, metrics_lambda_arn=METRICS,
    )  # fmt: skip
    return Job(**{**facts, **changes})


def judged(student: str, stage: str, changes: dict[str, Any], facts: dict[str, Any]) -> list:
    """Findings of a stage's own recipe after setting dotted keys to values, or removing those set to GONE."""
    profile = load_profile(student)
    recipe = copy.deepcopy(render(profile, job(stage)))
    for dotted, value in changes.items():
        *path, last = dotted.split(".")
        block = recipe
        for part in path:
            block = block.setdefault(part, {})
        if value is GONE:
            block.pop(last)
        else:
            block[last] = value
    entry = profile.stage(stage)
    given = {name: entry[name] for name in ("instance_count", "instance_type")} | {"rows": 700, "region": "us-east-1"}
    return lint(recipe, stage, **{**given, **facts})


GONE = object()


@dataclass(frozen=True)
class Broken:
    """key: starts the finding's key; fix: stands in its fix; set: dotted keys and values; facts: of the lint."""

    stage: str
    key: str
    fix: str
    set: dict[str, Any]
    student: str = "nova-2-lite"
    facts: dict[str, Any] | None = None

    def __str__(self) -> str:
        return f"{self.student}-{self.stage}-{self.key}"


def _both(arn: str) -> dict[str, str]:
    return {"run.reward_lambda_arn": arn, f"{ROLLOUT}.rewards.api_endpoint.lambda_arn": arn}


FORGE_MIX = mixing.mixed({}, 50)["data_mixing"]
BROKEN = [
    # what every recipe needs
    Broken("sft", "run.name", "names its run", {"run.name": ""}),
    Broken("sft", "training_config.save_steps", "value itself", {"training_config.save_steps": "${oc.select:x}"}),
    Broken("sft", "run.data_s3_path", "value itself", {"run.data_s3_path": "{{data}}"}),
    Broken("sft", "training_config.max_step", "'max_steps'", {"training_config.max_step": 400}),
    Broken("sft", "run.model_type", "amazon.nova-2-lite", {"run.model_type": "amazon.nova-2-light-v1:0"}),
    Broken("rft", "run.model_type", "choose one of ['dpo'", {"run.model_type": "amazon.nova-pro-v1:0:300k"}),
    Broken("dpo", "run.model_type", "choose one of", {"run.model_type": "amazon.nova-2-lite-v1:0:256k"}, "nova-1"),
    Broken("sft", "run.model_name_or_path", "nova-lite-2/prod", {"run.model_name_or_path": "nova-micro/prod"}),
    Broken("sft", "run.model_name_or_path", "subscribe", {"run.model_name_or_path": "nova-lite-2/pretraining-text-CE"}),
    Broken("rft", "run.model_name_or_path", "manifest.json",
        {"run.model_name_or_path": "s3://b/job/output/output.tar.gz"}),
    Broken(
        "evaluate", "run.model_name_or_path", "one platform",
        {"run.model_name_or_path": "s3://customer-escrow-111122223333-hp-abcdef/job"},
    ),
    # where it runs
    Broken("sft", "run.replicas", "same number", {"run.replicas": 8}),
    Broken("rft", "run.replicas", "[2, 4, 6, 8]", {"run.replicas": 3}, facts={"instance_count": 3}),
    Broken("rft", "instance_type", "ml.p5.48xlarge", {}, facts={"instance_type": "ml.g5.12xlarge"}),
    Broken("ppo", "run.model_type", "HyperPod", {}, "nova-1"),
    # steps and ranges
    Broken("rft", "training_config.trainer.max_steps", "number of steps", {"training_config.trainer.max_steps": 0}),
    Broken("sft", "training_config.save_steps", "at most 100", {"training_config.save_steps": 500}),
    Broken("rft", "training_config.trainer.save_steps", "at most 60", {"training_config.trainer.save_steps": 61}),
    Broken("sft", "training_config.val_check_interval", "at most 100", {"training_config.val_check_interval": 2500}),
    Broken("sft", "training_config.max_epochs", "max_steps", {"training_config.max_epochs": 3}),
    Broken("sft", "training_config.max_steps", "max_epochs", {"training_config.max_steps": 100}, "nova-1"),
    Broken("sft", "training_config.max_length", "one of 8192", {"training_config.max_length": 10000}),
    Broken("sft", "training_config.global_batch_size", "one of 32", {"training_config.global_batch_size": 48}),
    Broken("sft", "training_config.reasoning_enabled", "True", {"training_config.reasoning_enabled": "yes"}),
    Broken("rft", "training_config.reasoning_effort", "low, high, null",
        {"training_config.reasoning_effort": "medium"}),
    Broken("rft", "training_config.trainer.optim_config.lr", "0.001", {"training_config.trainer.optim_config.lr": 0.1}),
    Broken("sft", "training_config.optim_config.lr", "1.0e-5", {"training_config.optim_config.lr": "1e-5"}),
    Broken("sft", "training_config.lr_scheduler.min_lr", "less than", {"training_config.lr_scheduler.min_lr": 1e-3}),
    Broken("sft", "training_config.lr_scheduler.warmup_steps", "15%",
        {"training_config.max_steps": 15, "training_config.save_steps": 15, "training_config.val_check_interval": 5}),
    Broken("dpo", "training_config.model.dpo_cfg.beta", "0.5", {"training_config.model.dpo_cfg.beta": 2.0}, "nova-1"),
    # adapters
    Broken("sft", f"training_config.{LORA}.alpha", "[32, 64]", {f"training_config.{LORA}.alpha": 128}),
    Broken("rft", f"training_config.trainer.{LORA}.alpha", "16, 32, 64", {f"training_config.trainer.{LORA}.alpha": 96}),
    Broken("sft", "training_config.peft.peft_scheme", '"lora"', {"training_config.peft.peft_scheme": "qlora"}),
    Broken("sft", "training_config.peft.lora_tuning", "remove it", {"training_config.peft.peft_scheme": None}),
    Broken("sft", "training_config.peft", "peft_scheme", {"training_config.peft": GONE}),
    Broken("sft", f"training_config.{LORA}.loraplus", "lora_plus_lr_ratio",
        {f"training_config.{LORA}.loraplus_lr_ratio": 16.0}),
    Broken("sft", f"training_config.model.{LORA}.lora_plus", "loraplus",
        {f"training_config.model.{LORA}.lora_plus_lr_ratio": 16.0}, "nova-1"),
    # rollouts and reward
    Broken("rft", f"{ROLLOUT}.generator.top_k", "top_k: 0", {f"{ROLLOUT}.generator.top_k": 1}),
    Broken("rft", f"{ROLLOUT}.generator.temperature", "temperature: 1", {f"{ROLLOUT}.generator.temperature": 0}),
    Broken("rft", f"{ROLLOUT}.advantage_strategy", "at least 2",
        {f"{ROLLOUT}.advantage_strategy.number_generation": 1}),
    Broken("rft", f"{ROLLOUT}.generator.max_new_tokens", "less than", {f"{ROLLOUT}.generator.max_new_tokens": 8192}),
    Broken("rft", f"{ROLLOUT}.rewards.api_endpoint.lambda_arn", "same ARN", {"run.reward_lambda_arn": REWARD + "2"}),
    Broken("rft", "HyperParameters.reward_lambda_arn", "recipe's ARN",
        {}, facts={"hyperparameters": {"base_model": "x"}}),
    Broken("rft", "run.reward_lambda_arn", "name has it", _both(REWARD.replace("SageMaker", ""))),
    Broken("rft", "run.reward_lambda_arn", "unqualified", _both(REWARD + ":live")),
    Broken("rft", "run.reward_lambda_arn", "arn:aws:lambda", _both("toolsmith-SageMakerReward")),
    Broken("rft", "run.reward_lambda_arn", "us-west-2", {}, facts={"region": "us-west-2"}),
    Broken("rft", f"{ROLLOUT}.rewards.preset", "null", {f"{ROLLOUT}.rewards.preset_reward_function": "exact_match"}),
    Broken("sft", "training_config.global_batch_size", "smaller batch", {}, facts={"rows": 20}),
    Broken("rft", "rows", "more documents", {}, facts={"rows": 80}),
    # evaluation
    Broken("evaluate", "evaluation.task", "rubric_llm_judge", {"evaluation.task": "llm_judge"}),
    Broken("benchmark", "evaluation.strategy", "write zs", {"evaluation.strategy": "fs_cot"}),
    Broken("benchmark", "processor", "remove the block", {"processor.lambda_arn": METRICS}),
    Broken("evaluate", "rl_env", "remove the block", {"rl_env.reward_lambda_arn": REWARD}),
    Broken("rft_eval", "rl_env.reward_lambda_arn", "ARN", {"rl_env.reward_lambda_arn": ""}),
    Broken("evaluate", "processor.lambda_type", "custom_metrics", {"processor.lambda_type": "metrics"}),
    Broken("evaluate", "inference.max_new_tokens", "32768", {"inference.max_new_tokens": 40000}),
    Broken("judge", "inference.reasoning_effort", "remove the key", {"inference.reasoning_effort": "low"}),
    Broken("evaluate", "run.data_s3_path", '""', {"run.data_s3_path": GONE}),
    # Nova Forge
    Broken("sft", "data_mixing", "subscribe", {"data_mixing": FORGE_MIX}),
    Broken("sft", "data_mixing.sources.nova_data", "sum to 100",
        {"data_mixing": mixing.mixed({}, 50, {"code": 90})["data_mixing"]}, facts={"forge": True}),
    Broken("sft", "data_mixing.sources.nova_data.law", "agents",
        {"data_mixing": mixing.mixed({}, 50, {"law": 100})["data_mixing"]}, facts={"forge": True}),
    Broken("sft", "data_mixing.sources.customer_data", "50",
        {"data_mixing": mixing.mixed({}, 150)["data_mixing"]}, facts={"forge": True}),
    Broken("rft", "data_mixing", "remove", {"data_mixing": FORGE_MIX}, facts={"forge": True}),
]  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN, ids=str)
def test_a_recipe_that_would_waste_money_is_refused_with_key_and_fix(broken):
    whole = {"platform": matrix.HYPERPOD} if broken.stage == "ppo" else {}
    assert judged(broken.student, broken.stage, {}, whole) == []
    findings = judged(broken.student, broken.stage, broken.set, broken.facts or {})
    named = [finding for finding in findings if finding.key.startswith(broken.key)]
    assert named, f"nothing names {broken.key}: {[str(finding) for finding in findings]}"
    assert any(broken.fix in finding.fix for finding in named), [str(finding) for finding in named]
    assert all(finding.problem and finding.fix for finding in findings)


@pytest.mark.parametrize(
    ("stage", "before", "change", "key"),
    [
        ("rft", "sft_full", {}, "training_config.trainer.peft.peft_scheme"),
        ("rft_full", "sft", {}, "training_config.trainer.peft.peft_scheme"),
        ("rft", "sft", {"alpha": 32}, "training_config.trainer.peft.lora_tuning.alpha"),
        ("more_sft", "rft", {}, "run.model_name_or_path"),
        ("rft", "sft", {"model_type": "amazon.nova-micro-v1:0:128k"}, "run.model_type"),
        ("evaluate", "sft", {"model_type": "amazon.nova-micro-v1:0:128k"}, "run.model_type"),
    ],
)
def test_a_chain_keeps_model_rank_and_adapter(stage, before, change, key):
    profile = load_profile("nova-2-lite")
    previous, recipe = load_recipe(profile, before), render(profile, job(stage, checkpoint=CHECKPOINT))
    if "alpha" in change:
        previous["training_config"]["peft"]["lora_tuning"].update(change)
    else:
        previous["run"].update(change)
    count = profile.stage(stage)["instance_count"]
    assert lint(recipe, stage, instance_count=count) == []
    findings = lint(recipe, stage, instance_count=count, previous=previous)
    assert [finding.key for finding in findings] == [key]


def test_the_chain_is_linted_when_a_request_is_prepared(monkeypatch):
    profile = load_profile("nova-2-lite")
    monkeypatch.setitem(profile.stages["sft"], "recipe", "sft-full.yaml")
    prepare(profile, job("rft"))
    with pytest.raises(RecipeInvalid, match="lora cannot start from a full checkpoint"):
        prepare(profile, job("rft", checkpoint=CHECKPOINT))


def test_techniques_by_generation():
    """Supervised and preference tuning, policy optimization and reinforcement: which generation has which."""
    table = matrix.table()
    assert set(table["nova-2"]) == {"SFT LoRA", "SFT full rank", "RFT LoRA", "RFT full rank"}
    assert set(table["nova-1"]) == {"SFT LoRA", "SFT full rank", "DPO LoRA", "DPO full rank", "PPO full rank"}
    assert table["nova-1"]["PPO full rank"] == (matrix.HYPERPOD,)
    assert matrix.TRAINING_JOBS in table["nova-2"]["RFT LoRA"]


@pytest.mark.parametrize("student", ["nova-2-lite", "nova-1"])
def test_shipped_recipes_are_clean_and_hold_nothing_to_interpolate(student):
    profile = load_profile(student)
    for stage in profile.stages:
        if stage == "ppo":
            continue
        source = profile.stage(stage).get("starts_from")
        prepared = prepare(profile, job(stage, checkpoint=CHECKPOINT if source else None))
        assert "${" not in prepared.recipe_yaml
        assert all(value != [] for _, value in walk(load_recipe(profile, stage)))


def test_full_rank_is_chosen_for_a_whole_run():
    profile = load_profile("nova-2-lite", "full")
    for stage in ("sft", "more_sft", "rft"):
        recipe = render(profile, job(stage, checkpoint=CHECKPOINT))
        assert matrix.FULL in str(profile.stage(stage)["recipe"])
        prepare(profile, job(stage, checkpoint=CHECKPOINT), recipe)
    with pytest.raises(InvalidInput, match="full rank"):
        load_profile("local", "full")


def test_a_mixed_recipe_from_an_early_checkpoint_is_taken_from_subscribers_only():
    profile, plain = load_profile("nova-2-lite"), job("sft")
    recipe = mixing.from_checkpoint(mixing.mixed(render(profile, plain), 60), "pretraining-text-CE")
    with pytest.raises(RecipeInvalid, match="Nova Forge"):
        prepare(profile, plain, recipe)
    request = prepare(profile, job("sft", forge=True), recipe).request
    assert request["HyperParameters"]["base_model"] == "nova-lite-2/pretraining-text-CE"
    with pytest.raises(InvalidInput, match="pretraining-mm-full"):
        mixing.from_checkpoint(recipe, "pretraining-mm-full")
