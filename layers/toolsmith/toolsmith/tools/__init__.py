"""The four tools of the domain, really running over the ingested corpus."""

from toolsmith.tools.binding import binding_errors
from toolsmith.tools.canon import Canon, Citation, base, load_canon, same_law
from toolsmith.tools.cases import case_key, find_cases, read_case, same_case
from toolsmith.tools.index import CorpusIndex, Hit, Index, LayeredIndex
from toolsmith.tools.run import RESOLVED, resolve_case, resolve_clause, resolve_law, run_call

__all__ = [
    "RESOLVED",
    "Canon",
    "Citation",
    "CorpusIndex",
    "Hit",
    "Index",
    "LayeredIndex",
    "base",
    "binding_errors",
    "case_key",
    "find_cases",
    "load_canon",
    "read_case",
    "resolve_case",
    "resolve_clause",
    "resolve_law",
    "run_call",
    "same_case",
    "same_law",
]
