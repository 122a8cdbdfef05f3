"""report.html: one self-contained page."""

from collections.abc import Mapping
from html import escape
from typing import Any

from toolsmith.reporting.facts import RunFacts, percent


def page(facts: RunFacts, report: Mapping[str, Any]) -> str:
    """The whole page; every text that comes from documents or models is escaped."""
    rows = "".join(
        f"<tr><th scope=row>{escape(arm)}</th><td>{percent(entry['score'])}</td><td>{percent(entry['talk_score'])}</td></tr>"
        for arm, entry in report["arms"].items()
    )
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(facts.run)}</title>
<h1>{escape(report["verdict"])}</h1>
<table><thead><tr><th>arm</th><th>score</th><th>talk score</th></tr></thead><tbody>{rows}</tbody></table></html>
"""
