"""Sections of the page: dataset, documents, cost and lineage: what the model was made from and at what price."""

from collections.abc import Iterable, Mapping
from typing import Any

from toolsmith.reporting.breakdown import label, ordered
from toolsmith.reporting.facts import abstention_questions
from toolsmith.reporting.markup import Markup, element, join, number_cell, table

SPLITS = ("train", "validation", "test")
MOST_ROWS = 200


def facts(pairs: Iterable[tuple[str, Any]]) -> Markup:
    """A list of names and values; pairs without a value are left out."""
    parts = [element("dt", name) + element("dd", value) for name, value in pairs if value not in (None, "", [], {})]
    return element("dl", *map(Markup, parts), class_="facts")


def dataset(report: Mapping[str, Any]) -> Markup:
    manifest = report["dataset"]
    counts = manifest.get("counts", {})
    parts = [
        element("p", _opening(manifest, counts), class_="lead"),
        _by_split("By source", "Source", {"all": counts.get("split", {}), **counts.get("source", {})}),
        _by_split("By category", "Category", counts.get("category", {})),
    ]
    if abstention_questions(counts):
        parts.append(_by_split("Nothing to call", "Why", counts["abstention"]))
    small = [
        _counts("Calls by tool", ("Tool", "Calls"), counts.get("tool", {})),
        _counts("By difficulty", ("Difficulty", "Examples"), counts.get("difficulty", {})),
        _counts("Rejected by the verifier", ("Reason", "Answers"), manifest.get("rejections", {}), by_count=True),
        _counts("Verified but left out", ("Reason", "Examples"), manifest.get("dropped", {}), by_count=True),
    ]
    parts.append(element("div", *small, class_="pairs"))
    if manifest.get("shortfalls"):
        parts += [element("h3", "Short"), element("ul", *[element("li", line) for line in manifest["shortfalls"]])]
    return join(parts)


def _opening(manifest: Mapping[str, Any], counts: Mapping[str, Any]) -> str:
    teachers = ", ".join(manifest.get("teachers", ())) or "a teacher"
    by_hand = abstention_questions(counts)
    beside = f", and {by_hand:,} questions by hand that no tool can answer" if by_hand else ""
    return (
        f"{counts.get('examples', 0) - by_hand:,} verified examples from {manifest.get('documents', 0):,} documents, "
        f"written by {teachers}{beside}. Split by company, CFR part or case, so that the test "
        "asks about documents unseen in training."
    )


def _by_split(title: str, head: str, groups: Mapping[str, Mapping[str, int]]) -> Markup:
    rows = [
        (
            name.replace("_", " "),
            *(number_cell(f"{per.get(split, 0):,}") for split in SPLITS),
            number_cell(f"{sum(per.values()):,}"),
        )
        for name, per in groups.items()
    ]
    return _titled(title, (head, *(split.capitalize() for split in SPLITS), "All"), rows)


def _counts(title: str, head: tuple[str, str], counts: Mapping[str, int], *, by_count: bool = False) -> Markup:
    listed = sorted(counts.items(), key=lambda item: (-item[1], item[0])) if by_count else counts.items()
    rows = [(name.replace("_", " "), number_cell(f"{count:,}")) for name, count in listed]
    return element("div", _titled(title, head, rows))


def _titled(title: str, head: Iterable[str], rows: list[Any]) -> Markup:
    if not rows:
        return join([element("h3", title), element("p", "None.", class_="muted")])
    shown = table(title, head, rows[:MOST_ROWS], hidden=True)
    left = len(rows) - MOST_ROWS
    more = element("p", f"{left:,} more in report.json.", class_="muted") if left > 0 else ""
    return join([element("h3", title), shown, more])


def documents(report: Mapping[str, Any]) -> Markup:
    rejected = [
        (row["key"], element("td", str(row["reason"]).replace("_", " ")), element("td", row["detail"]))
        for row in report["rejected"]
    ]
    used = [
        (
            row["key"] or row["digest"],
            row["source"],
            *(
                number_cell(f"{row.get(name, 0):,}")
                for name in ("chunks", "kept", "repaired", "rejected", "failed", "empty", "examples")
            ),
        )
        for row in report["documents"]
    ]
    head = ("File", "Source", "Chunks", "Kept", "Repaired", "Rejected", "Failed", "Empty", "Examples")
    return join(
        [
            _titled("Set aside", ("File", "Reason", "Detail"), rejected),
            element(
                "details",
                element("summary", f"{len(used):,} documents used, with what became of their chunks"),
                _titled("Used", head, used),
            ),
        ]
    )


def _jobs(found: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Name and cost of all jobs; reports of older runs lack some of them."""
    evaluations, failed = found.get("evaluations", {}), found.get("failed", {})
    named = [(label(arm), found["jobs"][arm]) for arm in ordered(found["jobs"])]
    named += [(f"Evaluation of {label(arm)}", evaluations[arm]) for arm in ordered(evaluations)]
    return named + [(f"{name}, failed", job) for name, job in sorted(failed.items())]


def spent(found: Mapping[str, Any]) -> str:
    """What a run has cost in all, as far as that is known: "$1,234.50", "more than $1.20", "unknown"."""
    return _sum([*(job["usd"] for _, job in _jobs(found)), found.get("teacher", {}).get("usd", 0.0)])


def estimated(found: Mapping[str, Any]) -> str:
    """What a run was to cost, in the same words."""
    return _sum([found["estimated_usd"], *[None] * bool(found.get("unpriced"))])


def _sum(amounts: Iterable[float | None]) -> str:
    """The sum of amounts, None for those that nobody knows."""
    listed = list(amounts)
    known = sum(usd for usd in listed if usd is not None)
    if None not in listed:
        return _money(known)
    return f"more than {_money(known)}" if known else "unknown"


def _money(usd: float) -> str:
    return "under $0.01" if 0 < usd < 0.005 else f"${usd:,.2f}"


def cost(report: Mapping[str, Any]) -> Markup:
    found = report["cost"]
    head = ("Item", "Amount", "Cost")
    tables = [
        element("div", _titled("Spent", head, _spent_rows(found))),
        element("div", _titled("Estimated before", head, _estimated_rows(found))),
    ]
    budget = f"Budget ${found['budget_usd']:,.2f}. " if found.get("budget_usd") else ""
    lead = f"{budget}By the table of list prices in recipes/prices.json, not by a bill."
    lead += "" if found["evaluations"] else " Evaluation jobs are not in what was spent."
    if found.get("unpriced"):
        lead += f" It had no price for {', '.join(found['unpriced'])}."
    return join([element("p", lead, class_="lead"), element("div", *tables, class_="pairs")])


def _spent_rows(found: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    rows = [(name, number_cell(_amount(job)), number_cell(_sum([job["usd"]]))) for name, job in _jobs(found)]
    teacher = found["teacher"]
    tokens = number_cell(f"{teacher['input_tokens']:,} in, {teacher['output_tokens']:,} out")
    rows.append((f"Teacher, {teacher['teacher_calls']:,} calls", tokens, number_cell(_sum([teacher["usd"]]))))
    return [*rows, _total(spent(found))]


def _amount(job: Mapping[str, Any]) -> str:
    """Time of a job, or its tokens where it is billed by them."""
    amount = f"{job['tokens']:,} tokens" if "tokens" in job else f"{job['seconds'] / 3600:.2f} h"
    return f"{amount}, as estimated" if job.get("estimated") else amount


def _estimated_rows(found: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    stages: dict[str, list[Mapping[str, Any]]] = {}
    for line in found["estimate"]:
        stages.setdefault(line["stage"], []).append(line)
    rows = [
        (
            f"{'Evaluation' if stage == 'evaluate' else label(stage)} × {len(lines)}",
            number_cell(_expected(lines)),
            number_cell(_sum([line["usd"] for line in lines])),
        )
        for stage, lines in stages.items()
    ]
    return [*rows, _total(estimated(found))]


def _expected(lines: Iterable[Mapping[str, Any]]) -> str:
    """Time of the jobs of a stage, or their tokens where they are billed by them."""
    tokens = [line["input_tokens"] + line["output_tokens"] for line in lines if "input_tokens" in line]
    return f"{sum(tokens):,} tokens" if tokens else f"{sum(line['hours'] for line in lines):.1f} h"


def _total(usd: str) -> tuple[Markup, ...]:
    return element("b", "All"), number_cell(""), number_cell(element("b", usd))


def lineage(report: Mapping[str, Any]) -> Markup:
    line = report["lineage"]
    code = {name: element("code", value) for name, value in line.items() if isinstance(value, str) and value}
    jobs = [
        (label(arm), element("code", line["jobs"][arm]["job"]), element("code", line["jobs"][arm]["checkpoint"]))
        for arm in ordered(line["jobs"])
    ]
    files = [
        (name, number_cell(f"{held['rows']:,}"), element("code", held["sha256"]))
        for name, held in sorted(report["dataset"].get("files", {}).items())
    ]
    sources = [(row["key"] or "?", element("code", row["digest"])) for row in line["documents"]]
    named = [
        (name, element("code", value)) for name, value in sorted({**line["digests"], **_flat(line["settings"])}.items())
    ]
    return join(
        [
            facts(
                [
                    ("Model", code.get("model_arn")),
                    ("Deployment", code.get("deployment_arn")),
                    ("Student", code.get("student")),
                    ("Teacher", code.get("teacher")),
                    ("Seed", element("code", line["seed"])),
                    ("Dataset", code.get("dataset")),
                    ("Tool registry", code.get("registry")),
                ]
            ),
            _titled("Training jobs and checkpoints", ("Arm", "Job", "Checkpoint"), jobs),
            _titled(
                "Evaluation jobs",
                ("Arm", "Job"),
                [(label(a), element("code", line["evaluations"][a])) for a in ordered(line["evaluations"])],
            ),
            element(
                "details",
                element("summary", "Files of the dataset"),
                _titled("Files", ("File", "Rows", "SHA-256"), files),
            ),
            element(
                "details",
                element("summary", "Documents and their digests"),
                _titled("Documents by digest", ("File", "Digest"), sources),
            ),
            element(
                "details",
                element("summary", "Settings, recipes and prompts"),
                _titled("Settings and digests", ("Name", "Value"), named),
            ),
        ]
    )


def _flat(settings: Mapping[str, Any]) -> dict[str, str]:
    return {f"setting: {name}": str(value) for name, value in settings.items()}
