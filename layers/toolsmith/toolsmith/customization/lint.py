"""Recipe lint: refuses what would waste money, each finding with the key and the fix.

Ranges are those of limits.py and matrix.py. What is judged here holds for every stage: placeholders, unknown keys, the
model and what it offers, where the job runs. lint_training, lint_evaluation and lint_chain judge the rest.
"""

import difflib
import re
from collections.abc import Iterator
from typing import Any

from toolsmith.customization import limits, matrix
from toolsmith.customization.findings import Finding, Setting, get, is_nova, peft_block, rank, walk
from toolsmith.customization.lint_chain import chain
from toolsmith.customization.lint_evaluation import evaluation
from toolsmith.customization.lint_training import training

_UNRESOLVED = re.compile(r"\$\{[^}]*\}|\{\{[^}]*\}\}")
_REQUIRED = ("run.name", "run.model_type", "run.model_name_or_path")


def lint(
    recipe: dict[str, Any],
    stage: str,
    *,
    instance_count: int,
    rows: int | None = None,
    instance_type: str | None = None,
    region: str | None = None,
    platform: str = matrix.TRAINING_JOBS,
    hyperparameters: dict[str, str] | None = None,
    previous: dict[str, Any] | None = None,
    forge: bool = False,
) -> list[Finding]:
    """All findings of a rendered recipe; an empty list means it may run. The options are those of Setting."""
    setting = Setting(instance_count, instance_type, rows, region, platform, hyperparameters, previous, forge)
    missing = [key for key in _REQUIRED if not get(recipe, key)]
    if missing:
        return [
            Finding(key, "is missing or empty", "every recipe names its run, its model and where it starts")
            for key in missing
        ]
    checks = (
        _unresolved(recipe),
        _unknown(recipe),
        _model(recipe, stage),
        _base(recipe, setting),
        _place(recipe, stage, setting),
        training(recipe, stage, setting),
        evaluation(recipe, stage, setting),
        chain(recipe, stage, setting),
    )
    return [finding for check in checks for finding in check]


def _unresolved(recipe: dict[str, Any]) -> Iterator[Finding]:
    for key, value in walk(recipe):
        if isinstance(value, str) and _UNRESOLVED.search(value):
            yield Finding(key, f"still holds {value!r}", "write the value itself: the container does not interpolate")


def _unknown(recipe: dict[str, Any]) -> Iterator[Finding]:
    """A misspelt key is dropped in silence and the default trains."""
    if not is_nova(recipe):
        return
    for key, _ in walk({name: value for name, value in recipe.items() if name != "data_mixing"}):
        for part in re.sub(r"\[\d+\]", "", key).split("."):
            if part not in limits.KNOWN_KEYS and not key.startswith("run.validation_data_s3_path_list."):
                near = difflib.get_close_matches(part, limits.KNOWN_KEYS, 1)
                fix = f"write {near[0]!r}" if near else "remove it"
                yield Finding(key, f"{part!r} is no key of a Nova recipe and would be ignored", fix)


def _model(recipe: dict[str, Any], stage: str) -> Iterator[Finding]:
    name = recipe["run"]["model_type"]
    if not is_nova(recipe):
        return
    model = matrix.MODELS.get(name)
    if model is None:
        yield Finding(
            "run.model_type", f"{name!r} is no model that can be trained", f"write one of {sorted(matrix.MODELS)}"
        )
        return
    technique = matrix.technique(stage)
    offered = matrix.ranks(model, technique)
    if not offered:
        names = sorted({name for name, _ in model.offers})
        yield Finding("run.model_type", f"{name} offers no {stage}", f"choose one of {names}")
    elif technique != "evaluate" and rank(recipe) not in offered:
        key = (peft_block(recipe) or ("run.model_type",))[0]
        yield Finding(
            f"{key}.peft_scheme", f"{name} offers {technique} only as {sorted(map(str, offered))}", "write that rank"
        )


def _base(recipe: dict[str, Any], setting: Setting) -> Iterator[Finding]:
    key, start = "run.model_name_or_path", str(recipe["run"]["model_name_or_path"])
    model = matrix.MODELS.get(recipe["run"]["model_type"])
    if start.startswith("s3://"):
        yield from _checkpoint(key, start, setting)
    elif model is None:
        return
    elif start.split("/")[0] != model.base:
        yield Finding(
            key,
            f"{start!r} does not belong to {recipe['run']['model_type']}",
            f"write '{model.base}/prod' or a checkpoint's S3 URI",
        )
    elif start != f"{model.base}/prod" and not setting.forge:
        yield Finding(
            key,
            f"{start!r} is an intermediate checkpoint, open to paid Nova Forge subscribers only",
            f"subscribe and say so, or write '{model.base}/prod'",
        )


def _checkpoint(key: str, uri: str, setting: Setting) -> Iterator[Finding]:
    bucket = uri.removeprefix("s3://").split("/")[0]
    if uri.endswith((".tar.gz", ".json")):
        yield Finding(
            key, f"{uri!r} is an output file, no checkpoint", "write checkpoint_s3_bucket of its manifest.json"
        )
    elif bucket.startswith("customer-escrow-"):
        ours = "-smtj-" if setting.platform == matrix.TRAINING_JOBS else "-hp-"
        if ours not in bucket:
            yield Finding(
                key, f"the checkpoint was not made by {setting.platform}", "train and evaluate on one platform"
            )


def _place(recipe: dict[str, Any], stage: str, setting: Setting) -> Iterator[Finding]:
    replicas = get(recipe, "run.replicas")
    technique = matrix.technique(stage)
    if technique != "ppo" and replicas != setting.instance_count:
        yield Finding(
            "run.replicas",
            f"{replicas} differs from the request's InstanceCount {setting.instance_count}",
            "write the same number in both",
        )
    model = matrix.MODELS.get(recipe["run"]["model_type"])
    offers = model.offers.get((technique, None if technique == "evaluate" else rank(recipe))) if model else None
    if offers is None or setting.platform != matrix.TRAINING_JOBS:
        return
    if not offers:
        yield Finding("run.model_type", f"{technique} has no training-job image", "run the recipe on HyperPod")
        return
    yield from _instances(offers, setting)


def _instances(offers: tuple[matrix.Offer, ...], setting: Setting) -> Iterator[Finding]:
    if setting.instance_type is None:
        return
    counts = sorted({n for offer in offers if setting.instance_type in offer.instances for n in offer.counts})
    if not counts:
        known = sorted({name for offer in offers for name in offer.instances})
        yield Finding("instance_type", f"{setting.instance_type} does not run this recipe", f"write one of {known}")
    elif setting.instance_count not in counts:
        yield Finding(
            "run.replicas",
            f"{setting.instance_count} x {setting.instance_type} is not offered",
            f"write one of {counts}",
        )
