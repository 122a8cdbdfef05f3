"""Training and evaluation jobs: recipes, requests, outputs, statistics, gates and cost. Pure; sends nothing."""

from toolsmith.customization.jobs import Job, Prepared, job_name, prepare
from toolsmith.customization.lint import Finding, lint
from toolsmith.customization.outputs import JobOutput, classify_failure, failure_class, read_output
from toolsmith.customization.profile import Profile
from toolsmith.customization.profile import load as load_profile

__all__ = [
    "Finding",
    "Job",
    "JobOutput",
    "Prepared",
    "Profile",
    "classify_failure",
    "failure_class",
    "job_name",
    "lint",
    "load_profile",
    "prepare",
    "read_output",
]
