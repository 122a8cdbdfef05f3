"""A bucket and a ledger in memory, with the behaviour that the use cases rely on."""

import json
from collections.abc import Iterable, Iterator
from typing import Any


class MemoryStore:
    """Fits toolsmith.pipeline.ports.Store; `writes` counts writes by key."""

    def __init__(self, bucket: str = "work", objects: dict[str, bytes] | None = None) -> None:
        self.bucket = bucket
        self.objects = dict(objects or {})
        self.writes: dict[str, int] = {}

    def uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

    def read(self, key: str, version: str | None = None, limit: int | None = None) -> bytes:
        return self.objects[key]

    def write(self, key: str, data: bytes, content_type: str = "") -> None:
        assert isinstance(data, bytes)
        self.objects[key] = data
        self.writes[key] = self.writes.get(key, 0) + 1

    def read_json(self, key: str) -> Any:
        return json.loads(self.read(key))

    def write_json(self, key: str, value: Any) -> None:
        self.write(key, json.dumps(value).encode())

    def read_lines(self, key: str) -> list[Any]:
        return [json.loads(line) for line in self.read(key).splitlines()]

    def write_lines(self, key: str, rows: Iterable[Any]) -> None:
        self.write(key, "".join(json.dumps(row) + "\n" for row in rows).encode())

    def exists(self, key: str) -> bool:
        return key in self.objects

    def keys(self, prefix: str, after: str = "") -> Iterator[str]:
        yield from sorted(key for key in self.objects if key.startswith(prefix) and key > after)

    def move(self, key: str, target: str) -> None:
        self.objects[target] = self.objects.pop(key)


class MemoryAnswers:
    """Fits toolsmith.pipeline.ports.Answers."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}

    def read(self, key: str) -> dict[str, Any] | None:
        return self.kept.get(key)

    def write(self, key: str, response: dict[str, Any]) -> None:
        self.kept[key] = response


class MemoryLedger:
    """Fits toolsmith.pipeline.ports.Ledger."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], dict[str, Any]] = {}

    def get(self, kind: str, row_id: str) -> dict[str, Any] | None:
        return self.rows.get((kind, row_id))

    def register(self, kind: str, row_id: str, row: dict[str, Any]) -> bool:
        if (kind, row_id) in self.rows:
            return False
        self.rows[kind, row_id] = {"kind": kind, "id": row_id, **row}
        return True

    def update(self, kind: str, row_id: str, changes: dict[str, Any]) -> None:
        self.rows.setdefault((kind, row_id), {"kind": kind, "id": row_id}).update(changes)

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [row for key, row in sorted(self.rows.items()) if key[0] == kind]


class MemoryMachine:
    """Fits toolsmith.pipeline.ports.Machine; `open` says whether an execution runs."""

    def __init__(self, open: bool = False) -> None:
        self.started: dict[str, dict[str, Any]] = {}
        self.open = open

    def start(self, name: str, payload: dict[str, Any]) -> bool:
        if name in self.started:
            return False
        self.started[name] = payload
        return True

    def running(self) -> bool:
        return self.open
