"""Fetches a batch of items into incoming/, at the one rate that all workers share."""

from functools import cache
from typing import Any

import boto3

from toolsmith.aws import wiring
from toolsmith.aws.handler import handler
from toolsmith.crawling import Fetcher, Item
from toolsmith.crawling.bucket_shelf import BucketShelf
from toolsmith.crawling.clock import SystemClock
from toolsmith.crawling.table_gate import TableGate
from toolsmith.crawling.transport import HttpTransport


@cache
def fetcher() -> Fetcher:
    """Wired on first use from INTAKE_BUCKET, LEDGER_TABLE and CONTACT."""
    clock = SystemClock()
    gate = TableGate(boto3.resource("dynamodb").Table(wiring.setting("LEDGER_TABLE")), clock)
    shelf = BucketShelf(wiring.client("s3"), wiring.setting("INTAKE_BUCKET"))
    return Fetcher(HttpTransport(clock), gate, shelf, clock, wiring.setting("CONTACT"))


@handler
def app(event: dict[str, Any]) -> dict[str, int]:
    """{"Items": [item, ...]} or one item -> counts {"fetched", "held", "absent", "refused", "refused:<reason>"...}."""
    items = event.get("Items", [event])
    return dict(fetcher().fetch_all(Item.from_dict(one) for one in items))
