"""What only a thorough run measures: the base model with examples in its prompt, and rollouts before reinforcement.

Each is an evaluation job (gen_qa) on questions that the run writes itself, below runs/<run>/questions/<arm>/.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from toolsmith import grading
from toolsmith.grading.words import content_words, overlap
from toolsmith.pipeline.ports import Store

SHOTS = 4
PROBE = "probe"
PROBE_PROMPTS = 16
PROBE_ROLLOUTS = 4
PROBE_TEMPERATURE = 1.0  # as the rollouts of reinforcement are drawn
FEW_SHOT = ("base_few_shot", "base_nearest")
ARMS = (*FEW_SHOT, PROBE)

Row = dict[str, Any]


def write_questions(work: Store, run: str, prefix: str, arm: str) -> tuple[str, int]:
    """Write the questions of one of ARMS, the same for the same run; returns their key and the number of rows."""
    if arm == PROBE:
        rows = rollout_rows(work.read_lines(f"{prefix}/rft/train.jsonl"))
    else:
        questions, shots = (work.read_lines(f"{prefix}/{file}") for file in ("eval/gen_qa.jsonl", "sft/train.jsonl"))
        rows = few_shot_rows(questions, [_shot(row) for row in shots], nearest=arm == "base_nearest")
    key = f"runs/{run}/questions/{arm}/gen_qa.jsonl"
    work.write(key, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())
    return key, len(rows)


class Shot(NamedTuple):
    """An answered training question."""

    question: str
    answer: str


def _shot(row: Row) -> Shot:
    """A shot from a row of sft/train.jsonl."""
    asked, answered = (message["content"][0] for message in row["messages"])
    return Shot(asked["text"], answered.get("text") or json.dumps(answered, ensure_ascii=False))


def few_shot_rows(questions: Sequence[Row], shots: Sequence[Shot], nearest: bool) -> list[Row]:
    """The test questions with SHOTS answered training questions in the system text: the same for all of them, of as
    many categories, or those whose words are nearest to the question.
    """
    words = [content_words(shot.question) for shot in shots]
    fixed = _one_of_each(shots)[:SHOTS]
    found = []
    for row in questions:
        chosen = [shots[i] for i in _nearest(row["query"], words)] if nearest else fixed
        shown = [f"Question: {shot.question}\nAnswer: {shot.answer}" for shot in chosen]
        found.append({**row, "system": "\n".join([row["system"], "Examples:", *shown])})
    return found


def _one_of_each(shots: Sequence[Shot]) -> list[Shot]:
    """The first shot of every category, in the order of the categories' names."""
    first: dict[str, Shot] = {}
    for shot in shots:
        first.setdefault(grading.parse_answer(shot.answer).category or "", shot)
    return [shot for _, shot in sorted(first.items())]


def _nearest(question: str, words: Sequence[tuple[str, ...]]) -> list[int]:
    """The places of the SHOTS nearest questions, the nearest last: it stands beside the question that is asked."""
    mine = content_words(question)
    ranked = sorted(range(len(words)), key=lambda i: (-overlap(mine, words[i]), i))
    return ranked[:SHOTS][::-1]


def rollout_rows(train: Sequence[Row]) -> list[Row]:
    """A sample of training prompts spread evenly over the file, each as often as a group has rollouts."""
    step = max(1, len(train) // PROBE_PROMPTS)
    found = []
    for row in train[::step][:PROBE_PROMPTS]:
        system, question = (message["content"] for message in row["messages"])
        gold = json.dumps(row["reference_answer"], ensure_ascii=False)
        query = {"query": question, "response": gold, "system": system}
        found += [{**query, "metadata": f"{row['id']}#{turn}"} for turn in range(PROBE_ROLLOUTS)]
    return found


def read_rollouts(answers: Mapping[str, str], train: Sequence[Row]) -> dict[str, Any]:
    """What the rollouts say of reinforcement before it is paid for.

    answers: "<prompt id>#<turn>" -> text, rewarded as the reward function does it. Returns {"groups",
    "without_variance" (share of prompts whose rollouts all earn the same: they teach nothing), "all_right", "all_wrong"
    (shares), "reward" (mean), "spread" (mean standard deviation within a group)}.
    """
    known = {row["id"]: row for row in train}
    groups: dict[str, list[float]] = {}
    for name, text in answers.items():
        row = known[name.rpartition("#")[0]]
        sample = {**row, "messages": [*row["messages"], {"role": "assistant", "content": text}]}
        (graded,) = grading.grade_samples(sample)
        groups.setdefault(row["id"], []).append(graded["aggregate_reward_score"])
    return summary(list(groups.values()))


def summary(groups: Sequence[Sequence[float]]) -> dict[str, Any]:
    """The numbers of `read_rollouts` from the rewards of each group; zeros without any."""
    count = max(1, len(groups))
    means = [sum(group) / len(group) for group in groups]
    spreads = [(sum((x - m) ** 2 for x in group) / len(group)) ** 0.5 for group, m in zip(groups, means, strict=True)]
    return {
        "groups": len(groups),
        "without_variance": sum(max(group) - min(group) < 1e-9 for group in groups) / count,
        "all_right": sum(min(group) >= 1.0 for group in groups) / count,
        "all_wrong": sum(max(group) <= 0.0 for group in groups) / count,
        "reward": sum(means) / count,
        "spread": sum(spreads) / count,
    }
