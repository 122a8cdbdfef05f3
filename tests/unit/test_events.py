"""Published events: their schemas, what breaks a consumer, and whether the machines send what the classes say."""

import copy
import importlib.util
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest
import yaml

from tests.unit.memory import MemoryLedger, MemoryStore
from toolsmith import events, grading
from toolsmith.pipeline import approval, start

ROOT = Path(__file__).resolve().parents[2]
MACHINES = sorted((ROOT / "statemachines").glob("*.asl.json"))


def _generator():
    spec = importlib.util.spec_from_file_location("events_generate", ROOT / "events" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = _generator()


def _incoming(name: str):
    return json.loads((ROOT / "events" / "incoming" / f"{name}.json").read_text(encoding="utf-8"))


def _entries(node, state: str = ""):
    """(name of the state, entry) of every putEvents below a node of a state machine."""
    if isinstance(node, dict):
        if "events:putEvents" in str(node.get("Resource", "")):
            yield from ((state, entry) for entry in node["Arguments"]["Entries"])
        for name, value in node.items():
            yield from _entries(value, name)
    elif isinstance(node, list):
        for value in node:
            yield from _entries(value, state)


SENT = [
    pytest.param(entry, detail_type, id=f"{path.name.partition('.')[0]}-{state}-{detail_type}")
    for path in MACHINES
    for state, entry in _entries(json.loads(path.read_text(encoding="utf-8")))
    for detail_type in (
        re.findall(r"'([^']+)'", entry["DetailType"]) if entry["DetailType"].startswith("{%") else [entry["DetailType"]]
    )
]


@pytest.mark.parametrize(("entry", "detail_type"), SENT)
def test_what_a_machine_sends_fits_its_class(entry, detail_type):
    schema = events.schema(events.PUBLISHED[detail_type])
    sent = set(entry["Detail"])
    assert entry["Source"] == events.SOURCE
    assert sent <= set(schema["properties"]), "fields that the class does not know"
    assert set(schema["required"]) <= sent, "fields that the class promises"


def test_every_published_event_is_sent_by_a_machine_or_a_function():
    sent = {parameters.values[1] for parameters in SENT}
    functions = " ".join(path.read_text(encoding="utf-8") for path in (ROOT / "functions").glob("*/app.py"))
    by_functions = {name for name in events.PUBLISHED if f'"{name}"' in functions}
    assert sent | by_functions == set(events.PUBLISHED)


def test_what_asks_for_approval_fits_its_class():
    work, ledger = MemoryStore(), MemoryLedger()
    plan = {"student": "nova-2-lite", "estimated_usd": 504.0, "budget_usd": 1000.0, "examples": 9, "documents": ["a"]}
    work.write_json("runs/run-1/plan.json", {**plan, "estimate": []})
    ledger.register("RUN", "run-1", {"status": "admitted"})
    detail = approval.ask(work, ledger, "run-1", "token", 0, datetime(2026, 11, 23, tzinfo=UTC)).detail
    schema = events.schema(events.ApprovalRequested)
    jsonschema.validate(detail, schema, jsonschema.Draft4Validator)
    assert set(detail) == set(schema["properties"])


@pytest.mark.parametrize("detail_type", events.PUBLISHED)
def test_sample_fits_its_schema(detail_type):
    schema = events.schema(events.PUBLISHED[detail_type])
    jsonschema.Draft4Validator.check_schema(schema)
    sample = generate.sample(detail_type)
    jsonschema.validate(sample["detail"], schema, jsonschema.Draft4Validator)
    assert (sample["detail-type"], sample["source"]) == (detail_type, events.SOURCE)
    for field in schema["required"]:
        without = {name: value for name, value in sample["detail"].items() if name != field}
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(without, schema, jsonschema.Draft4Validator)


@pytest.mark.parametrize(
    ("detail_type", "field", "wrong"),
    [
        ("Cost Estimated", "estimated_usd", "12"),
        ("Dataset Ready", "rows", {"sft/train.jsonl": "many"}),
        ("Evaluation Completed", "score", {"mean": 0.5, "low": 0.4}),
        ("Training Job Failed", "class", None),
        ("Document Ingested", "already_held", "no"),
    ],
)
def test_schema_refuses_values_of_another_type(detail_type, field, wrong):
    detail = generate.sample(detail_type)["detail"] | {field: wrong}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(detail, events.schema(events.PUBLISHED[detail_type]), jsonschema.Draft4Validator)


def test_committed_schemas_still_hold():
    assert generate.incompatible() == []


def test_derived_files_are_up_to_date():
    stale = [
        path
        for path, text in generate.generated().items()
        if not (ROOT / path).is_file() or (ROOT / path).read_text(encoding="utf-8") != text
    ]
    assert stale == [], "run python events/generate.py"


def _schema(detail_type="Evaluation Completed"):
    return copy.deepcopy(events.schema(events.PUBLISHED[detail_type]))


def _without(schema, *path):
    *way, last = path
    node = schema
    for step in way:
        node = node["properties"][step]
    del node["properties"][last]
    node["required"].remove(last)
    return schema


def _retyped():
    schema = _schema()
    schema["properties"]["score"]["properties"]["mean"]["type"] = "string"
    return schema


def _demanding():
    schema = _schema()
    schema["properties"]["seconds"] = {"type": "number"}
    schema["required"].append("seconds")
    return schema


def _optional():
    schema = _schema()
    schema["required"].remove("job")
    return schema


@pytest.mark.parametrize(
    ("new", "problem"),
    [
        (_without(_schema(), "arm"), "arm was removed"),
        (_without(_schema(), "score", "low"), "score.low was removed"),
        (_retyped(), "score.mean changed its type from number to string"),
        (_demanding(), "seconds became required"),
        (_optional(), "job is no longer always there"),
    ],
)
def test_breaking_change_is_found(new, problem):
    assert events.breaks(_schema(), new) == [problem]


def test_value_type_of_a_table_must_not_change():
    old, new = _schema("Dataset Ready"), _schema("Dataset Ready")
    new["properties"]["rows"]["additionalProperties"]["type"] = "string"
    assert events.breaks(old, new) == ["rows.* changed its type from integer to string"]


def test_added_optional_field_breaks_nobody():
    new = _schema()
    new["properties"]["seconds"] = {"type": "number"}
    assert events.breaks(_schema(), new) == []


def test_generator_refuses_a_change_that_breaks_a_committed_schema(tmp_path):
    committed = _schema()
    committed["properties"]["judge"] = {"type": "string"}
    (tmp_path / "evaluation-completed.json").write_text(json.dumps(committed))
    (tmp_path / "gone.json").write_text(json.dumps({"title": "Model Blessed"}))
    assert generate.incompatible(tmp_path) == [
        "Evaluation Completed: judge was removed",
        "Model Blessed: is no longer published",
    ]


@pytest.mark.parametrize("name", ["execution-failed", "execution-timed-out", "execution-aborted"])
def test_failure_of_an_execution_becomes_a_valid_event(name):
    change = _incoming(name)["detail"]
    detail = events.failure_of(change)
    jsonschema.validate(detail, events.schema(events.RunFailed), jsonschema.Draft4Validator)
    assert detail["error"] == (change["error"] or change["status"])
    assert change["name"] in detail["remedy"]
    assert detail["execution_arn"] == change["executionArn"]


@pytest.mark.parametrize("error", sorted(events.FINAL))
def test_what_a_redrive_would_only_repeat_is_not_remedied_by_a_redrive(error):
    detail = events.failure_of({**_incoming("execution-failed")["detail"], "error": error})
    assert detail["remedy"] == "toolsmith drop --to runs REQUEST.json"


def test_every_error_of_a_fail_state_is_known_as_one_that_a_redrive_repeats():
    states = [s for path in MACHINES for s in json.loads(path.read_text(encoding="utf-8"))["States"].values()]
    raised = {state["Error"] for state in states if state["Type"] == "Fail" and not state["Error"].startswith("{%")}
    assert raised and raised <= events.FINAL


@pytest.mark.parametrize(
    ("name", "machine"), [("document-dropped", "ingest"), ("crawl-requested", "crawl"), ("run-requested", "customize")]
)
def test_incoming_object_starts_its_machine(name, machine):
    event = _incoming(name)
    wanted = start.from_object(event["detail"])
    assert wanted.machine == machine
    assert wanted.payload["key"] == event["detail"]["object"]["key"]


def test_queued_document_carries_the_event_of_a_dropped_one():
    (record,) = _incoming("queued-document")["Records"]
    assert start.from_object(json.loads(record["body"])["detail"]).machine == "ingest"


def test_incoming_reward_event_is_graded():
    (result,) = grading.grade_samples(_incoming("reward"))
    assert result["aggregate_reward_score"] == 1.0


def test_catalogue_names_every_event():
    messages = yaml.safe_load((ROOT / "events" / "asyncapi.yaml").read_text(encoding="utf-8"))["components"]["messages"]
    assert [message["name"] for message in messages.values()] == list(events.PUBLISHED)
    for message in messages.values():
        for example in message["examples"]:
            jsonschema.validate(example["payload"], message["payload"], jsonschema.Draft4Validator)


def test_registry_template_holds_every_schema():
    template = yaml.safe_load((ROOT / "events" / "registry.template.yaml").read_text(encoding="utf-8"))
    contents = [
        json.loads(resource["Properties"]["Content"])
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::EventSchemas::Schema"
    ]
    assert [content["title"] for content in contents] == list(events.PUBLISHED)
    for content in contents:
        jsonschema.validate(generate.sample(content["title"]), content, jsonschema.Draft4Validator)
