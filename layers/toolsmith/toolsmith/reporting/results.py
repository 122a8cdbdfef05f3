"""Sections of the page: the arms, their differences and gates, categories and tools."""

from collections.abc import Mapping
from typing import Any

from toolsmith.reporting import intervals
from toolsmith.reporting.breakdown import ARMS, label, ordered
from toolsmith.reporting.facts import percent, points
from toolsmith.reporting.markup import Markup, element, join, number_cell, table

MEASURES = {"score": "score", "talk_score": "talk score"}
# Arms whose answers the category and tool tables compare; the others have no answers of their own or say little here.
COMPARED = ("base", "base_tools", "base_few_shot", "base_nearest", "sft", "more_sft", "rft")


def key(words: Mapping[str, str]) -> Markup:
    """What the marks of an interval chart mean."""
    marks = (
        element("circle", cx=12, cy=7, r=5, class_="mark m0"),
        element("path", d="M12 1l6 6-6 6-6-6z", class_="mark m1"),
    )
    return join(
        element("span", element("svg", marks[place], viewBox="0 0 24 14", aria_hidden="true"), said, class_="key")
        for place, said in enumerate(words.values())
    )


def arms(report: Mapping[str, Any]) -> Markup:
    measured = report["arms"]
    listed = ordered({*measured, "more_sft"} if "rft" in measured else measured)
    rows = [
        intervals.Row(
            label(arm),
            {name: measured[arm][name] if arm in measured else None for name in MEASURES},
            band="the same compute" if arm in ("more_sft", "rft") and "rft" in measured else "",
        )
        for arm in listed
    ]
    cells = [
        (
            join([label(arm), element("small", f" {ARMS.get(arm, ('', ''))[1]}", class_="muted")]),
            *(number_cell(percent(measured[arm][name])) for name in ("score", "talk_score", "exact")),
        )
        for arm in listed
        if arm in measured
    ]
    lead = (
        "Mean over held-out questions, in percent, with 95 % intervals. Score is our reward: an answer is right only "
        "with the right tools, order and arguments. Talk score is the looser count of the published talk, on the same "
        "answers."
    )
    return join(
        [
            element("p", lead, class_="lead"),
            element(
                "figure",
                element("figcaption", key(MEASURES)),
                intervals.chart("arms-chart", "Score and talk score of every arm", rows, MEASURES),
            ),
            table("Scores of every arm", ("Arm", "Score", "Talk score", "Exactly right"), cells, hidden=True),
        ]
    )


def differences(report: Mapping[str, Any]) -> Markup:
    rows = [
        intervals.Row(f"{_short(pair['candidate'])} − {_short(pair['rival'])}", {name: pair[name] for name in MEASURES})
        for pair in report["paired"]
    ]
    if not rows:
        return element("p", "No two arms answered the same questions.", class_="lead")
    cells = [(row.label, *(number_cell(points(row.values[name])) for name in MEASURES)) for row in rows]
    lead = (
        "Differences on the same questions, in points; an interval that leaves out zero is a difference that is shown."
    )
    title = "Paired differences between arms"
    return join(
        [
            element("p", lead, class_="lead"),
            element("h3", "Gates"),
            element("ul", *[_gate(gate) for _, gate in sorted(report["gates"].items(), reverse=True)], class_="gates")
            if report["gates"]
            else element("p", "No gate was reached."),
            element(
                "figure",
                element("figcaption", key(MEASURES)),
                intervals.chart("differences-chart", title, rows, MEASURES, signed=True),
            ),
            element(
                "details",
                element("summary", "Differences as a table"),
                table(title, ("Difference", "Score", "Talk score"), cells),
            ),
        ]
    )


def _short(arm: str) -> str:
    return label(arm).removesuffix(" (control)")


def _gate(gate: Mapping[str, Any]) -> Markup:
    word, kind = ("passed", "good") if gate["passed"] else ("not passed", "bad")
    return element("li", element("span", word, class_=f"pill {kind}"), f" {_judged(gate)}")


def _judged(gate: Mapping[str, Any]) -> str:
    if "difference" not in gate:
        return str(gate.get("reason", ""))
    return f"{label(gate['candidate'])} against {label(gate['rival'])}: {points(gate['difference'])}"


def breakdown(report: Mapping[str, Any]) -> Markup:
    held = [arm for arm in COMPARED if any(arm in found for found in report["categories"].values())]
    if not held:
        return element("p", "No model was evaluated.", class_="lead")
    names = [label(arm) for arm in held]
    categories = [
        (_spaced(name), number_cell(max(found["questions"] for found in by_arm.values())))
        + tuple(_meter(by_arm.get(arm)) for arm in held)
        for name, by_arm in report["categories"].items()
    ]
    tools = [
        (element("code", name), number_cell(max(found["questions"] for found in by_arm.values())))
        + tuple(_tool_cell(by_arm.get(arm)) for arm in held)
        for name, by_arm in report["tools"].items()
    ]
    return join(
        [
            _wordings(report.get("wordings", {}), held, names),
            element("h3", "By category"),
            table(
                "Mean score by category, in percent, with 95 % intervals", ("Category", "Questions", *names), categories
            ),
            element("h3", "By tool"),
            table(
                "Mean score of the questions that need a tool; called when needed / needed when called",
                ("Tool", "Questions", *names),
                tools,
            ),
            _abstention(report.get("abstention", {}), held, names),
            element("h3", "What went wrong"),
            _reasons(report, held, names),
        ]
    )


WORDINGS = {"labelled": "As in training", "unlabelled": "Without labels"}
REINFORCED = (("rft", "sft"), ("rft", "more_sft"))


def _wordings(wordings: Mapping[str, Any], held: list[str], names: list[str]) -> Markup:
    """Where some wordings had no labels: what reinforcement adds there, and what it costs elsewhere."""
    if not wordings:
        return join([])
    scores = [
        (WORDINGS[wording], number_cell(max(arm["questions"] for arm in found["arms"].values())))
        + tuple(_meter(found["arms"].get(arm)) for arm in held)
        for wording, found in wordings.items()
    ]
    known = {
        (wording, d["candidate"], d["rival"]): points(d["score"])
        for wording, found in wordings.items()
        for d in found["differences"]
    }
    gains = [
        (f"{label(one)} − {label(other)}", *(number_cell(known.get((w, one, other), "–")) for w in wordings))
        for one, other in REINFORCED
    ]
    lead = "Training had no plan for any question worded like those without labels: of them only the reward speaks."
    return join(
        [
            element("h3", "By wording"),
            element("p", lead, class_="lead"),
            table("Mean score by wording, in percent", ("Wording", "Questions", *names), scores),
            table("What reinforcement adds", ("Difference", *(WORDINGS[wording] for wording in wordings)), gains),
        ]
    )


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def _meter(found: Mapping[str, Any] | None) -> Markup:
    if found is None:
        return number_cell("–")
    score = found["score"]
    spread = f" {100 * score['low']:.0f}–{100 * score['high']:.0f}"
    value = join([f"{100 * score['mean']:.1f}", element("small", spread)])
    return element("td", value, class_="number meter", style=f"--v:{score['mean']:.3f}")


def _tool_cell(found: Mapping[str, Any] | None) -> Markup:
    if found is None:
        return number_cell("–")
    shares = [f"{100 * share:.0f} %" if share is not None else "–" for share in (found["recall"], found["precision"])]
    value = join([f"{100 * found['score']['mean']:.1f}", element("small", f" {shares[0]} / {shares[1]}")])
    return element("td", value, class_="number meter", style=f"--v:{found['score']['mean']:.3f}")


def _abstention(found: Mapping[str, Any], held: list[str], names: list[str]) -> Markup:
    """Whether the arms know when to call nothing: both ways to get that wrong."""
    if not found:
        return join([])
    kinds = {
        "abstained": "Called nothing where no tool can answer",
        "needless": "Called nothing where a tool is needed",
    }
    rows = [
        (said, *(number_cell(_share(found.get(arm, {}).get(kind))) for arm in held)) for kind, said in kinds.items()
    ]
    count = max(arm["questions"] for arm in found.values())
    lead = f"No tool can answer {count:,} of the questions; the right plan for them has no calls."
    return join(
        [
            element("h3", "When there is nothing to call"),
            element("p", lead, class_="lead"),
            table("Share of the questions, in percent", ("Answer", *names), rows),
        ]
    )


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


REASONS = {
    "trailing_text": "the right plan, with text after it",
    "missing_call": "an expected tool is not called",
    "extra_call": "a tool is called that was not expected",
    "abstained": "nothing is called although a tool is needed",
    "called_a_tool": "a tool is called although none can answer",
    "no_plan": "prose, or nothing that can be read as a plan",
    "two_answers": "more than one plan",
    "runaway": "the answer never ends",
}


def _reasons(report: Mapping[str, Any], held: list[str], names: list[str]) -> Markup:
    counts = report["reasons"]
    listed = sorted(
        {reason for arm in held for reason in counts[arm]} - {"ok"}, key=lambda r: -counts[held[-1]].get(r, 0)
    )
    rows = [
        (
            join(
                [_spaced(reason), element("small", f" {REASONS[reason]}", class_="muted") if reason in REASONS else ""]
            ),
            *(number_cell(counts[arm].get(reason, 0)) for arm in held),
        )
        for reason in ["ok", *listed]
    ]
    return table("Answers by their gravest error", ("Gravest error", *names), rows)
