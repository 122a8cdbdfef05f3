"""The data card: what is in a dataset, in words and tables that people read."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from toolsmith.catalog import Catalog
from toolsmith.grading.settings import settings

BANDS = (("easy", 0.34), ("medium", 0.67), ("hard", 1.01))
SHOWN_PER_CATEGORY = 2
_WHY = {
    "duplicate": "the same question was already there",
    "near_duplicate": "only names, numbers or a few words differ from another question",
    "ambiguous": "the same question had different answers",
    "shared_evidence": "the quoted passage also stands in a document of another split",
    "unresolved": "a call finds nothing in the whole corpus",
    "sensitive": "holds a secret or a personal number",
    "reserved_word": "holds a word that training services refuse",
    "incomplete": "fields of the example are missing",
}

Splits = Mapping[str, Sequence[Mapping[str, Any]]]


def difficulty_bands(examples: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Examples per band of difficulty (0..1 cut into three)."""
    counts = Counter(next(name for name, top in BANDS if e["difficulty"] < top) for e in examples)
    return {name: counts[name] for name, _ in BANDS}


def render(manifest: Mapping[str, Any], splits: Splits, catalog: Catalog) -> str:
    """The card of one dataset as Markdown."""
    parts = [
        _opening(manifest, splits),
        _by_split("By source", "source", manifest, splits),
        _by_split("By category", "category", manifest, splits),
        _by_split("Nothing to call", "abstention", manifest, splits) if manifest["counts"]["abstention"] else "",
        _tools(manifest, catalog),
        _table("By difficulty", ("band", "examples"), manifest["counts"]["difficulty"].items()),
        _left_out(manifest),
        _shortfalls(manifest),
        _samples(splits, catalog),
        _use(manifest),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _opening(manifest: Mapping[str, Any], splits: Splits) -> str:
    counts, groups = manifest["counts"], manifest["groups"]
    sizes = ", ".join(f"{len(examples)} {name}" for name, examples in splits.items())
    by_hand = sum(sum(per.values()) for per in counts["abstention"].values())
    held = ", ".join(f"{len(groups[name])} {name}" for name in splits)
    return (
        f"# Dataset {manifest['dataset']}\n\n"
        f"{counts['examples'] - by_hand} questions about {manifest['documents']} documents, each with the tool calls "
        f"that answer it and the sentence it rests on. Written by {', '.join(manifest['teachers'])}; every one was "
        f"checked for form, executed against the corpus and traced to its source.{_abstention(by_hand)}\n\n"
        f"Examples: {sizes}. They are split by company, CFR part or case ({held} groups), so the test asks about "
        "documents that training never saw; no question in one split is a copy or near copy of one in another."
    )


def _abstention(questions: int) -> str:
    if not questions:
        return ""
    return (
        f" Beside them stand {questions} questions that no tool can answer, written by hand in the recipe "
        "(abstention.json); to call nothing is right, and must be said."
    )


def _by_split(title: str, key: str, manifest: Mapping[str, Any], splits: Splits) -> str:
    rows = [
        (value, *(per[name] for name in splits), sum(per.values()))
        for value, per in manifest["counts"][key].items()
    ]
    return _table(title, (key, *splits, "all"), rows)


def _tools(manifest: Mapping[str, Any], catalog: Catalog) -> str:
    counts = manifest["counts"]["tool"]
    rows = [(tool.name, tool.short, counts.get(tool.name, 0)) for tool in catalog.tools.values()]
    return _table("By tool", ("tool", "for", "calls"), rows)


def _left_out(manifest: Mapping[str, Any]) -> str:
    parts = []
    if manifest["dropped"]:
        rows = [(reason, n, _WHY.get(reason, "")) for reason, n in manifest["dropped"].items()]
        parts.append(_table("Verified but left out", ("reason", "examples", "meaning"), rows))
    if manifest["rejections"]:
        rows = sorted(manifest["rejections"].items(), key=lambda item: (-item[1], item[0]))
        parts.append(_table("Rejected before", ("the verifier's reason", "answers"), rows))
    return "\n\n".join(parts)


def _shortfalls(manifest: Mapping[str, Any]) -> str:
    if not manifest["shortfalls"]:
        return ""
    return "## Short\n\n" + "\n".join(f"- {sentence}" for sentence in manifest["shortfalls"])


def _samples(splits: Splits, catalog: Catalog) -> str:
    lines = ["## Some questions"]
    plans = {category.name: " → ".join(category.tools) for category in catalog.categories.values()}
    for name, tools in {**plans, settings().abstain_category: "nothing"}.items():
        found = [e for examples in splits.values() for e in examples if e["category"] == name]
        if found:
            lines.append(f"\n**{name}** ({tools})\n")
            lines += [f"- {_cell(e['question'])}" for e in found[:SHOWN_PER_CATEGORY]]
    return "\n".join(lines)


def _use(manifest: Mapping[str, Any]) -> str:
    rows = [(name, file["rows"], file["sha256"][:12]) for name, file in sorted(manifest["files"].items())]
    return _table("Files", ("file", "rows", "sha256"), rows)


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    rule = ["---" if place == 0 else "---:" for place in range(len(head))]
    body = [list(map(str, head)), rule, *([_cell(str(value)) for value in row] for row in rows)]
    return f"## {title}\n\n" + "\n".join("| " + " | ".join(cells) + " |" for cells in body)


def _cell(text: str) -> str:
    """Text that cannot break out of its table or list, nor become markup."""
    flat = " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
    return flat.replace("[", "\\[").replace("`", "\\`")
