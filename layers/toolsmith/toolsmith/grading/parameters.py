"""Arguments compared by what they mean: citations, case names, clauses, free text, plain values."""

import unicodedata
from collections.abc import Callable
from typing import Any, NamedTuple

from toolsmith.grading.authorities import authority_similarity, case_similarity, clause_similarity
from toolsmith.grading.citations import citation_similarity
from toolsmith.grading.settings import settings
from toolsmith.grading.strict_values import same_value
from toolsmith.grading.words import content_words, copied_share, overlap, words_similarity

LETTERS = ("Lu", "Ll", "Lt", "Lo")  # without modifiers, some of which are written for an apostrophe
UNSEEN = ("Cc", "Cf", "Cn", "Co", "Me", "Mn")  # controls, joiners, marks over a letter that make no letter with it
NO_KINDS: dict[str, str] = {}


class Arguments(NamedTuple):
    """How the arguments of one call compare: score in [0,1], whether there is no error at all, and the error's code."""

    score: float
    exact: bool
    reason: str


def compare_arguments(
    tool: str, given: dict[str, Any], accepted: dict[str, list[Any]], question: str | None
) -> Arguments:
    """Compare a call's arguments with the accepted ones.

    The score is the mean over the parameters that have a value; a source that should be absent and isn't (or the
    other way round, or an argument that nobody asked for) multiplies it by `argument_error`, so that getting only
    the absences right earns nothing.
    """
    table = settings()
    kinds = table.kinds.get(tool, NO_KINDS)
    total, count, errors, present = 0.0, 0, 0, 0
    exact, reason = True, "ok"
    for name, values in accepted.items():
        optional = None in values or "" in values
        if name in given:
            value = given[name]
            present += 1
            similarity = _similarity(kinds.get(name, "value"), value, values, question)
            right, problem = similarity == 1.0, "wrong_argument"
            substantive = not optional or (value is not None and len(values) > 1)
        else:
            right, similarity, problem = "" in values, 0.0, "missing_argument"
            substantive = not right and not optional
        if substantive:
            total += similarity
            count += 1
        elif not right:
            errors += 1
        if not right and exact:
            exact, reason = False, problem
    if present < len(given):
        errors += len(given) - present
        exact, reason = False, reason if reason != "ok" else "unknown_argument"
    score = total / count if count else 1.0
    return Arguments(score * table.argument_error**errors if errors else score, exact, reason)


def _similarity(kind: str, value: Any, values: list[Any], question: str | None) -> float:
    """The similarity to the accepted value that is nearest; what is accepted as it stands needs no comparing."""
    if value is None:
        return 1.0 if None in values else 0.0
    if type(value) is str and value in values:
        return 1.0 if value else 0.0
    return _best(kind, value, values, question)


def _best(kind: str, value: Any, values: list[Any], question: str | None) -> float:
    best = similarity = 0.0
    compare = KINDS.get(kind)
    if compare is not None and isinstance(value, str) and not value.isascii() and _in_disguise(value, values):
        return 0.0
    for accepted in values:
        if accepted is None:
            similarity = 0.0
        elif compare is not None and isinstance(value, str) and isinstance(accepted, str):
            similarity = compare(value, accepted) if accepted and value else 0.0
        else:
            similarity = 1.0 if same_value(value, accepted) else 0.0
        best = max(best, similarity)
    if 0.0 < best < 1.0 and isinstance(value, str) and _repeats(value, values, question):
        return 0.0
    return best


def _in_disguise(value: str, values: list[Any]) -> bool:
    """Whether a text has letters of an alphabet in which nothing accepted is written: what looks like an "a" and is
    none; or signs that nobody sees. The digits and words around them name something, but not what the text seems to
    say.
    """
    return _seems_other(value) and not any(_seems_other(item) for item in values if isinstance(item, str))


def _seems_other(text: str) -> bool:
    for sign in unicodedata.normalize("NFKC", text):
        if sign.isascii():
            continue
        kind = unicodedata.category(sign)
        if kind in UNSEEN or (kind in LETTERS and "LATIN" not in unicodedata.name(sign, "")):
            return True
    return False


def _repeats(value: str, values: list[Any], question: str | None) -> bool:
    """Whether an argument repeats the question, all of it or nearly, rather than say what is accepted; or is so much
    longer than that that it may.
    """
    table, words = settings(), content_words(value)
    accepted = [content_words(item) for item in values if isinstance(item, str)]
    if question is not None:
        copied = copied_share(value, question)
        if copied >= table.copied_share and all(overlap(words, one) < copied for one in accepted):
            return True
    return len(words) > table.copied_length * max(map(len, accepted), default=0) + 2


KINDS: dict[str, Callable[[str, str], float]] = {
    "words": words_similarity,
    "citation": citation_similarity,
    "authority": authority_similarity,
    "case": case_similarity,
    "clause": clause_similarity,
}
