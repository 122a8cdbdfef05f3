"""Rules for the messages of one row: Converse (SFT) and OpenAI (RFT)."""

import re
from collections.abc import Iterator
from typing import Any

SCHEMA_VERSION = "bedrock-conversation-2024"
RESERVED = ("System:", "User:", "Bot:", "Assistant:", "Thought:", "[EOS]", "<image>", "<video>", "<unk>")
_RESERVED = re.compile(
    "|".join(re.escape(word) for name in RESERVED for word in dict.fromkeys((name, name.upper())))
)
_OPENAI_ROLES = ("system", "user", "assistant", "tool", "bot", "developer")
_BLOCKS = {
    "user": ("text", "image", "video", "document", "toolResult"),
    "assistant": ("text", "reasoningContent", "toolUse"),
}

Problem = tuple[str, str]


def reserved_word(text: str) -> str | None:
    """The first word in `text` that makes a training job fail, or None."""
    match = _RESERVED.search(text)
    return match.group() if match else None


def converse_problems(row: dict[str, Any]) -> Iterator[Problem]:
    """What is wrong with one SFT row, as (problem, remedy)."""
    if row.get("schemaVersion") != SCHEMA_VERSION:
        yield f"schemaVersion is {row.get('schemaVersion')!r}", f'write "schemaVersion":"{SCHEMA_VERSION}"'
    if unknown := sorted(row.keys() - {"schemaVersion", "system", "toolConfig", "messages"}):
        yield f"unknown key {unknown[0]!r}", "keep schemaVersion, system, toolConfig and messages only"
    if "system" in row:
        yield from _system_problems(row["system"])
    names: set[str] | None = None
    if "toolConfig" in row:
        yield from _tool_config_problems(row["toolConfig"])
        names = _tool_names(row["toolConfig"])
    yield from _message_problems(row.get("messages"), names)


def _system_problems(system: Any) -> Iterator[Problem]:
    if not isinstance(system, list) or not system:
        yield "system is no list of texts", 'write "system":[{"text":"..."}]'
        return
    for block in system:
        if not isinstance(block, dict) or set(block) != {"text"}:
            yield "a system block is not a text", 'write "system":[{"text":"..."}]'
        else:
            yield from _text_problems(block["text"], "system")


def _text_problems(text: Any, where: str) -> Iterator[Problem]:
    if not isinstance(text, str) or not text.strip():
        yield f"the {where} text is empty", "give every text block some text"
    elif word := reserved_word(text):
        yield f"the reserved word {word!r} in the {where} text", "rephrase it; the service fails the job on it"


def _tool_names(config: Any) -> set[str]:
    tools = config.get("tools", []) if isinstance(config, dict) else []
    return {t["toolSpec"].get("name") for t in tools if isinstance(t, dict) and isinstance(t.get("toolSpec"), dict)}


def _tool_config_problems(config: Any) -> Iterator[Problem]:
    tools = config.get("tools") if isinstance(config, dict) else None
    if not isinstance(tools, list) or not tools:
        yield "toolConfig has no tools", "list at least one toolSpec or leave toolConfig out"
        return
    if set(config) != {"tools"}:
        yield "toolConfig holds more than tools", "strip toolChoice and other keys"
    names = []
    for tool in tools:
        spec = tool.get("toolSpec") if isinstance(tool, dict) else None
        if not isinstance(spec, dict):
            yield "a tool without toolSpec", 'write {"toolSpec":{"name","description","inputSchema"}}'
            continue
        names.append(spec.get("name"))
        yield from _spec_problems(spec)
    if len(set(names)) < len(names):
        yield "two tools have the same name", "give every tool its own name"


def _spec_problems(spec: dict[str, Any]) -> Iterator[Problem]:
    for key in ("name", "description"):
        if not isinstance(spec.get(key), str) or not spec[key].strip():
            yield f"a tool's {key} is empty", f"give every toolSpec a {key}"
    schema = spec.get("inputSchema")
    inner = schema.get("json") if isinstance(schema, dict) else None
    if not isinstance(inner, dict) or "type" not in inner:
        yield f"inputSchema.json of {spec.get('name')!r} has no type", 'write {"json":{"type":"object",...}}'


def _message_problems(messages: Any, names: set[str] | None) -> Iterator[Problem]:
    if not isinstance(messages, list) or len(messages) < 2:
        yield "fewer than two messages", "write a user message and the assistant's answer"
        return
    asked: set[str] = set()
    open_calls: set[str] = set()
    for place, message in enumerate(messages):
        role = ("user", "assistant")[place % 2]
        if not isinstance(message, dict) or message.get("role") != role:
            yield f"message {place + 1} is not by the {role}", "alternate user and assistant, user first"
            return
        content = message.get("content")
        if not isinstance(content, list) or not content:
            yield f"message {place + 1} has no content", 'write "content":[{"text":"..."}]'
            continue
        for block in content:
            yield from _block_problems(block, role, names, asked, open_calls)
    if len(messages) % 2:
        yield "the last message is not the assistant's", "end every row with the answer to learn"


def _block_problems(
    block: Any, role: str, names: set[str] | None, asked: set[str], open_calls: set[str]
) -> Iterator[Problem]:
    kind = next(iter(block), None) if isinstance(block, dict) and len(block) == 1 else None
    if kind not in _BLOCKS[role]:
        yield f"a {role} block of kind {kind!r}", f"use one of {', '.join(_BLOCKS[role])} per block"
    elif kind == "text":
        yield from _text_problems(block["text"], role)
    elif kind == "reasoningContent":
        yield from _reasoning_problems(block["reasoningContent"])
    elif kind == "toolUse":
        yield from _use_problems(block["toolUse"], names, asked, open_calls)
    elif kind == "toolResult":
        yield from _result_problems(block["toolResult"], open_calls)


def _reasoning_problems(content: Any) -> Iterator[Problem]:
    inner = content.get("reasoningText") if isinstance(content, dict) else None
    yield from _text_problems(inner.get("text") if isinstance(inner, dict) else None, "reasoning")


def _use_problems(
    use: Any, names: set[str] | None, asked: set[str], open_calls: set[str]
) -> Iterator[Problem]:
    if not isinstance(use, dict) or not isinstance(use.get("toolUseId"), str) or not use["toolUseId"]:
        yield "a toolUse without toolUseId", "give every call an id of its own"
        return
    if use["toolUseId"] in asked:
        yield f"toolUseId {use['toolUseId']!r} is used twice", "give every call an id of its own"
    asked.add(use["toolUseId"])
    open_calls.add(use["toolUseId"])
    if names is None:
        yield "a toolUse without toolConfig in the row", "add toolConfig with the tool's specification"
    elif use.get("name") not in names:
        yield f"the tool {use.get('name')!r} is not in toolConfig", f"use one of {', '.join(sorted(map(str, names)))}"
    if not isinstance(use.get("input"), dict):
        yield "a toolUse whose input is no object", 'write "input":{...}'


def _result_problems(result: Any, open_calls: set[str]) -> Iterator[Problem]:
    if not isinstance(result, dict) or result.get("toolUseId") not in open_calls:
        yield "a toolResult that answers no open toolUse", "let it follow its call, once"
        return
    open_calls.discard(result["toolUseId"])
    if "status" in result:
        yield "a toolResult with a status", "strip it; the training container may not know it"
    for item in result.get("content") or [None]:
        if not isinstance(item, dict) or set(item) not in ({"text"}, {"json"}):
            yield "a toolResult item that is not exactly one text or json", 'write {"text":"..."} or {"json":{...}}'
        elif "text" in item:
            yield from _text_problems(item["text"], "toolResult")


def openai_problems(messages: Any) -> Iterator[Problem]:
    """What is wrong with the messages of one RFT prompt."""
    if not isinstance(messages, list) or not messages:
        yield "no messages", 'write "messages":[{"role":"user","content":"..."}]'
        return
    roles = []
    for place, message in enumerate(messages):
        if not isinstance(message, dict) or message.get("role") not in _OPENAI_ROLES:
            yield f"message {place + 1} has no known role", f"use one of {', '.join(_OPENAI_ROLES[:3])}"
            continue
        roles.append(message["role"])
        yield from _openai_message_problems(message)
    if "user" not in roles:
        yield "no user message", "a prompt needs the question"
    elif roles[-1] != "user" or roles.count("user") > 1:
        yield "not a single-turn prompt", "keep one system and one user message, the user's last"
    if "system" in roles[1:]:
        yield "the system message is not first", "put it first"


def _openai_message_problems(message: dict[str, Any]) -> Iterator[Problem]:
    if unknown := sorted(message.keys() - {"role", "content", "tool_calls", "tool_call_id"}):
        yield f"unknown key {unknown[0]!r} in a message", "keep role and content"
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(part.get("text", "") for part in content if isinstance(part, dict))
    yield from _text_problems(content, message["role"])


def openai_tool_problems(tools: Any) -> Iterator[Problem]:
    """What is wrong with the `tools` of one RFT row."""
    if not isinstance(tools, list) or not tools:
        yield "tools is an empty list", "leave tools out or list a function"
        return
    names = []
    for tool in tools:
        function = tool.get("function") if isinstance(tool, dict) and tool.get("type") == "function" else None
        if not isinstance(function, dict) or not function.get("name") or not function.get("description"):
            yield "a tool without function, name or description", 'write {"type":"function","function":{...}}'
            continue
        names.append(function["name"])
        if not isinstance(function.get("parameters"), dict) or function["parameters"].get("type") != "object":
            yield f"the parameters of {function['name']!r} are no object schema", 'write "type":"object"'
    if len(set(names)) < len(names):
        yield "two functions have the same name", "give every function its own name"
