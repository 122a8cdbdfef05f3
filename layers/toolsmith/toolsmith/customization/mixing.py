"""Nova Forge: mixing the vendor's data into ours, and starting from intermediate checkpoints.

Both need a paid Nova Forge subscription of the account. Field names and the default mix of text categories: the
Nova 2 user guide's page on supervised fine-tuning with Nova Forge; the checkpoints: its page on continued pre-training.
"""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from toolsmith.customization import matrix
from toolsmith.customization.findings import Finding, get
from toolsmith.errors import InvalidInput

GATE = "a paid Nova Forge subscription (tag forge-subscription on the caller's role, then the SageMaker AI console)"
CATALOG = "sft_1p5_text_chat"
CATEGORIES = frozenset(  # fmt: skip
    {
        "agents",
        "baseline",
        "chat",
        "code",
        "factuality",
        "identity",
        "long-context",
        "math",
        "rai",
        "instruction-following",
        "stem",
        "planning",
        "reasoning-chat",
        "reasoning-code",
        "reasoning-factuality",
        "reasoning-instruction-following",
        "reasoning-math",
        "reasoning-planning",
        "reasoning-rag",
        "reasoning-rai",
        "reasoning-stem",
        "rag",
        "translation",
    }
)
# which early checkpoints each family publishes
CHECKPOINTS = {
    "nova-lite-2": ("pretraining-text-RD", "pretraining-text-CE", "prod"),
    "nova-micro": ("pretraining-text-partial", "pretraining-text-full", "prod"),
    "nova-lite": ("pretraining-text-partial", "pretraining-text-full", "pretraining-mm-full", "prod"),
    "nova-pro": ("pretraining-text-partial", "pretraining-text-full", "pretraining-mm-full", "prod"),
}
# for tool calling: following instructions and acting, and the category that the guide asks never to leave out
DEFAULT_MIX = {"reasoning-instruction-following": 45.0, "instruction-following": 25.0, "agents": 20.0, "planning": 10.0}


def mixed(
    recipe: Mapping[str, Any], customer_percent: float, nova: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """The recipe with a data_mixing block. nova: category -> percent of the vendor's part, summing to 100."""
    block = {
        "dataset_catalog": CATALOG,
        "sources": {"customer_data": {"percent": customer_percent}, "nova_data": dict(nova or DEFAULT_MIX)},
    }
    return {**copy.deepcopy(dict(recipe)), "data_mixing": block}


def from_checkpoint(recipe: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The recipe, starting from an early checkpoint such as "pretraining-text-CE". Raises InvalidInput."""
    model = matrix.MODELS.get(get(recipe, "run.model_type") or "")
    offered = CHECKPOINTS.get(model.base, ()) if model else ()
    if name not in offered:
        raise InvalidInput(f"checkpoint {name!r} is not one of {list(offered)} of {get(recipe, 'run.model_type')}")
    found = copy.deepcopy(dict(recipe))
    found["run"]["model_name_or_path"] = f"{model.base}/{name}"
    return found


def findings(recipe: Mapping[str, Any], forge: bool) -> Iterator[Finding]:
    """Findings of a recipe's data_mixing block; none where there is no such block."""
    if "data_mixing" not in recipe:
        return
    if not forge:
        yield Finding("data_mixing", f"needs {GATE}", "subscribe and say so, or remove the block")
    if get(recipe, "training_config.rollout") is not None or get(recipe, "training_config.model.dpo_cfg") is not None:
        yield Finding("data_mixing", "goes with supervised fine-tuning only", "remove the block")
    own = get(recipe, "data_mixing.sources.customer_data.percent")
    if isinstance(own, bool) or not isinstance(own, int | float) or not 0 <= own <= 100:
        yield Finding(
            "data_mixing.sources.customer_data.percent", f"{own!r} is no percentage", "write 50 to begin with"
        )
    if not get(recipe, "data_mixing.dataset_catalog"):
        yield Finding("data_mixing.dataset_catalog", "is missing", f"write {CATALOG}")
    yield from _shares(get(recipe, "data_mixing.sources.nova_data") or {}, own)


def _shares(nova: Mapping[str, Any], own: Any) -> Iterator[Finding]:
    key = "data_mixing.sources.nova_data"
    for name in sorted(set(nova) - CATEGORIES):
        yield Finding(f"{key}.{name}", "is no category of the text catalog", f"write one of {sorted(CATEGORIES)}")
    numbers = [value for value in nova.values() if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) != len(nova) or any(not 0 <= value <= 100 for value in numbers):
        yield Finding(key, "holds something that is no percentage", "write numbers from 0 to 100")
    wanted = 0 if own == 100 else 100
    if abs(sum(numbers) - wanted) > 0.01:
        yield Finding(key, f"sums to {sum(numbers):g}", f"make the categories sum to {wanted}")
