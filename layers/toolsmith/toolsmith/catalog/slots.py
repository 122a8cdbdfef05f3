"""Prompt templates with named slots, `{{name}}`, filled in one pass, refused when anything is left over."""

import re
from collections.abc import Mapping

from toolsmith.errors import RecipeInvalid

SLOT = re.compile(r"(?<!\{)\{\{([a-z][a-z0-9_]*)\}\}(?!\})")
# What a slip of the pen looks like: "{{ chunk }}", "{{Chunk}}", "{chunk}", "${chunk}", an unclosed "{{chunk".
ALMOST_SLOT = re.compile(r"\{\{\s*[A-Za-z_]\w*\s*\}?\}?|\$?\{\s*[A-Za-z_]\w*\s*\}")


class SlotError(RecipeInvalid):
    """A prompt template whose slots and values do not fit; names the file, the line and the slot."""


def slots_of(template: str, where: str = "template") -> set[str]:
    """The names of the slots in `template`. Raises SlotError for text that only looks like a slot."""
    bare = SLOT.sub(lambda match: " " * len(match.group()), template)
    if slip := ALMOST_SLOT.search(bare):
        line = bare.count("\n", 0, slip.start()) + 1
        raise SlotError(f"{where}, line {line}: {slip.group()!r} is no slot; write {{{{name}}}}")
    return set(SLOT.findall(template))


def render(template: str, values: Mapping[str, str], where: str = "template") -> str:
    """Fill every slot once; values are never scanned for slots, so a document cannot smuggle one in.

    Raises SlotError for a slot without a value or with an empty one, a value without a slot, a literal slot.
    """
    wanted = slots_of(template, where)
    if unknown := sorted(wanted - values.keys()):
        known = ", ".join(sorted(values))
        raise SlotError(f"{where}: no value for the slot(s) {', '.join(unknown)}; known are {known}")
    if unused := sorted(values.keys() - wanted):
        raise SlotError(f"{where}: lacks the slot(s) {', '.join(unused)}; add {{{{{unused[0]}}}}}")
    if empty := sorted(name for name in wanted if not values[name].strip()):
        raise SlotError(f"{where}: the slot(s) {', '.join(empty)} would be filled with nothing")
    return SLOT.sub(lambda match: values[match.group(1)], template)
