"""Datasets: verified examples selected, split by source, checked for leaks and exported for jobs."""

from toolsmith.datasets.accept import accepted
from toolsmith.datasets.assemble import Dataset, DatasetConfig, assemble
from toolsmith.datasets.gate import leaks
from toolsmith.datasets.validate import Finding, check_all, check_eval, check_rft, check_sft

__all__ = [
    "Dataset",
    "DatasetConfig",
    "Finding",
    "accepted",
    "assemble",
    "check_all",
    "check_eval",
    "check_rft",
    "check_sft",
    "leaks",
]
