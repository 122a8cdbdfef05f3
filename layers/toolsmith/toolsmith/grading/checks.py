"""The reward of a question that nobody has labelled: what running the calls and the plan's own rules can tell.

No reference plan is known here. `facts` say what the tools find for each rule, case and clause that the question
names (they were run over the corpus when the dataset was made). An answer is right as far as

    arguments  every value names one of these, and the tool finds it; free text is a run of the question's words
    used       every rule, case and clause of the question is used by a call
    asked      a tool that people ask for in certain words (recipes/securities/plan_rules.json) is called when they do,
               and every kind of thing that is named is told to a tool that reads such
    structure  the calls are those of the category, with the sources that it requires

and earns 1 only when nothing is amiss. An answer none of whose values are found earns nothing. A plan that leaves a
tool out earns less than the right tools with a poor value: who learns from this must not be held at the short plan.
"""

import json
import re
import unicodedata
from collections.abc import Callable
from functools import cache, lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

from toolsmith import recipes
from toolsmith.grading.answer import Answer
from toolsmith.grading.authorities import authority_similarity, case_similarity, clause_similarity
from toolsmith.grading.citations import citation_similarity
from toolsmith.grading.reward import PARTS, Reward
from toolsmith.grading.settings import settings

TOKEN = re.compile(r"\w+(?:['.&-]\w+)*|[^\w\s]")
CHECKER, VALIDATOR = "compliance_checker", "citation_validator"
# parameter -> which facts it may name, and when two names are the same
NAMED: dict[tuple[str, str], tuple[tuple[str, ...], Callable[[str, str], float]]] = {
    ("statute_retrieval", "regulation"): (("laws",), citation_similarity),
    ("case_law_search", "query"): (("cases",), case_similarity),
    (CHECKER, "regulation"): (("laws",), citation_similarity),
    (CHECKER, "case_interpretation_check"): (("cases",), case_similarity),
    (CHECKER, "edgar_check"): (("clauses",), clause_similarity),
    (VALIDATOR, "query"): (("laws", "cases"), authority_similarity),
}
FREE = (CHECKER, "query")
NOT_FOUND = 0.3  # the question does name it, but this tool finds nothing: half a step above an invented value
CUT_SHORT = 0.5
QUOTATION = frozenset('"\u201c\u201d')
NAME_MARKS = frozenset(",.&")


class Fact(NamedTuple):
    """Something that a question names, as it stands there, and whether the tool that reads it finds it."""

    text: str
    found: bool


class Rules(NamedTuple):
    """parameters, presence: by tool and by category. asked_by: tool -> runs of words that ask for it, in the recipe
    joined by `_`; asked_alone: those that do where nothing else is asked for. joining: words after which another thing
    is said. The rest are weights; the `..._error` are what such an error leaves of the score."""

    parameters: dict[str, frozenset[str]]
    plans: dict[tuple[str, ...], str]
    presence: dict[str, dict[str, dict[str, str]]]
    asked_by: dict[str, frozenset[tuple[str, ...]]]
    asked_alone: dict[str, frozenset[tuple[str, ...]]]
    joining: frozenset[str]
    arguments: float
    used: float
    asked: float
    asked_error: float
    structure_error: float


@cache
def rules() -> Rules:
    """The recipe's rules; raises KeyError naming what a file lacks."""

    def read(name: str) -> dict[str, Any]:
        return json.loads(recipes.path(f"securities/{name}").read_text(encoding="utf-8"))

    categories, own = read("categories.json")["categories"], read("plan_rules.json")

    def runs(key: str) -> dict[str, frozenset[tuple[str, ...]]]:
        return {tool: frozenset(tuple(r.split("_")) for r in said.split()) for tool, said in own[key].items()}

    return Rules(
        parameters={t["name"]: frozenset(t["schema"]["properties"]) for t in read("tools.json")["tools"]},
        plans={tuple(c["tools"]): c["name"] for c in categories},
        presence={c["name"]: c.get("arguments", {}) for c in categories},
        asked_by=runs("asked_by"),
        asked_alone=runs("asked_alone"),
        joining=frozenset(own["joining"].split()),
        **own["weights"],
    )


def read_facts(reference: Any) -> dict[str, tuple[Fact, ...]] | None:
    """The facts of an unlabelled question ({"facts": {kind: [{"text", "found"}]}}), or None for anything else."""
    given = reference.get("facts") if isinstance(reference, dict) else None
    if not isinstance(given, dict):
        return None
    try:
        return {kind: tuple(Fact(f["text"], f["found"] is True) for f in given[kind]) for kind in given}
    except (TypeError, KeyError):
        return None


def grade_by_facts(answer: Answer, facts: dict[str, tuple[Fact, ...]], question: str | None) -> Reward:
    """Grade an answer that was read by what is known of its question; `question` is needed for free text."""
    if answer.reason != "ok" or not answer.calls or len(answer.calls) > settings().max_calls:
        reason = answer.reason if answer.reason != "ok" else "too_many_calls" if answer.calls else "abstained"
        return Reward(0.0, dict.fromkeys(PARTS, 0.0) | {"parsed": float(answer.reason == "ok")}, reason)
    table, asked_text = rules(), question or ""
    arguments = sum(_call(call.name, call.arguments, facts, asked_text) for call in answer.calls) / len(answer.calls)
    used = _used(answer, facts)
    asked = _asked(answer, facts, asked_text)
    structure = _structure(answer)
    repeats = len(answer.calls) - len({json.dumps(call, sort_keys=True, default=str) for call in answer.calls})
    exact = min(arguments, used, asked, structure) == 1.0 and not repeats and not answer.trailing
    score = 1.0
    if not exact:
        whole = table.arguments * arguments + (table.used * used + table.asked * asked if arguments else 0.0)
        whole *= 1.0 if asked == 1.0 else table.asked_error
        score = settings().partial_ceiling * whole * (1.0 if structure else table.structure_error)
        score = max(0.0, score - settings().extra_call * repeats)
    parts = dict.fromkeys(PARTS, 0.0) | {
        "parsed": 1.0, "category": float(structure), "tools": asked, "parameters": arguments, "recall": used,
        "exact": float(exact), "extra_calls": float(repeats), "trailing_text": float(answer.trailing),
    }  # fmt: skip
    return Reward(score, parts, _reason(exact, arguments, used, asked, structure))


def _reason(exact: bool, arguments: float, used: float, asked: float, structure: float) -> str:
    if exact:
        return "ok"
    if asked < 1.0:
        return "wrong_tool"
    if used < 1.0:
        return "missing_call"
    if arguments < 1.0:
        return "wrong_argument"
    return "wrong_category" if structure < 1.0 else "extra_call"


def _call(name: str, given: dict[str, Any], facts: dict[str, tuple[Fact, ...]], question: str) -> float:
    """The mean over a call's values that are there; 0 for a call with other parameters than its tool's."""
    if given.keys() != rules().parameters.get(name):
        return 0.0
    values = {key: value for key, value in given.items() if value is not None}
    scores = [_value(name, key, value, facts, question) for key, value in values.items()]
    return sum(scores) / len(scores) if scores else 0.0


def _value(tool: str, key: str, value: Any, facts: dict[str, tuple[Fact, ...]], question: str) -> float:
    if not isinstance(value, str):
        return 0.0
    if (tool, key) == FREE:
        return _free(value, question, tuple(fact.text for found in facts.values() for fact in found))
    kinds, same = NAMED[tool, key]
    matching = [fact for kind in kinds for fact in facts.get(kind, ()) if same(value, fact.text) == 1.0]
    if not matching:
        return 0.0
    return 1.0 if tool == VALIDATOR or any(fact.found for fact in matching) else NOT_FOUND


def _used(answer: Answer, facts: dict[str, tuple[Fact, ...]]) -> float:
    """The share of what the question names that some call uses in its place."""
    needed = [(kind, fact) for kind, found in facts.items() for fact in found]
    if not needed:
        return 1.0
    given = [
        (kinds, same, value)
        for call in answer.calls
        for key, value in call.arguments.items()
        if isinstance(value, str) and (call.name, key) in NAMED
        for kinds, same in (NAMED[call.name, key],)
    ]
    hits = [
        any(kind in kinds and same(value, fact.text) == 1.0 for kinds, same, value in given) for kind, fact in needed
    ]
    return sum(hits) / len(hits)


def _asked(answer: Answer, facts: dict[str, tuple[Fact, ...]], question: str) -> float:
    """Whether the two tools that words ask for are called exactly when they are asked for, and whether every kind of
    thing that the question names is told to a tool that reads such."""
    names = [call.name for call in answer.calls]
    said, table = _tokens(_without(question, facts)), rules()
    check = bool(facts.get("clauses")) or _says(said, table.asked_by[CHECKER])
    validate = not facts.get("clauses") and _says(said, table.asked_by[VALIDATOR])
    if validate:  # "is this citation in order" asks for the citation
        check = False
    elif not check:
        validate = _says(said, table.asked_alone[VALIDATOR])
    return ((CHECKER in names) is check) / 3 + ((VALIDATOR in names) is validate) / 3 + _served(answer, facts) / 3


def _says(words: tuple[str, ...], runs: frozenset[tuple[str, ...]]) -> bool:
    """Whether one of the runs stands among the words."""
    return any(words[at : at + n] in runs for n in {len(run) for run in runs} for at in range(len(words) - n + 1))


def _served(answer: Answer, facts: dict[str, tuple[Fact, ...]]) -> bool:
    """Whether for every kind of thing that the question names, some call says one of that kind, right or wrong."""
    said = {
        kind
        for call in answer.calls
        for key, value in call.arguments.items()
        if isinstance(value, str) and (call.name, key) in NAMED
        for kind in NAMED[call.name, key][0]
    }
    return all(kind in said for kind, found in facts.items() if found)


def _without(question: str, facts: dict[str, tuple[Fact, ...]]) -> str:
    for found in facts.values():
        for fact in found:
            question = question.replace(fact.text, " ")
    return question


def _structure(answer: Answer) -> float:
    table, names = rules(), tuple(call.name for call in answer.calls)
    category = table.plans.get(names)
    if category is None or category != answer.category:
        return 0.0
    for call in answer.calls:
        for key, rule in table.presence[category].get(call.name, {}).items():
            absent = call.arguments.get(key) is None
            if (rule == "required" and absent) or (rule == "null" and not absent):
                return 0.0
    return 1.0


@lru_cache(maxsize=16_384)
def _written(text: str) -> tuple[str, ...]:
    """The words and marks of a text as they are written."""
    return tuple(TOKEN.findall(unicodedata.normalize("NFKC", text).replace("\u2019", "'")))


@lru_cache(maxsize=16_384)
def _tokens(text: str) -> tuple[str, ...]:
    return tuple(token.casefold().removesuffix("'s").rstrip(".") for token in _written(text))


@lru_cache(maxsize=16_384)
def _free(value: str, question: str, named: tuple[str, ...]) -> float:
    """Free text: a run of the question's words outside what it names, with at least two words that say something.
    It is worth half where it is not whole: with words in it that ask for a tool, with a name, a part of one or a
    quotation mark in it, begun after `of`, or broken off before a word that says something."""
    mine, all_of = _tokens(value), _tokens(question)
    asking = frozenset().union(*rules().asked_by.values())
    stop = settings().stopwords
    telling = [word for word in mine if word not in stop and (word,) not in asking and word[:1].isalnum()]
    if len(telling) < 2 or any(_inside(mine, _tokens(text)) for text in named):
        return 0.0
    places = [at for at in range(len(all_of) - len(mine) + 1) if all_of[at : at + len(mine)] == mine]
    if not places:
        return 0.0
    begin, end = places[0], places[0] + len(mine)
    before = [word for word in all_of[:begin] if word not in ("a", "an", "the")]
    written = _written(question)
    whole = (
        not _says(mine, asking)
        and before[-1:] != ["of"]
        and not QUOTATION.intersection(mine)
        and not any(a[:1].islower() and b[:1].isupper() for a, b in pairwise(written[begin:end]))
        and not _in_a_name(written, begin, end)
        and (end == len(all_of) or _borders(written[end], all_of[end:]))
    )
    return 1.0 if whole else CUT_SHORT


def _in_a_name(written: tuple[str, ...], begin: int, end: int) -> bool:
    """Whether a word of the run stands beside another capitalised one, as the words of a name do."""
    words = [at for at, word in enumerate(written) if word not in NAME_MARKS]
    return any(
        written[a][:1].isupper() and written[b][:1].isupper() and a < end and b >= begin for a, b in pairwise(words)
    )


def _borders(written: str, rest: tuple[str, ...]) -> bool:
    """Whether free text may end before `rest`, whose first word is `written`: a mark, a name, a small word, or words
    that ask for a tool."""
    table, word = rules(), rest[0]
    small = word in settings().stopwords or word in table.joining
    asking = any(rest[: len(run)] == run for runs in table.asked_by.values() for run in runs)
    return small or asking or not word[:1].isalpha() or written[:1].isupper()


def _inside(mine: tuple[str, ...], text: tuple[str, ...]) -> bool:
    """Whether one run of words holds the other."""
    short, long = sorted((mine, text), key=len)
    return bool(short) and any(long[at : at + len(short)] == short for at in range(len(long) - len(short) + 1))
