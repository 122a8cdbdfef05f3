"""Which verified examples enter a dataset, and why the others do not."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from toolsmith.datasets.sensitive import sensitive_example
from toolsmith.datasets.similarity import QUOTE_WORDS, NearIndex
from toolsmith.datasets.validate_messages import reserved_word

Example = Mapping[str, Any]
# A copy is dropped from the split that can spare it: the test keeps its examples, training gives way.
PRECEDENCE = ("test", "validation", "train")
KEYS = {"id", "question", "category", "calls", "evidence", "document", "group", "source", "chunk"} | {
    "difficulty",
    "persona",
    "register",
    "provenance",
}


@dataclass(frozen=True)
class Drop:
    """One example left out: its id, a short reason code, and what a person would want to know."""

    id: str
    reason: str
    detail: str


@dataclass
class Selection:
    """Examples still in, in the order of their ids, and those left out so far."""

    kept: list[dict[str, Any]]
    dropped: list[Drop]

    def drop_where(self, verdict: Callable[[Example], tuple[str, str] | None]) -> None:
        """Leave out each example for which `verdict` gives (reason, detail)."""
        kept = []
        for example in self.kept:
            found = verdict(example)
            if found is None:
                kept.append(example)
            else:
                self.dropped.append(Drop(example["id"], *found))
        self.kept = kept


def normalised(question: str) -> str:
    """The question as exact duplicates are compared: case, punctuation at the end and spacing do not count."""
    return " ".join(question.lower().split()).rstrip("?.! ")


def start(examples: Iterable[Example]) -> Selection:
    """All examples in the order of their ids; an id that comes twice is taken once, an incomplete one left out."""
    by_id: dict[str, dict[str, Any]] = {}
    dropped = []
    for example in examples:
        missing = sorted(KEYS - example.keys())
        if missing:
            dropped.append(Drop(str(example.get("id", "")), "incomplete", f"lacks {', '.join(missing)}"))
        else:
            by_id.setdefault(example["id"], dict(example))
    return Selection([by_id[key] for key in sorted(by_id)], sorted(dropped, key=lambda drop: (drop.id, drop.detail)))


def drop_reserved(selection: Selection) -> None:
    """Questions with a word that makes a training job fail ("User:", "[EOS]", ...)."""

    def verdict(example: Example) -> tuple[str, str] | None:
        word = reserved_word(example["question"])
        return ("reserved_word", f"{word!r} in the question") if word else None

    selection.drop_where(verdict)


def drop_sensitive(selection: Selection) -> None:
    """Examples with a secret or a personal number in the question, an argument or the evidence; it is not repeated."""

    def verdict(example: Example) -> tuple[str, str] | None:
        kind = sensitive_example(example)
        return ("sensitive", f"{kind} in the example") if kind else None

    selection.drop_where(verdict)


def drop_unresolved(selection: Selection, check: Callable[[Example], str | None]) -> None:
    """Examples whose calls do not resolve in the whole corpus, by the hook that was handed in."""

    def verdict(example: Example) -> tuple[str, str] | None:
        problem = check(example)
        return ("unresolved", problem) if problem else None

    selection.drop_where(verdict)


def drop_exact(selection: Selection) -> None:
    """Repeated questions: the first is kept, unless the copies disagree about the answer, then none is."""
    asked: dict[str, list[Example]] = defaultdict(list)
    for example in selection.kept:
        asked[normalised(example["question"])].append(example)

    def verdict(example: Example) -> tuple[str, str] | None:
        copies = asked[normalised(example["question"])]
        answers = {repr((copy["category"], copy["calls"])) for copy in copies}
        if len(answers) > 1:
            return "ambiguous", f"{len(copies)} copies of the question with {len(answers)} answers"
        return ("duplicate", f"same question as {copies[0]['id']}") if copies[0] is not example else None

    selection.drop_where(verdict)


def drop_near(selection: Selection, splits: Mapping[str, str], threshold: float) -> None:
    """Near copies of a question, and evidence that stands in another split; see PRECEDENCE for which one goes.

    splits: group -> split.
    """
    questions, quotes = NearIndex(threshold), NearIndex(threshold, QUOTE_WORDS)
    ranked = sorted(selection.kept, key=lambda e: (PRECEDENCE.index(splits[e["group"]]), e["id"]))
    split_of = {example["id"]: splits[example["group"]] for example in ranked}
    verdicts: dict[str, tuple[str, str]] = {}
    pending: list[Example] = []
    for place, example in enumerate(ranked):
        split = split_of[example["id"]]
        if pending and split_of[pending[0]["id"]] != split:
            _remember(quotes, pending)
            pending = []
        if near := questions.nearest(example["question"]):
            verdicts[example["id"]] = "near_duplicate", f"{near[1]:.2f} like {near[0]} in {split_of[near[0]]}"
        elif near := quotes.nearest(example["evidence"]["quote"]):
            verdicts[example["id"]] = "shared_evidence", f"its quote also stands in {split_of[near[0]]} ({near[0]})"
        else:
            questions.add(example["id"], example["question"])
            pending.append(ranked[place])
    selection.drop_where(lambda example: verdicts.get(example["id"]))


def _remember(quotes: NearIndex, examples: Iterable[Example]) -> None:
    for example in examples:
        quotes.add(example["id"], example["evidence"]["quote"])


def reasons(dropped: Iterable[Drop]) -> dict[str, int]:
    """How many examples were left out for each reason, most frequent first."""
    return dict(sorted(Counter(drop.reason for drop in dropped).items(), key=lambda item: (-item[1], item[0])))
