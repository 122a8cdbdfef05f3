"""Questions and reference answers in the form of this corpus, made from a seed: what the grader is measured on."""

import random
from typing import Any

PLANS = {
    "regulatory_definition": ("statute_retrieval",),
    "judicial_interpretation": ("case_law_search",),
    "compliance_validation": ("compliance_checker",),
    "citation_verification": ("citation_validator",),
    "regulatory_compliance_analysis": ("statute_retrieval", "compliance_checker"),
    "judicial_compliance_assessment": ("case_law_search", "compliance_checker"),
    "cross_document_analysis": ("statute_retrieval", "case_law_search", "compliance_checker"),
    "regulatory_interpretation_research": ("statute_retrieval", "case_law_search"),
}
RULES = (
    "17 CFR 230.501(a)", "17 CFR 230.506(b)", "17 CFR 230.506(c)", "17 CFR 230.144(d)(1)", "17 CFR 240.10b-5",
    "17 CFR 240.14a-9", "17 CFR 229.303(a)", "17 CFR 243.100", "17 CFR 230.405", "17 CFR 240.13d-1(b)",
    "17 CFR 230.903(b)(3)", "17 CFR 240.16b-3(d)", "17 CFR 229.402(u)", "17 CFR 230.251(a)", "17 CFR 240.12b-2",
)  # fmt: skip
CASES = (
    "SEC v. Ralston Purina Co.", "SEC v. W.J. Howey Co.", "Basic Inc. v. Levinson", "Hanover Ltd. v. Ames",
    "Omnicare v. Laborers Fund", "Matrixx Initiatives v. Siracusano", "Doran v. Petroleum Management",
    "TSC Industries v. Northway", "Dirks v. SEC", "Gustafson v. Alloyd Co.",
)  # fmt: skip
TOPICS = (
    "general solicitation to accredited investors", "the price adjustment after a stock split",
    "resale of restricted shares by an affiliate", "forward-looking statements about quarterly revenue",
    "a director's duty to update a proxy statement", "beneficial ownership above five percent",
    "material weakness in internal control", "the whistleblower confidentiality clause",
    "indemnification of underwriters", "the earn-out payable in preferred stock", "offshore sales to non-U.S. persons",
    "related party loans to executive officers", "hedging of unvested equity awards", "the lock-up of founders",
)  # fmt: skip
COMPANIES = (
    "Calidi Biotherapeutics", "Buckle", "Nordstrom", "Adobe", "T. Rowe Price", "Wells Fargo", "Alcoa", "Ralston",
)  # fmt: skip
CLAUSES = (
    "Section 4.2(b)", "Section 7.1", "Article IX", "Item 1A", "Section 12.3(a)(ii)", "Exhibit 10.4", "Section 2.6",
)  # fmt: skip


def cases(count: int, seed: int = 1) -> list[tuple[str, dict[str, Any]]]:
    """`count` pairs of a question and its reference answer, the eight categories in turn."""
    dice = random.Random(seed)
    return [_case(category, dice) for i in range(count) for category in [list(PLANS)[i % len(PLANS)]]]


def _case(category: str, dice: random.Random) -> tuple[str, dict[str, Any]]:
    rule, case, clause = dice.choice(RULES), dice.choice(CASES), dice.choice(CLAUSES)
    topic = f"{dice.choice(TOPICS)} at {dice.choice(COMPANIES)}"
    tools = PLANS[category]
    calls = [{"name": tool, "arguments": _arguments(tool, tools, rule, case, clause, topic)} for tool in tools]
    if category == "citation_verification":
        calls[0]["arguments"]["query"] = dice.choice((rule, case))
    question = f"For {topic}: how do {rule}, {case} and {clause} bear on it, and is the filing in line with them?"
    return question, {"category": category, "calls": calls}


def _arguments(tool: str, tools: tuple[str, ...], rule: str, case: str, clause: str, topic: str) -> dict[str, Any]:
    if tool == "statute_retrieval":
        return {"regulation": rule}
    if tool in ("case_law_search", "citation_validator"):
        return {"query": f"{topic} {case}"}
    return {
        "query": topic,
        "edgar_check": clause if "statute_retrieval" not in tools or len(tools) == 3 else None,
        "regulation": rule if "statute_retrieval" in tools else None,
        "case_interpretation_check": case if "case_law_search" in tools else None,
    }
