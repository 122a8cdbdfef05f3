"""Charts of means with their intervals: one row per arm or difference, one mark per measure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolsmith.reporting.markup import Markup, element, join

Interval = Mapping[str, float]


@dataclass(frozen=True)
class Row:
    """label: what the row measures; values: measure -> interval (fractions), None where it was not measured.

    band: rows that follow each other with the same band stand on one shade, with its text.
    """

    label: str
    values: Mapping[str, Interval | None]
    band: str = ""


@dataclass(frozen=True)
class Frame:
    """Where things stand in a chart, in units of the view box."""

    width: int
    left: int
    right: int
    row: int
    above: bool  # labels stand above their marks instead of beside them


WIDE = Frame(width=760, left=206, right=692, row=46, above=False)
NARROW = Frame(width=350, left=10, right=296, row=66, above=True)
TOP = 22
MARKERS = ("dot", "diamond")


def chart(name: str, title: str, rows: Sequence[Row], measures: Mapping[str, str], *, signed: bool = False) -> Markup:
    """The chart for wide and for narrow screens; style sheets show one of them.

    name: unique on the page. measures: key of Row.values -> words for it. signed: around zero, not 0..100 %.
    """
    frames = {"wide": WIDE, "narrow": NARROW}
    return join(
        element("div", _draw(f"{name}-{kind}", title, rows, measures, frame, signed), class_=kind)
        for kind, frame in frames.items()
    )


def _draw(
    name: str, title: str, rows: Sequence[Row], measures: Mapping[str, str], frame: Frame, signed: bool
) -> Markup:
    low, high, ticks = _domain(rows) if signed else (0.0, 1.0, [0.0, 0.25, 0.5, 0.75, 1.0])
    bottom = TOP + frame.row * len(rows)

    def x(value: float) -> float:
        return round(frame.left + (min(max(value, low), high) - low) / (high - low) * (frame.right - frame.left), 1)

    marks = [
        *_bands(rows, frame),
        *_axis(ticks, x, bottom, signed),
        *(part for place, row in enumerate(rows) for part in _row(row, place, measures, frame, x, signed)),
    ]
    return element(
        "svg",
        element("title", title, id=f"{name}-title"),
        element("desc", describe(rows, measures, signed), id=f"{name}-desc"),
        *marks,
        role="img",
        viewBox=f"0 0 {frame.width} {bottom + 24}",
        aria_labelledby=f"{name}-title",
        aria_describedby=f"{name}-desc",
        class_="chart",
    )


def describe(rows: Sequence[Row], measures: Mapping[str, str], signed: bool) -> str:
    """The chart in words."""
    sentences = []
    for row in rows:
        said = [
            f"{words} {_number(value['mean'], signed)} "
            f"[{_number(value['low'], signed)}, {_number(value['high'], signed)}]"
            for key, words in measures.items()
            if (value := row.values.get(key))
        ]
        sentences.append(f"{row.label}: {', '.join(said) or 'not measured'}")
    return ". ".join(sentences) + "."


def _number(value: float, signed: bool) -> str:
    return (f"{100 * value:+.1f}" if signed else f"{100 * value:.1f}").replace("-", "\u2212")


def _domain(rows: Sequence[Row]) -> tuple[float, float, list[float]]:
    """Symmetric around zero, wide enough for every interval, in steps that people read."""
    ends = [abs(v[end]) for row in rows for v in row.values.values() if v for end in ("low", "high")]
    reach = max([0.05, *ends])
    step = next(step for step in (0.05, 0.1, 0.2, 0.25, 0.5, 1.0) if reach <= 2 * step or step == 1.0)
    return -2 * step, 2 * step, [-2 * step, -step, 0.0, step, 2 * step]


def _axis(ticks: Sequence[float], x: Any, bottom: int, signed: bool) -> list[Markup]:
    parts = []
    for tick in ticks:
        zero = signed and tick == 0
        line = element("line", x1=x(tick), x2=x(tick), y1=TOP - 4, y2=bottom, class_="zero" if zero else "grid")
        words = (f"{100 * tick:+.0f}" if signed and tick else f"{100 * tick:.0f}").replace("-", "\u2212")
        parts += [line, element("text", words, x=x(tick), y=bottom + 16, class_="tick")]
    return parts


def _bands(rows: Sequence[Row], frame: Frame) -> list[Markup]:
    """A shade behind rows that belong together, its text between the first two labels."""
    parts = []
    for place, row in enumerate(rows):
        if not row.band or (place and rows[place - 1].band == row.band):
            continue
        count = sum(other.band == row.band for other in rows[place:])
        y = TOP + place * frame.row
        parts.append(element("rect", x=0, y=y, width=frame.width, height=count * frame.row, rx=6, class_="band"))
        at = {"x": frame.width - 6, "y": y + 15} if frame.above else {"x": 12, "y": y + frame.row + 4}
        parts.append(element("text", row.band, class_="note end" if frame.above else "note", **at))
    return parts


def _row(row: Row, place: int, measures: Mapping[str, str], frame: Frame, x: Any, signed: bool) -> list[Markup]:
    top = TOP + place * frame.row
    middle = top + (42 if frame.above else frame.row / 2)
    label_at = {"x": frame.left, "y": top + 17} if frame.above else {"x": 12, "y": middle + 5}
    parts = [element("text", row.label, class_="label", **label_at)]
    shown = [(i, row.values.get(key)) for i, key in enumerate(measures)]
    if not any(value for _, value in shown):
        return [*parts, element("text", "not measured", x=frame.left + 8, y=middle + 5, class_="note")]
    for i, value in shown:
        if value:
            y = middle + (i - (len(shown) - 1) / 2) * 17
            parts += _mark(value, x, y, MARKERS[i])
            number = {"x": frame.right + 12, "y": y + 5, "class_": f"value m{i}"}
            parts.append(element("text", _number(value["mean"], signed), **number))
    return parts


def _mark(value: Interval, x: Any, y: float, marker: str) -> list[Markup]:
    low, mean, high = x(value["low"]), x(value["mean"]), x(value["high"])
    kind = f"m{MARKERS.index(marker)}"
    whisker = element("path", d=f"M{low} {y - 4}v8M{low} {y}H{high}M{high} {y - 4}v8", class_=f"whisker {kind}")
    if marker == "dot":
        return [whisker, element("circle", cx=mean, cy=y, r=5, class_=f"mark {kind}")]
    return [whisker, element("path", d=f"M{mean} {y - 6}l6 6-6 6-6-6z", class_=f"mark {kind}")]
