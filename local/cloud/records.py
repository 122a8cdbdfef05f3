"""Durable records: one JSON file for each, written atomically."""

import json
import threading
from pathlib import Path
from urllib.parse import quote


class Records:
    """A dictionary of JSON objects that survives a kill of the process.

    Read freely; change a record only through `put`, which writes it before it returns.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        loaded = (json.loads(path.read_text()) for path in sorted(folder.glob("*.json")))
        self._records: dict[str, dict] = {record["key"]: record["value"] for record in loaded}

    def __contains__(self, key: str) -> bool:
        return key in self._records

    def get(self, key: str) -> dict | None:
        """A copy of the record, or None."""
        with self._lock:
            found = self._records.get(key)
            return json.loads(json.dumps(found)) if found is not None else None

    def find(self, identifier: str, name: str) -> dict | None:
        """A copy of the record whose key, or whose member `name`, is `identifier`; of several names the oldest."""
        with self._lock:
            named = (key for key, record in self._records.items() if record.get(name) == identifier)
            return self.get(identifier) or self.get(next(named, ""))

    def all(self) -> list[dict]:
        """Copies of all records, oldest first."""
        with self._lock:
            return json.loads(json.dumps(list(self._records.values())))

    def add(self, key: str, value: dict) -> bool:
        """Store a new record; False when the key is taken."""
        with self._lock:
            if key in self._records:
                return False
            self.put(key, value)
            return True

    def put(self, key: str, value: dict) -> None:
        with self._lock:
            path = self._path(key)
            partial = path.with_suffix(".part")
            partial.write_text(json.dumps({"key": key, "value": value}))
            partial.replace(path)
            self._records[key] = value

    def change(self, key: str, **fields) -> dict:
        """Set members of a record (None removes one) and return the new record."""
        with self._lock:
            merged = {**(self.get(key) or {}), **fields}
            value = {name: content for name, content in merged.items() if content is not None}
            self.put(key, value)
            return value

    def remove(self, key: str) -> None:
        with self._lock:
            self._records.pop(key, None)
            self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._folder / f"{quote(key, safe='')}.json"
