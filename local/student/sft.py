"""Supervised fine-tuning: cross-entropy of the labelled answers."""

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import TypeVar

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from local.student import adapters
from local.student.augment import Augmenter
from local.student.batches import GROUP, Row, answer_loss, row
from local.student.records import Labelled
from local.student.settings import Sft
from toolsmith.errors import TrainingDiverged

T = TypeVar("T")
OnStep = Callable[[int, float, float], None]  # step from 1, epoch, loss


def choose(labelled: Sequence[Labelled], most: int, seed: int) -> list[Labelled]:
    """The rows that the job may see: `most` of them drawn by `seed`, or all for 0."""
    rows = list(labelled)
    Random(seed * 7919 + 5).shuffle(rows)
    return rows[:most] if most else rows


def encode(tokenizer: PreTrainedTokenizerBase, labelled: Sequence[Labelled], longest: int) -> list[Row]:
    """Rows of tokens; those longer than `longest` are left out, as the real container does."""
    rows = [row(tokenizer, item.system, item.question, item.answer) for item in labelled]
    return [r for r in rows if len(r.ids) <= longest]


def retold(
    tokenizer: PreTrainedTokenizerBase, augmenter: Augmenter, item: Labelled, plain: Row, longest: int = 0
) -> Row:
    """The row as the augmenter tells it this time; `plain`, the item's own, where nothing changed or, with `longest`
    tokens, it got too long."""
    question, answer = augmenter.again(item.question, item.answer)
    if (question, answer) == (item.question, item.answer):
        return plain
    told = row(tokenizer, item.system, question, answer)
    return plain if 0 < longest < len(told.ids) else told


def batches(rows: Sequence[T], size: int, seed: int) -> Iterator[list[T]]:
    """Endless batches; every row comes up once before any comes up again."""
    r = Random(seed * 104729 + 11)
    pool: list[T] = []
    while True:
        batch = []
        while len(batch) < size:
            if not pool:
                pool = r.sample(list(rows), len(rows))
            batch.append(pool.pop())
        yield batch


def train(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    labelled: Sequence[Labelled],
    settings: Sft,
    on_step: OnStep,
    on_save: Callable[[adapters.Trainable, int], None] | None = None,
) -> PreTrainedModel:
    """Fixed steps on the chosen rows; returns the merged model.

    Raises TrainingDiverged at the first loss that is not finite.
    """
    chosen = choose(labelled, settings.rows, settings.seed)
    rows = [(item, plain) for item in chosen for plain in encode(tokenizer, [item], settings.longest)]
    augmenter = Augmenter([(i.question, i.answer) for i, _ in rows], settings.augmentation, settings.seed)
    tuned = adapters.add(model, settings.optimizer, settings.seed)
    adamw = adapters.optimizer(tuned, settings.optimizer)
    stream = batches(rows, settings.batch, settings.seed)
    groups = -(-settings.batch // GROUP)
    tuned.train()
    for step in range(settings.steps):
        adapters.set_rate(adamw, settings.optimizer, step, settings.steps)
        batch = [retold(tokenizer, augmenter, item, plain, settings.longest) for item, plain in next(stream)]
        loss = answer_loss(tuned, batch, groups, settings.by_row)
        value = loss.item()
        if value != value or value in (float("inf"), float("-inf")):
            raise TrainingDiverged(f"training_loss is {value} at step {step + 1}: lower optim_config.lr")
        loss.backward()
        adapters.apply(tuned, adamw, settings.optimizer.clip)
        on_step(step + 1, (step + 1) * settings.batch / len(rows), value)
        if on_save and (step + 1) % settings.save == 0 and step + 1 < settings.steps:
            on_save(tuned, step + 1)
    if on_save:
        on_save(tuned, settings.steps)
    return adapters.merged(tuned)


@torch.no_grad()
def validation_loss(model: adapters.Trainable, rows: Sequence[Row], size: int = 16) -> float:
    """Mean cross-entropy over all rows."""
    model.eval()
    parts = [rows[at : at + size] for at in range(0, len(rows), size)]
    total = sum(answer_loss(model, part).item() * len(part) for part in parts)
    model.train()
    return total / len(rows)
