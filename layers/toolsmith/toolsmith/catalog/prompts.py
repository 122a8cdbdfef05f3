"""What models are told: the student's system text and the tool specifications of two providers."""

import json
from typing import Any

from toolsmith.catalog.registry import Catalog, Tool
from toolsmith.catalog.slots import render


def student_system_prompt(catalog: Catalog) -> str:
    """The system text of every arm but `base_tools`; short, because each training example repeats it."""
    return render(
        catalog.text("student_prompt.txt").rstrip("\n"),
        {"tools": _tool_lines(catalog), "categories": _category_lines(catalog)},
        where="student_prompt.txt",
    )


def full_tools_prompt(catalog: Catalog) -> str:
    """The student's system text followed by the full JSON Schema of each tool (arm `base_tools`)."""
    specs = [
        json.dumps(
            {"name": tool.name, "description": tool.description, "parameters": dict(tool.schema)},
            separators=(",", ":"),
            ensure_ascii=False,
        )
        for tool in catalog.tools.values()
    ]
    return "\n".join([student_system_prompt(catalog), "Tool specifications:", *specs])


def tool_config(catalog: Catalog) -> dict[str, Any]:
    """Converse `toolConfig`, reduced schemas: {"tools": [{"toolSpec": {name, description, inputSchema}}]}."""
    return {
        "tools": [
            {
                "toolSpec": {
                    "name": tool.name,
                    "description": tool.description,
                    "inputSchema": {"json": tool.reduced_schema()},
                }
            }
            for tool in catalog.tools.values()
        ]
    }


def openai_tools(catalog: Catalog) -> list[dict[str, Any]]:
    """The same specifications as OpenAI `tools`: [{"type": "function", "function": {...}}]."""
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.reduced_schema(),
            },
        }
        for tool in catalog.tools.values()
    ]


def _tool_lines(catalog: Catalog) -> str:
    return "\n".join(f"{tool.name}({_signature(tool)}): {tool.short}" for tool in catalog.tools.values())


def _signature(tool: Tool) -> str:
    return ", ".join(f"{name}?" if tool.nullable(name) else name for name in tool.parameters)


def _category_lines(catalog: Catalog) -> str:
    return "\n".join(f"{c.name}: {', '.join(c.tools)}" for c in catalog.categories.values())
