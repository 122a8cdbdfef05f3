"""Tools and categories, read from a recipe's `tools.json` and `categories.json` and checked on the way in."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from toolsmith import recipes
from toolsmith.errors import RecipeInvalid

PRESENCE = frozenset({"required", "optional", "null"})


@dataclass(frozen=True)
class Tool:
    """One tool; `schema` is its full JSON Schema, as our own verifier enforces it."""

    name: str
    short: str
    description: str
    schema: Mapping[str, Any]

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(self.schema["properties"])

    def nullable(self, parameter: str) -> bool:
        kind = self.schema["properties"][parameter]["type"]
        return isinstance(kind, list) and "null" in kind

    def reduced_schema(self) -> dict[str, Any]:
        """The schema a model is shown: top level type, properties and required only, no null unions.

        Nova's tool use asks for simple schemas; a nullable parameter becomes one that is not required.
        """
        properties = {
            name: {"type": "string"} | {key: spec[key] for key in ("description",) if key in spec}
            for name, spec in self.schema["properties"].items()
        }
        required = [name for name in self.schema["required"] if not self.nullable(name)]
        return {"type": "object", "properties": properties, "required": required}


@dataclass(frozen=True)
class Category:
    """One kind of question and the tools that answer it, in order.

    presence: tool -> parameter -> "required", "optional" or "null", for parameters that may be null.
    sources: the kinds of document it can be asked about.
    """

    name: str
    description: str
    tools: tuple[str, ...]
    presence: Mapping[str, Mapping[str, str]]
    sources: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Catalog:
    """A domain: its tools, its categories, pairs of arguments that must agree, and where its recipe lies.

    A catalog equals itself alone, so that what is made of it and its files can be cached under it.
    """

    registry: str
    tools: Mapping[str, Tool]
    categories: Mapping[str, Category]
    agreements: tuple[tuple[tuple[str, str], tuple[str, str]], ...]
    folder: Path

    def category_of(self, calls: Sequence[str]) -> str | None:
        """The category that this exact sequence of tool names implies, or None."""
        wanted = tuple(calls)
        return next((c.name for c in self.categories.values() if c.tools == wanted), None)

    def categories_for(self, source: str) -> tuple[str, ...]:
        """The categories that can be asked about a document of this kind, in catalog order."""
        return tuple(c.name for c in self.categories.values() if source in c.sources)

    def text(self, name: str) -> str:
        """A text file of the recipe, for example "teacher_prompt.md"."""
        file = self.folder / name
        if not file.is_file():
            raise RecipeInvalid(f"{self.folder.name}/{name} is missing: put it beside tools.json")
        return file.read_text(encoding="utf-8")


def load_catalog(folder: Path | None = None) -> Catalog:
    """Read a domain's folder (the securities recipe by default).

    Raises RecipeInvalid naming the file and the entry when tools and categories do not fit together.
    """
    folder = folder or recipes.path("securities")
    tools = {tool.name: tool for tool in map(_tool, _entries(folder, "tools"))}
    raw = _read(folder / "categories.json")
    categories = {c.name: c for c in (_category(entry, tools) for entry in _entries(folder, "categories"))}
    _unambiguous(categories)
    agreements = tuple((_argument(a, tools), _argument(b, tools)) for a, b in raw.get("agreements", []))
    return Catalog(
        registry=raw.get("registry", folder.name),
        tools=MappingProxyType(tools),
        categories=MappingProxyType(categories),
        agreements=agreements,
        folder=folder,
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as missing:
        raise RecipeInvalid(f"{file.name} is missing from recipes/{file.parent.name}/") from missing
    except json.JSONDecodeError as broken:
        raise RecipeInvalid(f"{file.name}, line {broken.lineno}: not JSON ({broken.msg})") from broken


def _entries(folder: Path, kind: str) -> list[dict[str, Any]]:
    entries = _read(folder / f"{kind}.json").get(kind)
    if not isinstance(entries, list) or not entries:
        raise RecipeInvalid(f'{kind}.json: wants a non-empty list under "{kind}"')
    names = [entry.get("name") for entry in entries]
    if twice := sorted({str(name) for name in names if names.count(name) > 1}):
        raise RecipeInvalid(f"{kind}.json: {', '.join(twice)} stands there twice")
    return entries


def _tool(entry: Mapping[str, Any]) -> Tool:
    missing = {"name", "short", "description", "schema"} - entry.keys()
    if missing:
        raise RecipeInvalid(f"tools.json, {entry.get('name')!r}: {', '.join(sorted(missing))} is missing")
    schema = entry["schema"]
    properties = schema.get("properties") or {}
    if schema.get("type") != "object" or schema.get("additionalProperties") is not False or not properties:
        raise RecipeInvalid(f"tools.json, {entry['name']}: wants a closed object schema with properties")
    if sorted(schema.get("required", [])) != sorted(properties):
        raise RecipeInvalid(f"tools.json, {entry['name']}: require every property; null says absent")
    return Tool(entry["name"], entry["short"], entry["description"], MappingProxyType(schema))


def _category(entry: Mapping[str, Any], tools: Mapping[str, Tool]) -> Category:
    where = f"categories.json, {entry.get('name')!r}"
    missing = {"name", "description", "tools", "sources"} - entry.keys()
    if missing:
        raise RecipeInvalid(f"{where}: {', '.join(sorted(missing))} is missing")
    if unknown := [name for name in entry["tools"] if name not in tools]:
        raise RecipeInvalid(f"{where}: {unknown[0]!r} is not in tools.json, which has {', '.join(tools)}")
    presence = entry.get("arguments", {})
    for tool, rules in presence.items():
        wrong = [p for p, rule in rules.items() if rule not in PRESENCE or not tools[tool].nullable(p)]
        if wrong:
            known = ", ".join(sorted(PRESENCE))
            raise RecipeInvalid(f"{where}: {tool}.{wrong[0]} must be nullable and say one of {known}")
    sequence, sources = tuple(entry["tools"]), tuple(entry["sources"])
    return Category(entry["name"], entry["description"], sequence, presence, sources)


def _unambiguous(categories: Mapping[str, Category]) -> None:
    seen: dict[tuple[str, ...], str] = {}
    for category in categories.values():
        first = seen.setdefault(category.tools, category.name)
        if first != category.name:
            raise RecipeInvalid(f"categories.json: {first} and {category.name} have the same tools in order")


def _argument(text: str, tools: Mapping[str, Tool]) -> tuple[str, str]:
    tool, _, parameter = text.partition(".")
    if tool not in tools or parameter not in tools[tool].parameters:
        raise RecipeInvalid(f"categories.json, agreements: {text!r} is not a parameter of a tool")
    return tool, parameter
