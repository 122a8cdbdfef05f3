"""The section with example answers: base, SFT and RFT side by side, what differs from the expected plan marked."""

import json
from collections.abc import Mapping
from typing import Any

from toolsmith.reporting.breakdown import label, ordered
from toolsmith.reporting.examples import MAX_ANSWER, compared
from toolsmith.reporting.facts import signed
from toolsmith.reporting.markup import Markup, element, join, text

KINDS = {"worse": "worse than {}", "wrong": "still wrong", "better": "better than {}", "right": "right"}


def examples(report: Mapping[str, Any]) -> Markup:
    chosen = report["examples"]
    if not chosen:
        return element("p", "No model was evaluated.", class_="lead")
    marks = any(example["expected"] for example in chosen)
    lead = join(
        [
            f"{len(chosen)} of the held-out questions, the worst regressions first. ",
            join([element("span", "Marked so", class_="wrong"), ": not what was expected, as the reward judges it; "])
            if marks
            else "",
            join([element("span", "missing: tool", class_="lost"), ": an expected call that was not made."])
            if marks
            else "",
        ]
    )
    return join([element("p", lead, class_="lead"), *[_example(example) for example in chosen]])


def _example(example: Mapping[str, Any]) -> Markup:
    arms = [(label(arm), example["answers"][arm]) for arm in ordered(example["answers"])]
    change = f", {signed(100 * example['change'])} points" if len(arms) > 1 and example["change"] else ""
    kind = KINDS[example["kind"]].format(arms[-2][0] if len(arms) > 1 else "before")
    about = f"{arms[-1][0]} is {kind}{change} · {example['category'].replace('_', ' ')}"
    expected = example["expected"]
    cards = [_answer(name, held, expected, example["question"]) for name, held in arms]
    if expected:
        cards.insert(0, _expected(expected, example["question"]))
    return element(
        "article",
        element("h3", example["question"]),
        element("p", about),
        element("div", *cards, class_="answers"),
        class_="example",
    )


def _expected(expected: Mapping[str, Any], question: str) -> Markup:
    plan = {"category": expected.get("category"), "calls": expected.get("calls", [])}
    answer = json.dumps(plan, ensure_ascii=False)
    return element("div", element("h4", "Expected"), _plan(answer, None, question), class_="answer")


def _answer(name: str, held: Mapping[str, Any], expected: Mapping[str, Any] | None, question: str) -> Markup:
    words = f"score {100 * held['score']:.0f} · talk {100 * held['talk_score']:.0f}"
    words += "" if held["reason"] == "ok" else f" · {held['reason'].replace('_', ' ')}"
    note = element("p", f"Cut after {MAX_ANSWER:,} characters.", class_="cut") if held["cut"] else ""
    return element(
        "div",
        element("h4", name, element("span", words)),
        _plan(held["answer"], expected, question),
        note,
        class_="answer",
    )


def _plan(answer: str, expected: Mapping[str, Any] | None, question: str) -> Markup:
    """The plan, part by part; an answer that is no plan as it stands."""
    found = compared(answer, expected, question)
    if found is None:
        shown = answer if answer.strip() else "(nothing)"
        return element(
            "div", shown, class_="plan raw-text", tabindex="0", role="group", aria_label="Answer as it was given"
        )
    lines = [element("li", _judged((found["category"][0] or "no category").replace("_", " "), found["category"][1]))]
    lines += [_call(call) for call in found["calls"]]
    if not found["calls"]:
        lines.append(element("li", "no calls", class_="muted"))
    lines += [element("li", element("span", f"missing: {tool}", class_="lost")) for tool in found["missing"]]
    return element("ul", *lines, class_="plan")


def _call(call: Mapping[str, Any]) -> Markup:
    arguments = [
        element("li", f"{name}: ", _judged("null" if value is None else _shown(value), right))
        for name, value, right in call["arguments"]
        if value is not None or right is False
    ]
    arguments += [element("li", element("span", f"missing: {name}", class_="lost")) for name in call["missing"]]
    return element("li", _judged(call["name"], call["right"]), element("ul", *arguments) if arguments else "")


def _shown(value: Any) -> str:
    return f"“{value}”" if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _judged(value: str, right: bool | None) -> Markup:
    if right is not False:
        return text(value)
    return element("span", value, element("span", " (not as expected)", class_="aside"), class_="wrong")
