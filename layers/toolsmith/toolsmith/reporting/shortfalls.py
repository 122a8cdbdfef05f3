"""What a run does not reach or loses: missed aims, shown losses, a model below the constant answer."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from toolsmith.customization import aims
from toolsmith.customization.aims import Aim, ScoreAim
from toolsmith.reporting.breakdown import label
from toolsmith.reporting.facts import percent, points

Report = Mapping[str, Any]
Interval = Mapping[str, float]
# candidate, rival, wording ("" for all questions)
Compared = tuple[str, str, str]

NAMES = {
    "base": "the base model",
    "base_tools": "the base model with tools",
    "more_sft": "more SFT for the same compute",
}
WHERE = {
    "": "Over all questions",
    "labelled": "On wordings that training had labels for",
    "unlabelled": "On wordings that training had no labels for",
}
TRAINED = ("sft", "more_sft", "rft")


def find(report: Report, wanted: Sequence[Aim]) -> list[dict[str, Any]]:
    """What the report is to begin with; [] where nothing falls short.

    report: "arms", "paired", "wordings" and "outcome" of report.json. An entry is {"kind": "aim", "unmeasured", "loss"
    or "constant", "what": a sentence, "numbers": those in it as fractions, "tried": a sentence or ""}. Talk scores are
    left aside. A loss that a missed aim tells of is not told twice.
    """
    differences = dict(_differences(report))
    missed, unmeasured, told = [], [], set()
    for aim in wanted:
        subject, found = _measured(aim, report, differences)
        if found is None:
            unmeasured.append(aim)
        elif not aim.met(found):
            missed.append(_missed(aim, subject, found))
            told.add(subject)
    untold = {compared: found for compared, found in differences.items() if compared not in told}
    return [*missed, *_unmeasured(unmeasured), *_losses(report, untold), *_below_constant(report)]


def _differences(report: Report) -> Iterator[tuple[Compared, Interval]]:
    parts = {"": report["paired"], **{name: found["differences"] for name, found in report["wordings"].items()}}
    for wording, found in parts.items():
        for pair in found:
            yield (pair["candidate"], pair["rival"], wording), pair["score"]


def _measured(
    aim: Aim, report: Report, differences: Mapping[Compared, Interval]
) -> tuple[str | Compared, Interval | None]:
    """What an aim speaks of, and the run's number for it: None where there is none."""
    if isinstance(aim, ScoreAim):
        arms = report["arms"]
        measured = [arm for arm in (TRAINED if aim.arm == aims.BEST else (aim.arm,)) if arm in arms]
        arm = max(measured, key=lambda arm: arms[arm]["score"]["mean"], default=aim.arm)
        return arm, arms[arm]["score"] if measured else None
    # where every wording has labels, the labelled ones are all questions and do not stand apart
    everything = aim.wording == "labelled" and not report["wordings"]
    compared = (aim.candidate, aim.rival, "" if everything else aim.wording)
    return compared, differences.get(compared)


def _missed(aim: Aim, subject: str | Compared, found: Interval) -> dict[str, Any]:
    if isinstance(aim, ScoreAim):
        named = f"The best model, {_named(subject)}," if aim.arm == aims.BEST else _capital(_named(subject))
        what = f"{named} scores {percent(found)}; the aim is at least {100 * aim.score:g} %."
        return _entry("aim", what, {"arm": subject, "score": found, "least": aim.score}, aim.tried)
    if aim.above is None:
        wanted = "the aim is no shown loss"
    else:
        wanted = f"the aim is at least {100 * aim.above:g} points more, its interval above zero"
    what = f"{_compares(subject, found)}; {wanted}."
    return _entry("aim", what, _numbers(subject, found) | {"least": aim.above}, aim.tried)


def _compares(compared: Compared, found: Interval) -> str:
    candidate, rival, wording = compared
    if found["high"] < 0:
        verb = "loses to"
    else:
        verb = "gains too little over" if found["low"] > 0 else "is not shown to be better than"
    return f"{WHERE[wording]}, {_named(candidate)} {verb} {_named(rival)}: {points(found)}"


def _unmeasured(unmeasured: Sequence[Aim]) -> Iterator[dict[str, Any]]:
    if unmeasured:
        named = "; ".join(map(_wanted, unmeasured))
        yield _entry("unmeasured", f"Aims that this run did not measure: {named}.", {"aims": len(unmeasured)})


def _wanted(aim: Aim) -> str:
    if isinstance(aim, ScoreAim):
        return f"the score of {'the best model' if aim.arm == aims.BEST else _named(aim.arm)}"
    where = WHERE[aim.wording]
    return f"{_named(aim.candidate)} against {_named(aim.rival)} {where[:1].lower()}{where[1:]}"


def _losses(report: Report, differences: Mapping[Compared, Interval]) -> Iterator[dict[str, Any]]:
    """Of the registered model and of RFT; where more SFT beats a registered SFT, that is a loss too."""
    watched = _watched(report)
    turned = {("sft", "more_sft", where): _turned(found) for (one, other, where), found in differences.items()
              if (one, other) == ("more_sft", "sft")}  # fmt: skip
    for compared, found in {**differences, **turned}.items():
        if compared[0] in watched and found["high"] < 0:
            yield _entry("loss", f"{_compares(compared, found)}.", _numbers(compared, found))


def _watched(report: Report) -> tuple[str, ...]:
    """Arms whose losses matter: RFT, and what was registered, or SFT where nothing was."""
    return tuple(dict.fromkeys([report["outcome"].get("candidate") or "sft", "rft"]))


def _turned(found: Interval) -> Interval:
    return {"mean": -found["mean"], "low": -found["high"], "high": -found["low"]}


def _below_constant(report: Report) -> Iterator[dict[str, Any]]:
    """A model whose interval lies below what one constant answer earns has learnt nothing of use by this score."""
    arms = report["arms"]
    for arm in ("base", *_watched(report)):
        if arm in arms and "constant" in arms and arms[arm]["score"]["high"] < arms["constant"]["score"]["mean"]:
            score, constant = arms[arm]["score"], arms["constant"]["score"]
            named = _capital(_named(arm)) + (" alone" if arm == "base" else "")
            less = f"less than one constant answer to every question: {percent(constant)}"
            numbers = {"arm": arm, "score": score, "constant": constant}
            yield _entry("constant", f"{named} scores {percent(score)}, {less}.", numbers)


def _entry(kind: str, what: str, numbers: Mapping[str, Any], tried: str = "") -> dict[str, Any]:
    return {"kind": kind, "what": what, "numbers": dict(numbers), "tried": tried}


def _numbers(compared: Compared, found: Interval) -> dict[str, Any]:
    return dict(zip(("candidate", "rival", "wording"), compared, strict=True)) | {"difference": found}


def _named(arm: str) -> str:
    return NAMES.get(arm, label(arm))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
