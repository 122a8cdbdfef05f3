"""Reinforcement fine-tuning in the manner of GRPO: draw groups of answers, grade them, learn from the spread.

An answer's advantage is its reward less the mean of its group's kept answers, divided by the spread of the whole
batch. Of every group the best and the worst few are kept: they carry the signal, and the update is the dear part.
Groups without spread teach nothing and are left out.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from local.student import adapters
from local.student.batches import Row, answer_states, prompt_ids
from local.student.records import Prompt
from local.student.sampler import Sampler
from local.student.settings import Rft
from toolsmith.errors import TrainingDiverged

Event = list[dict[str, Any]]
Grader = Callable[[Event], Event]
ROWS_A_PASS = 32


@dataclass(frozen=True)
class Step:
    """What one step measured; lengths in tokens, entropy in nats per token."""

    step: int
    epoch: float
    reward: float
    length: float
    entropy: float
    norm: float
    advantages: tuple[float, float, float]
    flat_groups: float
    grade_errors: int = 0


@dataclass(frozen=True)
class Rollout:
    row: Row
    advantage: float


def sample_event(prompt: Prompt, number: int, text: str) -> dict[str, Any]:
    """One sample of the reward event (SageMaker developer guide, "Implementing reward functions")."""
    messages = [{"role": "system", "content": prompt.system}] if prompt.system else []
    messages += [{"role": "user", "content": prompt.question}, {"role": "assistant", "content": text}]
    return {**prompt.extra, "id": f"{prompt.id}#{number}", "messages": messages, "reference_answer": prompt.reference}


def grade(samples: Event, grader: Grader, size: int) -> list[float]:
    """The rewards of `samples`, asked for in lists of at most `size`.

    Raises TrainingDiverged where the grader leaves a sample out or returns no finite number.
    """
    rewards: list[float] = []
    for at in range(0, len(samples), size):
        part = samples[at : at + size]
        found = {result.get("id"): result.get("aggregate_reward_score") for result in grader(part)}
        for sample in part:
            value = found.get(sample["id"])
            if not isinstance(value, int | float) or value != value or abs(value) == float("inf"):
                raise TrainingDiverged(
                    f"the reward function returned {value!r} for sample {sample['id']}, not a finite number"
                )
            rewards.append(float(value))
    return rewards


def advantages(rewards: Tensor, best: int, worst: int, negative: float) -> Tensor:
    """Advantages (prompts, rollouts) of the kept answers, 0 for the others; `negative` scales those below the mean."""
    order = rewards.argsort(dim=1, descending=True, stable=True)
    kept = order[:, :best] if not worst else torch.cat([order[:, :best], order[:, -worst:]], 1)
    chosen = rewards.gather(1, kept)
    centred = chosen - chosen.mean(1, keepdim=True)
    centred = centred / (centred.std() + 1e-3)
    centred = torch.where(centred < 0, centred * negative, centred)
    return torch.zeros_like(rewards).scatter(1, kept, centred)


def _prompts(prompts: Sequence[Prompt], size: int, seed: int) -> Iterator[list[Prompt]]:
    r = Random(seed * 15485863 + 17)
    pool: list[Prompt] = []
    while True:
        batch = []
        while len(batch) < size:
            if not pool:
                pool = r.sample(list(prompts), len(prompts))
            batch.append(pool.pop())
        yield batch


def _update(
    model: adapters.Trainable, rollouts: Sequence[Rollout], temperature: float, old: list[Tensor], clip: float = 0.2
) -> float:
    """Gradients of the clipped objective over `rollouts`; returns the mean entropy.

    `old` holds each pass's first log-probabilities and is filled by the first update on these rollouts.
    """
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    ordered = sorted(rollouts, key=lambda r: len(r.row.ids))
    tokens = sum(len(r.row.ids) - r.row.answer for r in ordered)
    entropy = 0.0
    for number, at in enumerate(range(0, len(ordered), ROWS_A_PASS)):
        part = ordered[at : at + ROWS_A_PASS]
        states, target, owner = answer_states(model, [r.row for r in part])
        scores = (base.get_output_embeddings()(states).float() / temperature).log_softmax(-1)
        chosen = scores.gather(-1, target[:, None])[:, 0]
        if number == len(old):
            old.append(chosen.detach())
        ratio = torch.exp(chosen - old[number])
        weight = torch.tensor([r.advantage for r in part], device=ratio.device)[owner]
        gain = torch.minimum(ratio * weight, ratio.clamp(1 - clip, 1 + clip) * weight)
        (-gain.sum() / tokens).backward()
        entropy += float(-(scores.detach().exp() * scores.detach()).sum())
    return entropy / tokens


def train(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Prompt],
    settings: Rft,
    grader: Grader,
    on_step: Callable[[Step], None],
    on_save: Callable[[adapters.Trainable, int], None] | None = None,
) -> PreTrainedModel:
    """Fixed steps of sampling, grading and updating; returns the merged model.

    Raises TrainingDiverged for a reward or gradient that is not finite.
    """
    tuned = adapters.add(model, settings.optimizer, settings.seed)
    adamw = adapters.optimizer(tuned, settings.optimizer)
    stream = _prompts(prompts, settings.prompts, settings.seed)
    encoded = {id(p): prompt_ids(tokenizer, p.system, p.question) for p in prompts}
    for step in range(settings.steps):
        batch = next(stream)
        adapters.set_rate(adamw, settings.optimizer, step, settings.steps)
        tuned.eval()
        ids = [encoded[id(p)] for p in batch]
        drawn = Sampler(tuned, tokenizer.eos_token_id).sample(
            ids, settings.rollouts, settings.new_tokens, settings.temperature
        )
        texts = [tokenizer.decode(x, skip_special_tokens=True) for x in drawn]
        owners = [p for p in batch for _ in range(settings.rollouts)]
        events = [sample_event(p, n, t) for n, (p, t) in enumerate(zip(owners, texts, strict=True))]
        rewards = torch.tensor(grade(events, grader, settings.reward_batch)).view(len(batch), -1)
        worth = advantages(rewards, settings.best, settings.worst, settings.negative)
        kept = [
            Rollout(Row(ids[n // settings.rollouts] + drawn[n], len(ids[n // settings.rollouts])), value)
            for n, value in enumerate(worth.flatten().tolist())
            if abs(value) > 1e-3
        ]
        tuned.train()
        entropy, norm = _learn(tuned, adamw, kept, settings)
        if norm != norm:
            raise TrainingDiverged(f"gradient_norm is nan at step {step + 1}: lower optim_config.lr")
        on_step(
            Step(
                step + 1,
                (step + 1) * settings.prompts / len(prompts),
                float(rewards.mean()),
                sum(map(len, drawn)) / len(drawn),
                entropy,
                norm,
                (float(worth.mean()), float(worth.min()), float(worth.max())),
                float((rewards.max(1).values == rewards.min(1).values).float().mean()),
            )
        )
        if on_save and ((step + 1) % settings.save == 0 or step + 1 == settings.steps):
            on_save(tuned, step + 1)
    return adapters.merged(tuned)


def _learn(
    tuned: adapters.Trainable, adamw: torch.optim.AdamW, kept: Sequence[Rollout], settings: Rft
) -> tuple[float, float]:
    """The step's updates; returns entropy at the first and the gradient's norm at the last."""
    if not kept:
        return 0.0, 0.0
    old: list[Tensor] = []
    first = norm = 0.0
    for update in range(settings.updates):
        entropy = _update(tuned, kept, settings.temperature, old)
        norm = adapters.apply(tuned, adamw, settings.optimizer.clip)
        first = first if update else entropy
    return first, norm
