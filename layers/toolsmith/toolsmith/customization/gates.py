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
