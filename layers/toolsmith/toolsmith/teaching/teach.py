"""One chunk's lesson: ask the teacher, verify, send back what failed, at most twice."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from toolsmith.catalog import Catalog
from toolsmith.errors import TeacherTimeout
from toolsmith.teaching.answer import Rejection
from toolsmith.teaching.diversity import Chunk, Wanted, sample
from toolsmith.teaching.prompt import Prompt, build_prompt, make_nonce, repair_prompt
from toolsmith.teaching.reply import TeacherReply
from toolsmith.teaching.semantic import Review
from toolsmith.teaching.verify import Origin, Verification, question_key, verify
from toolsmith.tools import CorpusIndex, load_canon

Ask = Callable[[Prompt], TeacherReply]
STATUSES = ("kept", "repaired", "rejected", "failed", "empty")
# No wording of the same order would bring an answer, so asking again would only cost.
FINAL = frozenset({"refused"})


@dataclass
class ChunkOutcome:
    """What became of a chunk: a row of the ledger and the examples it gave.

    status: "kept" (all examples of the first answer), "repaired" (a later answer gave some), "rejected" (none passed),
    "empty" (the teacher found nothing to ask), "failed" (no answer; `reason` says why).
    """

    chunk: str
    document: str
    status: str = "empty"
    reason: str = ""
    examples: list[dict[str, Any]] = field(default_factory=list)
    rejections: list[dict[str, Any]] = field(default_factory=list)
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def to_dict(self) -> dict[str, Any]:
        """One line of teaching/<digest>/<n>.jsonl."""
        return dict(vars(self))

    @classmethod
    def from_dict(cls, line: Mapping[str, Any]) -> "ChunkOutcome":
        return cls(**line)


def teach_chunk(
    chunk: Chunk,
    ask: Ask,
    catalog: Catalog,
    index: CorpusIndex | None = None,
    seed: int = 0,
    max_repairs: int = 2,
    *,
    teacher: str = "",
    review: Review | None = None,
) -> ChunkOutcome:
    """Teach from one chunk. `ask` sends a prompt and returns the reply; `teacher` is stored as provenance; `review` is
    the optional fourth stage.

    Raises what `ask` raises for a teacher that is throttled or cannot be used, so that the state machine decides;
    a timeout is tried once more and then makes the outcome "failed".
    """
    lesson = _Lesson(chunk, ask, catalog, index, seed, teacher, review)
    wanted = sample(catalog, load_canon(catalog), chunk, seed, index)
    if not wanted.categories:
        lesson.outcome.reason = "no category can be asked about this chunk"
        return lesson.outcome
    prompt = build_prompt(catalog, chunk, seed, make_nonce(chunk, seed, 1), wanted=wanted)
    refused = lesson.hear(prompt, wanted)
    for attempt in range(2, max_repairs + 2):
        if not refused or refused[0].reason in FINAL or lesson.outcome.status == "failed":
            break
        order = wanted.again(_categories(refused, wanted), attempt)
        problems = [refusal.to_dict() for refusal in refused]
        refused = lesson.hear(repair_prompt(catalog, chunk, make_nonce(chunk, seed, attempt), order, problems), order)
    return lesson.settle()


def resume_chunk(
    chunk: Chunk,
    answers: Mapping[str, TeacherReply],
    catalog: Catalog,
    index: CorpusIndex | None = None,
    seed: int = 0,
    max_repairs: int = 2,
    *,
    teacher: str = "",
) -> ChunkOutcome | Prompt:
    """The lesson as far as the answers at hand go: its outcome, or the prompt that has no answer yet.

    answers: prompt sha256 -> reply. A batch job asks in rounds: collect the prompts that this returns, run them all,
    call again. The same answers give the same outcome as `teach_chunk`.
    """

    def ask(prompt: Prompt) -> TeacherReply:
        if prompt.sha256 not in answers:
            raise _Unanswered(prompt)
        return answers[prompt.sha256]

    try:
        return teach_chunk(chunk, ask, catalog, index, seed, max_repairs, teacher=teacher)
    except _Unanswered as pending:
        return pending.prompt


class _Unanswered(Exception):
    """A prompt whose answer is not at hand; never leaves this module."""

    def __init__(self, prompt: Prompt) -> None:
        super().__init__(prompt.sha256)
        self.prompt = prompt


class _Lesson:
    """The state of one chunk's conversation."""

    def __init__(
        self, chunk: Chunk, ask: Ask, catalog: Catalog, index: CorpusIndex | None, seed: int, teacher: str,
        review: Review | None,
    ) -> None:  # fmt: skip
        self.chunk, self.ask, self.catalog, self.index = chunk, ask, catalog, index
        self.seed, self.teacher, self.review = seed, teacher, review
        self.outcome = ChunkOutcome(chunk["id"], chunk["document"])

    def hear(self, prompt: Prompt, wanted: Wanted) -> list[Rejection]:
        """Ask once, keep what passes, return what does not."""
        reply = self._reply(prompt)
        if reply is None:
            return []
        self.outcome.input_tokens += reply.input_tokens
        self.outcome.output_tokens += reply.output_tokens
        checked = self._checked(reply, prompt, wanted)
        self.outcome.examples += checked.kept
        self.outcome.rejections += [{**r.to_dict(), "attempt": wanted.attempt} for r in checked.rejected]
        return checked.rejected

    def settle(self) -> ChunkOutcome:
        outcome = self.outcome
        if outcome.examples:
            outcome.status = "repaired" if any(e["attempts"] > 1 for e in outcome.examples) else "kept"
            outcome.reason = ""
        elif outcome.status != "failed" and outcome.rejections:
            outcome.status = "rejected"
            outcome.reason = outcome.rejections[-1]["reason"]
        return outcome

    def _reply(self, prompt: Prompt) -> TeacherReply | None:
        for _ in range(2):
            self.outcome.calls += 1
            try:
                return self.ask(prompt)
            except TeacherTimeout:
                continue
        self.outcome.status, self.outcome.reason = "failed", "timeout"
        return None

    def _checked(self, reply: TeacherReply, prompt: Prompt, wanted: Wanted) -> Verification:
        if fault := reply.rejection:
            return Verification(rejected=[Rejection("format", fault[0], fault[1], reply.text[:500])])
        return verify(
            reply.text,
            self.chunk,
            self.catalog,
            self.index,
            wanted=wanted,
            origin=Origin(self.teacher, prompt.sha256, self.seed, wanted.attempt),
            limit=len(wanted.categories),
            seen=frozenset(question_key(example["question"]) for example in self.outcome.examples),
            review=self.review,
        )


def _categories(refused: list[Rejection], wanted: Wanted) -> list[str]:
    """The categories to ask for again: those of the refused examples, or the whole order when the answer was none."""
    named = [r.raw.get("category") for r in refused if isinstance(r.raw, Mapping)]
    again = [name for name in named if name in wanted.categories]
    return again or list(wanted.categories)
