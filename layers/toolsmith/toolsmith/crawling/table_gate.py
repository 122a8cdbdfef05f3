"""The gate that Lambdas share: one DynamoDB row a source, changed by conditional updates only."""

import random
from decimal import Decimal
from typing import Any

from toolsmith.crawling.faults import SourceUnavailable
from toolsmith.crawling.rate import Clock, keep, slot_or_refuse
from toolsmith.crawling.sources import Source

_KIND = "RATE"
_ATTEMPTS = 40


class TableGate:
    """Row {kind: "RATE", id: source, granted: [ms, ...], turn: n, stop_until: ms} of the ledger table.

    table: a boto3 DynamoDB Table with keys `kind` and `id`. Times are whole milliseconds since 1970.
    """

    def __init__(self, table: Any, clock: Clock) -> None:
        self._table, self._clock = table, clock
        self._lost_race = table.meta.client.exceptions.ConditionalCheckFailedException

    def reserve(self, source: Source) -> float:
        for attempt in range(_ATTEMPTS):
            row = self._row(source)
            now = self._clock.now()
            granted = keep([float(one) / 1000 for one in row.get("granted", ())], source.windows, now)
            slot = slot_or_refuse(source, granted, _seconds(row.get("stop_until")), now)
            slot = -(-slot * 1000 // 1) / 1000  # up to a whole millisecond, never earlier
            if self._write(source, int(row.get("turn", 0)), [*granted, slot]):
                return slot
            self._clock.sleep(random.uniform(0.005, 0.02 * (attempt + 1)))
        raise SourceUnavailable(source.name, "too many workers ask for a turn at once", 5.0)

    def stopped_until(self, source: Source) -> float:
        return _seconds(self._row(source).get("stop_until"))

    def stop(self, source: Source, until: float) -> None:
        try:
            self._table.update_item(
                Key={"kind": _KIND, "id": source.name},
                UpdateExpression="SET stop_until = :until",
                ConditionExpression="attribute_not_exists(stop_until) OR stop_until < :until",
                ExpressionAttributeValues={":until": int(until * 1000)},
            )
        except self._lost_race:
            return  # a later stop stands already

    def _row(self, source: Source) -> dict[str, Any]:
        found = self._table.get_item(Key={"kind": _KIND, "id": source.name}, ConsistentRead=True)
        return found.get("Item", {})

    def _write(self, source: Source, turn: int, granted: list[float]) -> bool:
        try:
            self._table.update_item(
                Key={"kind": _KIND, "id": source.name},
                UpdateExpression="SET granted = :granted, turn = :next",
                ConditionExpression="turn = :turn OR (attribute_not_exists(turn) AND :turn = :none)",
                ExpressionAttributeValues={
                    ":granted": [round(one * 1000) for one in granted],
                    ":turn": turn,
                    ":next": turn + 1,
                    ":none": 0,
                },
            )
        except self._lost_race:
            return False
        return True


def _seconds(milliseconds: Decimal | None) -> float:
    return float(milliseconds or 0) / 1000
