"""A dataset from the project's samples without a cloud: the same use cases in one process."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local import teacher
from toolsmith import catalog, datasets, documents, teaching, tools
from toolsmith.errors import DocumentRejected

CHUNK_CHARACTERS, OVERLAP = 1000, 100  # as samconfig.toml sets them for the laptop


def _ask(prompt: teaching.Prompt) -> teaching.TeacherReply:
    reply = teacher.answer(prompt.system, prompt.user)
    return teaching.TeacherReply(reply.text, reply.stop_reason, reply.input_tokens, reply.output_tokens)


def _chunks(folder: Path, say: Callable[[str], None]) -> dict[str, list[dict[str, Any]]]:
    found = {}
    for file in sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix not in (".md", ".py")):
        data = file.read_bytes()
        digest = hashlib.sha256(data).hexdigest()[:32]
        try:
            parsed = documents.parse(data, file.name)
        except DocumentRejected as error:
            say(f"{file.name} set aside: {error}")
            continue
        found[digest] = documents.chunks_of(parsed, digest, CHUNK_CHARACTERS, OVERLAP)
    return found


def make_dataset(
    samples: Path, out: Path, unlabelled: tuple[str, ...], say: Callable[[str], None], seed: int = 0
) -> Path:
    """Parse, chunk, teach and assemble `samples` into the folder `out`; returns `out`.

    unlabelled: registers whose training questions go without their plans.
    """
    domain = catalog.load_catalog()
    canon = teaching.load_canon(domain)
    by_document = _chunks(samples, say)
    examples: list[Any] = []
    for chunks in by_document.values():
        index = tools.CorpusIndex.build(chunks, canon)
        for chunk in chunks:
            examples += teaching.teach_chunk(chunk, _ask, domain, index, seed).examples
    whole = tools.CorpusIndex.build([c for chunks in by_document.values() for c in chunks], canon)
    made = datasets.assemble(
        examples,
        teaching.execution_check(whole, domain),
        datasets.DatasetConfig(seed=seed, unlabelled=unlabelled),
        catalog=domain,
        canonical_citation=canon.canonical,
        facts=teaching.question_facts(whole),
    )
    for name, data in made.files.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(data)
    sizes = {name: len(rows) for name, rows in made.splits.items()}
    say(f"{len(by_document)} documents, {len(examples)} verified examples, {sizes}")
    return out
