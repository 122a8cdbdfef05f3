"""The domain's tools and categories, and the prompts and tool specifications written from them."""

from toolsmith.catalog.prompts import full_tools_prompt, openai_tools, student_system_prompt, tool_config
from toolsmith.catalog.registry import Catalog, Category, Tool, load_catalog
from toolsmith.catalog.slots import SlotError, render

__all__ = [
    "Catalog",
    "Category",
    "SlotError",
    "Tool",
    "full_tools_prompt",
    "load_catalog",
    "openai_tools",
    "render",
    "student_system_prompt",
    "tool_config",
]
