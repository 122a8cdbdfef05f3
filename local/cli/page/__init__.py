"""The assistant as a page on the loopback: chat on the left, tool calls and source spans on the right."""

from local.cli.page.server import Page

__all__ = ["Page"]
