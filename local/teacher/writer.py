"""Writing one question: a passage, a sentence shape that it can fill, the calls that follow from the slots used."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.teacher import grammar, phrases
from local.teacher.finds import Authority, Finds, Passage, canon, canonical
from local.teacher.grammar import Stream
from local.teacher.request import Request
from toolsmith.tools import find_cases, same_case, same_law

TOOLS = {
    "regulatory_definition": ("statute_retrieval",),
    "judicial_interpretation": ("case_law_search",),
    "compliance_validation": ("compliance_checker",),
    "citation_verification": ("citation_validator",),
    "regulatory_compliance_analysis": ("statute_retrieval", "compliance_checker"),
    "judicial_compliance_assessment": ("case_law_search", "compliance_checker"),
    "cross_document_analysis": ("statute_retrieval", "case_law_search", "compliance_checker"),
    "regulatory_interpretation_research": ("statute_retrieval", "case_law_search"),
}
REGISTERS = (
    ("terse", ("terse", "search")),
    ("polite", ("polite", "mail")),
    ("brisk", ("brisk",)),
    ("careful", ("careful", "context")),
    ("plain", ("plain",)),
)
TRIES = 24
MAX_QUESTION = 420
LEAD_PERCENT = 25
HARD = 0.6
CONTEXT_PERCENT = 20
INVENTED_PERCENT = 22
# Sections that title 17 does not have, for questions about citations that do not exist.
NO_SUCH = (("230", 509, 600), ("230", 1002, 1999))
_HANDLING = ("treatment", "handling", "disclosure", "description", "reporting", "presentation")


@dataclass(frozen=True)
class Draft:
    """One example as the teacher answers it."""

    category: str
    question: str
    calls: tuple[Mapping[str, Any], ...]
    quote: str
    real: bool = True

    def to_dict(self) -> dict[str, Any]:
        answer = {
            "category": self.category,
            "question": self.question,
            "calls": [dict(call) for call in self.calls],
            "quote": self.quote,
        }
        return answer if self.real else answer | {"citation_is_real": False}


def write(request: Request, finds: Finds) -> list[Draft]:
    """One draft for each wanted category that the chunk can carry, in the order wanted."""
    drafts: list[Draft] = []
    for place, category in enumerate(request.categories):
        stream = Stream(request.chunk, category, place, request.attempt, request.persona, request.register)
        draft = _draft(category, request, finds, stream, {d.question for d in drafts})
        if draft:
            drafts.append(draft)
    return drafts


def _draft(category: str, request: Request, finds: Finds, stream: Stream, asked: set[str]) -> Draft | None:
    if not finds.passages or category not in TOOLS:
        return None
    for _ in range(TRIES):
        passage = stream.pick(finds.passages)
        slots = _slots(category, request, finds, passage, stream)
        question, used = _question(category, request, finds, slots, stream)
        if question and question not in asked and _names_only(question, used):
            quote = request.chunk[passage.span.start : passage.span.end]
            return Draft(category, question, _calls(category, used), quote, used.get("real") != "no")
    return None


def _slots(
    category: str, request: Request, finds: Finds, passage: Passage, stream: Stream
) -> dict[str, str]:
    """What a shape may name when it asks about this passage."""
    slots: dict[str, str] = {}
    law = _law(finds, passage, stream)
    if law:
        slots["cite"] = _spelling(law, stream)
    if case := _case(finds, passage, stream):
        slots["case"] = case
    if passage.topics:
        slots["topic"] = stream.pick(passage.topics)
    matter = _matter(passage, stream)
    if matter and matter.lower() not in (passage.clause or "").lower():
        slots["matter"] = matter
    for name, value in (("clause", passage.clause), ("company", finds.company), ("place", finds.place)):
        if value:
            slots[name] = value
    terms = [term for term, span in finds.terms if span == passage.span]
    if terms:
        slots["term"] = stream.pick(terms)
    if category == "citation_verification":
        _cited(slots, finds, stream)
    return slots


def _law(finds: Finds, passage: Passage, stream: Stream) -> Authority | None:
    """A rule in the passage itself, else the section it stands in, else one that the prompt allows."""
    start, end = passage.span.start, passage.span.end
    inside = [law for law in finds.laws if law.place is not None and start <= law.place < end]
    if inside:
        return stream.pick(inside)
    before = [law for law in finds.laws if law.place is not None and law.place < start]
    allowed = [law for law in finds.laws if law.place is None]
    if before and (not allowed or stream.chance(60)):
        return max(before, key=lambda law: law.place or 0)
    return stream.pick(allowed) if allowed else None


def _spelling(law: Authority, stream: Stream) -> str:
    """One of the ways in which people write this citation."""
    ways = [law.text, law.canonical]
    if match := re.fullmatch(r"17 CFR (\d+)\.([\w-]+)((?:\(\w+\))*)", law.canonical):
        ways += [f"17 C.F.R. § {match[1]}.{match[2]}{match[3]}", f"Rule {match[2]}{match[3]}"]
        ways += [f"SEC Rule {match[2]}{match[3]}"] if match[1] in {"230", "240"} else []
    good = [way for way in ways if canonical(way) == law.canonical]
    return stream.pick(good or [law.text])


def _case(finds: Finds, passage: Passage, stream: Stream) -> str | None:
    if finds.own_case and stream.chance(80):
        return finds.own_case
    start, end = passage.span.start, passage.span.end
    inside = [case.text for case in finds.cases if case.place is not None and start <= case.place < end]
    allowed = [case.text for case in finds.cases if case.place is None]
    options = inside or allowed or [case.text for case in finds.cases]
    return stream.pick(options) if options else None


def _matter(passage: Passage, stream: Stream) -> str | None:
    """What is checked: something done, or how a plain topic is treated."""
    if passage.matters:
        return stream.pick(passage.matters)
    if not passage.topics:
        return None
    topic = stream.pick(passage.topics)
    return f"{stream.pick(_HANDLING)} of {phrases.with_article(topic)}"


def _cited(slots: dict[str, str], finds: Finds, stream: Stream) -> None:
    """The citation to verify: one from the chunk, or now and then one that does not exist."""
    if stream.chance(INVENTED_PERCENT):
        part, low, high = stream.pick(NO_SUCH)
        slots["authority"] = f"17 CFR {part}.{low + stream.number(high - low)}"
        slots["real"] = "no"
    elif slots.get("case") and (stream.chance(30) or "cite" not in slots):
        slots["authority"] = slots["case"]
    elif "cite" in slots:
        slots["authority"] = slots["cite"]


def _question(
    category: str, request: Request, finds: Finds, slots: dict[str, str], stream: Stream
) -> tuple[str, dict[str, str]]:
    """(question, the slots it used), or ("", {}) when no shape fits."""
    frame = stream.usual(grammar.sections("phrases.txt")[f"register {_register(request.register)}"])
    mood = "terse" if "{terse}" in frame else "tell" if "tell}" in frame.lower() else "ask"
    fitting = [shape for shape in grammar.shapes(category) if shape.mood == mood and shape.slots <= slots.keys()]
    if "company" in slots:
        fitting = [shape for shape in fitting if {"company", "place"} & shape.slots] or fitting
    if not fitting:
        return "", {}
    shape = stream.usual(fitting)
    text = grammar.expand(shape.text, stream)
    shown = slots if mood == "terse" else slots | {"topic": phrases.with_article(slots.get("topic", "matter"))}
    said = grammar.fill(text, shown)
    lower = said if text.startswith("{") else said[:1].lower() + said[1:]
    frame = _opened(frame, request, stream).replace("{context}", _context(finds, slots, stream))
    named = {"Ask": _capital(said), "Tell": _capital(said), "ask": lower, "tell": lower, "terse": said}
    question = grammar.fill(frame, {key: named[key] for key in grammar.SLOT.findall(frame)})
    question = re.sub(r"\.\.(?=\s|$)", ".", question)
    used = {name: slots[name] for name in shape.slots} | {key: slots[key] for key in ("real",) if key in slots}
    return (question, used) if len(question) <= MAX_QUESTION else ("", {})


def _opened(frame: str, request: Request, stream: Stream) -> str:
    """The frame with an opening, now and then: words of the persona, and for hard questions matter beside the point."""
    if not frame.startswith(("{Ask}", "{Tell}")):
        return frame
    if request.difficulty >= HARD and stream.chance(CONTEXT_PERCENT):
        return f"{{context}} {frame}"
    known = grammar.sections("phrases.txt")
    persona = request.persona.lower()
    leads = [key for key in known if key.startswith("persona ") and key.removeprefix("persona ") in persona]
    if not leads or not stream.chance(LEAD_PERCENT):
        return frame
    return f"{stream.pick(known[leads[0]])} {frame[:1]}{frame[1:2].lower()}{frame[2:]}"


def _register(text: str) -> str:
    return next((name for name, keys in REGISTERS if any(key in text.lower() for key in keys)), "formal")


def _context(finds: Finds, slots: Mapping[str, str], stream: Stream) -> str:
    topics = [t for passage in finds.passages for t in passage.topics if t != slots.get("topic")]
    topic = stream.pick(topics) if topics else "disclosure"
    lines = grammar.sections("phrases.txt")["context"]
    return grammar.fill(grammar.expand(stream.pick(lines), stream), {"topic": phrases.with_article(topic)})


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _names_only(question: str, used: Mapping[str, str]) -> bool:
    """Whether the question names no rule or case but those its calls use."""
    laws = [form for key in ("cite", "authority") if key in used and (form := canonical(used[key]))]
    cases = [used[key] for key in ("case", "authority") if key in used]
    return all(any(same_law(c.canonical, law) for law in laws) for c in canon().find(question)) and all(
        any(same_case(name.text, case) for case in cases) for name in find_cases(question)
    )


def _calls(category: str, used: Mapping[str, str]) -> tuple[Mapping[str, Any], ...]:
    """The calls of a category, their arguments taken from the slots that the question shows."""
    arguments: dict[str, dict[str, Any]] = {
        "statute_retrieval": {"regulation": used.get("cite")},
        "case_law_search": {"query": used.get("case") or used.get("topic")},
        "compliance_checker": {
            "query": used.get("matter"),
            "edgar_check": used.get("clause") or used.get("place"),
            "regulation": used.get("cite"),
            "case_interpretation_check": used.get("case"),
        },
        "citation_validator": {"query": used.get("authority")},
    }
    return tuple({"name": tool, "arguments": arguments[tool]} for tool in TOOLS[category])
