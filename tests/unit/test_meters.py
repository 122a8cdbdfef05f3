"""What the functions count for the dashboard, read from the log lines that CloudWatch makes metrics of."""

import contextlib
import importlib.util
import io
import json
import re
from pathlib import Path

import pytest

from tests.template.loading import ROOT, template
from toolsmith.aws import handler as entry
from toolsmith.aws import wiring
from toolsmith.errors import TeacherThrottled

INTERVAL = {"mean": 0.5, "low": 0.4, "high": 0.6}
SETTLED = {"document": "d", "chunks": 5, "kept": 2, "repaired": 1, "rejected": 0, "failed": 1, "empty": 1,
           "examples": 7, "reasons": {}, "teacher_calls": 6, "input_tokens": 900, "output_tokens": 80}  # fmt: skip


def load(folder):
    spec = importlib.util.spec_from_file_location(f"{folder}_meters", ROOT / "functions" / folder / "app.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def named(monkeypatch):
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "toolsmith-dev")
    monkeypatch.setenv("STUDENT", "local")
    monkeypatch.setenv("CUSTOMIZE_ON", "training-job")
    for name in ("work", "ledger", "intake"):
        monkeypatch.setattr(wiring, name, lambda: None)
    entry.metrics.cache_clear()
    yield
    entry.metrics.cache_clear()


def counted(capsys):
    """[(dimensions, {name: value})] of every metric line that was printed."""
    found = []
    for line in capsys.readouterr().out.splitlines():
        if '"_aws"' not in line:
            continue
        told = json.loads(line)
        (directive,) = told["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == "Toolsmith"
        dimensions = {name: told[name] for name in directive["Dimensions"][0]}
        values = {metric["Name"]: told[metric["Name"]] for metric in directive["Metrics"]}
        found.append((dimensions, {name: v[0] if isinstance(v, list) else v for name, v in values.items()}))
    return found


def test_a_settled_document_is_counted_through_the_funnel(monkeypatch, capsys):
    app = load("settle")
    monkeypatch.setattr(app.ingest, "settle", lambda *_: SETTLED)
    assert app.app({"document": "d"}, None) == SETTLED
    ((dimensions, values),) = counted(capsys)
    assert dimensions == {"service": "toolsmith-dev"}
    assert values == {
        "DocumentsIngested": 1, "Chunks": 5, "Examples": 7, "ChunksKept": 2, "ChunksRepaired": 1, "ChunksRejected": 0,
        "ChunksFailed": 1, "ChunksEmpty": 1, "TeacherCalls": 6, "InputTokens": 900, "OutputTokens": 80,
    }  # fmt: skip
    outcomes = [value for name, value in values.items() if re.fullmatch(r"Chunks[A-Z]\w+", name)]
    assert sum(outcomes) == values["Chunks"]


def test_a_file_set_aside_is_counted(monkeypatch, capsys):
    app = load("set_aside")
    monkeypatch.setattr(app.ingest, "set_aside", lambda *_: {})
    app.app({"key": "incoming/x", "error": {"Error": "DocumentRejected", "Cause": ""}}, None)
    assert counted(capsys) == [({"service": "toolsmith-dev"}, {"DocumentsRejected": 1})]


def test_a_finished_job_is_counted_by_stage_and_its_score_by_arm(monkeypatch, capsys):
    app = load("read_job")
    result = {"stage": "evaluate", "arm": "rft", "job": "j", "seconds": 90.0, "usd": 1.5, "score": INTERVAL}
    monkeypatch.setattr(app.training, "read", lambda *_: result)
    app.app({"run": "r", "stage": "evaluate", "arm": "rft", "job": "j", "seconds": 90}, None)
    stage, arm = {"service": "toolsmith-dev", "stage": "evaluate"}, {"service": "toolsmith-dev", "arm": "rft"}
    assert counted(capsys) == [(stage, {"JobSeconds": 90.0}), (stage, {"JobUsd": 1.5}), (arm, {"Score": 0.5})]


def test_a_training_job_has_no_score(monkeypatch, capsys):
    app = load("read_job")
    result = {"stage": "sft", "arm": "sft", "job": "j", "seconds": 90.0, "usd": 1.5, "checkpoint": "s3://c"}
    monkeypatch.setattr(app.training, "read", lambda *_: result)
    app.app({"run": "r", "stage": "sft", "arm": "sft", "job": "j", "seconds": 90}, None)
    assert [list(values) for _, values in counted(capsys)] == [["JobSeconds"], ["JobUsd"]]


def test_an_error_is_counted_by_its_class_and_raised(monkeypatch, capsys):
    @entry.handler
    def throttled(event):
        raise TeacherThrottled("out of quota")

    with pytest.raises(TeacherThrottled):
        throttled({}, None)
    assert counted(capsys) == [({"service": "toolsmith-dev"}, {"TeacherThrottled": 1})]


def test_a_function_with_nothing_to_count_writes_no_metric(capsys, recwarn):
    entry.handler(lambda event: 1)({}, None)
    assert counted(capsys) == [] and not list(recwarn)


def test_the_reward_function_counts_for_its_stack(capsys):
    load("grade").handler([{"id": "a"}], None)
    ((dimensions, values),) = counted(capsys)
    assert dimensions == {"service": "toolsmith-dev"}
    assert values["GraderErrors"] == 1 and values["Samples"] == 1 and 0 <= values["MeanReward"] <= 1


def shown():
    """Names of our own metrics that the dashboard and the alarms read."""
    body = template()["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["!Sub"]
    found = set(re.findall(r'\["Toolsmith", "(\w+)"', body))
    found |= set(re.findall(r'Toolsmith,service,\w+} MetricName=\\"(\w+)', body))
    alarms = [r["Properties"] for r in template()["Resources"].values() if r["Type"] == "AWS::CloudWatch::Alarm"]
    return found | {alarm["MetricName"] for alarm in alarms if alarm["Namespace"] == "Toolsmith"}


def test_every_metric_that_is_looked_at_is_written():
    sources = [ROOT / "layers/toolsmith/toolsmith/aws/meters.py", ROOT / "functions/grade/app.py",
               ROOT / "layers/toolsmith/toolsmith/errors.py"]  # fmt: skip
    text = "\n".join(Path(source).read_text() for source in sources)
    written = set(re.findall(r'"([A-Z]\w+)"', text)) | set(re.findall(r"class (\w+)", text))
    written |= {f"Chunks{outcome.capitalize()}" for outcome in load("settle").ingest.OUTCOMES}
    assert shown() and shown() <= written, shown() - written


@pytest.mark.parametrize(
    ("event", "about"),
    [({"run": "run-1", "stage": "sft", "attempt": 1}, {"run": "run-1", "stage": "sft"}),
     ({"document": "d1", "first": 0}, {"document": "d1"}),
     ({"detail-type": "Gate Failed", "detail": {"run": "run-1", "gate": "sft"}}, {"run": "run-1"}),
     ({"detail-type": "Step Functions Execution Status Change", "detail": {"name": "run-1", "status": "FAILED"}},
      {"execution": "run-1"})],
)  # fmt: skip
@pytest.mark.parametrize("fails", [False, True])
def test_every_line_of_the_log_says_what_it_is_about(event, about, fails, monkeypatch):
    """What a call was about does not stay for the next one."""
    log = io.StringIO()
    monkeypatch.setattr(entry._logger().registered_handler, "stream", log)

    @entry.handler
    def app(event):
        entry.note("in the middle")
        if fails:
            raise ValueError("no")

    for given in (event, {}):
        with contextlib.suppress(ValueError):
            app(given, None)
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["message"] for line in lines] == ["in the middle", "failed" if fails else "done"] * 2
    said = [{key: line[key] for key in entry._IDENTITIES if key in line} for line in lines]
    assert said == [about, about, {}, {}]
