"""Allowed values of recipe keys, by generation and technique; and every key that a Nova recipe may hold.

Sources: the comments and the parameter templates of aws/sagemaker-hyperpod-recipes (2026-06-23); where the two differ
the wider one, because a value that one of them prints is accepted by some container.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Between:
    """A number in a closed interval; step: it must be a multiple of it. whole: no fractions."""

    low: float
    high: float
    whole: bool = False
    step: int = 1

    def allows(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if not self.low <= value <= self.high or (self.whole and value != int(value)):
            return False
        return self.step == 1 or value % self.step == 0

    def __str__(self) -> str:
        kind = f"a multiple of {self.step}" if self.step > 1 else ("an integer" if self.whole else "a number")
        return f"{kind} from {self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class OneOf:
    """One of the listed values."""

    values: Sequence[Any]

    def allows(self, value: Any) -> bool:
        return any(value == wanted and isinstance(value, bool) == isinstance(wanted, bool) for wanted in self.values)

    def __str__(self) -> str:
        return "one of " + ", ".join("null" if value is None else str(value) for value in self.values)


Limit = Between | OneOf
_FRACTION = Between(0, 1)
_STEPS = Between(1, 100_000, whole=True)
_ALPHAS = OneOf((32, 64, 96, 128, 160, 192))
_ADAM = {f"optim_config.{name}": _FRACTION for name in ("weight_decay", "adam_beta1", "adam_beta2")}

# keys are below training_config; a key that a recipe leaves out is not judged
_NOVA_2_SFT: dict[str, Limit] = {
    "max_steps": Between(4, 100_000, whole=True),
    "save_steps": _STEPS,
    "max_length": OneOf((8192, 16384, 32768, 65536)),
    "global_batch_size": OneOf((32, 64, 128, 256)),
    "reasoning_enabled": OneOf((True, False)),
    "lr_scheduler.warmup_steps": Between(0, 100, whole=True),
    "lr_scheduler.min_lr": _FRACTION,
    "optim_config.lr": _FRACTION,
    **_ADAM,
    "model_importance_score.fine_tuned_model": _FRACTION,
    "peft.lora_tuning.alpha": _ALPHAS,
    "peft.lora_tuning.lora_plus_lr_ratio": Between(1, 70),
}
_NOVA_2_RFT: dict[str, Limit] = {
    "max_length": Between(4096, 32768, whole=True),
    "global_batch_size": OneOf((16, 32, 64, 128, 256)),
    "reasoning_effort": OneOf(("low", "high", None)),
    "rollout.advantage_strategy.number_generation": Between(2, 16, whole=True),
    "rollout.rewards.api_endpoint.lambda_concurrency_limit": Between(1, 1000, whole=True),
    "trainer.max_steps": Between(5, 100_000, whole=True),
    "trainer.save_steps": Between(0, 100_000, whole=True),
    "trainer.optim_config.lr": Between(1e-7, 1e-3),
    **{f"trainer.{key}": limit for key, limit in _ADAM.items()},
    "trainer.peft.lora_tuning.alpha": OneOf((16, 32, 64)),
    "trainer.peft.lora_tuning.lora_plus_lr_ratio": Between(0, 100),
}
_NOVA_1: dict[str, Limit] = {
    "max_length": Between(1024, 32768, whole=True, step=1024),
    "global_batch_size": OneOf((16, 32, 64)),
    "trainer.max_epochs": Between(1, 100, whole=True),
    "model.hidden_dropout": _FRACTION,
    "model.attention_dropout": _FRACTION,
    "model.ffn_dropout": _FRACTION,
    "model.optim.lr": _FRACTION,
    "model.optim.weight_decay": _FRACTION,
    "model.optim.sched.warmup_steps": Between(0, 100, whole=True),
    "model.optim.sched.min_lr": _FRACTION,
    "model.peft.lora_tuning.alpha": _ALPHAS,
    "model.peft.lora_tuning.loraplus_lr_ratio": Between(0, 100),
    "model.peft.lora_tuning.adapter_dropout": _FRACTION,
}
TRAINING: dict[tuple[str, str], dict[str, Limit]] = {
    ("nova-2", "sft"): _NOVA_2_SFT,
    ("nova-2", "rft"): _NOVA_2_RFT,
    ("nova-1", "sft"): _NOVA_1,
    # beta: the parameter template ends at 0.1, the recipe's comment at 0.5
    ("nova-1", "dpo"): {
        **_NOVA_1,
        "global_batch_size": OneOf((16, 32, 64, 128, 256)),
        "model.dpo_cfg.beta": Between(0.001, 0.5),
    },
}

INFERENCE: dict[str, Limit] = {
    "top_p": _FRACTION,
    "temperature": Between(0, 2),
    "top_logprobs": Between(0, 20, whole=True),
    "reasoning_effort": OneOf(("low", "high", None)),
}
MOST_NEW_TOKENS = {"nova-1": 100_000, "nova-2": 32768}

STRATEGIES = {
    "mmlu": "zs_cot",
    "mmlu_pro": "zs_cot",
    "bbh": "fs_cot",
    "gpqa": "zs_cot",
    "math": "zs_cot",
    "strong_reject": "zs",
    "ifeval": "zs",
    "mmmu": "zs_cot",
    "gen_qa": "gen_qa",
    "llm_judge": "judge",
    "rubric_llm_judge": "judge",
    "rft_eval": "rft_eval",
}
METRICS = {
    **dict.fromkeys(("mmlu", "mmlu_pro", "bbh", "gpqa", "ifeval", "mmmu"), "accuracy"),
    "math": "exact_match",
    "strong_reject": "deflection",
    **dict.fromkeys(("gen_qa", "llm_judge", "rubric_llm_judge", "rft_eval"), "all"),
}
TASKS = {"nova-1": set(STRATEGIES) - {"rubric_llm_judge"}, "nova-2": set(STRATEGIES) - {"llm_judge"}}

# names of all keys that a recipe of the vendor or its user guide holds, at any depth
KNOWN_KEYS = frozenset(  # fmt: skip
    {
        "run",
        "name",
        "model_type",
        "model_name_or_path",
        "data_s3_path",
        "validation_data_s3_path",
        "validation_data_s3_path_list",
        "replicas",
        "generation_replicas",
        "output_s3_path",
        "mlflow_tracking_uri",
        "mlflow_experiment_name",
        "mlflow_run_name",
        "reward_lambda_arn",
        "rollout_worker_replicas",
        "model_package_group",
        "actor_train_replicas",
        "rm_replicas",
        "cm_replicas",
        "am_replicas",
        "actor_generation_replicas",
        "training_config",
        "max_steps",
        "save_steps",
        "save_top_k",
        "max_length",
        "global_batch_size",
        "reasoning_enabled",
        "reasoning_effort",
        "val_check_interval",
        "limit_val_batches",
        "lr_scheduler",
        "warmup_steps",
        "min_lr",
        "optim_config",
        "lr",
        "weight_decay",
        "adam_beta1",
        "adam_beta2",
        "peft",
        "peft_scheme",
        "lora_tuning",
        "alpha",
        "lora_plus_lr_ratio",
        "loraplus_lr_ratio",
        "adapter_dropout",
        "model_importance_score",
        "fine_tuned_model",
        "data",
        "shuffle",
        "rollout",
        "rollout_strategy",
        "type",
        "age_tolerance",
        "advantage_strategy",
        "number_generation",
        "generator",
        "max_new_tokens",
        "set_random_seed",
        "temperature",
        "top_k",
        "rewards",
        "preset_reward_function",
        "api_endpoint",
        "lambda_arn",
        "lambda_concurrency_limit",
        "lambda_batch_size",
        "trainer",
        "test_steps",
        "refit_freq",
        "clip_ratio_high",
        "loss_scale",
        "ent_coeff",
        "kl_loss_coef",
        "max_epochs",
        "model",
        "hidden_dropout",
        "attention_dropout",
        "ffn_dropout",
        "optim",
        "adam_w_mode",
        "eps",
        "betas",
        "sched",
        "constant_steps",
        "dpo_cfg",
        "beta",
        "ppo_reward",
        "ppo_critic",
        "ppo_anchor",
        "ppo_actor_generation",
        "ppo_actor_train",
        "num_nodes",
        "actor_model_max_length",
        "reward_model_max_length",
        "trajectory_buffer_scale",
        "clip_ratio",
        "lam",
        "kl_loss_coeff",
        "kl_loss_type",
        "kl_reward_penalty_coeff",
        "evaluation",
        "task",
        "strategy",
        "metric",
        "subtask",
        "inference",
        "top_p",
        "top_logprobs",
        "processor",
        "lambda_type",
        "preprocessing",
        "postprocessing",
        "enabled",
        "aggregation",
        "rl_env",
        "data_mixing",
        "dataset_catalog",
        "sources",
        "customer_data",
        "percent",
        "nova_data",
    }
)
