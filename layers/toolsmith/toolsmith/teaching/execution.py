"""Stage 2, execution: each call is run, and has to find what it names."""

from collections.abc import Callable, Mapping
from typing import Any

from toolsmith.catalog import Catalog
from toolsmith.tools import RESOLVED, Index, find_cases, read_case, run_call

CODES = {"unknown": "not_found", "absent": "does_not_exist", "malformed": "unreadable", "invalid": "does_not_bind"}


def execution_problems(
    calls: list[Mapping[str, Any]], index: Index, catalog: Catalog, *, citation_is_real: bool = True,
    accept: frozenset[str] = RESOLVED,
) -> list[tuple[str, str]]:  # fmt: skip
    """What does not run: (reason code, detail) pairs.

    accept: the statuses that count as found; without "known" an authority must stand in the corpus itself.
    """
    problems: list[tuple[str, str]] = []
    for call in calls:
        result = run_call(call, index, catalog)
        if call["name"] == "citation_validator" and not citation_is_real:
            problems += _made_up(call, result)
        elif result["status"] not in accept:
            code = CODES.get(result["status"], "not_found")
            problems.append((code, f"{call['name']}: {_sought(call, result)}"))
    return problems


def execution_check(
    index: Index, catalog: Catalog, accept: frozenset[str] = RESOLVED
) -> Callable[[Mapping[str, Any]], str | None]:
    """For a dataset: says of a canonical example why it does not run over the frozen corpus, or None."""

    def check(example: Mapping[str, Any]) -> str | None:
        real = example.get("evidence", {}).get("citation_is_real", True)
        problems = execution_problems(example["calls"], index, catalog, citation_is_real=real, accept=accept)
        return "; ".join(f"{code} ({detail})" for code, detail in problems) or None

    return check


def _made_up(call: Mapping[str, Any], result: Mapping[str, Any]) -> list[tuple[str, str]]:
    if result["status"] == "absent":
        return []
    detail = f"{call['arguments']['query']!r} is said to be made up, but it is {result['status']}"
    return [("not_made_up", detail)]


def _sought(call: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    if result["status"] == "invalid":
        return "; ".join(result["errors"])
    if "sources" in result:
        if not result["sources"]:
            return result["detail"]
        failed = [name for name, found in result["sources"].items() if found["status"] not in RESOLVED]
        return ", ".join(
            f"{name} {call['arguments'][name]!r} is {result['sources'][name]['status']}" for name in failed
        )
    value = next(iter(call["arguments"].values()))
    kind = "case " if read_case(value) or find_cases(value) else ""
    return f"{kind}{value!r} is {result['status']}"
