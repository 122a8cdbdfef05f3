"""Training curves: one small chart per metric, one line per job."""

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from toolsmith.reporting.markup import Markup, element

Points = list[tuple[float, float]]

NOT_METRICS = frozenset({"step_number", "epoch_number"})
FIRST = ("loss", "reward", "entropy")
NAMES = {
    "training_loss": "Training loss",
    "train_reward_mean": "Mean reward of the rollouts",
    "policy_entropy": "Entropy of the policy",
    "train_episode_length_mean": "Mean length of an answer",
    "gradient_norm": "Norm of the gradient",
    "mean_advantage": "Mean advantage",
}
# The same job has the same colour and dash in every chart.
STYLES = {"SFT": 0, "More SFT (control)": 1, "RFT": 2}
WIDTH, HEIGHT = 360, 232
LEFT, RIGHT, TOP, BOTTOM = 46, 348, 12, 190
MOST_POINTS = 240
MOST_ROWS = 24


def metrics(curves: Mapping[str, Sequence[Mapping[str, float]]]) -> list[str]:
    """Every column with at least two numbers, what people look at first in front."""
    names = {
        name
        for rows in curves.values()
        for name in {name for row in rows for name in row} - NOT_METRICS
        if sum(_finite(row.get(name)) for row in rows) > 1
    }
    return sorted(names, key=lambda name: (_rank(name), name))


def _rank(name: str) -> int:
    return next((place for place, word in enumerate(FIRST) if word in name), len(FIRST))


def is_main(name: str) -> bool:
    """Loss, reward and entropy."""
    return _rank(name) < len(FIRST)


def title(name: str) -> str:
    return NAMES.get(name, name.replace("_", " ").capitalize())


def points(rows: Sequence[Mapping[str, float]], name: str) -> Points:
    """(step, value) where both are finite numbers; rows without a step are counted."""
    return [
        (float(row.get("step_number", place + 1)), float(row[name]))
        for place, row in enumerate(rows)
        if _finite(row.get(name)) and _finite(row.get("step_number", place))
    ]


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def moving_average(found: Points, window: int) -> Points:
    """The mean of about `window` values around every step (of fewer near the ends)."""
    sums = [0.0, *accumulate(value for _, value in found)]
    averaged = []
    for place, (step, _) in enumerate(found):
        first, last = max(0, place - window // 2), min(len(found), place + window // 2 + 1)
        averaged.append((step, (sums[last] - sums[first]) / (last - first)))
    return averaged


def window_of(found: Points) -> int:
    """A tenth of the curve: enough to see a trend through the noise of batches."""
    return max(1, len(found) // 10)


def thinned(found: Points, most: int = MOST_POINTS) -> Points:
    """At most `most` points, each the mean of its share of the curve."""
    if len(found) <= most:
        return found
    edges = [round(place * len(found) / most) for place in range(most + 1)]
    shares = [found[a:b] for a, b in zip(edges, edges[1:], strict=False)]
    return [(share[-1][0], sum(value for _, value in share) / len(share)) for share in shares]


def ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Round numbers that span low..high, about `count` steps."""
    span = (high - low) or abs(high) or 1.0
    raw = span / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return [round(place * step, 12) for place in range(first, max(last, first + 1) + 1)]


def chart(identity: str, name: str, series: Mapping[str, Points]) -> Markup:
    """One metric over steps. Pale: every value; strong: the moving average over a tenth of the curve."""
    values = [value for found in series.values() for _, value in found]
    steps = [step for found in series.values() for step, _ in found]
    across, up = ticks(min(steps), max(steps), 5), ticks(min(values), max(values))
    first, last = min(steps), max(max(steps), min(steps) + 1)

    def place(found: Points) -> str:
        return " ".join(
            f"{_scale(s, first, last, LEFT, RIGHT)},{_scale(v, up[0], up[-1], BOTTOM, TOP)}" for s, v in found
        )

    lines = []
    for place_of, (arm, found) in enumerate(series.items()):
        kind, window = style(arm, place_of), window_of(found)
        smooth = moving_average(found, window)
        if window > 1:
            lines.append(element("polyline", points=place(thinned(found)), class_=f"raw s{kind}"))
        lines.append(element("polyline", points=place(thinned(smooth)), class_=f"line s{kind}"))
        x, y = place(smooth[-1:]).split(",")
        lines.append(element("circle", cx=x, cy=y, r=3.5, class_=f"end s{kind}"))
    return element(
        "svg",
        element("title", f"{title(name)} over steps", id=f"{identity}-title"),
        element("desc", describe(name, series), id=f"{identity}-desc"),
        *_grid(up, [step for step in across if first <= step <= last and step.is_integer()], first, last),
        *lines,
        role="img",
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        aria_labelledby=f"{identity}-title",
        aria_describedby=f"{identity}-desc",
        class_="chart",
    )


def style(arm: str, place: int) -> int:
    """The number of an arm's colour; an arm that is not known takes one by its place."""
    return STYLES.get(arm, place % 3)


def _scale(value: float, low: float, high: float, start: float, end: float) -> float:
    return round(start + (value - low) / (high - low) * (end - start), 1)


def _grid(up: Sequence[float], across: Sequence[float], first: float, last: float) -> list[Markup]:
    parts = []
    for value in up:
        y = _scale(value, up[0], up[-1], BOTTOM, TOP)
        parts.append(element("line", x1=LEFT, x2=RIGHT, y1=y, y2=y, class_="grid"))
        parts.append(element("text", f"{value:g}", x=LEFT - 6, y=y + 4, class_="tick end"))
    for value in across:
        parts.append(
            element("text", f"{value:g}", x=_scale(value, first, last, LEFT, RIGHT), y=BOTTOM + 18, class_="tick")
        )
    return [*parts, element("text", "step", x=RIGHT, y=BOTTOM + 34, class_="tick end")]


def describe(name: str, series: Mapping[str, Points]) -> str:
    """The curves in words: where each starts, ends, and its extremes."""
    parts = []
    for arm, found in series.items():
        smooth = moving_average(found, window_of(found))
        low, high = min(value for _, value in found), max(value for _, value in found)
        parts.append(
            f"{arm}: from {found[0][1]:.3g} at step {found[0][0]:g} to {smooth[-1][1]:.3g} at step {found[-1][0]:g} "
            f"(moving average), between {low:.3g} and {high:.3g}"
        )
    return f"{title(name)}. " + "; ".join(parts) + "."


def sampled(found: Points, most: int = MOST_ROWS) -> Points:
    """Evenly chosen points of a curve for a table, the first and the last among them."""
    if len(found) <= most:
        return found
    return [found[round(place * (len(found) - 1) / (most - 1))] for place in range(most)]
