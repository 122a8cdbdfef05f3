"""What is written from the run that a module's own `facts` fixture tells of."""

import json

import pytest

from toolsmith import reporting


@pytest.fixture(scope="module")
def files(facts):
    return reporting.build(facts)


@pytest.fixture(scope="module")
def report(files):
    return json.loads(files["report.json"])
