"""Can the training reward be trusted: does it rank answers as the evaluation does, and hold on new documents?"""

from collections.abc import Mapping, Sequence
from typing import Any

REWARD_COLUMNS = ("train_reward_mean", "critic/rewards/mean", "reward_score")
LAST_SHARE = 0.2
RANK_LEAST = 0.8  # Spearman's rho between reward and evaluation from which both mean the same
GAP_MOST = 0.1  # a training reward so much above the held-out one is learnt by heart
FLAT_MOST = 0.5  # with more groups than this without variance, most of the rollouts would be paid for nothing


def calibration(
    measures: Mapping[str, Mapping[str, Any]],
    metrics: Sequence[Mapping[str, float]],
    probe: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """{"answers", "spearman", "train_reward", "held_out_reward", "gap", "probe", "warnings"}; None where not measured.

    measures: arm -> its rows with "score" and "talk_score" (what the evaluation of the published sample counts);
    metrics: RFT's steps; probe: the rollouts before RFT. warnings: sentences, empty when nothing is wrong.
    """
    rows = [row for measure in measures.values() for row in measure.get("rows") or ()]
    rho = spearman([row["score"] for row in rows], [row["talk_score"] for row in rows])
    trained, held_out = last_reward(metrics), measures.get("rft", {}).get("score", {}).get("mean")
    found = {
        "answers": len(rows),
        "spearman": rho,
        "train_reward": trained,
        "held_out_reward": held_out,
        "gap": None if trained is None or held_out is None else trained - held_out,
        "probe": dict(probe) if probe else None,
    }
    return {**found, "warnings": warnings(found)}


def warnings(found: Mapping[str, Any]) -> list[str]:
    """What is wrong with a calibration, in sentences."""
    said = []
    if found["spearman"] is not None and found["spearman"] < RANK_LEAST:
        said.append(f"reward and evaluation rank answers differently: rho {found['spearman']:.2f}, wanted {RANK_LEAST}")
    if found["gap"] is not None and found["gap"] > GAP_MOST:
        said.append(f"the training reward is {100 * found['gap']:.1f} points above that on held-out documents")
    flat = (found["probe"] or {}).get("without_variance", 0.0)
    if flat > FLAT_MOST:
        said.append(f"{100 * flat:.0f} % of the groups had no variance before reinforcement: they teach nothing")
    return said


def last_reward(metrics: Sequence[Mapping[str, float]]) -> float | None:
    """The mean training reward of the last steps; None when no column holds one."""
    for column in REWARD_COLUMNS:
        values = [row[column] for row in metrics if row.get(column) is not None]
        if values:
            last = values[-max(1, round(LAST_SHARE * len(values))) :]
            return sum(last) / len(last)
    return None


def spearman(xs: Sequence[float], ys: Sequence[float]) -> float | None:
    """Spearman's rank correlation, ties by their mean rank; None for fewer than two values or none that differ."""
    a, b = ranks(xs), ranks(ys)
    if len(a) < 2:
        return None
    middle = (len(a) + 1) / 2
    over = sum((x - middle) * (y - middle) for x, y in zip(a, b, strict=True))
    spread = sum((x - middle) ** 2 for x in a) * sum((y - middle) ** 2 for y in b)
    return over / spread**0.5 if spread else None


def ranks(values: Sequence[float]) -> list[float]:
    """The rank of every value from 1; equal values share the mean of their ranks."""
    order = sorted(range(len(values)), key=values.__getitem__)
    found = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end + 1 < len(order) and values[order[end + 1]] == values[order[start]]:
            end += 1
        for place in order[start : end + 1]:
            found[place] = (start + end) / 2 + 1
        start = end + 1
    return found
