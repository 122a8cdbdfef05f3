"""What the tools find for each thing that a question names: all that is known of a question without a plan."""

import re
from collections.abc import Callable
from typing import Any

from toolsmith.teaching.grounding import Reading
from toolsmith.tools import RESOLVED, Index, same_case
from toolsmith.tools.run import resolve_case, resolve_clause, resolve_law

LEAST_WORDS = 4  # a shorter quotation is a term, not a clause
PLACE = re.compile(
    r"\b(?:Item|Section|Article|Exhibit|Note|Part)\s+\d[\w.]*(?:\([a-z0-9]+\))*(?:\s+of\s+(?:the\s+)?[A-Z].{1,80}?(?:'s|')\s+[\w-]+)?"
)


def question_facts(index: Index) -> Callable[[str], dict[str, Any]]:
    """Reads questions: {"laws", "cases", "clauses"}, each a list of {"text", "found"} in the question's own words."""

    def read(question: str) -> dict[str, Any]:
        reading = Reading.of(question, index.canon)
        quoted = [text for text in reading.quoted() if len(text.split()) >= LEAST_WORDS]
        places = [match.group() for match in PLACE.finditer(reading.rest)]
        laws = [law.text for law in reading.laws if law.kind != "regulation"]
        cases = [_case(name, index) for name in reading.cases]
        return {
            "laws": [_fact(text, resolve_law(text, index)) for text in laws],
            "cases": [_fact(text, resolve_case(text, index)) for text in cases],
            "clauses": [_fact(text, resolve_clause(text, index)) for text in [*quoted, *places]],
        }

    return read


def _case(name: str, index: Index) -> str:
    """The name without a company that "and" joins to it: `A v. B and C, Inc.` where A v. B is known and is not called
    by C too."""
    head, _, tail = name.rpartition(" and ")
    if " v. " not in head:
        return name
    titles = [row["say"] for row in index.canon.tables["known"]["cases"]] + index.case_names()
    meant = [title for title in titles if same_case(title, head)]
    return head if meant and not any(tail.casefold() in title.casefold() for title in meant) else name


def _fact(text: str, result: dict[str, Any]) -> dict[str, Any]:
    return {"text": text, "found": result["status"] in RESOLVED}
