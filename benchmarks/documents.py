"""Parsing and chunking side by side with other libraries, in one run: a table and a JSON.

    python benchmarks/documents.py [--data FOLDER] [--peers PYTHON]... [--rounds N] [--json FILE]

FOLDER holds `edgar/*.htm` and `caselaw/*.json` (default: ../shared/data beside the repository). PYTHON is the
interpreter of a throwaway environment with the peers that are wanted: edgartools, sec-parser, beautifulsoup4, lxml,
selectolax, langchain-text-splitters, semantic-text-splitter, chonkie. Peers that want different versions of the same
library (edgartools and sec-parser want different lxml) go into environments of their own, each named by a --peers; a
peer runs in the first that has it. A peer that is absent is skipped with its reason.

Every contender runs in a process of its own, round after round in turn, so that a busy machine hits all alike. Times
are CPU seconds of the process, the fastest pass of a round; the ratios that are promised are medians over the rounds,
each against its neighbour of the same round. MB are the bytes of the source files (parsing) or characters of text
(chunking).
"""

import argparse
import gc
import importlib
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SIZE, OVERLAP = 4000, 200
# More passes in the same process, warm, for contenders that take less than SLOW seconds for one.
PASSES, SLOW = 4, 5.0
# The filings that the measurements of others were made on, as far as they are in the data folder.
FILINGS = ("10-K_*.htm", "10-Q_*.htm", "20-F_*.htm", "DEF14A_*.htm")


def toolsmith_parse() -> Callable[[bytes], object]:
    """The whole parse: text, sections, provenance."""
    parse = importlib.import_module("toolsmith.documents").parse
    return lambda data: parse(data, "filing.htm").documents[0].text


def lexbor_tree() -> Callable[[bytes], object]:
    """A bare tree, no text: the floor of every parser that builds one."""
    parser = importlib.import_module("selectolax.lexbor").LexborHTMLParser
    return lambda data: parser(data)


def edgartools() -> Callable[[bytes], object]:
    documents = importlib.import_module("edgar.documents")
    return lambda data: documents.HTMLParser(documents.ParserConfig()).parse(data.decode("utf-8", "replace")).text()


def sec_parser() -> Callable[[bytes], object]:
    parser = importlib.import_module("sec_parser").Edgar10QParser()
    return lambda data: "\n".join(one.text for one in parser.parse(data.decode("utf-8", "replace")))


def beautifulsoup() -> Callable[[bytes], object]:
    soup = importlib.import_module("bs4").BeautifulSoup
    importlib.import_module("lxml")
    return lambda data: soup(data, "lxml").get_text("\n")


def toolsmith_chunk() -> Callable[[str], list[str]]:
    documents = importlib.import_module("toolsmith.documents")
    return lambda text: [one.text for one in documents.chunk(documents.Document("", "1", "", text), SIZE, OVERLAP)]


def naive_slices() -> Callable[[str], list[str]]:
    return lambda text: [text[at : at + SIZE] for at in range(0, len(text), SIZE - OVERLAP)]


def langchain() -> Callable[[str], list[str]]:
    module = importlib.import_module("langchain_text_splitters")
    return module.RecursiveCharacterTextSplitter(chunk_size=SIZE, chunk_overlap=OVERLAP).split_text


def semantic() -> Callable[[str], list[str]]:
    return importlib.import_module("semantic_text_splitter").TextSplitter(SIZE, overlap=OVERLAP).chunks


def chonkie() -> Callable[[str], list[str]]:
    module = importlib.import_module("chonkie")
    chunker = module.SentenceChunker("character", chunk_size=SIZE, chunk_overlap=OVERLAP)
    return lambda text: [one.text for one in chunker.chunk(text)]


OWN_PARSERS = {"toolsmith": toolsmith_parse}
PEER_PARSERS = {
    "lexbor tree": lexbor_tree,
    "edgartools": edgartools,
    "sec-parser": sec_parser,
    "bs4+lxml": beautifulsoup,
}
OWN_CHUNKERS = {"toolsmith": toolsmith_chunk, "naive slices": naive_slices}
PEER_CHUNKERS = {"langchain": langchain, "semantic-text-splitter": semantic, "chonkie": chonkie}
PARSERS, CHUNKERS = OWN_PARSERS | PEER_PARSERS, OWN_CHUNKERS | PEER_CHUNKERS


def filings(data: Path) -> list[Path]:
    return sorted(file for pattern in FILINGS for file in (data / "edgar").glob(pattern))


def measure(task: str, name: str, data: Path) -> dict[str, object]:
    """Run one contender over all inputs in this process; the fastest pass counts."""
    began = time.process_time()
    work = (PARSERS if task == "parse" else CHUNKERS)[name]()
    loaded = time.process_time() - began
    inputs = [file.read_bytes() for file in filings(data)] if task == "parse" else texts()
    failures, seconds, results = one_pass(work, inputs, keep=task == "chunk")
    for _ in range(PASSES if seconds < SLOW else 0):
        seconds = min(seconds, one_pass(work, inputs, keep=False)[1])
    megabytes = sum(map(len, inputs)) / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    outcome = {"mb_per_s": megabytes / seconds, "import_s": loaded, "peak_mb": peak, "failures": failures}
    return outcome | (chunk_quality(inputs, results) if task == "chunk" else {})


def one_pass(work: Callable, inputs: list, keep: bool) -> tuple[int, float, list]:
    """Failures, CPU seconds and (if kept) results of all inputs. A peer that fails on a file is no end of the run."""
    failures, seconds, results = 0, 0.0, []
    for one in inputs:
        gc.collect()
        began, result = time.process_time(), None
        try:
            result = work(one)
        except Exception as error:
            failures += 1
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
        seconds += time.process_time() - began
        if keep:
            results.append(result or [])
    return failures, seconds, results


def texts() -> list[str]:
    """Parsed texts, handed over on stdin so that every chunker gets the same."""
    return json.load(sys.stdin)


def chunk_quality(inputs: list[str], results: list[list[str]]) -> dict[str, object]:
    """Largest chunk; overlap achieved at the joins (by matching ends); share of chunks that start within a word."""
    overlaps, inside, count, largest = [], 0, 0, 0
    for text, chunks in zip(inputs, results, strict=False):
        at, end = 0, 0
        for number, chunk in enumerate(chunks):
            found = text.find(chunk, max(0, min(at, end - 4 * OVERLAP)))
            largest, count = max(largest, len(chunk)), count + 1
            if found < 0:
                continue
            if number:
                overlaps.append(max(0, end - found))
                inside += found > 0 and text[found - 1].isalnum() and text[found].isalnum()
            at, end = found + 1, found + len(chunk)
    median = statistics.median(overlaps) if overlaps else 0
    zero = sum(1 for one in overlaps if not one) / max(1, len(overlaps))
    return {
        "largest": largest,
        "median_overlap": median,
        "zero_overlap": zero,
        "starts_in_word": inside / max(1, count),
    }


def once(task: str, name: str, python: str, data: Path, stdin: str) -> dict[str, object]:
    own = name in OWN_PARSERS | OWN_CHUNKERS
    command = [sys.executable if own else python, __file__, "--worker", task, "--only", name, "--data", str(data)]
    path = {"PYTHONPATH": str(ROOT / "layers" / "toolsmith")} if own else {}
    done = subprocess.run(
        command,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=1800,
        env={**path, "HOME": "/tmp", "EDGAR_IDENTITY": "Benchmark benchmark@example.com"},
    )
    if done.returncode:
        return {"skipped": (done.stderr.strip().splitlines() or ["no output"])[-1]}
    return json.loads(done.stdout.splitlines()[-1])


def somewhere(task: str, name: str, arguments: argparse.Namespace, stdin: str) -> dict[str, object]:
    """`once` in the first of the peers' environments that has the contender."""
    found: dict[str, object] = {}
    for python in arguments.peers or [sys.executable]:
        found = once(task, name, python, arguments.data, stdin)
        if "skipped" not in found:
            return found
    return found


def run(task: str, names: list[str], arguments: argparse.Namespace, stdin: str) -> dict[str, dict[str, object]]:
    """All contenders, round by round; of each the fastest round, and `rounds`, the MB/s of every round."""
    best: dict[str, dict[str, object]] = {}
    rates: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(arguments.rounds):
        for name in names:
            if "skipped" in best.get(name, {}):
                continue
            found = somewhere(task, name, arguments, stdin)
            rates[name].append(found.get("mb_per_s", 0.0))
            if "skipped" in found or name not in best or found["mb_per_s"] > best[name]["mb_per_s"]:
                best[name] = found
    return {name: row if "skipped" in row else {**row, "rounds": rates[name]} for name, row in best.items()}


def table(task: str, rows: dict[str, dict[str, object]]) -> str:
    columns = ["mb_per_s", "peak_mb", "import_s", "failures"]
    columns += ["largest", "median_overlap", "zero_overlap", "starts_in_word"] if task == "chunk" else []
    lines = [f"{task:24}" + "".join(f"{one:>16}" for one in columns)]
    for name, row in rows.items():
        if "skipped" in row:
            lines.append(f"{name:24}  skipped: {row['skipped']}")
        else:
            lines.append(f"{name:24}" + "".join(f"{row[one]:16.2f}" for one in columns))
    return "\n".join(lines)


# What is asked of each ratio: at least so much.
DEMANDS = {"chunk_mb_per_s": 300.0, "times_edgartools": 10.0, "share_of_lexbor_tree": 1 / 3}


def ratios(results: dict[str, dict[str, dict[str, object]]]) -> dict[str, float]:
    """What is promised: chunking in MB/s; parsing against edgartools and a bare tree."""
    rounds = {name: row.get("rounds", []) for name, row in results["parse"].items()}
    found = {"chunk_mb_per_s": statistics.median(results["chunk"]["toolsmith"]["rounds"])}
    for name, key in (("edgartools", "times_edgartools"), ("lexbor tree", "share_of_lexbor_tree")):
        if rounds.get(name):
            found[key] = statistics.median(
                own / peer for own, peer in zip(rounds["toolsmith"], rounds[name], strict=True)
            )
    return found


def verdicts(found: dict[str, float]) -> dict[str, bool]:
    """Each demand in words, and whether it is met."""
    words = {name: f"{name.replace('_', ' ')} at least {least:.3g}" for name, least in DEMANDS.items()}
    return {words[name]: value >= DEMANDS[name] for name, value in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--peers", action="append", help="interpreter of an environment that holds peers; repeatable")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    parser.add_argument("--worker", choices=("parse", "chunk"), help=argparse.SUPPRESS)
    parser.add_argument("--only", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        print(json.dumps(measure(arguments.worker, arguments.only, arguments.data)))
        return
    if not filings(arguments.data):
        parser.error(f"no filings in {arguments.data}/edgar; name a folder with --data")
    sys.path.insert(0, str(ROOT / "layers" / "toolsmith"))
    parse = toolsmith_parse()
    stdin = json.dumps([parse(file.read_bytes()) for file in filings(arguments.data)])
    results = {
        "parse": run("parse", list(PARSERS), arguments, ""),
        "chunk": run("chunk", list(CHUNKERS), arguments, stdin),
    }
    results["load"] = round(os.getloadavg()[0], 1)
    results["ratios"] = ratios(results)
    results["verdicts"] = verdicts(results["ratios"])
    for task in ("parse", "chunk"):
        print(table(task, results[task]), end="\n\n")
    print(json.dumps(results))
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
