"""Writes docs/performance.md from every file of benchmarks/results: what was measured, how, and whether it was enough.

    python benchmarks/performance.py            (make performance)

A result is a JSON object. Its "met" (or "verdicts") says which demands it meets; plain values become one table, lists
of objects with plain values one table each; a result too large for that holds a "page" of what to show. The words about
a benchmark are the first lines of its module.
"""

import ast
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS, PAGE = ROOT / "benchmarks" / "results", ROOT / "docs" / "performance.md"
LONGEST_LIST = 12
MET = ("met", "verdicts")
HEAD = """# What was measured

Made by `make performance` from `benchmarks/results/`; every section names the command that measures it anew. `load` is
the load average of the machine while it measured: far above its number of cores, times are worse than they need be.
"""


def words(name: str) -> tuple[str, str]:
    """(what it measures, its command) from the docstring of a benchmark; its name where there is no such module."""
    path = ROOT / "benchmarks" / f"{name}.py"
    if not path.is_file():
        return name, ""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or name
    parts = text.split("\n\n")
    commands = [line.strip() for line in text.splitlines() if line.strip().startswith("python ")]
    return " ".join(parts[0].split()), commands[0] if commands else ""


def plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool)


def short_list(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= LONGEST_LIST and all(map(plain, value))


def shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "**no**"
    if isinstance(value, list):
        return ", ".join(map(shown, value)) or "none"
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else str(value).replace("|", "\\|")


def flat(found: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """(name, value) of every plain value, names of nested ones joined with a dot."""
    for name, value in found.items():
        label = f"{above}{name}".replace("_", " ")
        if plain(value) or short_list(value):
            yield label, value
        elif isinstance(value, Mapping):
            yield from flat(value, f"{label} · ")


def tables(found: Mapping[str, Any]) -> Iterator[str]:
    """One table for each list of objects."""
    for name, rows in found.items():
        if not (isinstance(rows, list) and rows and all(isinstance(row, Mapping) for row in rows)):
            continue
        flattened = [dict(flat(row)) for row in rows]
        columns = list(dict.fromkeys(key for row in flattened for key in row))
        lines = ["| " + " | ".join(shown(row.get(column)) for column in columns) + " |" for row in flattened]
        yield "\n".join([f"{name.replace('_', ' ')}:", "", "| " + " | ".join(columns) + " |",
                         "|" + "---|" * len(columns), *lines])  # fmt: skip


def section(name: str, found: Mapping[str, Any]) -> str:
    what, command = words(name)
    parts = [f"## {name}", what]
    parts += [f"`{command}`"] if command else []
    demands = {demand: met for key in MET for demand, met in found.get(key, {}).items()}
    if demands:
        rows = [f"| {demand} | {shown(met)} |" for demand, met in demands.items()]
        parts.append("\n".join(["| demand | met |", "|---|---|", *rows]))
    rest = found.get("page") or {key: value for key, value in found.items() if key not in MET}
    values = [f"| {label} | {shown(value)} |" for label, value in flat(rest)]
    parts += ["\n".join(["| measured | value |", "|---|---|", *values])] if values else []
    return "\n\n".join([*parts, *tables(rest)])


def page() -> str:
    """The whole page, results in the order of their names."""
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))}
    return "\n\n".join([HEAD.strip(), *(section(name, result) for name, result in found.items())]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE.relative_to(ROOT)}\n")
