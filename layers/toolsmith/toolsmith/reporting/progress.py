"""Sections of the page: training curves, and the attacks on the reward."""

from collections.abc import Mapping
from typing import Any

from toolsmith.reporting import curves
from toolsmith.reporting.breakdown import label, ordered
from toolsmith.reporting.facts import signed
from toolsmith.reporting.markup import Markup, element, join, number_cell, table

IMITATES = {
    "right": "the right answer",
    "first": "the first call alone",
    "tools": "right tools, no arguments",
    "nothing": "no answer at all",
}
SLACK = 1e-6
SHOWN_ATTACKS = 12


def training(report: Mapping[str, Any]) -> Markup:
    found = report["curves"]
    names = curves.metrics(found)
    if not names:
        return element("p", "No job left step-wise metrics.", class_="lead")
    main = [name for name in names if curves.is_main(name)]
    rest = [name for name in names if not curves.is_main(name)]
    lead = "Pale: every step. Strong: the moving average over a tenth of the curve, where the curve is long enough."
    parts = [
        element("p", lead, class_="lead"),
        element("div", *[_figure(name, found) for name in main], class_="multiples"),
    ]
    if rest:
        more = element("div", *[_figure(name, found) for name in rest], class_="multiples")
        parts.append(element("details", element("summary", f"{len(rest)} more metrics"), more))
    return join(parts)


def _figure(name: str, found: Mapping[str, Any]) -> Markup:
    series = {}
    for arm in ordered(found):
        points = curves.points(found[arm], name)
        if len(points) > 1:
            series[label(arm)] = points
    line = "M1 7h22"
    keys = [
        element(
            "span",
            element(
                "svg",
                element("path", d=line, class_=f"line s{curves.style(arm, place)}"),
                viewBox="0 0 24 14",
                aria_hidden="true",
            ),
            arm,
            class_="key",
        )
        for place, arm in enumerate(series)
    ]
    rows = [
        (f"{step:g}", arm, number_cell(f"{value:.4g}"))
        for arm, points in series.items()
        for step, value in curves.sampled(points)
    ]
    title = curves.title(name)
    return element(
        "figure",
        element("h3", title),
        element("figcaption", *keys),
        curves.chart(f"curve-{_identity(name)}", name, series),
        element(
            "details",
            element("summary", "As a table", element("span", f": {title}", class_="aside")),
            table(f"{title}, steps evenly chosen", ("Step", "Job", "Value"), rows),
        ),
    )


def _identity(name: str) -> str:
    """A column's name as part of an id, which holds no blanks."""
    return "".join(character if character.isalnum() else "-" for character in name)


def attacks(report: Mapping[str, Any]) -> Markup:
    rows = report["attacks"]
    if not rows:
        return element("p", "The attack suite was not run.", class_="lead")
    cells = [
        (
            join([row["name"].replace("_", " "), element("small", f" {row['description']}", class_="muted")]),
            element("td", IMITATES.get(row["imitates"], row["imitates"])),
            _judged(row, "score"),
            number_cell(f"{100 * row['honest']:.1f}"),
            _judged(row, "talk_score"),
        )
        for row in sorted(rows, key=_most_telling)
    ]
    head = ("Attack", "What it imitates", "Our score", "Honest answer", "Talk score")
    title = "Answers made to earn more than they deserve, scored on this run's questions, in percent"
    parts = [element("p", summary(rows), class_="lead"), table(title, head, cells[:SHOWN_ATTACKS])]
    if more := cells[SHOWN_ATTACKS:]:
        parts.append(
            element("details", element("summary", f"{len(more)} more attacks"), table("More attacks", head, more))
        )
    return join(parts)


def calibration(report: Mapping[str, Any]) -> Markup:
    """Whether the training reward ranks answers as the evaluation does, holds on new documents, and has variance."""
    found = report["calibration"]
    probe = found["probe"] or {}
    rows = (
        ("Reward against talk score, Spearman's rho over all answers", _decimal(found["spearman"])),
        ("Training reward, last steps of RFT", _percent(found["train_reward"])),
        ("Reward on held-out documents", _percent(found["held_out_reward"])),
        ("Gap between them, in points", "not measured" if found["gap"] is None else signed(100 * found["gap"])),
        ("Groups without variance before RFT", _percent(probe.get("without_variance"))),
        ("Mean reward of the rollouts before RFT", _percent(probe.get("reward"))),
    )
    cells = [(name, number_cell(value)) for name, value in rows]
    said = "; ".join(found["warnings"]) or "Nothing speaks against trusting the reward."
    title = "Calibration of the reward"
    return join([element("p", said, class_="lead"), table(title, ("Measure", "Value"), cells, hidden=True)])


def _percent(value: float | None) -> str:
    return "not measured" if value is None else f"{100 * value:.1f}"


def _decimal(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.2f}"


def _most_telling(row: Mapping[str, Any]) -> tuple[float, ...]:
    """What earns too much by our score, then by the talk's, then the dearest."""
    ours, talk = (max(0.0, round(row[name] - row["honest"], 6)) for name in ("score", "talk_score"))
    return -ours, -talk, -row["score"]


def summary(rows: list[Mapping[str, Any]]) -> str:
    """How both ways of scoring stand the attacks, in words."""
    ours = sum(row["score"] > row["honest"] + SLACK for row in rows)
    talk = sum(row["talk_score"] > row["honest"] + SLACK for row in rows)
    text = f"{ours or 'None'} of {len(rows)} attacks earns more than the honest answer it imitates by our score, "
    text += f"{talk or 'none'} by the talk's."
    baseless = [row for row in rows if row["imitates"] == "nothing"]
    if baseless:
        best, best_talk = (max(row[name] for row in baseless) for name in ("score", "talk_score"))
        text += f" With nothing right at all, the best earns {100 * best:.1f} % (talk score {100 * best_talk:.1f} %)."
    return text


def _judged(row: Mapping[str, Any], name: str) -> Markup:
    value = f"{100 * row[name]:.1f}"
    if row[name] <= row["honest"] + SLACK:
        return number_cell(value)
    return number_cell(join([element("span", value, class_="pill bad"), element("small", " above honest")]))
