"""Turns a request into the list of things to fetch."""

import hashlib
import re
from typing import Any

from toolsmith import crawling
from toolsmith.aws import wiring
from toolsmith.aws.handler import handler


@handler
def app(event: dict[str, Any]) -> dict[str, Any]:
    """{"bucket", "key", "version"?} of requests/*.json -> {"bucket", "key", "count"} of crawls/<name>/items.jsonl.

    <name> is the file's stem and a digest of its bytes, so that a repeated event writes the same object again.
    """
    intake, key = wiring.intake(), event["key"]
    data = intake.read(key, event.get("version"))
    items = crawling.plan(crawling.read_request(data, key))
    stem = re.sub(r"[^A-Za-z0-9-]+", "-", key.rpartition("/")[2].removesuffix(".json"))[:60].strip("-")
    target = f"crawls/{stem or 'crawl'}-{hashlib.sha256(data).hexdigest()[:12]}/items.jsonl"
    intake.write_lines(target, [one.to_dict() for one in items])
    return {"bucket": intake.bucket, "key": target, "count": len(items)}
