"""The items of a Map: where they are read from, what is selected of each, how they are put into batches."""

import csv
import io
import json
from typing import Any

from local.states import resources
from local.states.asl import State
from local.states.errors import ITEM_READER_FAILED, QUERY, StateError
from local.states.integrations import guarded
from local.states.interpreter import LIMIT, Flow
from local.states.journal import dumps


def given(flow: Flow, state: State) -> list[Any]:
    """The evaluated Items, or the input; StateError States.QueryEvaluationError unless a list."""
    found = flow.field(state, "Items", flow.input)
    if not isinstance(found, list):
        raise StateError(QUERY, f"The items of the Map '{state.name}' must be an array, not {dumps(found)[:80]}")
    return found


def select(flow: Flow, state: State, items: list[Any]) -> list[dict]:
    """{value, input} of every item: the input is what ItemSelector makes of it, else the item itself."""
    if "ItemSelector" not in state.fields:
        return [{"value": item, "input": item} for item in items]
    template, place = state.fields["ItemSelector"], f"{state.name}/ItemSelector"
    context = flow.context()
    found = []
    for number, item in enumerate(items):
        seen = {**context, "Map": {"Item": {"Index": number, "Value": item}}}
        found.append({"value": item, "input": flow.evaluate(template, place, context=seen)})
    return found


def inputs(flow: Flow, state: State) -> list[tuple[Any, int]]:
    """(input, number of items in it) of every child of a Distributed Map."""
    chosen = [each["input"] for each in select(flow, state, _items(flow, state))]
    batcher = state.fields.get("ItemBatcher")
    if not batcher:
        return [(each, 1) for each in chosen]
    place = f"{state.name}/ItemBatcher"
    most = flow.evaluate(batcher.get("MaxItemsPerBatch"), place) or len(chosen)
    size = flow.evaluate(batcher.get("MaxInputBytesPerBatch"), place) or LIMIT
    extra = {"BatchInput": flow.evaluate(batcher["BatchInput"], place)} if "BatchInput" in batcher else {}
    return [({**extra, "Items": batch}, len(batch)) for batch in _batches(chosen, int(most), int(size), extra)]


def _batches(items: list[Any], most: int, size: int, extra: dict) -> list[list[Any]]:
    """Batches of at most `most` items and `size` bytes of JSON, the batch input counted."""
    base = len(dumps({**extra, "Items": []}).encode())
    found: list[list[Any]] = []
    used = 0
    for item in items:
        bytes_ = len(dumps(item).encode()) + 1
        if not found or len(found[-1]) >= most or (found[-1] and used + bytes_ > size):
            found.append([])
            used = base
        found[-1].append(item)
        used += bytes_
    return found


def _items(flow: Flow, state: State) -> list[Any]:
    reader = state.fields.get("ItemReader")
    if not reader:
        return given(flow, state)
    arguments = flow.evaluate(reader.get("Arguments", {}), f"{state.name}/ItemReader/Arguments")
    config = {k: flow.evaluate(v, f"{state.name}/ItemReader/ReaderConfig/{k}")
              for k, v in reader.get("ReaderConfig", {}).items()}
    client = flow.services.client("s3", flow.execution["role"])
    read = _list_objects if reader["Resource"].endswith("listObjectsV2") else _read_object
    try:
        found = read(client, arguments, config)
    except (StateError, ValueError, KeyError) as error:
        raise StateError(ITEM_READER_FAILED, f"Attempting to read {dumps(arguments)}: {error}") from error
    return found[:int(config["MaxItems"])] if config.get("MaxItems") else found


def _list_objects(client: Any, arguments: dict, _: dict) -> list[dict]:
    resource = resources.parse("arn:aws:states:::aws-sdk:s3:listObjectsV2")
    pages = guarded(resource, lambda: list(client.get_paginator("list_objects_v2").paginate(**arguments)))
    return [{"Etag": each.get("ETag"), "Key": each["Key"], "LastModified": int(each["LastModified"].timestamp()),
             "Size": each["Size"], "StorageClass": each.get("StorageClass", "STANDARD")}
            for page in pages for each in page.get("Contents", [])]


def _read_object(client: Any, arguments: dict, config: dict) -> list[Any]:
    resource = resources.parse("arn:aws:states:::aws-sdk:s3:getObject")
    text = guarded(resource, lambda: client.get_object(**arguments)["Body"].read()).decode()
    if config["InputType"] == "JSONL":
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    if config["InputType"] == "CSV":
        rows = list(csv.reader(io.StringIO(text)))
        header = config["CSVHeaders"] if config["CSVHeaderLocation"] == "GIVEN" else rows.pop(0)
        return [dict(zip(header, row, strict=False)) for row in rows]
    found = json.loads(text)
    if not isinstance(found, list):
        raise ValueError("the file holds no JSON array")
    return found
