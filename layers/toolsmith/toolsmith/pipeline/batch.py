"""A document's first prompts as one batch job, at half the price: its answers are put where asking looks first.

What the job does not answer well is simply not there, and is asked on demand by the same map that runs without a
batch. So both ways lead to the same dataset for the same answers. Formats:
https://docs.aws.amazon.com/bedrock/latest/userguide/batch-inference-data.html and batch-inference-results.html
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from toolsmith import teaching, tools
from toolsmith.catalog import Catalog
from toolsmith.errors import LedgerUnbalanced
from toolsmith.pipeline.answers import converse_body, prompt_key
from toolsmith.pipeline.ingest import read_chunks
from toolsmith.pipeline.kept import answer_path, answers_folder
from toolsmith.pipeline.ports import Store

# Prompts beyond these are asked on demand; reading 20,000 answers takes a function about five minutes.
MOST_RECORDS, RECORDS_PER_FILE = 20_000, 5_000
RECORDS = "records.json"  # in the job's folder: the number of the chunk that each record is about


@dataclass(frozen=True)
class Limits:
    """least: records that the service wants in a job. most: records of a job. per_file: records of an input file."""

    least: int
    most: int = MOST_RECORDS
    per_file: int = RECORDS_PER_FILE


def prepare(work: Store, catalog: Catalog, digest: str, model_id: str, seed: int, limits: Limits) -> dict[str, Any]:
    """Write the input of a batch job for the first prompts of a document's chunks.

    Returns {"document", "chunks", "silent" (chunks that nothing is asked about), "held" (answers that are there),
    "records", "job", "reason"}. job: {"name", "token", "folder", "input", "output"} with S3 URIs, or None where
    `reason` says why no job is worth while. The same chunks and answers give the same job.
    """
    chunks, index = read_chunks(work, digest)
    bodies = list(_first_bodies(chunks, index, catalog, model_id, seed))
    held = set(work.keys(answers_folder(digest)))
    wanted = [asked for asked in bodies if answer_path(digest, asked.number, asked.key) not in held]
    records = wanted[: limits.most]
    told = {"document": digest, "chunks": len(chunks), "silent": len(chunks) - len(bodies),
            "held": len(bodies) - len(wanted), "records": len(records)}  # fmt: skip
    if len(records) < limits.least:
        reason = f"{len(records)} records; the service wants {limits.least} in a batch job"
        return {**told, "job": None, "reason": reason}
    token = hashlib.sha256("\n".join([work.bucket, *(asked.key for asked in records)]).encode()).hexdigest()[:24]
    folder = f"batch/{digest}/{token}"
    lines = [{"recordId": asked.key, "modelInput": asked.body} for asked in records]
    for number, first in enumerate(range(0, len(lines), limits.per_file)):
        work.write_lines(f"{folder}/input/{number:04d}.jsonl", lines[first : first + limits.per_file])
    work.write_json(f"{folder}/{RECORDS}", {asked.key: asked.number for asked in records})
    job = {"name": f"toolsmith-{digest[:12]}-{token}", "token": token, "folder": folder,
           "input": work.uri(f"{folder}/input/"), "output": work.uri(f"{folder}/output/")}  # fmt: skip
    return {**told, "job": job, "reason": ""}


@dataclass(frozen=True)
class _Asked:
    """A chunk's first prompt: the chunk's number, the prompt's key and its Converse body."""

    number: int
    key: str
    body: dict[str, Any]


def _first_bodies(
    chunks: list[dict[str, Any]], index: tools.CorpusIndex, catalog: Catalog, model_id: str, seed: int
) -> Iterator[_Asked]:
    """Of each chunk that something is asked about, exactly as asking on demand makes it."""
    for number, chunk in enumerate(chunks):
        prompt = teaching.resume_chunk(chunk, {}, catalog, index, seed)
        if isinstance(prompt, teaching.Prompt):
            body = converse_body(prompt.system, prompt.user)
            yield _Asked(number, prompt_key(model_id, body), body)


def collect(work: Store, event: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the answers of a batch job that ended, whatever it ended as.

    event: {"document", "folder", "arn" (of the job), "status"}. Returns {"document", "job", "status", "records", "ok",
    "requeued", "reasons": {reason: count}}; records = ok + requeued. Raises LedgerUnbalanced.
    """
    numbers: dict[str, int] = work.read_json(f"{event['folder']}/{RECORDS}")
    asked = set(numbers)
    job = event["arn"].rpartition("/")[2]
    ok: set[str] = set()
    failed: dict[str, str] = {}
    for record, answer, fault in _results(work, f"{event['folder']}/output/{job}/"):
        if record in ok or record not in asked:
            continue
        if fault:
            failed[record] = fault
            continue
        work.write_json(answer_path(event["document"], numbers[record], record), answer)
        ok.add(record)
    reasons = Counter(failed.get(record, "missing") for record in asked - ok)
    if len(asked) != len(ok) + sum(reasons.values()):
        raise LedgerUnbalanced(f"batch job {job}: {len(asked)} records, {len(ok)} answered, {dict(reasons)}")
    return {
        "document": event["document"],
        "job": job,
        "status": event["status"],
        "records": len(asked),
        "ok": len(ok),
        "requeued": sum(reasons.values()),
        "reasons": dict(sorted(reasons.items())),
    }


def _results(work: Store, prefix: str) -> Iterator[tuple[str, Any, str]]:
    """(recordId, Converse response, "" or why it cannot be used) of every line that names a record."""
    for key in _files(work, prefix, ".jsonl.out"):
        for text in work.read(key).splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if isinstance(line, Mapping) and isinstance(line.get("recordId"), str):
                yield line["recordId"], line.get("modelOutput"), _fault(line)


def _fault(line: Mapping[str, Any]) -> str:
    """Why this record is asked again: "error", or as TeacherReply names it (malformed, truncated, refused)."""
    if "error" in line:
        return "error"
    rejection = teaching.TeacherReply.from_converse(line.get("modelOutput")).rejection
    return rejection[0] if rejection else ""


def _files(work: Store, prefix: str, ending: str) -> list[str]:
    return [key for key in work.keys(prefix) if key.endswith(ending)]
