"""Which technique, at which rank, on which instances: what each Nova model offers.

Instances and node counts: nova_metadata.json and nova_recipe_template_parameters.json of
aws/sagemaker-hyperpod-recipes (2026-06-23), for reinforcement and evaluation the Nova user guide. On training jobs a
model whose entry is empty is trained on HyperPod only.
"""

from dataclasses import dataclass

LORA, FULL = "lora", "full"
TRAINING_JOBS, HYPERPOD = "training jobs", "HyperPod"
_P5 = ("ml.p5.48xlarge", "ml.p5en.48xlarge")
_BIG = (*_P5, "ml.p4d.24xlarge")
_SMALL = ("ml.g5.12xlarge", "ml.g6.12xlarge")
_WIDE = ("ml.g5.48xlarge", "ml.g6.48xlarge")
_GPU = (*_SMALL, "ml.g5.24xlarge", "ml.g6.24xlarge")


@dataclass(frozen=True)
class Offer:
    """Instance types that take the recipe, with the node counts each of them may have."""

    instances: tuple[str, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Model:
    """generation: "nova-1" or "nova-2". base: prefix of the base checkpoints' names.
    offers: (technique, rank) -> offers; evaluation has no rank (None)."""

    generation: str
    base: str
    offers: dict[tuple[str, str | None], tuple[Offer, ...]]


def _evaluation(*instances: str) -> tuple[Offer, ...]:
    return (Offer(instances, tuple(range(1, 17))),)


MODELS = {
    "amazon.nova-2-lite-v1:0:256k": Model(
        "nova-2",
        "nova-lite-2",
        {
            # one node stands in the released recipe, the parameter template begins at four
            ("sft", LORA): (Offer(_BIG, (1, 4, 8, 16, 32)),),
            ("sft", FULL): (Offer(_BIG, (4, 8, 16, 32)),),
            ("rft", LORA): (Offer(_P5, (2, 4, 6, 8)),),
            ("rft", FULL): (Offer(_P5, (2, 4, 6, 8)),),
            ("evaluate", None): _evaluation("ml.p5.48xlarge", "ml.p4d.24xlarge"),
        },
    ),
    "amazon.nova-micro-v1:0:128k": Model(
        "nova-1",
        "nova-micro",
        {
            ("sft", LORA): (Offer(_SMALL + _WIDE, (1,)), Offer(_BIG, (2, 4, 8))),
            ("sft", FULL): (Offer(_WIDE, (1,)), Offer(_BIG, (2, 4, 8))),
            ("dpo", LORA): (Offer(_SMALL + _WIDE, (1,)), Offer(_BIG, (2, 4, 8))),
            ("dpo", FULL): (Offer(_BIG, (2, 4, 8)),),
            ("ppo", FULL): (),
            ("evaluate", None): _evaluation("ml.p5.48xlarge", *_GPU),
        },
    ),
    "amazon.nova-lite-v1:0:300k": Model(
        "nova-1",
        "nova-lite",
        {
            ("sft", LORA): (Offer(_SMALL + _WIDE, (1,)), Offer(_BIG, (4, 8, 16))),
            ("sft", FULL): (Offer(_BIG, (4, 8, 16)),),
            ("dpo", LORA): (Offer(_WIDE, (1,)), Offer(_BIG, (4, 8, 16))),
            ("dpo", FULL): (Offer(_BIG, (4, 8, 16)),),
            ("ppo", FULL): (),
            ("evaluate", None): _evaluation("ml.p5.48xlarge", *_GPU, "ml.g6.48xlarge"),
        },
    ),
    "amazon.nova-pro-v1:0:300k": Model(
        "nova-1",
        "nova-pro",
        {
            ("sft", LORA): (Offer(_BIG, (6, 12, 24)),),
            ("sft", FULL): (Offer(_P5, (6, 12, 24)),),
            ("dpo", LORA): (Offer(_BIG, (6, 12, 24)),),
            ("dpo", FULL): (Offer(_P5, (6, 12, 24)), Offer(("ml.p4d.24xlarge",), (12, 24))),
            ("ppo", FULL): (),
            ("evaluate", None): _evaluation("ml.p5.48xlarge"),
        },
    ),
}

_TECHNIQUE = {"more_sft": "sft", "rft_eval": "evaluate", "judge": "evaluate", "benchmark": "evaluate"}


def technique(stage: str) -> str:
    """The technique of a stage: "sft", "rft", "dpo", "ppo" or "evaluate" ("more_sft_full" is "sft")."""
    plain = stage.removesuffix("_full")
    return _TECHNIQUE.get(plain, plain)


def ranks(model: Model, wanted: str) -> set[str | None]:
    """The ranks at which a model offers a technique; empty where it offers none."""
    return {rank for name, rank in model.offers if name == wanted}


def table() -> dict[str, dict[str, tuple[str, ...]]]:
    """Technique by generation: {"nova-1": {"SFT LoRA": (platforms...), ...}, ...}, evaluation left out."""
    rows: dict[str, dict[str, tuple[str, ...]]] = {}
    for model in MODELS.values():
        row = rows.setdefault(model.generation, {})
        for (name, rank), offers in model.offers.items():
            if rank is not None:
                label = f"{name.upper()} {'LoRA' if rank == LORA else 'full rank'}"
                row[label] = (TRAINING_JOBS, HYPERPOD) if offers else (HYPERPOD,)
    return rows
