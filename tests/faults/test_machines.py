"""What machines promise whatever happens around them (rows 21, 27, 31, 32)."""

import ast
import os
import time

import pytest

from tests.template.loading import ROOT, machines, states
from tests.workflows.bench import INTAKE, WORK, Bench

SAMPLE = "regulations/ecfr-title-17-part-243.xml"


def test_row_21_spot_instances(settled):
    settled.succeeded(settled.drop("runs/wanted.json", {"seed": 3}))
    for request in settled.training.paid:
        assert not request.get("EnableManagedSpotTraining"), request["TrainingJobName"]


def test_row_27_some_items_of_a_map_fail(bench):
    """Two of forty batches cannot be fetched; what could is there, and the crawl ends well."""
    asked = []

    def fetch(event):
        asked.append(event)
        if len(asked) in (2, 3):
            raise KeyError("stands in for a defect")
        return {"fetched": len(event["Items"])}

    bench.functions.stub("FetchFunction", fetch)
    parts = [{"part": str(230 + number), "date": "2024-10-01"} for number in range(40)]
    name = bench.drop("requests/many.json", {"ecfr": parts})
    bench.succeeded(name)
    children = bench.children(name)
    assert sorted(child["status"] for child in children) == ["FAILED"] * 2 + ["SUCCEEDED"] * 2


def test_row_31_nothing_waits_for_ever():
    for machine, definition in machines().items():
        assert definition["TimeoutSeconds"] > 0
        for path, state in states(definition):
            if state["Type"] == "Task":
                assert 0 < state["TimeoutSeconds"] < definition["TimeoutSeconds"], (machine, path)
            if str(state.get("Resource", "")).endswith(".waitForTaskToken"):
                assert 0 < state["HeartbeatSeconds"] <= state["TimeoutSeconds"], (machine, path)


@pytest.fixture
def zone():
    """Sets the local time zone, and puts it back."""
    before = os.environ.get("TZ")

    def choose(name: str | None) -> None:
        os.environ.pop("TZ", None)
        if name:
            os.environ["TZ"] = name
        time.tzset()

    yield choose
    choose(before)


def test_row_32_time_zones_and_seeds(zone, tmp_path):
    left = []
    for name in ("Pacific/Kiritimati", "America/Los_Angeles"):
        zone(name)
        bench = Bench(tmp_path / name.replace("/", "-"))
        bench.succeeded(bench.drop_samples(SAMPLE)[0])
        bench.close()
        work = bench.objects.tree(WORK)
        left.append(({key: data for key, data in work.items() if not key.startswith("maps/")},
                     bench.objects.tree(INTAKE)))  # fmt: skip
    assert left[0] == left[1]
    for path in (ROOT / "layers/toolsmith/toolsmith").rglob("*.py"):
        imported = {alias.name for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                    if isinstance(node, ast.Import) for alias in node.names}  # fmt: skip
        assert "uuid" not in imported, path
