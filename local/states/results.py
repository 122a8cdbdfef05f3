"""What a Map Run leaves behind: its children's outputs, as the state's result or as files in S3.

https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html
"""

from typing import Any

from local.states import history, resources
from local.states.asl import State
from local.states.errors import RESULT_WRITER_FAILED, StateError
from local.states.integrations import guarded
from local.states.interpreter import Flow
from local.states.journal import dumps

FILES = {"SUCCEEDED": ("SUCCEEDED",), "FAILED": ("FAILED", "TIMED_OUT", "ABORTED"), "PENDING": ("PENDING",)}


def collect(flow: Flow, state: State, run: dict) -> Any:
    """The result of the Map: the outputs in item order, formatted by WriterConfig, or {MapRunArn,
    ResultWriterDetails} where the ResultWriter names a bucket."""
    children = flow.services.journal.children(run["arn"])
    writer = state.fields.get("ResultWriter")
    if not writer:
        return [child["output"] for child in children if child["status"] == "SUCCEEDED"]
    config = writer.get("WriterConfig", {"Transformation": "NONE", "OutputType": "JSON"})
    if "Resource" not in writer:
        return _rows([c for c in children if c["status"] == "SUCCEEDED"], config["Transformation"])
    arguments = flow.evaluate(writer["Arguments"], f"{state.name}/ResultWriter/Arguments")
    try:
        details = _write(flow, arguments, config, children, run["arn"])
    except StateError as error:
        raise StateError(RESULT_WRITER_FAILED, f"Attempting to write to {dumps(arguments)}: {error}") from error
    return {"MapRunArn": run["arn"], "ResultWriterDetails": details}


def _write(flow: Flow, arguments: dict, config: dict, children: list[dict], run: str) -> dict:
    prefix = "/".join(part for part in (arguments.get("Prefix", "").strip("/"), run.rsplit(":", 1)[-1]) if part)
    ending = config["OutputType"].lower()
    files: dict[str, list] = {}
    for name, statuses in FILES.items():
        rows = _rows([child for child in children if child["status"] in statuses], config["Transformation"])
        body = "\n".join(map(dumps, rows)) if ending == "jsonl" else dumps(rows)
        key = f"{prefix}/{name}_0.{ending}"
        files[name] = [{"Key": key, "Size": _put(flow, arguments["Bucket"], key, body)}] if rows else []
    manifest = {"DestinationBucket": arguments["Bucket"], "MapRunArn": run, "ResultFiles": files}
    _put(flow, arguments["Bucket"], f"{prefix}/manifest.json", dumps(manifest))
    return {"Bucket": arguments["Bucket"], "Key": f"{prefix}/manifest.json"}


def _put(flow: Flow, bucket: str, key: str, text: str) -> int:
    client = flow.services.client("s3", flow.execution["role"])
    resource = resources.parse("arn:aws:states:::aws-sdk:s3:putObject")
    body = text.encode()
    guarded(resource, lambda: client.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json"))
    return len(body)


def _rows(children: list[dict], transformation: str) -> list[Any]:
    if transformation == "NONE":
        return [_record(child) for child in children]
    rows: list[Any] = []
    for child in children:
        value = child["output"] if child["status"] == "SUCCEEDED" else _failure(child)
        flat = transformation == "FLATTEN" and isinstance(value, list)
        rows += value if flat else [value]
    return rows


def _failure(child: dict) -> dict:
    return {"Error": child.get("error"), "Cause": child.get("cause"), "Input": dumps(child["input"])}


def _record(child: dict) -> dict:
    """One child as the files hold it: its metadata, input and output as JSON text."""
    ended = {"StopDate": history.iso(child["stopped"])} if "stopped" in child else {}
    said = {"Output": dumps(child["output"]), "OutputDetails": {"Included": True}} \
        if child["status"] == "SUCCEEDED" else {k: child[k.lower()] for k in ("Error", "Cause") if k.lower() in child}
    return {"ExecutionArn": child["arn"], "Input": dumps(child["input"]), "InputDetails": {"Included": True},
            "Name": child["name"], **said, "RedriveCount": child.get("redrives", 0),
            "StartDate": history.iso(child["started"]), "StateMachineArn": child["machine"],
            "Status": child["status"], **ended}
