"""The scores of a run taken apart: differences between arms, categories, tools, and what went wrong."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from toolsmith.customization import statistics
from toolsmith.grading import parse_answer

Rows = Sequence[Mapping[str, Any]]
Measures = Mapping[str, Mapping[str, Any]]

ARMS: dict[str, tuple[str, str]] = {
    "constant": ("Constant", "one plan for every question, the best one on the training split"),
    "majority_plan": ("Majority plan", "the plan of the most frequent category"),
    "right_tools_empty": ("Right tools, empty", "told the right category and tools; every argument empty"),
    "right_tools_generic": ("Right tools, generic", "told the right category and tools; the most frequent arguments"),
    "base": ("Base", "the student before training, with the short prompt"),
    "base_tools": ("Base with tools", "the student before training, with full tool specifications"),
    "base_few_shot": ("Base, few-shot", "the student before training, with the same four answered questions"),
    "base_nearest": ("Base, nearest", "the student before training, with the four nearest training questions"),
    "sft": ("SFT", "fine-tuned on verified examples"),
    "more_sft": ("More SFT (control)", "SFT going on for the compute that RFT took"),
    "rft": ("RFT", "reinforced from the SFT checkpoint"),
}
PAIRS = (
    ("sft", "base"), ("sft", "base_tools"), ("rft", "sft"), ("rft", "more_sft"), ("more_sft", "sft"), ("rft", "base"),
    ("base_tools", "base"), ("sft", "base_few_shot"), ("sft", "base_nearest"),
)  # fmt: skip
# Groups are many and small: fewer draws than for the headline, which is enough for a table's one decimal.
GROUP_RESAMPLES = 400


def ordered(arms: Iterable[str]) -> list[str]:
    """Arms in the order of a report: what needs no model, base, SFT, the control beside RFT; others at the end."""
    held = set(arms)
    return [arm for arm in ARMS if arm in held] + sorted(held - set(ARMS))


def label(arm: str) -> str:
    return ARMS.get(arm, (arm, ""))[0]


def with_rows(measures: Measures) -> dict[str, Rows]:
    """The arms whose single answers are known."""
    return {arm: measures[arm]["rows"] for arm in ordered(measures) if measures[arm].get("rows")}


def differences(measures: Measures) -> list[dict[str, Any]]:
    """Paired differences candidate - rival over the same questions: {"candidate", "rival", "score", "talk_score"}."""
    rows = with_rows(measures)
    return [
        {"candidate": one, "rival": other}
        | {name: statistics.paired(rows[one], rows[other], name).to_json() for name in ("score", "talk_score")}
        for one, other in PAIRS
        if one in rows and other in rows
    ]


def by_category(measures: Measures) -> dict[str, dict[str, Any]]:
    """category -> arm -> {"questions", "score" (interval), "talk_score", "exact"} (means)."""
    return _grouped(with_rows(measures), lambda row: [row["category"]])


def by_wording(measures: Measures) -> dict[str, dict[str, Any]]:
    """ "labelled" and "unlabelled" -> {"arms": what `by_category` gives, "differences": as `differences`}.

    Unlabelled are questions worded as none that training had with its plan; {} where there are none.
    """
    rows = with_rows(measures)
    found = _grouped(rows, lambda row: ["labelled" if row.get("labelled", True) else "unlabelled"])
    if "unlabelled" not in found:
        return {}
    parts = {
        wording: {
            arm: {"rows": [row for row in arm_rows if row.get("labelled", True) is (wording == "labelled")]}
            for arm, arm_rows in rows.items()
        }
        for wording in found
    }
    return {wording: {"arms": arms, "differences": differences(parts[wording])} for wording, arms in found.items()}


def by_tool(measures: Measures, tools_of: Mapping[str, Sequence[str]]) -> dict[str, dict[str, Any]]:
    """tool -> arm -> what `by_category` gives, over the questions that ask for the tool, with "recall" and "precision".

    tools_of: category -> its tools. recall: share of the questions that need the tool in which it is called;
    precision: share of the answers calling it that need it (None where none calls it).
    """
    rows = with_rows(measures)
    found = _grouped(rows, lambda row: dict.fromkeys(tools_of.get(row["category"], ())))
    for arm, arm_rows in rows.items():
        called = {row["id"]: {call.name for call in parse_answer(row["answer"]).calls} for row in arm_rows}
        for tool, arms in found.items():
            needing = {row["id"] for row in arm_rows if tool in tools_of.get(row["category"], ())}
            calling = {question for question, names in called.items() if tool in names}
            if arm in arms:
                arms[arm]["recall"] = _share(needing & calling, needing)
                arms[arm]["precision"] = _share(needing & calling, calling)
    return found


def abstention(measures: Measures, tools_of: Mapping[str, Sequence[str]]) -> dict[str, dict[str, Any]]:
    """arm -> {"questions", "abstained", "needless"}; {} where every question needs a tool.

    tools_of: category -> its tools. questions: how many no tool can answer; abstained: the share of them that is
    answered by a plan without calls; needless: the share of all other questions that is answered so.
    """
    found = {}
    for arm, rows in with_rows(measures).items():
        nothing = [_calls_nothing(row) for row in rows if not tools_of.get(row["category"])]
        if nothing:
            others = [_calls_nothing(row) for row in rows if tools_of.get(row["category"])]
            needless = sum(others) / len(others) if others else None
            found[arm] = {"questions": len(nothing), "abstained": sum(nothing) / len(nothing), "needless": needless}
    return found


def _calls_nothing(row: Mapping[str, Any]) -> bool:
    answer = parse_answer(row["answer"])
    return answer.reason == "ok" and not answer.calls


def _share(part: set, whole: set) -> float | None:
    return len(part) / len(whole) if whole else None


def _grouped(rows: Mapping[str, Rows], keys: Callable[[Mapping[str, Any]], Iterable[str]]) -> dict[str, dict[str, Any]]:
    groups: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for arm, arm_rows in rows.items():
        for row in arm_rows:
            for key in keys(row):
                groups.setdefault(key, {}).setdefault(arm, []).append(row)
    return {key: {arm: _brief(found) for arm, found in arms.items()} for key, arms in sorted(groups.items())}


def _brief(rows: Rows) -> dict[str, Any]:
    scores = statistics.bootstrap(statistics.by_document(rows, "score"), GROUP_RESAMPLES)
    means = {name: sum(row[name] for row in rows) / len(rows) for name in ("talk_score", "exact")}
    return {"questions": len(rows), "score": scores.to_json(), **means}


def reasons(measures: Measures) -> dict[str, dict[str, int]]:
    """arm -> the gravest error of each answer, counted; "ok" for answers without any."""
    return {
        arm: dict(Counter(row["reason"] for row in rows).most_common()) for arm, rows in with_rows(measures).items()
    }
