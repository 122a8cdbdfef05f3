"""Writes what is derived from the event classes: schemas/, registry.template.yaml, asyncapi.yaml, ../docs/events.md.

Run it after a change of toolsmith/events.py:  python events/generate.py
It refuses a change that a consumer would stumble over: give the event another detail-type instead. `--check` writes
nothing and fails where a file is not what it would write.
"""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "layers" / "toolsmith"))

from toolsmith import events  # noqa: E402  (the path above is needed to find it)

HERE = ROOT / "events"
WRITTEN_BY = "Written by events/generate.py from layers/toolsmith/toolsmith/events.py."


def file_stem(detail_type: str) -> str:
    """The file name of a detail-type: "Document Ingested" -> "document-ingested"."""
    return detail_type.lower().replace(" ", "-")


def sample(detail_type: str) -> dict[str, Any]:
    """The committed sample of a published event, as EventBridge delivers it."""
    return json.loads((HERE / "published" / f"{file_stem(detail_type)}.json").read_text(encoding="utf-8"))


def incompatible(folder: Path = HERE / "schemas") -> list[str]:
    """Where the classes break the committed schemas in `folder`."""
    found = []
    for path in sorted(folder.glob("*.json")):
        old = json.loads(path.read_text(encoding="utf-8"))
        event = events.PUBLISHED.get(old["title"])
        if event is None:
            found.append(f"{old['title']}: is no longer published")
            continue
        found += [f"{old['title']}: {problem}" for problem in events.breaks(old, events.schema(event))]
    return found


def generated() -> dict[str, str]:
    """Path below the repository -> text of every derived file."""
    schemas = {name: events.schema(event) for name, event in events.PUBLISHED.items()}
    texts = {f"events/schemas/{file_stem(name)}.json": _json(schema) for name, schema in schemas.items()}
    texts["events/registry.template.yaml"] = _yaml(_registry(schemas))
    texts["events/asyncapi.yaml"] = _yaml(_asyncapi(schemas))
    texts["docs/events.md"] = _page(schemas)
    return texts


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _yaml(value: Any) -> str:
    return f"# {WRITTEN_BY}\n" + yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120)


def _registry(schemas: dict[str, Any]) -> dict[str, Any]:
    """A template of its own: the schemas for consumers' code bindings, beside any number of stacks."""
    resources: dict[str, Any] = {
        "Registry": {
            "Type": "AWS::EventSchemas::Registry",
            "Properties": {"Description": "Events of a Toolsmith stack"},
        }
    }
    for name, schema in schemas.items():
        resources[name.replace(" ", "")] = {
            "Type": "AWS::EventSchemas::Schema",
            "Properties": {
                "RegistryName": {"Fn::GetAtt": "Registry.RegistryName"},
                "SchemaName": f"{events.SOURCE}@{name.replace(' ', '')}",
                "Type": "JSONSchemaDraft4",
                "Description": schema["description"][:256],
                "Content": json.dumps(_envelope(schema)),
            },
        }
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Schemas of the events that a Toolsmith stack publishes",
        "Resources": resources,
        "Outputs": {"RegistryName": {"Value": {"Fn::GetAtt": "Registry.RegistryName"}}},
    }


def _envelope(schema: dict[str, Any]) -> dict[str, Any]:
    """The event as EventBridge delivers it around a detail."""
    text = {"type": "string"}
    detail = {key: value for key, value in schema.items() if key != "$schema"}
    return {
        "$schema": schema["$schema"],
        "title": schema["title"],
        "type": "object",
        "properties": {
            "version": text,
            "id": text,
            "source": {"type": "string", "enum": [events.SOURCE]},
            "account": text,
            "region": text,
            "time": {"type": "string", "format": "date-time"},
            "resources": {"type": "array", "items": text},
            "detail-type": {"type": "string", "enum": [schema["title"]]},
            "detail": detail,
        },
        "required": ["version", "id", "source", "account", "region", "time", "detail-type", "detail"],
    }


def _asyncapi(schemas: dict[str, Any]) -> dict[str, Any]:
    """AsyncAPI 3: one channel (the bus), one message and one operation per event."""
    messages = {
        name.replace(" ", ""): {
            "name": name,
            "title": name,
            "summary": schema["description"],
            "contentType": "application/json",
            "payload": {key: value for key, value in _envelope(schema).items() if key != "$schema"},
            "examples": [{"payload": sample(name)}],
        }
        for name, schema in schemas.items()
    }
    operations = {
        f"publish{name}": {
            "action": "send",
            "channel": {"$ref": "#/channels/bus"},
            "messages": [{"$ref": f"#/channels/bus/messages/{name}"}],
        }
        for name in messages
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Toolsmith events",
            "version": "1.0.0",
            "description": "What a stack says while documents become a model. Events come at least once, in any order.",
        },
        "channels": {
            "bus": {
                "address": "the stack's event bus (output BusName)",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
            }
        },
        "operations": operations,
        "components": {"messages": messages},
    }


def _page(schemas: dict[str, Any]) -> str:
    head = (HERE / "catalogue_head.md").read_text(encoding="utf-8")
    index = "\n".join(f"| [{name}](#{file_stem(name)}) | {s['description']} |" for name, s in schemas.items())
    sections = "\n".join(_section(name, schema) for name, schema in schemas.items())
    return f"<!-- {WRITTEN_BY} -->\n{head}\n| detail-type | when |\n|---|---|\n{index}\n\n{sections}"


def _section(name: str, schema: dict[str, Any]) -> str:
    rows = "\n".join(
        f"| `{field}` | {_kind(kind)} | {'' if field in schema['required'] else 'optional'} |"
        for field, kind in schema["properties"].items()
    )
    stem = file_stem(name)
    files = f"[Schema](../events/schemas/{stem}.json), [sample](../events/published/{stem}.json)."
    return f"## {name}\n\n{schema['description']}\n\n| field | type | |\n|---|---|---|\n{rows}\n\n{files}\n"


def _kind(kind: dict[str, Any]) -> str:
    if isinstance(kind["type"], list):
        return " or ".join(kind["type"])
    if "properties" in kind:
        return "object {" + ", ".join(kind["properties"]) + "}"
    inner = kind.get("additionalProperties")
    return f"object of {inner['type']}s" if inner else kind["type"]


def main(arguments: list[str]) -> int:
    """Write the derived files, or with --check compare them; returns the exit code."""
    problems = incompatible()
    texts = generated()
    if "--check" in arguments:
        stale = [path for path, text in texts.items() if not _same(ROOT / path, text)]
        problems += [f"{path} is not up to date: run python events/generate.py" for path in stale]
    elif not problems:
        for path, text in texts.items():
            (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / path).write_text(text, encoding="utf-8")
    print("\n".join(problems), file=sys.stderr, end="\n" * bool(problems))
    return int(bool(problems))


def _same(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
