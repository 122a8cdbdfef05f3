"""S3 and DynamoDB in memory, as far as the handlers and the state machines use them; versions are kept."""

import bisect
import hashlib
import io
import operator
import re
import threading
from typing import Any

from tests.local.states_bench import fault

LAST = "\U0010ffff"  # sorts after every character
OBJECT_CALLS = ("put_object", "get_object", "head_object", "copy_object", "delete_object", "list_objects_v2")
TABLE_CALLS = ("get_item", "put_item", "update_item", "query")


class Objects:
    """Buckets of versioned objects. Methods take and give what the boto3 calls of the same names do."""

    def __init__(self, *buckets: str) -> None:
        self.buckets: dict[str, dict[str, list[dict[str, Any]]]] = {name: {} for name in buckets}
        self._in_order: dict[str, list[str]] = {}  # keys by bucket: a listing takes no longer the more others there are
        self.writes: list[tuple[str, str]] = []
        self._lock = threading.RLock()
        self._versions = 0

    # -- what tests ask ------------------------------------------------------------------------------------------
    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        with self._lock:
            made, names = self.buckets[bucket], self._in_order.get(bucket, [])
            first, end = (bisect.bisect_left(names, text) for text in (prefix, f"{prefix}{LAST}"))
            return [key for key in names[first:end] if "Body" in made[key][-1]]

    def data(self, bucket: str, key: str) -> bytes:
        return self.buckets[bucket][key][-1]["Body"]

    def tree(self, bucket: str, prefix: str = "") -> dict[str, bytes]:
        """Every object below a prefix."""
        return {key: self.data(bucket, key) for key in self.keys(bucket, prefix)}

    def snapshot(self) -> dict[str, Any]:
        with self._lock:
            return {name: {key: list(made) for key, made in keys.items()} for name, keys in self.buckets.items()}

    def restore(self, snapshot: dict[str, Any]) -> None:
        for name, keys in snapshot.items():
            self.buckets[name] = {key: list(made) for key, made in keys.items()}
            self._in_order[name] = sorted(keys)

    # -- the API -------------------------------------------------------------------------------------------------
    def put_object(self, Bucket: str, Key: str, Body: Any = b"", **given: Any) -> dict[str, Any]:
        body = Body.read() if hasattr(Body, "read") else Body
        body = body.encode() if isinstance(body, str) else bytes(body)
        with self._lock:
            self._versions += 1
            made = {"Body": body, "VersionId": f"v{self._versions:06d}", "ETag": f'"{hashlib.md5(body).hexdigest()}"',
                    "ContentType": given.get("ContentType") or "binary/octet-stream",
                    "Metadata": given.get("Metadata") or {}}  # fmt: skip
            self._made(Bucket, Key).append(made)
            self.writes.append((Bucket, Key))
        return {"ETag": made["ETag"], "VersionId": made["VersionId"]}

    def head_object(self, Bucket: str, Key: str, VersionId: str | None = None, **_: Any) -> dict[str, Any]:
        with self._lock:
            made = self._bucket(Bucket).get(Key, [])
            found = [one for one in made if VersionId == one["VersionId"]] if VersionId else made[-1:]
        if not found:
            raise fault("NoSuchVersion" if VersionId else "NoSuchKey", f"no {Bucket}/{Key}", 404)
        if "Body" not in found[0]:
            raise fault("NoSuchKey", f"{Bucket}/{Key} is deleted", 404)
        return {**found[0], "ContentLength": len(found[0]["Body"])}

    def get_object(self, **wanted: Any) -> dict[str, Any]:
        found = self.head_object(**wanted)
        return {**found, "Body": io.BytesIO(found["Body"])}

    def copy_object(self, Bucket: str, Key: str, CopySource: dict[str, str], **_: Any) -> dict[str, Any]:
        source = self.head_object(**CopySource)
        return self.put_object(Bucket, Key, source["Body"], Metadata=source["Metadata"])

    def delete_object(self, Bucket: str, Key: str, **_: Any) -> dict[str, Any]:
        with self._lock:
            self._versions += 1
            self._made(Bucket, Key).append({"VersionId": f"v{self._versions:06d}"})
        return {}

    def list_objects_v2(
        self,
        Bucket: str,
        Prefix: str = "",
        ContinuationToken: str = "",
        StartAfter: str = "",
        MaxKeys: int = 1000,
        **_: Any,
    ) -> dict[str, Any]:
        keys = [key for key in self.keys(Bucket, Prefix) if key > (ContinuationToken or StartAfter)]
        more = {"NextContinuationToken": keys[MaxKeys - 1]} if len(keys) > MaxKeys else {}
        return {"Contents": [{"Key": key, "Size": len(self.data(Bucket, key))} for key in keys[:MaxKeys]], **more}

    def _made(self, bucket: str, key: str) -> list[dict[str, Any]]:
        """The versions of a key, oldest first, to add one to."""
        held = self._bucket(bucket)
        if key not in held:
            bisect.insort(self._in_order.setdefault(bucket, []), key)
        return held.setdefault(key, [])

    def _bucket(self, name: str) -> dict[str, list[dict[str, Any]]]:
        if name not in self.buckets:
            raise fault("NoSuchBucket", f"no bucket {name}", 404)
        return self.buckets[name]


class _Absent:
    """An attribute that a row lacks: every comparison with it is false."""

    def __eq__(self, other: object) -> bool:
        return False

    def __lt__(self, other: object) -> bool:
        return False

    __hash__ = None  # type: ignore[assignment]


class Table:
    """One DynamoDB table with the keys `kind` and `id`; attributes in the form they have on the wire."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], dict[str, Any]] = {}
        self._lock = threading.RLock()

    def get_item(self, Key: dict[str, Any], **_: Any) -> dict[str, Any]:
        with self._lock:
            found = self.rows.get(_identity(Key))
            return {"Item": dict(found)} if found else {}

    def put_item(self, Item: dict[str, Any], **given: Any) -> dict[str, Any]:
        with self._lock:
            self._check(self.rows.get(_identity(Item), {}), given)
            self.rows[_identity(Item)] = dict(Item)
        return {}

    def update_item(self, Key: dict[str, Any], UpdateExpression: str, **given: Any) -> dict[str, Any]:
        with self._lock:
            row = dict(self.rows.get(_identity(Key), Key))
            self._check({} if _identity(Key) not in self.rows else row, given)
            for part in UpdateExpression.removeprefix("SET ").split(","):
                name, _, value = (text.strip() for text in part.partition("="))
                row[_name(name, given)] = given["ExpressionAttributeValues"][value]
            self.rows[_identity(Key)] = row
        return {}

    def query(self, ExpressionAttributeValues: dict[str, Any], KeyConditionExpression: str, **_: Any) -> dict[str, Any]:
        assert KeyConditionExpression == "kind = :kind", KeyConditionExpression
        kind = ExpressionAttributeValues[":kind"]["S"]
        with self._lock:
            found = [dict(row) for key, row in sorted(self.rows.items()) if key[0] == kind]
        return {"Items": found, "Count": len(found)}

    def _check(self, row: dict[str, Any], given: dict[str, Any]) -> None:
        condition = given.get("ConditionExpression")
        if condition and not _Condition(condition, row, given).holds():
            raise fault("ConditionalCheckFailedException", "The conditional request failed")


def _identity(row: dict[str, Any]) -> tuple[str, str]:
    return row["kind"]["S"], row["id"]["S"]


def _name(text: str, given: dict[str, Any]) -> str:
    return given.get("ExpressionAttributeNames", {}).get(text, text)


class _Condition:
    """`a = b`, `a < b`, attribute_not_exists(a), AND, OR and parentheses."""

    def __init__(self, text: str, row: dict[str, Any], given: dict[str, Any]) -> None:
        self._words = re.findall(r"attribute_not_exists|[:#]?\w+|[()=<]", text)
        self._row, self._given = row, given

    def holds(self) -> bool:
        return self._either()

    def _either(self) -> bool:
        found = self._both()
        while self._next("OR"):
            found = self._both() or found
        return found

    def _both(self) -> bool:
        found = self._one()
        while self._next("AND"):
            found = self._one() and found
        return found

    def _one(self) -> bool:
        if self._next("("):
            found = self._either()
            self._words.pop(0)
            return found
        if self._next("attribute_not_exists"):
            _, name, _ = self._words.pop(0), self._words.pop(0), self._words.pop(0)
            return _name(name, self._given) not in self._row
        left, how, right = self._value(), self._words.pop(0), self._value()
        return {"=": operator.eq, "<": operator.lt}[how](left, right)

    def _next(self, word: str) -> bool:
        return bool(self._words) and self._words[0] == word and bool(self._words.pop(0))

    def _value(self) -> Any:
        word = self._words.pop(0)
        found = self._given["ExpressionAttributeValues"][word] if word[0] == ":" else self._row.get(
            _name(word, self._given))  # fmt: skip
        if found is None:
            return _Absent()
        ((kind, value),) = found.items()
        return float(value) if kind == "N" else value
