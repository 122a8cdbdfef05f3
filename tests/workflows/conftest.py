"""Fixtures: an empty stack, and one whose corpus was ingested before."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.workflows.bench import Bench
from tests.workflows.stack import NAME
from toolsmith.customization import statistics
from toolsmith.grading import arms
from toolsmith.pipeline import customize

CORPUS = (
    "regulations/ecfr-title-17-part-243.xml",
    "regulations/ecfr-title-17-part-245.xml",
    "regulations/CFR-2025-title17-part244.xml",
    "caselaw/cl_9900104.json",
    "caselaw/cl_9900105.json",
    "caselaw/cl_9900107.json",
    "caselaw/cl_9900117.json",
    "caselaw/cl_9900123.json",
    "edgar/0009900020-23-000009.txt",
    "edgar/marrowstone_s1.htm",
    "edgar/bluefinch-10q-2q25.htm",
    "edgar/shig-10k-2024.htm",
    "regulations/ecfr-title-17-part-279.xml",
    "regulations/ecfr-title-17-part-232.xml",
    "caselaw/cl_9900113.json",
    "edgar/0009900029-23-000018.txt",
    "edgar/npli-20240627.htm",
)


@pytest.fixture
def bench(tmp_path) -> Iterator[Bench]:
    """An empty stack."""
    made = Bench(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> dict[str, Any]:
    """What seventeen ingested documents left in the buckets and the ledger."""
    made = Bench(tmp_path_factory.mktemp("corpus"))
    try:
        for name in made.drop_samples(*CORPUS):
            made.succeeded(name)
        return {"objects": made.objects.snapshot(), "rows": dict(made.table.rows)}
    finally:
        made.close()


@pytest.fixture
def settled(corpus, tmp_path) -> Iterator[Bench]:
    """A stack with documents to learn from, and with a model deployed by an earlier run."""
    made = Bench(tmp_path)
    with_corpus(made, corpus)
    made.models.deployed_before(NAME)
    yield made
    made.close()


def with_corpus(bench: Bench, corpus: dict[str, Any]) -> Bench:
    """Put the ingested corpus into a stack; few attacks, constants and samples are tried: they take longest."""
    bench.objects.restore(corpus["objects"])
    bench.table.rows = dict(corpus["rows"])
    bench.set(customize, "ATTACKS", customize.ATTACKS[:3])
    bench.set(arms, "CANDIDATES", 2)
    bench.set(arms, "REFERENCES", 8)
    real = statistics.bootstrap
    bench.set(statistics, "bootstrap", lambda groups, resamples=200, seed=0: real(groups, min(200, resamples), seed))
    return bench
