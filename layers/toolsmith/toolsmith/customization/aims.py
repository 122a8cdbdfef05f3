"""Aims: what a student is to reach, from its profile. Unlike gates they stop nothing; a report names the missed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from toolsmith.errors import RecipeInvalid

BEST = "best"  # whichever trained arm scores highest
ARMS = (BEST, "sft", "more_sft", "rft")
# candidate -> the arms that a report compares it with
RIVALS = {"sft": ("base", "base_tools"), "rft": ("sft", "more_sft", "base")}
WORDINGS = ("labelled", "unlabelled")


@dataclass(frozen=True)
class ScoreAim:
    """The score of `arm` is at least `score`, a fraction. tried: what was tried where it is missed, for people."""

    arm: str
    score: float
    tried: str = ""

    def met(self, score: Mapping[str, float]) -> bool:
        """By the mean as a report shows it, to a tenth of a percent."""
        return round(score["mean"], 3) >= self.score


@dataclass(frozen=True)
class DifferenceAim:
    """`candidate` beats `rival` on the same questions by at least `above`, a fraction, with its interval above zero.

    above: None where no shown loss is enough. wording: "labelled", "unlabelled", or "" for all questions.
    """

    candidate: str
    rival: str
    above: float | None = None
    wording: str = ""
    tried: str = ""

    def met(self, difference: Mapping[str, float]) -> bool:
        """difference: candidate - rival as a mean with its paired interval; the mean counts as a report shows it."""
        if self.above is None:
            return difference["high"] >= 0
        return round(difference["mean"], 3) >= self.above and difference["low"] > 0


Aim = ScoreAim | DifferenceAim


def read(entries: Any, file: str) -> tuple[Aim, ...]:
    """The aims listed under `aims` in a profile, or pinned in a plan.

    Raises RecipeInvalid naming file, entry and key, and what may stand there.
    """
    if not isinstance(entries, list):
        raise RecipeInvalid(f"{file}, aims: wants a list; leave the key out where there are none")
    return tuple(_aim(entry, f"{file}, aims, entry {number}") for number, entry in enumerate(entries, start=1))


def _aim(entry: Any, where: str) -> Aim:
    if isinstance(entry, dict) and "arm" in entry:
        _check_keys(entry, {"arm", "score"}, {"tried"}, where)
        score = _fraction(entry, "score", where)
        return ScoreAim(_choice(entry, "arm", ARMS, where), score, _tried(entry, where))
    if isinstance(entry, dict) and "candidate" in entry:
        return _difference(entry, where)
    raise RecipeInvalid(f"{where}: wants arm and score, or candidate and rival with above or no_loss")


def _difference(entry: dict[str, Any], where: str) -> DifferenceAim:
    if ("above" in entry) == ("no_loss" in entry):
        raise RecipeInvalid(f"{where}: wants either above, the least gain, or no_loss: true")
    wanted = "above" if "above" in entry else "no_loss"
    _check_keys(entry, {"candidate", "rival", wanted}, {"wording", "tried"}, where)
    if entry.get("no_loss", True) is not True:
        raise RecipeInvalid(f"{where}, no_loss: {entry['no_loss']!r}; write true, or above with the least gain")
    candidate = _choice(entry, "candidate", tuple(RIVALS), where)
    return DifferenceAim(
        candidate=candidate,
        rival=_choice(entry, "rival", RIVALS[candidate], where),
        above=_fraction(entry, "above", where) if wanted == "above" else None,
        wording=_choice(entry, "wording", WORDINGS, where) if "wording" in entry else "",
        tried=_tried(entry, where),
    )


def _check_keys(entry: dict[str, Any], needed: set[str], allowed: set[str], where: str) -> None:
    if missing := needed - entry.keys():
        raise RecipeInvalid(f"{where}: {', '.join(sorted(missing))} is missing")
    if unknown := entry.keys() - needed - allowed:
        known = ", ".join(sorted(needed | allowed))
        raise RecipeInvalid(f"{where}: {', '.join(sorted(map(str, unknown)))} is no key of it; it takes {known}")


def _choice(entry: dict[str, Any], key: str, allowed: tuple[str, ...], where: str) -> str:
    if entry[key] not in allowed:
        raise RecipeInvalid(f"{where}, {key}: {entry[key]!r}; write {' or '.join(allowed)}")
    return entry[key]


def _fraction(entry: dict[str, Any], key: str, where: str) -> float:
    value = entry[key]
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
        raise RecipeInvalid(f"{where}, {key}: {value!r}; write a fraction from 0 to 1: 0.02 is 2 percent or points")
    return float(value)


def _tried(entry: dict[str, Any], where: str) -> str:
    tried = entry.get("tried", "")
    if not isinstance(tried, str):
        raise RecipeInvalid(f"{where}, tried: {tried!r}; write a sentence in quotes, or leave the key out")
    return tried
