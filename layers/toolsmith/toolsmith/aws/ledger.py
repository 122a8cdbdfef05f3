"""The ledger: what became of every document and run, in one DynamoDB table (`kind`, `id`)."""

from decimal import Decimal
from typing import Any

from botocore.exceptions import ClientError


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value


def _stored(value: Any) -> Any:
    if isinstance(value, float):
        return Decimal(str(value))
    if isinstance(value, dict):
        return {key: _stored(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_stored(inner) for inner in value]
    return value


class Ledger:
    """Rows of kind "DOCUMENT" (id = document digest), "RUN" (id = run name) and "SPENDING <run>" (id = job name)."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def get(self, kind: str, row_id: str) -> dict[str, Any] | None:
        found = self._table.get_item(Key={"kind": kind, "id": row_id}, ConsistentRead=True).get("Item")
        return _plain(found) if found else None

    def register(self, kind: str, row_id: str, row: dict[str, Any]) -> bool:
        """Write a row unless it is there already; True when this call wrote it."""
        try:
            self._table.put_item(
                Item=_stored({"kind": kind, "id": row_id, **row}), ConditionExpression="attribute_not_exists(id)"
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return False
            raise
        return True

    def update(self, kind: str, row_id: str, changes: dict[str, Any]) -> None:
        """Set attributes of a row; repeating the call changes nothing more."""
        names = {f"#n{index}": name for index, name in enumerate(changes)}
        values = {f":v{index}": _stored(value) for index, value in enumerate(changes.values())}
        sets = ", ".join(f"#n{index} = :v{index}" for index in range(len(changes)))
        self._table.update_item(
            Key={"kind": kind, "id": row_id},
            UpdateExpression=f"SET {sets}",
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
        )

    def all(self, kind: str) -> list[dict[str, Any]]:
        """Every row of a kind, ordered by id."""
        rows: list[dict[str, Any]] = []
        query: dict[str, Any] = {
            "KeyConditionExpression": "kind = :kind",
            "ExpressionAttributeValues": {":kind": kind},
            "ConsistentRead": True,
        }
        while True:
            page = self._table.query(**query)
            rows += [_plain(item) for item in page["Items"]]
            if "LastEvaluatedKey" not in page:
                return rows
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]
