"""Gates: whether a candidate is better by a paired interval, and what the run does next.

What is compared with what, by which number and margin, stands in recipes/gates.json.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolsmith import recipes
from toolsmith.customization.statistics import Interval, paired
from toolsmith.errors import RecipeInvalid

# gate, named after its candidate -> the arms that are measured by then in every run
RIVALS = {"sft": ("base", "base_tools"), "rft": ("sft", "base", "base_tools")}
METRICS = ("score", "exact")


@dataclass(frozen=True)
class PairedTest:
    """A gate as its recipe states it: `candidate` must beat `rival` in `metric` by more than `margin`, a fraction."""

    candidate: str
    rival: str
    metric: str = "score"
    margin: float = 0.0


def load(file: Path | None = None) -> dict[str, PairedTest]:
    """Gate -> its test, from recipes/gates.json. Raises RecipeInvalid naming gate and key, and what may stand there."""
    file = file or recipes.path("gates.json")
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as broken:
        raise RecipeInvalid(f"{file.name}, line {broken.lineno}: not JSON ({broken.msg})") from broken
    if not isinstance(raw, dict) or raw.keys() != RIVALS.keys():
        raise RecipeInvalid(f"{file.name}: wants an object with exactly the gates {', '.join(RIVALS)}")
    return {gate: _test(gate, raw[gate], f"{file.name}, {gate}") for gate in RIVALS}


def _test(gate: str, entry: Any, where: str) -> PairedTest:
    keys = {"rival", "metric", "margin"}
    if not isinstance(entry, dict) or entry.keys() != keys:
        raise RecipeInvalid(f"{where}: wants an object with exactly the keys {', '.join(sorted(keys))}")
    for key, allowed in (("rival", RIVALS[gate]), ("metric", METRICS)):
        if entry[key] not in allowed:
            raise RecipeInvalid(f"{where}, {key}: {entry[key]!r}; write {' or '.join(allowed)}")
    margin = entry["margin"]
    if not isinstance(margin, int | float) or isinstance(margin, bool) or not 0 <= margin < 1:
        raise RecipeInvalid(f"{where}, margin: {margin!r}; write a fraction from 0 to below 1: 0.02 is 2 points")
    return PairedTest(gate, entry["rival"], entry["metric"], float(margin))


@dataclass(frozen=True)
class GateVerdict:
    """passed: the lower end of candidate - rival is above the margin. reason: a sentence for people."""

    gate: str
    candidate: str
    rival: str
    passed: bool
    difference: Interval
    margin: float
    reason: str

    def to_json(self) -> dict[str, Any]:
        return {
            "gate": self.gate,
            "candidate": self.candidate,
            "rival": self.rival,
            "passed": self.passed,
            "difference": self.difference.to_json(),
            "margin": self.margin,
            "reason": self.reason,
        }


def judge(gate: str, test: PairedTest, measures: Mapping[str, Sequence[Mapping]]) -> GateVerdict:
    """Is the test's candidate better than its rival? measures: arm -> rows {"id", "document", <metric>}."""
    candidate, rival = test.candidate, test.rival
    difference = paired(measures[candidate], measures[rival], test.metric)
    passed = difference.low > test.margin
    verb = "is better than" if passed else "is not shown to be better than"
    points = f"{100 * difference.mean:+.1f} points [{100 * difference.low:+.1f}, {100 * difference.high:+.1f}]"
    reason = f"{candidate} {verb} {rival}{_terms(test)}: {points}"
    return GateVerdict(gate, candidate, rival, passed, difference, test.margin, reason)


def _terms(test: PairedTest) -> str:
    """What differs from more than nothing in the score."""
    metric = "" if test.metric == "score" else f" in {test.metric}"
    return metric + (f" by more than {100 * test.margin:.1f} points" if test.margin else "")


def best_of(after_sft: GateVerdict, after_rft: GateVerdict | None) -> str | None:
    """The arm to register: rft if it passed its gate, else sft if that passed, else None."""
    if not after_sft.passed:
        return None
    return "rft" if after_rft is not None and after_rft.passed else "sft"


def regression(
    before: Mapping[str, Any], after: Mapping[str, Any], metric: str = "accuracy", margin: float = 0.02
) -> GateVerdict:
    """Did a general benchmark fall by more than `margin`? before, after: one task's results with `<metric>_stderr`.

    passed: the upper end of after - before is not below -margin, so that only a fall that is shown stops a run. The two
    models answer the same questions, but the results hold no pairs: the interval is the wider, unpaired one.
    """
    mean = after[metric] - before[metric]
    spread = 1.96 * (before.get(f"{metric}_stderr", 0.0) ** 2 + after.get(f"{metric}_stderr", 0.0) ** 2) ** 0.5
    difference = Interval(mean, mean - spread, mean + spread)
    passed = difference.high >= -margin
    verb = "kept" if passed else "lost"
    points = f"{100 * mean:+.1f} points [{100 * difference.low:+.1f}, {100 * difference.high:+.1f}]"
    reason = f"general skills are {verb}: {metric} {points}, margin {100 * margin:.1f}"
    return GateVerdict("benchmark", "tuned", "base", passed, difference, margin, reason)
