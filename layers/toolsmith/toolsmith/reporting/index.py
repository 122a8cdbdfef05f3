"""The page that compares runs over time, written from their report.json files."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from toolsmith.reporting import intervals
from toolsmith.reporting.breakdown import label
from toolsmith.reporting.facts import percent, shortfalls_in_words
from toolsmith.reporting.markup import Markup, element, join, number_cell, table
from toolsmith.reporting.origins import spent
from toolsmith.reporting.page import document
from toolsmith.reporting.results import MEASURES, key

Report = Mapping[str, Any]

MOST_IN_CHART = 20
SHOWN_ARMS = ("base", "sft", "more_sft", "rft")


def index(reports: Iterable[Report]) -> str:
    """The page beside the runs' folders, the newest run first.

    reports: their report.json. Runs on the same dataset can be compared; the table says which those are.
    """
    runs = sorted(reports, key=lambda report: (report.get("finished_at", ""), report["run"]), reverse=True)
    registered = sum(bool(run["outcome"].get("registered")) for run in runs)
    body = element(
        "div",
        element(
            "header",
            element("p", "Toolsmith", class_="eyebrow"),
            element("h1", f"{len(runs)} {'run' if len(runs) == 1 else 'runs'}, {registered} with a registered model"),
        ),
        element("main", _chart(runs), _table(runs))
        if runs
        else element("main", element("p", "No run has a report yet.")),
        class_="layout",
    )
    return document("Toolsmith runs", body)


def best_arm(report: Report) -> str | None:
    """The arm that was registered, else the last model arm that was measured."""
    candidate = report["outcome"].get("candidate")
    if candidate in report["arms"]:
        return candidate
    return next((arm for arm in ("rft", "sft", "base") if arm in report["arms"]), None)


def _chart(runs: list[Report]) -> Markup:
    rows = []
    for run in runs[:MOST_IN_CHART]:
        arm = best_arm(run)
        values = {name: run["arms"][arm][name] if arm else None for name in MEASURES}
        rows.append(intervals.Row(f"{run['run'][:18]} {label(arm) if arm else ''}".strip(), values))
    more = f" The newest {MOST_IN_CHART} runs." if len(runs) > MOST_IN_CHART else ""
    title = "Score of the registered or last model of each run"
    return element(
        "section",
        element("h2", "Scores over time", id="chart-heading"),
        element("p", f"{title}, newest first, in percent with 95\N{NO-BREAK SPACE}% intervals.{more}", class_="lead"),
        element("figure", element("figcaption", key(MEASURES)), intervals.chart("runs-chart", title, rows, MEASURES)),
        aria_labelledby="chart-heading",
    )


def _table(runs: list[Report]) -> Markup:
    rows = [
        (
            element("a", run["run"], href=f"./{quote(run['run'])}/report.html", class_="whole"),
            element("td", run.get("finished_at", "")[:16].replace("T", " "), class_="whole"),
            element("td", _outcome(run)),
            *(_score(run, arm) for arm in SHOWN_ARMS),
            element("td", element("code", str(run["dataset"].get("dataset", ""))[:8]), class_="whole"),
            number_cell(f"{len(run.get('documents') or run['lineage']['documents']):,}"),
            number_cell(spent(run["cost"])),
        )
        for run in runs
    ]
    head = ("Run", "Finished", "Outcome", "Base", "SFT", "More SFT", "RFT", "Dataset", "Documents", "Cost")
    lead = "Scores of runs with the same dataset answer the same questions; across datasets they do not."
    return element(
        "section",
        element("h2", "Runs", id="runs-heading"),
        element("p", lead, class_="lead"),
        table("Runs, newest first", head, rows, hidden=True),
        aria_labelledby="runs-heading",
    )


def _outcome(run: Report) -> Markup:
    """What came of the run, and how many shortfalls its report begins with; reports of old runs list none."""
    count = len(run.get("shortfalls", ()))
    named = element("small", f" {shortfalls_in_words(count)}", class_="below muted") if count else ""
    return join([_pill(run), named])


def _pill(run: Report) -> Markup:
    if run["outcome"].get("registered"):
        return element("span", f"{label(run['outcome']['candidate'])} registered", class_="pill good")
    return element("span", "not registered", class_="pill bad")


def _score(run: Report, arm: str) -> Markup:
    if arm not in run["arms"]:
        return number_cell("–")
    mean, _, spread = percent(run["arms"][arm]["score"]).partition(" % ")
    return number_cell(join([mean, element("small", f" {spread}", class_="below")]))
