"""Crawling: plan what a request asks for, fetch it within every source's rules. Clients are handed in."""

from toolsmith.crawling.fetching import Fetcher
from toolsmith.crawling.plan import Item, plan
from toolsmith.crawling.request import CrawlRequest, read_request

__all__ = ["CrawlRequest", "Fetcher", "Item", "plan", "read_request"]
