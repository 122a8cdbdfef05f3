"""Stage 3, grounding: an example rests on its chunk, names what exists, and can be planned from its question alone."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from toolsmith.catalog import Catalog
from toolsmith.teaching.answer import Problem
from toolsmith.tools import Canon, Citation, Index, find_cases, same_case, same_law
from toolsmith.tools.cases import CORPORATE
from toolsmith.tools.index import CLAUSE, STOP, own_case, sections_of
from toolsmith.tools.run import known_case
from toolsmith.tools.suspicion import echoes, trusted
from toolsmith.tools.text import Folded, fold, lower, word_set, words

QUOTED = re.compile(r'"([^"]{2,400})"')
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
NAME = re.compile(r"(?<![\w'])[A-Z][\w&'.-]*")
SENTENCE_START = re.compile(r"(?:^|[.?!:;]\s+|\"|\()$")
DEICTIC = re.compile(
    r"\b(?:this|these|such an?|the (?:above|following|foregoing|attached|given|provided|said|present))\s+"
    r"(?:\w+\s+){0,2}?(?:agreements?|documents?|filings?|sections?|passages?|texts?|clauses?|chunks?|excerpts?|rules?|"
    r"regulations?|cases?|opinions?|company|companies|provisions?|statements?|transactions?|offerings?|contracts?|leases?|"
    r"prospectus|reports?|paragraphs?|parts?|notes?|orders?|letters?|matters?|decisions?|disclosures?|exhibits?|tables?)\b"
    r"|\b(?:herein|hereof|hereto|hereunder|thereof|thereunder|aforesaid|aforementioned|the above|the foregoing)\b"
    r"|\bthe (?:document|passage|excerpt|chunk|text|snippet|context|material)\b"
    r"|\b(?:above|below|provided|quoted here)\s*[?.]?$",
    re.IGNORECASE,
)
COMMON_NAMES = word_set(
    "sec commission rule rules form forms section sections item items regulation regulations act court courts cfr usc "
    "edgar federal register code securities exchange us united states circuit district supreme law i ii iii iv yes no "
    "whether what how why when does did do is are was were if and or the under per please title part congress"
)
SPELLED = {
    name: str(value)
    for value, name in enumerate(
        ["three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen",
         "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"],
        start=3,
    )
}  # fmt: skip
# The one argument that says in free words what is to be checked; it names no source.
FREE = ("compliance_checker", "query")
CLAUSE_ARGUMENT = "edgar_check"


@dataclass(frozen=True)
class Ground:
    """What a chunk can carry. `index` answers for authorities outside the chunk."""

    chunk: Mapping[str, Any]
    canon: Canon
    index: Index

    @cached_property
    def text(self) -> str:
        return trusted(self.chunk["text"])

    @cached_property
    def folded(self) -> Folded:
        return fold(self.text)

    @cached_property
    def facts_text(self) -> str:
        facts = self.chunk.get("facts") or {}
        return " ".join([str(self.chunk.get("section") or ""), *(str(value) for value in facts.values())])

    @cached_property
    def pool(self) -> frozenset[str]:
        """Every word that a question may take as given."""
        return frozenset(words(f"{self.text} {self.facts_text}"))

    @cached_property
    def numbers(self) -> frozenset[str]:
        return frozenset(_numbers(fold(f"{self.text} {self.facts_text}").text))

    @cached_property
    def laws(self) -> frozenset[str]:
        title = str((self.chunk.get("facts") or {}).get("title") or "")
        cited = {c.canonical for c in self.canon.find(self.text, title)}
        return frozenset(cited | set(sections_of({**self.chunk, "text": self.text}, self.canon)))

    @cached_property
    def cases(self) -> frozenset[str]:
        own = own_case(self.chunk)
        return frozenset({case.text for case in find_cases(self.folded.text)} | ({own} if own else set()))

    def knows_law(self, citation: Citation) -> bool:
        """Whether the citation stands in the chunk, is in the tables, or in the corpus."""
        form = citation.canonical
        if any(same_law(form, known) for known in self.laws) or self.canon.vouches(form):
            return True
        return bool(self.index.sections(form) or self.index.citing(form))

    def knows_case(self, name: str) -> bool:
        if any(same_case(name, known) for known in self.cases) or known_case(name, self.index):
            return True
        return any(self.index.opinions(name))


@dataclass(frozen=True)
class Reading:
    """A question taken apart. laws and cases hold the authorities outside quotation marks, with their places."""

    folded: Folded
    quotes: tuple[tuple[int, int], ...]
    laws: tuple[Citation, ...]
    cases: tuple[str, ...]
    rest: str

    @classmethod
    def of(cls, question: str, canon: Canon) -> "Reading":
        """`rest` is the folded question with quotations and authorities blanked; places stay."""
        folded = fold(question)
        quotes = tuple((m.start(1), m.end(1)) for m in QUOTED.finditer(folded.text))
        rest = _blank(folded.text, quotes)
        laws = tuple(canon.find(rest))
        rest = _blank(rest, [(c.start, c.end) for c in laws])
        cases = tuple(find_cases(rest))
        rest = _blank(rest, [(c.start, c.end) for c in cases])
        return cls(folded, quotes, laws, tuple(case.text for case in cases), rest)

    def quoted(self) -> list[str]:
        return [self.folded.text[start:end] for start, end in self.quotes]


def grounding_problems(raw: Mapping[str, Any], ground: Ground, catalog: Catalog) -> list[Problem]:
    """Why a well-formed example that runs may still not be trusted: (reason code, detail) pairs."""
    reading = Reading.of(raw["question"], ground.canon)
    return [
        *_category(raw, catalog),
        *_agreement(raw["calls"], ground.canon, catalog),
        *_quote(raw, ground),
        *_echo(raw),
        *_arguments(raw, reading, ground),
        *_clause(raw["calls"], reading, ground),
        *_authorities(raw, reading, ground),
        *_facts(raw["calls"], reading, ground),
        *_self_contained(raw, reading, ground),
    ]


def locate_evidence(quote: str, ground: Ground) -> tuple[int, int] | None:
    """(start, end) of the quote in the chunk's own text, outside its suspect parts."""
    return ground.folded.find(quote)


def span_of(value: str, reading: Reading) -> tuple[int, int] | None:
    """(start, end) of an argument's words in the folded question, at word borders, or None."""
    wanted, here = lower(fold(value).text), lower(reading.folded.text)
    at = here.find(wanted) if wanted else -1
    while at >= 0:
        end = at + len(wanted)
        left = at == 0 or not (here[at - 1].isalnum() and wanted[0].isalnum())
        if left and (end == len(here) or not (here[end].isalnum() and wanted[-1].isalnum())):
            return at, end
        at = here.find(wanted, at + 1)
    return None


def _category(raw: Mapping[str, Any], catalog: Catalog) -> Iterator[Problem]:
    names = [call["name"] for call in raw["calls"]]
    implied = catalog.category_of(names)
    if implied != raw["category"]:
        yield (
            "category_mismatch",
            f"the calls {' -> '.join(names)} are {implied or 'no category'}, not {raw['category']}",
        )
        return
    for call in raw["calls"]:
        for parameter, rule in catalog.categories[implied].presence.get(call["name"], {}).items():
            absent = call["arguments"][parameter] is None
            if (rule == "required" and absent) or (rule == "null" and not absent):
                yield "null_rule", f"in {implied}, {call['name']}.{parameter} is {rule}"


def _agreement(calls: list[Mapping[str, Any]], canon: Canon, catalog: Catalog) -> Iterator[Problem]:
    given = {(call["name"], name): value for call in calls for name, value in call["arguments"].items()}
    for one, other in catalog.agreements:
        first, second = given.get(one), given.get(other)
        if first is not None and second is not None and not _same(first, second, canon):
            yield "disagreement", f"{'.'.join(one)} is {first!r} but {'.'.join(other)} is {second!r}"


def _same(one: str, other: str, canon: Canon) -> bool:
    if lower(fold(one).text) == lower(fold(other).text):
        return True
    left, right = canon.canonical(one), canon.canonical(other)
    return left == right if left or right else same_case(one, other)


def _quote(raw: Mapping[str, Any], ground: Ground) -> Iterator[Problem]:
    quote, question = raw["quote"], raw["question"]
    if locate_evidence(quote, ground) is None:
        if fold(ground.chunk["text"]).find(quote):
            yield "quote_from_injection", "the quote stands in a part of the document that speaks to a model"
        else:
            yield "quote_not_in_chunk", "the quote does not stand in the document letter by letter"
    elif raw.get("citation_is_real", True):
        shared = {w for w in words(quote) if len(w) > 2 or w.isdigit()} & set(words(question)) - STOP
        if len(shared) < 2:
            yield "quote_unrelated", "the quote shares no words with the question"
    body = " ".join(words(question))
    if len(body.split()) > 5 and body in " ".join(words(ground.chunk["text"])):
        yield "copied_question", "the question stands in the document"


def _echo(raw: Mapping[str, Any]) -> Iterator[Problem]:
    values = [value for call in raw["calls"] for value in call["arguments"].values() if value]
    for text in (raw["question"], raw["quote"], *values):
        if found := echoes(text):
            yield "instruction_echo", f"{found!r} speaks to a model, not to a reader"
            return


def _arguments(raw: Mapping[str, Any], reading: Reading, ground: Ground) -> Iterator[Problem]:
    """Each value is a span of the question, or the canonical form of a citation in it."""
    forms = {law.canonical for law in reading.laws}
    for call in raw["calls"]:
        for name, value in call["arguments"].items():
            if value is None:
                continue
            where = f"{call['name']}.{name}"
            span = span_of(value, reading)
            if span is None and ground.canon.canonical(value) not in forms:
                yield "argument_not_in_question", f"{where} {value!r} is no run of words of the question"
            elif len(words(value)) >= 0.9 * len(words(raw["question"])):
                yield "argument_is_question", f"{where} is the whole question"
            elif (call["name"], name) == FREE and span and any(s <= span[0] < e for s, e in reading.quotes):
                yield "query_is_quote", f"{where} is taken from the quotation; it says what is to be checked"


def _clause(calls: list[Mapping[str, Any]], reading: Reading, ground: Ground) -> Iterator[Problem]:
    for call in calls:
        clause = call["arguments"].get(CLAUSE_ARGUMENT)
        if not clause:
            continue
        span = span_of(clause, reading)
        quoted = span and any(start <= span[0] and span[1] <= end for start, end in reading.quotes)
        if not quoted and not CLAUSE.search(clause):
            yield "clause_not_quoted", f"{CLAUSE_ARGUMENT} {clause!r} must stand in quotation marks in the question"
        elif quoted and ground.folded.find(clause, exact_case=False) is None:
            yield "clause_not_in_chunk", f"{clause!r} does not stand in the document"
    used = [lower(fold(value).text) for call in calls for value in call["arguments"].values() if value]
    for quoted_text in reading.quoted():
        bare = lower(quoted_text).strip(" .,;?")
        if len(bare.split()) >= 5 and not any(value in bare or bare in value for value in used):
            yield "unused_quote", f"the question quotes {quoted_text!r} but no call uses it"


def _authorities(raw: Mapping[str, Any], reading: Reading, ground: Ground) -> Iterator[Problem]:
    sources = [
        value
        for call in raw["calls"]
        for name, value in call["arguments"].items()
        if value and (call["name"], name) != FREE
    ]
    made_up = not raw.get("citation_is_real", True)
    read = (c for value in sources for c in (ground.canon.read(value), *ground.canon.find(value)) if c)
    laws = {citation.canonical for citation in read}
    cases = [case.text for value in sources for case in find_cases(fold(value).text)]
    for law in reading.laws:
        if not made_up and not ground.knows_law(law):
            yield "unknown_authority", f"{law.text!r} is neither in the document nor known to exist"
        in_name_of_case = law.kind == "reporter" and cases
        if law.kind != "regulation" and not in_name_of_case and not any(same_law(law.canonical, u) for u in laws):
            yield "authority_not_used", f"the question names {law.text!r} but no call looks for it"
    for case in reading.cases:
        if not ground.knows_case(case):
            yield "unknown_authority", f"the case {case!r} is neither in the document nor known to exist"
        if not any(same_case(case, used) for used in cases):
            yield "authority_not_used", f"the question names {case!r} but no call looks for it"


def _facts(calls: list[Mapping[str, Any]], reading: Reading, ground: Ground) -> Iterator[Problem]:
    """Numbers and names, but for the clause reference: execution looked that up."""
    clauses = [span_of(call["arguments"].get(CLAUSE_ARGUMENT) or "", reading) for call in calls]
    rest = _blank(reading.rest, [span for span in clauses if span])
    for number in _numbers(rest):
        if number not in ground.numbers:
            yield "number_not_in_chunk", f"{number!r} does not stand in the document"
    for word in words(rest):
        if word in SPELLED and word not in ground.pool and SPELLED[word] not in ground.numbers:
            yield "number_not_in_chunk", f"{word!r} does not stand in the document"
    named = " ".join([*ground.cases, *reading.cases])
    allowed = ground.pool | COMMON_NAMES | set(words(named))
    for match in NAME.finditer(rest):
        if SENTENCE_START.search(rest[: match.start()]):
            continue
        if strange := [w for w in words(match.group()) if len(w) > 1 and w not in allowed]:
            yield "name_not_in_chunk", f"the name {match.group()!r} ({strange[0]}) does not stand in the document"


def _self_contained(raw: Mapping[str, Any], reading: Reading, ground: Ground) -> Iterator[Problem]:
    bare = _blank(reading.folded.text, reading.quotes)
    if found := DEICTIC.search(bare):
        yield "deictic", f"{found.group()!r} points at something that the reader does not see"
    company = str((ground.chunk.get("facts") or {}).get("company") or "")
    telling = {w for w in words(company) if w not in CORPORATE and len(w) > 1}
    asked = set(words(reading.folded.text))
    if not (reading.laws or reading.cases or reading.quotes or telling & asked or _names(reading)):
        yield "no_anchor", "the question names no company, rule, case or clause"
    checks = any(call["name"] == FREE[0] for call in raw["calls"])
    if checks and ground.chunk["source"] == "filing" and telling and not telling & asked:
        yield "company_not_named", f"the question is about {company} but does not name it"


def _names(reading: Reading) -> bool:
    return any(
        not SENTENCE_START.search(reading.rest[: m.start()]) and not set(words(m.group())) <= COMMON_NAMES
        for m in NAME.finditer(reading.rest)
    )


def _numbers(text: str) -> Iterator[str]:
    for match in NUMBER.finditer(text):
        yield match.group().replace(",", "").strip(".")


def _blank(text: str, spans: Any) -> str:
    for start, end in spans:
        text = text[:start] + " " * (end - start) + text[end:]
    return text
