"""Reports that people like to read, the same facts for machines, the model card, and mails."""

from toolsmith.reporting.facts import RunFacts, percent, verdict
from toolsmith.reporting.files import build
from toolsmith.reporting.index import index

__all__ = ["RunFacts", "build", "index", "percent", "verdict"]
