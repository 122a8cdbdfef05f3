"""Reports that people like to read, the same facts for machines, the model card, and mails."""

from toolsmith.reporting.facts import RunFacts, percent, verdict
from toolsmith.reporting.files import build

__all__ = ["RunFacts", "build", "percent", "verdict"]
