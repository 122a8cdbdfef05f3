"""What the embedded teacher and the verifier make of a folder of real documents: a table, a JSON, samples to read.

    python benchmarks/teaching.py [--data FOLDER] [--out FOLDER] [--size N] [--limit N]

FOLDER holds documents (default: ../shared/data beside the repository); they go through the use cases of ingest, one
chunk size for all. The result says how many examples were verified in each category, why others were rejected, and
whether the authorities of 200 sampled examples exist: looked up by plain text search, not by the verifier's own index.
`rejections.json` holds 30 sampled rejections with the text they were written about, for people to judge.

Reference (2000 characters a chunk): benchmarks/results/teaching.json.
"""

import argparse
import json
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "layers" / "toolsmith")]

from local import teacher  # noqa: E402
from toolsmith import documents, teaching, tools  # noqa: E402
from toolsmith.catalog import Catalog, load_catalog  # noqa: E402
from toolsmith.errors import ToolsmithError  # noqa: E402
from toolsmith.pipeline.ingest import digest_of  # noqa: E402

READ, CHECKED, SEED = 30, 200, 0
LEAST, LEAST_IN_A_CATEGORY = 1500, 60
LISTS = {"MANIFEST.tsv", "ORACLE.jsonl"}


def ask(prompt: teaching.Prompt) -> teaching.TeacherReply:
    said = teacher.answer(prompt.system, prompt.user)
    return teaching.TeacherReply(said.text, said.stop_reason, said.input_tokens, said.output_tokens)


def corpus(folder: Path, size: int, limit: int | None) -> Iterator[list[dict[str, Any]]]:
    """The chunks of each document that can be used; copies of a document once."""
    seen: set[str] = set()
    for file in sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in LISTS)[:limit]:
        data = file.read_bytes()
        digest = digest_of(data)
        try:
            chunks = list(documents.chunks_of(documents.parse(data, file.name), digest, size, size // 10))
        except ToolsmithError:
            continue
        if chunks and digest not in seen:
            seen.add(digest)
            yield chunks


def teach(corpus: list[list[dict[str, Any]]], catalog: Catalog) -> list[teaching.ChunkOutcome]:
    outcomes = []
    for number, chunks in enumerate(corpus, start=1):
        index = tools.CorpusIndex.build(chunks, teaching.load_canon(catalog))
        outcomes += [teaching.teach_chunk(chunk, ask, catalog, index, SEED, teacher="embedded") for chunk in chunks]
        index.close()
        print(f"\r{number}/{len(corpus)} documents, {len(outcomes)} chunks", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return outcomes


class PlainText:
    """The corpus as one lower-case text of words, and the recipe's tables of authorities beside it."""

    def __init__(self, corpus: list[list[dict[str, Any]]], catalog: Catalog) -> None:
        said = [chunk["text"] + f" {chunk['facts'].get('case', '')}" for chunks in corpus for chunk in chunks]
        sections = [f" {chunk['section']} " for chunks in corpus for chunk in chunks]
        self.corpus = _words(" ".join(said + sections))
        tables = [catalog.text(name) for name in ("authorities.json", "citations.json")]
        self.tables = _words(" ".join([*tables, *teaching.load_canon(catalog).known]))

    def holds(self, authority: str) -> bool:
        """Whether the authority's own words, or its number, or every party's telling name, stands somewhere."""
        for text in (self.corpus, self.tables):
            if _words(authority) in text:
                return True
            if (number := _number(authority)) and f" {number} " in text:
                return True
            sides = [part.split()[-1] for part in re.split(r"\sv\.?\s", authority) if part.split()]
            if len(sides) == 2 and all(_words(side) in text for side in sides):
                return True
        return False


def _number(authority: str) -> str:
    """The section of a citation without title and paragraphs: "17 C.F.R. § 240.10b-5(a)" -> "240.10b-5"; or ""."""
    section = re.sub(r"^\d+ *(?:c\.?f\.?r|u\.?s\.?c)\S*", "", authority.lower()).partition("(")[0]
    found = re.search(r"\d[\da-z]*(?:[.-][\da-z]+)*", section)
    return found[0] if found and len(found[0]) > 2 else ""


def _words(text: str) -> str:
    """ " 17 cfr 230.501 a ": words between single spaces, punctuation inside numbers kept."""
    return f" {' '.join(re.findall(r'[a-z0-9]+(?:[.-][a-z0-9]+)*', text.lower()))} "


def authorities(example: Mapping[str, Any]) -> list[str]:
    """What the example's calls name as law or case; clauses and searches in words are no authorities."""
    named = [call["arguments"].get(name) for call in example["calls"]
             for name in ("regulation", "case_interpretation_check")]  # fmt: skip
    named += [call["arguments"]["query"] for call in example["calls"] if call["name"] == "citation_validator"]
    searched = [call["arguments"]["query"] for call in example["calls"] if call["name"] == "case_law_search"]
    return [name for name in [*named, *(s for s in searched if tools.read_case(s))] if name]


def ungrounded(examples: Sequence[Mapping[str, Any]], plain: PlainText) -> list[dict[str, Any]]:
    """Examples that name an authority which stands nowhere, although they do not say that it is made up."""
    found = []
    for example in examples:
        if not example["evidence"].get("citation_is_real", True):
            continue
        missing = [name for name in authorities(example) if not plain.holds(name)]
        if missing:
            found.append({"question": example["question"], "missing": missing, "chunk": example["chunk"]})
    return found


def measure(folder: Path, size: int, limit: int | None) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    catalog = load_catalog()
    held = list(corpus(folder, size, limit))
    texts = {chunk["id"]: chunk["text"] for chunks in held for chunk in chunks}
    started = time.process_time()
    outcomes = teach(held, catalog)
    seconds = time.process_time() - started
    examples = [example for outcome in outcomes for example in outcome.examples]
    rejected = [{"chunk": outcome.chunk, **refusal} for outcome in outcomes for refusal in outcome.rejections]
    draw = random.Random(SEED)
    checked = draw.sample(examples, min(CHECKED, len(examples)))
    read = [{**one, "text": texts[one["chunk"]]} for one in draw.sample(rejected, min(READ, len(rejected)))]
    whole = tools.CorpusIndex.build((chunk for chunks in held for chunk in chunks), teaching.load_canon(catalog))
    runs = teaching.execution_check(whole, catalog)
    result = {
        "documents": len(held),
        "chunks": len(outcomes),
        "outcomes": dict(Counter(outcome.status for outcome in outcomes)),
        "examples": len(examples),
        "by_category": dict(Counter(example["category"] for example in examples).most_common()),
        "by_source": dict(Counter(example["source"] for example in examples).most_common()),
        "answers": sum(outcome.calls for outcome in outcomes),
        "rejected": len(rejected),
        "rejected_by_stage": dict(Counter(one["stage"] for one in rejected).most_common()),
        "rejected_by_reason": dict(Counter(one["reason"] for one in rejected).most_common()),
        "authorities_checked": len(checked),
        "ungrounded": ungrounded(checked, PlainText(held, catalog)),
        "not_run_on_the_whole_corpus": sum(runs(example) is not None for example in checked),
        "cpu_ms_per_chunk": round(1000 * seconds / max(1, len(outcomes)), 1),
    }
    return result, read


def met(result: Mapping[str, Any]) -> dict[str, bool]:
    return {
        f"at least {LEAST} verified examples": result["examples"] >= LEAST,
        f"every category at least {LEAST_IN_A_CATEGORY}": len(result["by_category"]) == len(load_catalog().categories)
        and min(result["by_category"].values()) >= LEAST_IN_A_CATEGORY,
        "no ungrounded authority": not result["ungrounded"],
        "every chunk has an outcome": sum(result["outcomes"].values()) == result["chunks"],
    }


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--size", type=int, default=2000, help="characters of a chunk (default 2000)")
    parser.add_argument("--limit", type=int, help="only so many files")
    options = parser.parse_args(arguments)
    result, read = measure(options.data, options.size, options.limit)
    result["met"] = met(result)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "teaching.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    told = json.dumps(read, indent=1, ensure_ascii=False)
    (options.out / "rejections.json").write_text(told + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))
    return 0 if all(result["met"].values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
