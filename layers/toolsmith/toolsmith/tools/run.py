"""Running a call: each tool looks into the corpus index and says what it found.

Every result has "tool", "ok" and "status". Statuses, from the strongest evidence to the weakest:
"found" (its own text is stored), "cited" (a stored document names it), "known" (the recipe's tables vouch for it),
"absent" (the tables say it does not exist), "unknown" (nothing speaks for it), "malformed" (cannot be read).
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from toolsmith.catalog import Catalog, load_catalog
from toolsmith.tools.binding import binding_errors
from toolsmith.tools.cases import find_cases, read_case, same_case
from toolsmith.tools.index import Hit, Index

RESOLVED = frozenset({"found", "cited", "known"})


@cache
def _default_catalog() -> Catalog:
    return load_catalog()


def run_call(call: Mapping[str, Any], index: Index, catalog: Catalog | None = None) -> dict[str, Any]:
    """Run one call; never raises for what the call says.

    A call that does not bind comes back with status "invalid" and its "errors".
    """
    if errors := binding_errors(call, catalog or _default_catalog()):
        name = call.get("name") if isinstance(call, Mapping) else None
        return {"tool": name, "ok": False, "status": "invalid", "errors": [f"{c}: {d}" for c, d in errors]}
    runner = RUNNERS.get(call["name"])
    if runner is None:
        return {"tool": call["name"], "ok": False, "status": "invalid", "errors": ["the tool cannot be run here"]}
    result = runner(call["arguments"], index)
    return {"tool": call["name"], "ok": result["status"] in RESOLVED, **result}


def resolve_law(citation: str, index: Index) -> dict[str, Any]:
    """A rule or statute: {"status", "citation" (canonical or None), "sections"}."""
    canonical = index.canon.canonical(citation)
    if canonical is None:
        return {"status": "malformed", "citation": None, "sections": []}
    stored = index.sections(canonical)
    return {"status": _law_status(canonical, stored, index), "citation": canonical, "sections": _brief(stored)}


def resolve_case(name: str, index: Index) -> dict[str, Any]:
    """A named case: {"status", "case", "opinions"} (its own opinion first, else the opinions that name it)."""
    own, cited = index.opinions(name)
    if own or cited:
        return {"status": "found" if own else "cited", "case": name, "opinions": _brief(own or cited)}
    return {"status": "known" if known_case(name, index) else "unknown", "case": name, "opinions": []}


def known_case(name: str, index: Index) -> str | None:
    """The reporter citation that the recipe's tables give for this case, or None."""
    rows = index.canon.tables["known"]["cases"]
    return next((row["cite"] for row in rows if same_case(row["say"], name)), None)


def resolve_clause(reference: str, index: Index) -> dict[str, Any]:
    """A clause by its words or by its place: {"status", "spans": [{chunk, document, section, start, end}]}."""
    spans = [
        {"chunk": hit.chunk, "document": hit.document, "section": hit.section, "start": start, "end": end}
        for hit, start, end in index.locate(reference)
    ]
    spans = spans or [
        {"chunk": hit.chunk, "document": hit.document, "section": hit.section, "start": 0, "end": len(hit.text)}
        for hit in index.clause(reference)
    ]
    return {"status": "found" if spans else "unknown", "spans": spans}


def _law_status(canonical: str, stored: list[Hit], index: Index) -> str:
    if stored:
        return "found"
    if index.canon.absent(canonical):
        return "absent"
    if index.citing(canonical):
        return "cited"
    # The section is here but the paragraph is not: the tables, which know sections only, say nothing about that.
    vouched = index.canon.vouches(canonical) and not index.holds(canonical)
    return "known" if vouched else "unknown"


def _brief(hits: list[Hit], limit: int = 3) -> list[dict[str, str]]:
    return [hit.brief() for hit in hits[:limit]]


def _statute_retrieval(arguments: Mapping[str, Any], index: Index) -> dict[str, Any]:
    return resolve_law(arguments["regulation"], index)


def _case_law_search(arguments: Mapping[str, Any], index: Index) -> dict[str, Any]:
    query = arguments["query"]
    if name := read_case(query):
        return resolve_case(name, index)
    if find_cases(query):
        return resolve_case(find_cases(query)[0].text, index)
    hits = index.search(query, source="opinion")
    return {"status": "found" if hits else "unknown", "case": None, "opinions": _brief(hits)}


def _compliance_checker(arguments: Mapping[str, Any], index: Index) -> dict[str, Any]:
    """Locates every source that is named; the weakest of them decides the status."""
    resolvers: dict[str, Callable[[str, Index], dict[str, Any]]] = {
        "edgar_check": resolve_clause,
        "regulation": resolve_law,
        "case_interpretation_check": resolve_case,
    }
    sources = {name: resolve(arguments[name], index) for name, resolve in resolvers.items() if arguments[name]}
    if not sources:
        return {"status": "malformed", "sources": {}, "detail": "every source is null: nothing to check against"}
    order = ["found", "cited", "known", "unknown", "absent", "malformed"]
    weakest = max((source["status"] for source in sources.values()), key=order.index)
    return {"status": weakest, "sources": sources}


def _citation_validator(arguments: Mapping[str, Any], index: Index) -> dict[str, Any]:
    """`exists` is True, False, or None when neither the corpus nor the tables can tell."""
    query = arguments["query"]
    canonical, name = index.canon.canonical(query), read_case(query)
    if canonical:
        law = resolve_law(query, index)
        verdict = {"status": law["status"], "citation": canonical, "well_formed": True}
    elif name:
        verdict = {"status": resolve_case(name, index)["status"], "citation": name, "well_formed": True}
    else:
        found = index.canon.find(query)
        if len(found) == 1:
            return _citation_validator({"query": found[0].text}, index)
        verdict = {"status": "malformed", "citation": None, "well_formed": False}
    exists = {"absent": False, "unknown": None, "malformed": False}.get(verdict["status"], True)
    return {**verdict, "exists": exists}


RUNNERS: dict[str, Callable[[Mapping[str, Any], Index], dict[str, Any]]] = {
    "statute_retrieval": _statute_retrieval,
    "case_law_search": _case_law_search,
    "compliance_checker": _compliance_checker,
    "citation_validator": _citation_validator,
}
