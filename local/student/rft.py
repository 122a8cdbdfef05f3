"""Reinforcement fine-tuning in the manner of GRPO: draw groups of answers, grade them, learn from the spread.

An answer's advantage is its reward less the mean of its group's kept answers, divided by the spread of the whole
batch. Of every group the best and the worst few are kept: they carry the signal, and the update is the dear part.
Groups without spread teach nothing and are left out.

What once earned the full reward is kept and learnt from again (self-imitation, Oh et al. 2018): drawing an answer costs
more than learning from it, and prompts that are seldom answered rightly come up most. Where a prompt's reference is a
plan, that plan itself can be learnt from beside the drawn answers, as in InstructGPT's mixed gradients (Ouyang et al.
2022): so what is known stays known, and the answers are drawn for those prompts that nobody has labelled.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from local.student import adapters
from local.student.augment import Augmenter
from local.student.batches import GROUP, Row, answer_states, prompt_ids, row
from local.student.records import Labelled, Prompt
from local.student.sampler import Sampler
from local.student.settings import Rft
from local.student.sft import batches, retold
from toolsmith.datasets.export import plan
from toolsmith.errors import TrainingDiverged

Event = list[dict[str, Any]]
Grader = Callable[[Event], Event]
ROWS_A_PASS = 32
ANSWERS_A_PASS = 128  # drawn side by side: each holds the keys and values of its whole length
FULL = 1.0 - 1e-6


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


class Pool:
    """Which prompts come next: all once, those answered wrongly first; later the seldom right ones first."""

    def __init__(self, prompts: Sequence[Prompt], seed: int) -> None:
        self.random = Random(seed * 15485863 + 17)
        self.prompts = self.random.sample(list(prompts), len(prompts))
        self.queue = list(self.prompts)
        self.right: dict[int, float] = {}

    def put_first(self, wrong: Sequence[bool]) -> None:
        """Sort the first pass: `wrong` says of each of `prompts` whether one answer missed the full reward."""
        ranked = sorted(zip(wrong, range(len(wrong)), strict=True), key=lambda pair: (not pair[0], pair[1]))
        self.queue = [self.prompts[at] for _, at in ranked]

    def draw(self, size: int) -> list[Prompt]:
        while len(self.queue) < size:
            again = [p for p in self.prompts if self.right.get(id(p), 0.0) < 1.0]
            again = again if len(again) >= size else self.prompts
            shuffled = self.random.sample(again, len(again))
            self.queue += sorted(shuffled, key=lambda p: self.right.get(id(p), 0.0))
        drawn, self.queue = self.queue[:size], self.queue[size:]
        return drawn

    def note(self, drawn: Sequence[Prompt], rewards: Tensor) -> None:
        """Remember the share of each prompt's answers that earned everything."""
        shares = (rewards >= FULL).float().mean(1).tolist()
        self.right |= {id(p): share for p, share in zip(drawn, shares, strict=True)}


class Kept:
    """One fully rewarded answer of each prompt that had one, and how often each prompt had."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed * 32452843 + 3)
        self.answers: dict[int, tuple[Prompt, Row]] = {}
        self.tries: Counter[int] = Counter()
        self.wins: Counter[int] = Counter()

    def note(self, drawn: "Drawn") -> None:
        each = drawn.rewards.shape[1]
        for at, (prompt, start) in enumerate(zip(drawn.prompts, drawn.starts, strict=True)):
            won = [n for n, value in enumerate(drawn.rewards[at].tolist()) if value >= FULL]
            self.tries[id(prompt)] += each
            self.wins[id(prompt)] += len(won)
            if won:
                answer = drawn.answers[at * each + self.random.choice(won)]
                self.answers[id(prompt)] = prompt, Row(start + answer, len(start))

    def draw(self, size: int) -> list[tuple[Prompt, Row]]:
        """At most `size` answers, without repetition; the rarer a prompt's right answers, the likelier it comes up."""
        keys = list(self.answers)
        rarity = {key: 1.2 - self.wins[key] / self.tries[key] for key in keys}
        ranked = sorted(keys, key=lambda key: self.random.random() ** (1 / rarity[key]), reverse=True)
        return [self.answers[key] for key in ranked[:size]]


def _update(model: adapters.Trainable, parts: Sequence[Sequence[Rollout]], temperature: float) -> float:
    """Gradients of the policy objective, the sum of the parts' means over their tokens; returns the first part's mean
    entropy.

    Every rollout is learnt from once, a few optimizer steps after it was drawn at most, so no ratio of old and new
    probabilities is needed to correct for its age.
    """
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    tokens = [sum(len(r.row.ids) - r.row.answer for r in part) for part in parts]
    tasks = [(r.row, r.advantage / tokens[at], at == 0) for at, part in enumerate(parts) for r in part]
    tasks.sort(key=lambda task: len(task[0].ids))
    entropy = 0.0
    for at in range(0, len(tasks), ROWS_A_PASS):
        rows, weights, drawn = zip(*tasks[at : at + ROWS_A_PASS], strict=True)
        states, target, owner = answer_states(model, rows, -(-len(rows) // GROUP))
        scores = (base.get_output_embeddings()(states).float() / temperature).log_softmax(-1)
        chosen = scores.gather(-1, target[:, None])[:, 0]
        (-(chosen * torch.tensor(weights, device=chosen.device)[owner]).sum()).backward()
        mine = scores.detach()[torch.tensor(drawn, device=chosen.device)[owner]]
        entropy += float(-(mine.exp() * mine).sum())
    return entropy / max(1, tokens[0])


@dataclass(frozen=True)
class Drawn:
    """The prompts of a step, their tokens, the answers' tokens (prompts x rollouts, flat) and rewards (same, 2-D)."""

    prompts: list[Prompt]
    starts: list[list[int]]
    answers: list[list[int]]
    rewards: Tensor

    def kept(self, worth: Tensor) -> list[Rollout]:
        """The answers that have an advantage, as rows."""
        each = worth.shape[1]
        return [
            Rollout(Row(self.starts[n // each] + self.answers[n], len(self.starts[n // each])), value)
            for n, value in enumerate(worth.flatten().tolist())
            if abs(value) > 1e-3
        ]


class Actor:
    """The model in training, and the way from prompts to graded answers."""

    def __init__(
        self, model: adapters.Trainable, tokenizer: PreTrainedTokenizerBase, settings: Rft, grader: Grader
    ) -> None:
        self.model, self.tokenizer, self.settings, self.grader = model, tokenizer, settings, grader
        self.kept = Kept(settings.seed)
        self.lessons: Iterator[list[Row]] | None = None
        self.augmenter = Augmenter([], settings.augmentation, settings.seed)

    def study(self, prompts: Sequence[Prompt]) -> list[Prompt]:
        """Keep the reference plans as demonstrations if they earn everything; returns the prompts that have none."""
        shown = [p for p in prompts if isinstance(p.reference, dict) and p.reference.get("calls") is not None]
        texts = [plan(p.reference) for p in shown]
        events = [sample_event(p, 0, text) for p, text in zip(shown, texts, strict=True)]
        rewards = grade(events, self.grader, self.settings.reward_batch)
        good = [(p, text) for p, text, value in zip(shown, texts, rewards, strict=True) if value >= FULL]
        if not good:
            return list(prompts)
        rows = [row(self.tokenizer, p.system, p.question, text) for p, text in good]
        self.lessons = batches(rows, self.settings.demonstrations, self.settings.seed)
        told = [(p.question, text) for p, text in good]
        self.augmenter = Augmenter(told, self.settings.augmentation, self.settings.seed)
        known = {id(p) for p, _ in good}
        return [p for p in prompts if id(p) not in known]

    def answer(self, prompts: Sequence[Prompt], each: int) -> Drawn:
        """Draw `each` answers of every prompt from the present weights and have them graded."""
        self.model.eval()
        starts = [prompt_ids(self.tokenizer, p.system, p.question) for p in prompts]
        sampler = Sampler(self.model, self.tokenizer.eos_token_id)
        size = max(1, ANSWERS_A_PASS // each)
        parts = [starts[at : at + size] for at in range(0, len(starts), size)]
        how = each, self.settings.new_tokens, self.settings.temperature
        answers = [answer for part in parts for answer in sampler.sample(part, *how)]
        texts = [self.tokenizer.decode(ids, skip_special_tokens=True) for ids in answers]
        owners = [p for p in prompts for _ in range(each)]
        events = [sample_event(p, n, text) for n, (p, text) in enumerate(zip(owners, texts, strict=True))]
        rewards = torch.tensor(grade(events, self.grader, self.settings.reward_batch)).view(len(prompts), each)
        drawn = Drawn(list(prompts), starts, answers, rewards)
        self.kept.note(drawn)
        return drawn

    def wrong(self, prompts: Sequence[Prompt]) -> list[bool]:
        """Of each prompt, whether one drawn answer earned less than the full reward."""
        size = self.settings.prompts * self.settings.rollouts
        parts = [prompts[at : at + size] for at in range(0, len(prompts), size)]
        return [bool(value < FULL) for part in parts for value in self.answer(part, 1).rewards[:, 0]]

    def retold(self, prompt: Prompt, plain: Row) -> Row:
        """A kept answer as the augmenter tells it this time, with values of the reference plans."""
        answer = self.tokenizer.decode(plain.ids[plain.answer :], skip_special_tokens=True)
        item = Labelled(prompt.system, prompt.question, answer)
        return retold(self.tokenizer, self.augmenter, item, plain)

    def learn(self, adamw: torch.optim.AdamW, rollouts: Sequence[Rollout]) -> tuple[float, float]:
        """The step's updates, each from its share of the rollouts, of what was kept and of the demonstrations.

        Returns the mean entropy and the last gradient's norm.
        """
        self.model.train()
        shares, weight = self.settings.updates, self.settings.replay_weight
        again = [Rollout(self.retold(*kept), weight) for kept in self.kept.draw(self.settings.replay)]
        lessons = next(self.lessons) if self.lessons else []
        taught = [Rollout(lesson, self.settings.demonstration_weight) for lesson in lessons]
        entropies, norm = [], 0.0
        for update in range(shares):
            parts = [part[update::shares] for part in (rollouts, again, taught)]
            if any(parts):
                entropy = _update(self.model, parts, self.settings.temperature)
                entropies += [entropy] if parts[0] else []
                norm = adapters.apply(self.model, adamw, self.settings.optimizer.clip)
        return sum(entropies) / max(1, len(entropies)), norm


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
    actor = Actor(tuned, tokenizer, settings, grader)
    unknown = actor.study(prompts) if settings.demonstrations else []
    pool = Pool(unknown if len(unknown) >= settings.prompts else prompts, settings.seed)
    if settings.screen:
        pool.put_first(actor.wrong(pool.prompts))
    for step in range(settings.steps):
        adapters.set_rate(adamw, settings.optimizer, step, settings.steps)
        drawn = actor.answer(pool.draw(settings.prompts), settings.rollouts)
        pool.note(drawn.prompts, drawn.rewards)
        worth = advantages(drawn.rewards, settings.best, settings.worst, settings.negative)
        entropy, norm = actor.learn(adamw, drawn.kept(worth))
        if norm != norm:
            raise TrainingDiverged(f"gradient_norm is nan at step {step + 1}: lower optim_config.lr")
        epoch = (step + 1) * settings.prompts / len(pool.prompts)
        on_step(_measured(step + 1, epoch, drawn, worth, entropy, norm))
        if on_save and ((step + 1) % settings.save == 0 or step + 1 == settings.steps):
            on_save(tuned, step + 1)
    return adapters.merged(tuned)


def _measured(step: int, epoch: float, drawn: Drawn, worth: Tensor, entropy: float, norm: float) -> Step:
    spread = drawn.rewards.max(1).values - drawn.rewards.min(1).values
    return Step(
        step=step,
        epoch=epoch,
        reward=float(drawn.rewards.mean()),
        length=sum(map(len, drawn.answers)) / len(drawn.answers),
        entropy=entropy,
        norm=norm,
        advantages=(float(worth.mean()), float(worth.min()), float(worth.max())),
        flat_groups=float((spread < 1e-6).float().mean()),
    )
