"""What a definition must obey: fields the language does not have are refused, as AWS does at creation.

Field names: https://states-language.net/spec.html (JSONata only).
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from local.states import jsonata, resources
from local.states.errors import ALL

FLOW = {"Next", "End"}
RESULT = {"Output", "Assign"}
ERRORS = {"Retry", "Catch"}
FIELDS = {
    "Pass": FLOW | RESULT,
    "Task": FLOW | RESULT | ERRORS | {"Resource", "Arguments", "TimeoutSeconds", "HeartbeatSeconds"},
    "Choice": RESULT | {"Choices", "Default"},
    "Wait": FLOW | RESULT | {"Seconds", "Timestamp"},
    "Succeed": {"Output"},
    "Fail": {"Error", "Cause"},
    "Parallel": FLOW | RESULT | ERRORS | {"Branches", "Arguments"},
    "Map": FLOW | RESULT | ERRORS | {"Items", "ItemSelector", "ItemProcessor", "MaxConcurrency"},
}
DISTRIBUTED = {"ItemReader", "ItemBatcher", "ResultWriter", "Label", "ToleratedFailurePercentage",
               "ToleratedFailureCount"}
ALWAYS = {"Type", "Comment", "QueryLanguage"}
PROGRAM = {"StartAt", "States", "Comment"}
MACHINE = PROGRAM | {"Version", "TimeoutSeconds", "QueryLanguage"}
RETRIER = {"ErrorEquals", "IntervalSeconds", "MaxAttempts", "BackoffRate", "MaxDelaySeconds", "JitterStrategy",
           "Comment"}
CATCHER = {"ErrorEquals", "Next", "Output", "Assign", "Comment"}
RULE = {"Condition", "Next", "Output", "Assign", "Comment"}
READER = {"Resource", "Arguments", "ReaderConfig"}
READER_CONFIG = {"InputType", "MaxItems", "CSVHeaderLocation", "CSVHeaders", "CSVDelimiter"}
READERS = {"arn:aws:states:::s3:getObject", "arn:aws:states:::s3:listObjectsV2"}
BATCHER = {"MaxItemsPerBatch", "MaxInputBytesPerBatch", "BatchInput"}
WRITER = {"Resource", "Arguments", "WriterConfig"}
WRITER_CONFIG = {"Transformation": ("NONE", "COMPACT", "FLATTEN"), "OutputType": ("JSON", "JSONL")}
# numeric field -> (least, greatest, whole)
NUMBERS = {
    "TimeoutSeconds": (1, 99999999, True), "HeartbeatSeconds": (1, 99999999, True),
    "Seconds": (0, 99999999, True), "MaxConcurrency": (0, 10000, True),
    "ToleratedFailurePercentage": (0, 100, False), "ToleratedFailureCount": (0, None, True),
    "IntervalSeconds": (1, 99999999, True), "MaxAttempts": (0, 99999999, True), "BackoffRate": (1.0, None, False),
    "MaxDelaySeconds": (1, 31622400, True), "MaxItemsPerBatch": (1, None, True),
    "MaxInputBytesPerBatch": (1, 262144, True), "MaxItems": (1, 100000000, True),
}
# these must be written as numbers; an expression is refused
LITERAL = {"IntervalSeconds", "MaxAttempts", "BackoffRate", "MaxDelaySeconds"}


def check(text: str) -> list[dict]:
    """Every problem of a definition as {severity, code, message, location}; empty when it is sound."""
    try:
        definition = json.loads(text)
    except ValueError as error:
        return [_problem("INVALID_JSON_DESCRIPTION", f"Invalid JSON: {error}", "/")]
    if not isinstance(definition, dict):
        return [_problem("SCHEMA_VALIDATION_FAILED", "The definition must be a JSON object", "/")]
    try:
        return [_problem("SCHEMA_VALIDATION_FAILED", message, where) for message, where in _machine(definition)]
    except (AttributeError, TypeError) as error:  # a list where an object belongs, and the like
        return [_problem("SCHEMA_VALIDATION_FAILED", f"A field has the wrong JSON type: {error}", "/")]


def is_distributed(body: Mapping[str, Any]) -> bool:
    config = body.get("ItemProcessor", {}).get("ProcessorConfig", {})
    return isinstance(config, dict) and config.get("Mode") == "DISTRIBUTED"


def _problem(code: str, message: str, location: str) -> dict:
    return {"severity": "ERROR", "code": code, "message": message, "location": location}


Found = Iterator[tuple[str, str]]


def _machine(definition: dict) -> Found:
    if definition.get("QueryLanguage") != "JSONata":
        yield "QueryLanguage must be JSONata: this interpreter runs no JSONPath", "/QueryLanguage"
    yield from _numbers(definition, "")
    yield from _program(definition, "", MACHINE, set(), frozenset())


def _program(program: Any, where: str, allowed: set, seen: set, outer: frozenset) -> Found:
    if not isinstance(program, dict) or not isinstance(program.get("States"), dict) or not program["States"]:
        yield "The field 'States' is required and must hold at least one state", where or "/"
        return
    yield from _unknown(program, allowed, where)
    states = program["States"]
    if program.get("StartAt") not in states:
        yield f"MISSING_TRANSITION_TARGET: StartAt names no state: {program.get('StartAt')}", f"{where}/StartAt"
    assigned = frozenset(_assigned(states))
    for name in sorted(assigned & outer):
        yield f"Variable '{name}' is assigned in an outer scope and cannot be assigned here", where or "/"
    for name, body in states.items():
        here = f"{where}/States/{name}"
        if name in seen:
            yield f"Duplicate state name: {name}", here
        seen.add(name)
        if len(name) > 80:
            yield "State names have at most 80 characters", here
        yield from _state(body, states, here, seen, outer | assigned)
    yield from _reachable(program, where)


def _state(body: Any, siblings: Mapping, where: str, seen: set, variables: frozenset) -> Found:
    kind = body.get("Type") if isinstance(body, dict) else None
    if kind not in FIELDS:
        yield f"The value of 'Type' must be one of {sorted(FIELDS)}", f"{where}/Type"
        return
    if body.get("QueryLanguage", "JSONata") != "JSONata":
        yield "QueryLanguage must be JSONata", f"{where}/QueryLanguage"
    extra = DISTRIBUTED if kind == "Map" else set()
    yield from _unknown(body, FIELDS[kind] | extra | ALWAYS, where)
    yield from _transitions(body, kind, siblings, where)
    yield from _numbers(body, where)
    for name in ("Output", "Arguments", "Assign", "Items", "ItemSelector", "Seconds", "Timestamp", "Error", "Cause"):
        yield from _expressions(body.get(name), f"{where}/{name}")
    yield from _assign(body, where)
    yield from _retriers(body, where)
    yield from _catchers(body, siblings, where)
    yield from KINDS.get(kind, _nothing)(body, siblings, where)
    yield from _inner(body, where, seen, variables)


def _nothing(*_: Any) -> Found:
    yield from ()


def _transitions(body: dict, kind: str, siblings: Mapping, where: str) -> Found:
    if kind in ("Choice", "Succeed", "Fail"):
        return
    if ("Next" in body) == (body.get("End") is True):
        yield "Exactly one of 'Next' and 'End' is required", where
    if "Next" in body:
        yield from _target(body["Next"], siblings, f"{where}/Next")


def _target(name: Any, siblings: Mapping, where: str) -> Found:
    if name not in siblings:
        yield f"MISSING_TRANSITION_TARGET: Missing 'Next' target: {name}", where


def _task(body: dict, _: Mapping, where: str) -> Found:
    try:
        resource = resources.parse(body.get("Resource"))
    except ValueError as error:
        yield str(error), f"{where}/Resource"
        return
    for message in resources.check_arguments(resource, body.get("Arguments")):
        yield message, f"{where}/Arguments"
    if "HeartbeatSeconds" in body and isinstance(body["HeartbeatSeconds"], int) \
            and isinstance(body.get("TimeoutSeconds"), int) and body["HeartbeatSeconds"] >= body["TimeoutSeconds"]:
        yield "HeartbeatSeconds must be smaller than TimeoutSeconds", f"{where}/HeartbeatSeconds"


def _choice(body: dict, siblings: Mapping, where: str) -> Found:
    rules = body.get("Choices")
    if not isinstance(rules, list) or not rules:
        yield "The field 'Choices' must be a non-empty list", f"{where}/Choices"
        return
    for n, rule in enumerate(rules):
        here = f"{where}/Choices[{n}]"
        yield from _unknown(rule, RULE, here)
        if not isinstance(rule.get("Condition"), bool) and not jsonata.is_expression(rule.get("Condition")):
            yield "The field 'Condition' must be a JSONata expression", f"{here}/Condition"
        yield from _expressions(rule, here)
        yield from _assign(rule, here)
        yield from _target(rule.get("Next"), siblings, f"{here}/Next")
    if "Default" in body:
        yield from _target(body["Default"], siblings, f"{where}/Default")


def _wait(body: dict, _: Mapping, where: str) -> Found:
    if ("Seconds" in body) == ("Timestamp" in body):
        yield "Exactly one of 'Seconds' and 'Timestamp' is required", where


def _map(body: dict, _: Mapping, where: str) -> Found:
    config = body.get("ItemProcessor", {}).get("ProcessorConfig", {}) if isinstance(body, dict) else {}
    yield from _unknown(config, {"Mode", "ExecutionType"}, f"{where}/ItemProcessor/ProcessorConfig")
    if config.get("Mode", "INLINE") not in ("INLINE", "DISTRIBUTED"):
        yield "Mode must be INLINE or DISTRIBUTED", f"{where}/ItemProcessor/ProcessorConfig/Mode"
    if not is_distributed(body):
        for name in sorted(DISTRIBUTED & set(body)):
            yield f"The field '{name}' needs a Map of Mode DISTRIBUTED", f"{where}/{name}"
        return
    if config.get("ExecutionType") not in ("STANDARD", "EXPRESS"):
        yield "ExecutionType must be STANDARD or EXPRESS", f"{where}/ItemProcessor/ProcessorConfig/ExecutionType"
    if "Items" in body and "ItemReader" in body:
        yield "Only one of 'Items' and 'ItemReader' is allowed", where
    if len(body.get("Label", "")) > 40:
        yield "A Label has at most 40 characters", f"{where}/Label"
    yield from _reader(body.get("ItemReader"), f"{where}/ItemReader")
    yield from _batcher(body.get("ItemBatcher"), f"{where}/ItemBatcher")
    yield from _writer(body.get("ResultWriter"), f"{where}/ResultWriter")


def _reader(reader: Any, where: str) -> Found:
    if reader is None:
        return
    yield from _unknown(reader, READER, where)
    if reader.get("Resource") not in READERS:
        yield f"Resource must be one of {sorted(READERS)}", f"{where}/Resource"
    yield from _expressions(reader.get("Arguments"), f"{where}/Arguments")
    config = reader.get("ReaderConfig", {})
    yield from _unknown(config, READER_CONFIG, f"{where}/ReaderConfig")
    yield from _numbers(config, f"{where}/ReaderConfig")
    if str(reader.get("Resource")).endswith("getObject") and config.get("InputType") not in ("JSON", "JSONL", "CSV"):
        yield "InputType must be JSON, JSONL or CSV", f"{where}/ReaderConfig/InputType"
    if config.get("InputType") == "CSV" and config.get("CSVHeaderLocation") not in ("FIRST_ROW", "GIVEN"):
        yield "CSVHeaderLocation must be FIRST_ROW or GIVEN", f"{where}/ReaderConfig/CSVHeaderLocation"


def _batcher(batcher: Any, where: str) -> Found:
    if batcher is None:
        return
    yield from _unknown(batcher, BATCHER, where)
    yield from _numbers(batcher, where)
    yield from _expressions(batcher.get("BatchInput"), f"{where}/BatchInput")
    if not {"MaxItemsPerBatch", "MaxInputBytesPerBatch"} & set(batcher):
        yield "One of 'MaxItemsPerBatch' and 'MaxInputBytesPerBatch' is required", where


def _writer(writer: Any, where: str) -> Found:
    if writer is None:
        return
    yield from _unknown(writer, WRITER, where)
    if "Resource" in writer and writer["Resource"] != "arn:aws:states:::s3:putObject":
        yield "Resource must be arn:aws:states:::s3:putObject", f"{where}/Resource"
    if ("Resource" in writer) != ("Arguments" in writer) or not {"Resource", "WriterConfig"} & set(writer):
        yield "A ResultWriter needs 'Resource' with 'Arguments', or 'WriterConfig', or both", where
    yield from _expressions(writer.get("Arguments"), f"{where}/Arguments")
    config = writer.get("WriterConfig", {})
    yield from _unknown(config, set(WRITER_CONFIG), f"{where}/WriterConfig")
    for name, allowed in WRITER_CONFIG.items():
        if "WriterConfig" in writer and config.get(name) not in allowed:
            yield f"{name} must be one of {list(allowed)}", f"{where}/WriterConfig/{name}"


def _inner(body: dict, where: str, seen: set, variables: frozenset) -> Found:
    """The programs inside a Parallel or Map. A Distributed Map sees no outer variable, so it may reuse names."""
    if body["Type"] == "Parallel":
        branches = body.get("Branches")
        if not isinstance(branches, list) or not branches:
            yield "The field 'Branches' must be a non-empty list", f"{where}/Branches"
            return
        for n, branch in enumerate(branches):
            yield from _program(branch, f"{where}/Branches[{n}]", PROGRAM, seen, variables)
    if body["Type"] == "Map":
        scope = frozenset() if is_distributed(body) else variables
        yield from _program(body.get("ItemProcessor"), f"{where}/ItemProcessor", PROGRAM | {"ProcessorConfig"},
                            seen, scope)


def _retriers(body: dict, where: str) -> Found:
    retriers = body.get("Retry", [])
    for n, retrier in enumerate(retriers):
        here = f"{where}/Retry[{n}]"
        yield from _unknown(retrier, RETRIER, here)
        yield from _numbers(retrier, here)
        yield from _error_equals(retrier, n == len(retriers) - 1, here)
        if retrier.get("JitterStrategy", "NONE") not in ("FULL", "NONE"):
            yield "JitterStrategy must be FULL or NONE", f"{here}/JitterStrategy"
        if retrier.get("MaxDelaySeconds", 31622400) <= retrier.get("IntervalSeconds", 0):
            yield "MaxDelaySeconds must be greater than IntervalSeconds", f"{here}/MaxDelaySeconds"


def _catchers(body: dict, siblings: Mapping, where: str) -> Found:
    catchers = body.get("Catch", [])
    for n, catcher in enumerate(catchers):
        here = f"{where}/Catch[{n}]"
        yield from _unknown(catcher, CATCHER, here)
        yield from _error_equals(catcher, n == len(catchers) - 1, here)
        yield from _expressions({k: catcher.get(k) for k in ("Output", "Assign")}, here)
        yield from _assign(catcher, here)
        yield from _target(catcher.get("Next"), siblings, f"{here}/Next")


def _error_equals(clause: dict, last: bool, where: str) -> Found:
    names = clause.get("ErrorEquals")
    if not isinstance(names, list) or not names:
        yield "ErrorEquals must be a non-empty list", f"{where}/ErrorEquals"
    elif ALL in names and (len(names) > 1 or not last):
        yield "States.ALL must stand alone and in the last element", f"{where}/ErrorEquals"


def _assign(body: dict, where: str) -> Found:
    assign = body.get("Assign", {})
    if not isinstance(assign, dict):
        yield "Assign must be a JSON object", f"{where}/Assign"
    elif "states" in assign:
        yield "The variable name 'states' is reserved", f"{where}/Assign"


def _unknown(body: Any, allowed: set, where: str) -> Found:
    for name in sorted(set(body) - allowed):
        yield f"Field is not supported: {name}", f"{where}/{name}"


def _numbers(body: Mapping, where: str) -> Found:
    for name, (least, greatest, whole) in NUMBERS.items():
        value = body.get(name)
        if value is None:
            continue
        if jsonata.is_expression(value) and name not in LITERAL:
            yield from _expressions(value, f"{where}/{name}")
        elif isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            yield f"{name} must be a {'whole ' if whole else ''}number", f"{where}/{name}"
        elif value < least or (greatest is not None and value > greatest):
            yield f"{name} must be at least {least}" + (f" and at most {greatest}" if greatest else ""), \
                f"{where}/{name}"


def _expressions(value: Any, where: str) -> Found:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _expressions(item, f"{where}/{name}")
    elif isinstance(value, list):
        for n, item in enumerate(value):
            yield from _expressions(item, f"{where}[{n}]")
    elif isinstance(value, str) and value.startswith("{%"):
        wrong = jsonata.syntax_error(value) if value.endswith("%}") else "an expression must end with %}"
        if wrong:
            yield f"The JSONata expression is invalid: {wrong}", where


def _assigned(states: Mapping) -> Iterator[str]:
    for body in states.values():
        if isinstance(body, dict):
            for clause in [body, *body.get("Catch", []), *body.get("Choices", [])]:
                if isinstance(clause, dict) and isinstance(clause.get("Assign"), dict):
                    yield from clause["Assign"]


def _reachable(program: dict, where: str) -> Found:
    states, todo, reached = program["States"], [program.get("StartAt")], set()
    while todo:
        name = todo.pop()
        if name in reached or name not in states:
            continue
        reached.add(name)
        body = states[name]
        if isinstance(body, dict):
            clauses = [*body.get("Catch", []), *body.get("Choices", [])]
            todo += [body.get("Next"), body.get("Default"), *(c.get("Next") for c in clauses)]
    for name in sorted(set(states) - reached):
        yield f"MISSING_TRANSITION_TARGET: State \"{name}\" is not reachable", f"{where}/States/{name}"


KINDS = {"Task": _task, "Choice": _choice, "Wait": _wait, "Map": _map}
