"""Gates: whether a candidate is better by a paired interval, and what the run does next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolsmith.customization.statistics import Interval, paired


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


def judge(
    gate: str, candidate: str, rival: str, measures: Mapping[str, Sequence[Mapping]], margin: float = 0.0
) -> GateVerdict:
    """Is `candidate` better than `rival`? measures: arm -> rows {"id","document","score"}."""
    difference = paired(measures[candidate], measures[rival])
    passed = difference.low > margin
    verb = "is better than" if passed else "is not shown to be better than"
    points = f"{100 * difference.mean:+.1f} points [{100 * difference.low:+.1f}, {100 * difference.high:+.1f}]"
    return GateVerdict(gate, candidate, rival, passed, difference, margin, f"{candidate} {verb} {rival}: {points}")


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
