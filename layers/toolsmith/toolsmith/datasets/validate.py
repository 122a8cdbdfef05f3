"""Rules of the training and evaluation services, checked before anything is uploaded.

Each finding names file, line and remedy. Sources: Amazon Nova user guide (data preparation for SFT and RFT, evaluation
with your own data set) and, where it is stricter, the validator of the nova-forge SDK 1.4.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from toolsmith.datasets.validate_messages import converse_problems, openai_problems, openai_tool_problems
from toolsmith.errors import InvalidInput

FILE_NAME = re.compile(r"[A-Za-z0-9_/.\-]+")
MAX_SFT_ROWS = 20_000


@dataclass(frozen=True)
class Finding:
    """One broken rule; line 0 means the file as a whole."""

    file: str
    line: int
    problem: str
    remedy: str

    def __str__(self) -> str:
        place = f"{self.file}, line {self.line}" if self.line else self.file
        return f"{place}: {self.problem}; {self.remedy}"


Problem = tuple[str, str]
RowCheck = Callable[[dict[str, Any]], Iterator[Problem]]


def check_sft(file: str, data: bytes, least: int = 8) -> list[Finding]:
    """SFT rows (Converse). least: rows the job needs, the larger of 8 and its global batch size."""
    found = _check(file, data, least, converse_problems)
    rows = data.count(b"\n")
    if rows > MAX_SFT_ROWS:
        found.append(Finding(file, 0, f"{rows} rows, {MAX_SFT_ROWS} at most", "lower the quota per category"))
    return found if found else _mixed_tool_use(file, data)


def _mixed_tool_use(file: str, data: bytes) -> list[Finding]:
    """The nova-forge SDK refuses a file in which some rows call tools natively and others do not."""
    calls = [any("toolUse" in block for message in json.loads(line)["messages"] for block in message["content"])
             for line in data.splitlines() if line]  # fmt: skip
    odd = next((at for at, has in enumerate(calls, 1) if has != calls[0]), None)
    if odd is None:
        return []
    problem = f"{'a' if calls[odd - 1] else 'no'} toolUse, unlike in line 1"
    return [Finding(file, odd, problem, "keep rows without native calls out of a file with them")]


def check_rft(file: str, data: bytes, least: int = 100) -> list[Finding]:
    """RFT rows (OpenAI messages with a reference answer); at least 100 of them."""
    return _check(file, data, least, _rft_problems)


def check_eval(file: str, data: bytes, least: int = 1) -> list[Finding]:
    """Evaluation rows; the service looks for exactly one file named gen_qa.jsonl."""
    found = _check(file, data, least, _eval_problems)
    if file.rsplit("/", 1)[-1] != "gen_qa.jsonl":
        found.insert(0, Finding(file, 0, "evaluation reads gen_qa.jsonl only", "rename the file"))
    return found


def check_all(files: Mapping[str, bytes], least: Mapping[str, int] | None = None) -> list[Finding]:
    """Every job file of a dataset, by its folder (sft/, rft/, eval*/). least: rows wanted, by file name."""
    wanted = least or {}
    found: list[Finding] = []
    for name in sorted(files):
        check = _check_for(name)
        if check:
            found += check(name, files[name], **({"least": wanted[name]} if name in wanted else {}))
    return found


def require(findings: Iterable[Finding], shown: int = 5) -> None:
    """Raises InvalidInput listing the first findings; does nothing when there are none."""
    findings = list(findings)
    if findings:
        listed = "\n".join(f"  {finding}" for finding in findings[:shown])
        more = f"\n  and {len(findings) - shown} more" if len(findings) > shown else ""
        raise InvalidInput(f"the dataset breaks {len(findings)} rules of the service:\n{listed}{more}")


def _check_for(name: str) -> Callable[..., list[Finding]] | None:
    if name.startswith("sft/"):
        return check_sft
    if name.startswith("rft/"):
        return check_rft
    return check_eval if name.startswith("eval") and name.endswith("gen_qa.jsonl") else None


def _check(file: str, data: bytes, least: int, problems: RowCheck) -> list[Finding]:
    found: list[Finding] = []
    if not FILE_NAME.fullmatch(file):
        found.append(Finding(file, 0, "a character that S3 data files may not have", "use A-Z a-z 0-9 _ / . -"))
    rows = 0
    for number, text in enumerate(data.split(b"\n"), 1):
        if not text and number == data.count(b"\n") + 1:
            continue
        rows += 1
        found += [Finding(file, number, problem, remedy) for problem, remedy in _row(text, problems)]
    if rows < least:
        found.append(Finding(file, 0, f"{rows} rows, {least} needed", "drop more documents or lower the minimum"))
    return found


def _row(text: bytes, problems: RowCheck) -> Iterator[Problem]:
    try:
        row = json.loads(text.decode(), object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except ValueError as broken:
        yield f"not strict JSON ({broken})", "write one JSON object per line in UTF-8"
        return
    if not isinstance(row, dict):
        yield f"a JSON {type(row).__name__}, not an object", "write one JSON object per line"
        return
    yield from problems(row)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if len(set(keys)) < len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} stands twice")
    return dict(pairs)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _rft_problems(row: dict[str, Any]) -> Iterator[Problem]:
    if "id" in row and not isinstance(row["id"], str):
        yield "id is no string", 'write it as text, "id":"7"'
    yield from openai_problems(row.get("messages"))
    if "tools" in row:
        yield from openai_tool_problems(row["tools"])
    answer = row.get("reference_answer")
    if not isinstance(answer, str | dict) or not answer:
        yield "reference_answer is neither a text nor an object with content", "wrap lists: {\"calls\":[...]}"


def _eval_problems(row: dict[str, Any]) -> Iterator[Problem]:
    for key in ("query", "response"):
        if not isinstance(row.get(key), str) or not row[key].strip():
            yield f"{key} is missing or empty", "give every row a query and a response"
    for key in ("system", "metadata"):
        if key in row and not isinstance(row[key], str):
            yield f"{key} is no string", f'write {key} as text, for example "{key}":"..."'
    if unknown := sorted(row.keys() - {"query", "response", "system", "metadata", "images"}):
        yield f"unknown key {unknown[0]!r}", "keep query, response, system, images and metadata only"
