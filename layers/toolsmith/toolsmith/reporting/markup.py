"""HTML and SVG written so that text can never become markup: what is not `Markup` is escaped."""

import re
from collections.abc import Iterable
from html import escape
from itertools import zip_longest
from typing import Any

# Controls, lone surrogates and marks that turn the direction of text: shown as a box instead of taking effect.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
_VOID = frozenset({"br", "col", "hr", "meta"})


class Markup(str):
    """Text that is HTML already."""


def text(value: Any) -> Markup:
    """A value as HTML: `Markup` as it stands, anything else escaped; None is nothing."""
    if isinstance(value, Markup):
        return value
    return Markup("" if value is None else escape(_UNPRINTABLE.sub("\ufffd", str(value))))


def join(parts: Iterable[Any]) -> Markup:
    return Markup("".join(text(part) for part in parts))


def element(name: str, /, *children: Any, **attributes: Any) -> Markup:
    """One element; attribute names take "_" for "-" ("class_" is class), None leaves one out, True has no value."""
    listed = "".join(_attribute(key, value) for key, value in attributes.items() if value is not None)
    if name in _VOID:
        return Markup(f"<{name}{listed}>")
    return Markup(f"<{name}{listed}>{join(children)}</{name}>")


def _attribute(key: str, value: Any) -> str:
    name = "viewBox" if key == "viewBox" else key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{text(str(value))}"'


def table(caption: str, head: Iterable[Any], rows: Iterable[Iterable[Any]], *, hidden: bool = False) -> Markup:
    """A data table whose first column names the row; cells that are <td> already are kept. Scrolls by itself if wide.

    hidden: the caption is for screen readers only, where a heading says the same. Otherwise it also stands above the
    table, where it does not scroll away. Columns of numbers stand flush right under their heads.
    """
    listed = [(first, [_cell(cell) for cell in rest]) for first, *rest in rows]
    kinds = [None, *("number" if _is_number(cell) else None for cell in (listed[0][1] if listed else ()))]
    heads = [element("th", cell, scope="col", class_=kind) for cell, kind in zip_longest(head, kinds)]
    whole = element(
        "table",
        element("caption", caption, class_="aside"),
        element("thead", element("tr", *heads)),
        element("tbody", *[element("tr", element("th", first, scope="row"), *cells) for first, cells in listed]),
    )
    shown = "" if hidden else element("p", caption, class_="caption", aria_hidden="true")
    return join([shown, element("div", whole, class_="scroll", role="group", tabindex="0", aria_label=caption)])


def _is_number(cell: Markup) -> bool:
    return cell.startswith('<td class="number"')


def _cell(value: Any) -> Markup:
    if isinstance(value, Markup) and value.startswith("<td"):
        return value
    return element("td", value, class_="number" if isinstance(value, int | float) else None)


def number_cell(value: Any, **attributes: Any) -> Markup:
    return element("td", value, class_="number", **attributes)
