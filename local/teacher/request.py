"""Reading a rendered teacher prompt: what is wanted, what is known of the document, and the fenced chunk."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

_MARK = re.compile(r"that carry the mark (\S+?)\.\s")
_OBJECT = re.compile(r"^\s*(\{.*\})\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Request:
    """One teacher prompt. problems: the reasons of a repair prompt, as it words them; empty in a first prompt."""

    categories: tuple[str, ...]
    persona: str
    register: str
    difficulty: float
    regulations: tuple[str, ...]
    cases: tuple[str, ...]
    attempt: int
    facts: dict[str, str] = field(default_factory=dict)
    chunk: str = ""
    problems: str = ""

    @property
    def source(self) -> str:
        return self.facts.get("source", "filing")


def read(user: str) -> Request | None:
    """The request in a user message, or None when it is not a teacher prompt.

    Only text before the fence is read as a request; headings inside the document mean nothing.
    """
    mark = _MARK.search(user)
    if not mark:
        return None
    head, fenced = user[: mark.start()], user[mark.end() :]
    wanted = _json_after(head, "##WANTED##")
    if wanted is None:
        return None
    named = wanted.get("named") or {}
    return Request(
        categories=tuple(wanted.get("categories") or ()),
        persona=str(wanted.get("persona") or ""),
        register=str(wanted.get("register") or ""),
        difficulty=float(wanted.get("difficulty") or 0.5),
        regulations=tuple(named.get("regulations") or ()),
        cases=tuple(named.get("cases") or ()),
        attempt=int(wanted.get("attempt") or 1),
        facts={key: str(value) for key, value in (_json_after(head, "##DOCUMENT FACTS##") or {}).items()},
        chunk=_between(fenced, mark[1]),
        problems=_section(head, "##REPAIR##"),
    )


def _section(text: str, heading: str) -> str:
    _, found, rest = text.partition(heading)
    return rest.split("\n##")[0].strip() if found else ""


def _json_after(text: str, heading: str) -> dict[str, Any] | None:
    match = _OBJECT.search(_section(text, heading))
    try:
        value = json.loads(match[1]) if match else None
    except json.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _between(text: str, nonce: str) -> str:
    """What stands between the two lines that carry the nonce."""
    lines = text.split("\n")
    marked = [place for place, line in enumerate(lines) if nonce in line]
    return "\n".join(lines[marked[0] + 1 : marked[-1]]) if len(marked) > 1 else ""
