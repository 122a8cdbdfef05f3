"""The assistant's reply, and the few sentences that say what the sources say and nothing more."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from toolsmith.assistant.sources import Source

SHOWN = 2
_WHAT = {"edgar_check": "The clause “{}”", "regulation": "{}", "case_interpretation_check": "{}"}
_LAW = {
    "cited": "{what} is named in the corpus, but its text was not ingested{who}",
    "known": "{what} exists by the citation tables; its text was not ingested",
    "absent": "{what} does not exist by the citation tables",
    "unknown": "Nothing ingested speaks of {what}",
    "malformed": "{what} cannot be read as a citation",
}


@dataclass(frozen=True)
class Step:
    """One call, what its tool found, and the passages it points at."""

    name: str
    arguments: dict[str, Any]
    result: dict[str, Any]
    sources: tuple[Source, ...]


@dataclass(frozen=True)
class Reply:
    """`plan` is the model's answer as it came; `reason` is "ok" or why no plan could be read from it."""

    question: str
    model: str
    plan: str
    category: str | None
    reason: str
    steps: tuple[Step, ...]
    answer: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def compose(steps: tuple[Step, ...], reason: str) -> str:
    """The answer: a paragraph a call, each statement with the number of its source."""
    if not steps:
        none, unread = "says that none of its tools can answer this", f"gave no plan that could be read ({reason})"
        return f"The model {none if reason == 'ok' else unread}, so nothing was looked up."
    return "\n".join(_SAY.get(step.name, _say_other)(step) for step in steps)


def _quotes(sources: tuple[Source, ...]) -> str:
    shown = [f"“{' '.join(source.text.split())}” [{source.number}]" for source in sources[:SHOWN]]
    return " ".join(shown)


def _say_found(what: str, result: Mapping[str, Any], sources: tuple[Source, ...]) -> str:
    if result["status"] == "found" and sources:
        return f"{what}: {_quotes(sources)}"
    return _unheld(what, result["status"], f": {_quotes(sources[:1])}" if sources else "")


def _unheld(what: str, status: str, who: str) -> str:
    """What is known of something whose own text was not found; `who` quotes a source that names it."""
    text = _LAW.get(status, "{what}: " + status)
    return text.format(what=what, who=who) + ("" if who and "{who}" in text else ".")


def _named(step: Step, known: str, asked: str) -> str:
    """What a call is about: as the tool knows it, else the model's own words, in quotes."""
    return step.result.get(known) or f"“{step.arguments[asked]}”"


def _say_law(step: Step) -> str:
    return _say_found(_named(step, "citation", "regulation"), step.result, step.sources)


def _say_cases(step: Step) -> str:
    return _say_found(_named(step, "case", "query"), step.result, step.sources)


def _say_compliance(step: Step) -> str:
    lines = []
    for name, found in step.result.get("sources", {}).items():
        chunks = {where["chunk"] for kind in ("spans", "sections", "opinions") for where in found.get(kind, [])}
        what = _WHAT[name].format(found.get("citation") or step.arguments[name])
        lines.append(f"{what} was found." if chunks else _unheld(what, found["status"], ""))
    quoted = _quotes(step.sources[:SHOWN])
    lines.append(f"To compare: {quoted}" if quoted else "Nothing to compare was found.")
    lines.append("Whether the one satisfies the other is for a person to judge.")
    return " ".join(lines)


def _say_citation(step: Step) -> str:
    what = _named(step, "citation", "query")
    exists = step.result.get("exists")
    verdict = {True: "exists", False: "does not exist", None: "is neither in the corpus nor in the citation tables"}
    shape = "" if step.result.get("well_formed", True) else ", and is not written as a citation"
    quoted = _quotes(step.sources[:1])
    return f"{what} {verdict[exists]}{shape}.{' ' + quoted if quoted else ''}"


def _say_other(step: Step) -> str:
    errors = step.result.get("errors", [step.result["status"]])
    return f"A call that the model planned could not be run: {'; '.join(e.partition(': ')[2] or e for e in errors)}."


def _checked(say):
    """Calls that do not bind say why, whatever their tool."""
    return lambda step: _say_other(step) if step.result["status"] == "invalid" else say(step)


_SAY = {
    "statute_retrieval": _checked(_say_law),
    "case_law_search": _checked(_say_cases),
    "compliance_checker": _checked(_say_compliance),
    "citation_validator": _checked(_say_citation),
}
