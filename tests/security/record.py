"""Writes tests/security/calls.json: everything that any role does in the scenarios of the redrive tests.

    python -m tests.security.record

Each scenario runs undisturbed and once with every Task state failing, so failures are announced too.
"""

import contextlib
import io
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.security.policies import Call
from tests.security.recorder import recording
from tests.workflows.bench import Bench
from tests.workflows.conftest import CORPUS
from tests.workflows.test_redrive import SCENARIOS, Scenario

CALLS = Path(__file__).with_name("calls.json")


def recorded() -> list[Call]:
    """The calls that calls.json holds."""
    return [Call(one["role"], one["action"], one["resource"], context=one.get("context", {}))
            for one in json.loads(CALLS.read_text(encoding="utf-8"))]  # fmt: skip


def played(scenario: Scenario, corpus: dict[str, Any], attach: Callable[[Bench], None]) -> None:
    """Run one scenario to its end, or as far as it goes, with every Task state failing once."""
    with tempfile.TemporaryDirectory() as folder:
        bench = scenario.open(Path(folder), corpus)
        try:
            attach(bench)
            bench.break_each()
            bench.through(scenario.start(bench))
        finally:
            bench.close()


def corpus_of(attach: Callable[[Bench], None], documents: int = len(CORPUS)) -> dict[str, Any]:
    """What so many ingested documents leave, as the fixture `corpus` gives it."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        try:
            attach(bench)
            for name in bench.drop_samples(*CORPUS[:documents]):
                bench.succeeded(name)
            bench.settle()
            return {"objects": bench.objects.snapshot(), "rows": dict(bench.table.rows)}
        finally:
            bench.close()


def main() -> None:
    with contextlib.redirect_stdout(io.StringIO()), recording() as (attach, noted):
        made = corpus_of(attach)
        for scenario in SCENARIOS:
            played(scenario, made, attach)
    rows = sorted({(c.role, c.action, c.resource, json.dumps(c.context)) for c in noted})
    lines = [json.dumps({"role": role, "action": action, "resource": where,
                         **({"context": json.loads(context)} if context != "{}" else {})})
             for role, action, where, context in rows]  # fmt: skip
    CALLS.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
    print(len(rows), "calls")


if __name__ == "__main__":
    main()
