"""The use cases of the ingest machine: one dropped file becomes chunks, examples and a settled ledger row."""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from toolsmith import documents, tools
from toolsmith.catalog import Catalog, load_catalog
from toolsmith.errors import DocumentRejected, LedgerUnbalanced, TeacherTimeout
from toolsmith.pipeline.kept import BatchAnswers, ChunkAnswers
from toolsmith.pipeline.ports import Ledger, Store, Teacher

if TYPE_CHECKING:
    from toolsmith import teaching

MAX_FILE_BYTES = 256 * 1024 * 1024
# Two for a chunk and two minutes each: three such chunks are what a sandbox's fifteen minutes allow.
MAX_TIMEOUTS = 6
OUTCOMES = ("kept", "repaired", "rejected", "failed", "empty")


@dataclass(frozen=True)
class Chunking:
    """size and overlap in characters; batch: chunks that one teach call works through."""

    size: int
    overlap: int
    batch: int


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def parse(intake: Store, work: Store, ledger: Ledger, event: Mapping[str, Any], chunking: Chunking) -> dict[str, Any]:
    """Parse and chunk one dropped file.

    Returns {"document", "key", "held", "chunks", "batches": {"bucket", "key"}, "group", "kind", "set_aside"}; `held`
    says that the same bytes were settled before. Raises DocumentRejected.
    """
    key = event["key"]
    data = intake.read(key, event.get("version"), limit=MAX_FILE_BYTES)
    digest = digest_of(data)
    folder = f"documents/{digest}"
    batches = {"bucket": work.bucket, "key": f"{folder}/batches.jsonl"}
    row = ledger.get("DOCUMENT", digest)
    if row and row["status"] == "settled":
        return {
            "document": digest,
            "key": key,
            "held": True,
            "chunks": row["chunks"],
            "batches": batches,
            "group": row["group"],
            "kind": row["source"],
            "set_aside": row["set_aside"],
        }
    parsed = documents.parse(data, PurePosixPath(key).name)
    chunks = documents.chunks_of(parsed, digest, chunking.size, chunking.overlap)
    if not chunks:
        raise DocumentRejected("no_text", f"{key} holds no sentence that could be asked about")
    work.write_json(f"{folder}/parsed.json", parsed.to_json())
    work.write_lines(chunks_key(digest), chunks)
    work.write(index_key(digest), tools.CorpusIndex.build(chunks, tools.load_canon(load_catalog())).to_bytes())
    firsts = range(0, len(chunks), chunking.batch)
    work.write_lines(
        batches["key"],
        [
            {
                "document": digest,
                "first": first,
                "last": min(first + chunking.batch, len(chunks)),
                "failed_key": failed_key(digest, first),
            }
            for first in firsts
        ],
    )
    facts = {
        "status": "parsed",
        "key": key,
        "chunks": len(chunks),
        "group": chunks[0]["group"],
        "source": chunks[0]["source"],
        "set_aside": len(parsed.set_aside),
    }
    if not ledger.register("DOCUMENT", digest, facts):
        ledger.update("DOCUMENT", digest, facts)
    return {
        "document": digest,
        "key": key,
        "held": False,
        "chunks": len(chunks),
        "batches": batches,
        "group": facts["group"],
        "kind": facts["source"],
        "set_aside": facts["set_aside"],
    }


def teach(
    work: Store,
    teacher: Teacher,
    catalog: Catalog,
    batch: Mapping[str, Any],
    seed: int,
    reviewer: Teacher | None = None,
) -> dict[str, Any]:
    """Teach the chunks of one batch and keep their outcomes; a batch that was taught before is only read.

    batch: {"document", "first", "last"} (half-open, chunk numbers). reviewer: reads every example before it is kept.
    Returns {"document", "first", "outcomes": {...}}. Raises TeacherThrottled, TeacherUnavailable, and TeacherTimeout
    when chunk after chunk times out, because the sandbox's time would not be enough for all.
    """
    digest, first = batch["document"], batch["first"]
    key = outcome_key(digest, first)
    with BatchAnswers(work, digest, first, batch["last"]) as answers:
        if work.exists(key):
            outcomes = work.read_lines(key)
        else:
            outcomes = _taught(work, teacher, catalog, batch, seed, reviewer, answers)
            work.write_lines(key, outcomes)
    counts = Counter(outcome["status"] for outcome in outcomes)
    return {"document": digest, "first": first, "outcomes": dict(counts)}


def _taught(
    work: Store, teacher: Teacher, catalog: Catalog, batch: Mapping[str, Any], seed: int, reviewer: Teacher | None,
    answers: BatchAnswers,
) -> list[dict[str, Any]]:  # fmt: skip
    """The outcomes of a batch, chunk by chunk."""
    from toolsmith import teaching  # here, because parse, settle and set_aside start faster without

    lines, index = _material(work, batch["document"], catalog.registry, threading.get_ident())
    asking, reviewing = _Asking(teacher, answers), _Asking(reviewer, answers) if reviewer else None

    def outcome(number: int) -> dict[str, Any]:
        review = teaching.reviewed_by(reviewing.about(number), catalog) if reviewing else None
        by = {"teacher": teacher.model_id, "review": review}
        chunk = json.loads(lines[number])
        return teaching.teach_chunk(chunk, asking.about(number), catalog, index, seed, **by).to_dict()

    try:
        return [outcome(number) for number in range(batch["first"], batch["last"])]
    except _TooSlow as error:
        raise TeacherTimeout(f"{MAX_TIMEOUTS} calls timed out; the last: {error}") from error


@lru_cache(maxsize=2)
def _material(work: Store, digest: str, registry: str, thread: int) -> tuple[list[bytes], tools.CorpusIndex]:
    """The lines of a document's chunks and their index, kept for the next batch: a long document has hundreds.

    A sandbox teaches few of the chunks, so a line is decoded when its turn comes. An index answers only the thread
    that opened it.
    """
    lines = [line for line in work.read(chunks_key(digest)).splitlines() if line]
    return lines, _index(work, digest, map(json.loads, lines))


class _TooSlow(Exception):
    """No chunk of this batch is worth more waiting; never leaves this module."""


class _Asking:
    """Asks about the chunks of one batch and reads the replies; after MAX_TIMEOUTS timeouts it asks no more."""

    def __init__(self, teacher: Teacher, answers: BatchAnswers) -> None:
        self._teacher, self._answers, self._timeouts = teacher, answers, 0

    def about(self, number: int) -> "Callable[[teaching.Prompt], teaching.TeacherReply]":
        return partial(self._ask, self._answers.about(number))

    def _ask(self, answers: ChunkAnswers, prompt: "teaching.Prompt") -> "teaching.TeacherReply":
        from toolsmith import teaching

        try:
            return teaching.TeacherReply.from_converse(self._teacher.ask(prompt.system, prompt.user, answers))
        except TeacherTimeout as error:
            self._timeouts += 1
            if self._timeouts >= MAX_TIMEOUTS:
                raise _TooSlow(str(error)) from error
            raise


def read_chunks(work: Store, digest: str) -> tuple[list[dict[str, Any]], tools.CorpusIndex]:
    """A parsed document's chunks and their index; it is built anew where the document was parsed without."""
    chunks = work.read_lines(chunks_key(digest))
    return chunks, _index(work, digest, chunks)


def _index(work: Store, digest: str, chunks: Iterable[dict[str, Any]]) -> tools.CorpusIndex:
    canon = tools.load_canon(load_catalog())
    try:
        return tools.CorpusIndex.from_bytes(work.read(index_key(digest)), canon)
    except KeyError:
        return tools.CorpusIndex.build(chunks, canon)


def chunks_key(digest: str) -> str:
    return f"documents/{digest}/chunks.jsonl"


def index_key(digest: str) -> str:
    return f"documents/{digest}/index.sqlite"


def outcome_key(digest: str, first: int) -> str:
    return f"teaching/{digest}/{first:06d}.jsonl"


def failed_key(digest: str, first: int) -> str:
    return f"teaching/{digest}/{first:06d}.failed.json"


def settle(work: Store, ledger: Ledger, digest: str) -> dict[str, Any]:
    """Write what became of every chunk and settle the document's row. Raises LedgerUnbalanced.

    Returns {"document", "chunks", "kept", "repaired", "rejected", "failed", "empty", "examples", "reasons"}: the
    outcomes count chunks; `examples` counts verified examples, `reasons` rejected candidates by reason code. With them
    "teacher_calls", "input_tokens" and "output_tokens".
    """
    batches = work.read_lines(f"documents/{digest}/batches.jsonl")
    chunks = [chunk["id"] for chunk in work.read_lines(chunks_key(digest))]
    lines: list[dict[str, Any]] = []
    totals: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for batch in batches:
        for line, outcome in _batch_lines(work, digest, batch, chunks):
            lines.append(line)
            totals.update({name: outcome.get(name, 0) for name in ("calls", "input_tokens", "output_tokens")})
            totals["examples"] += len(outcome.get("examples", []))
            reasons.update(rejection["reason"] for rejection in outcome.get("rejections", []))
    by_status = Counter(line["status"] for line in lines)
    if [line["chunk"] for line in lines] != chunks or set(by_status) - set(OUTCOMES):
        raise LedgerUnbalanced(f"document {digest}: {len(chunks)} chunks, but outcomes {dict(by_status)}")
    work.write_lines(f"ledger/{digest}.jsonl", lines)
    counts = {name: by_status.get(name, 0) for name in OUTCOMES}
    row = {
        "status": "settled",
        "chunks": len(chunks),
        **counts,
        "examples": totals["examples"],
        "reasons": dict(sorted(reasons.items())),
        "teacher_calls": totals["calls"],
        "input_tokens": totals["input_tokens"],
        "output_tokens": totals["output_tokens"],
    }
    ledger.update("DOCUMENT", digest, row)
    return {"document": digest, **{name: value for name, value in row.items() if name != "status"}}


def _batch_lines(work: Store, digest: str, batch: Mapping[str, Any], chunks: list[str]):
    """Yield (ledger line, outcome) of each chunk of a batch; a batch without outcomes failed as a whole."""
    first = batch["first"]
    try:
        outcomes = work.read_lines(outcome_key(digest, first))
    except KeyError:
        reason = _failure(work, digest, first)
        outcomes = [{"chunk": chunk, "status": "failed", "reason": reason} for chunk in chunks[first : batch["last"]]]
    for outcome in outcomes:
        reasons = sorted({rejection["reason"] for rejection in outcome.get("rejections", [])})
        line = {
            "chunk": outcome["chunk"],
            "status": outcome["status"],
            "examples": len(outcome.get("examples", [])),
            "reasons": reasons,
            "detail": outcome.get("reason", ""),
        }
        yield line, outcome


def _failure(work: Store, digest: str, first: int) -> str:
    try:
        found = work.read_json(failed_key(digest, first))
    except KeyError:
        return "no outcome was written"
    return f"{found.get('Error', 'error')}: {str(found.get('Cause', ''))[:300]}"


def set_aside(intake: Store, ledger: Ledger, event: Mapping[str, Any], reason: str, detail: str) -> dict[str, Any]:
    """Move a file that cannot be used below rejected/, with a reason file beside it. Repeating changes nothing more."""
    key = event["key"]
    target = f"rejected/{key}"
    if intake.exists(key):
        intake.move(key, target)
    note = {"key": key, "version": event.get("version"), "reason": reason, "detail": detail}
    intake.write_json(f"{target}.reason.json", note)
    ledger.register("REJECTED", hashlib.sha256(f"{key}\0{event.get('version')}".encode()).hexdigest()[:32], note)
    return {"key": key, "reason": reason, "detail": detail[:500], "set_aside": target}
