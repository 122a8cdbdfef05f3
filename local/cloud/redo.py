"""What changed since a service's last snapshot, written down before the change is answered: a kill loses none of it."""

import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


class RedoLog:
    """Changes as JSON lines in files `name`.redo.N of `folder`; a snapshot begins a new file and drops the older ones.

    Changes are images (this item is now so), hence repeating some that a snapshot holds already does no harm. What the
    operating system has taken survives the death of the process, not that of the machine.
    """

    def __init__(self, folder: Path, name: str):
        self._folder, self._name = folder, name
        self._lock = threading.Lock()
        self._file: int | None = None
        self.size = sum(path.stat().st_size for path in self._paths())  # bytes since the last snapshot

    def append(self, *change: Any) -> None:
        """Write one change. Raises OSError when it can't be written; then the change must not be answered as done."""
        line = json.dumps(change, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            if self._file is None:
                self._open()
            os.write(self._file, line)
            self.size += len(line)

    def changes(self) -> Iterator[list]:
        """Every change written, oldest first. A last line that a kill cut short was never answered and is left out."""
        for path in self._paths():
            with path.open("rb") as lines:
                yield from (json.loads(line) for line in lines if line.endswith(b"\n"))

    def cut(self) -> Callable[[], None]:
        """Begin a new file at the moment of a snapshot; call what this returns once the snapshot is safe."""
        with self._lock:
            old = self._paths()
            self._close()
            self.size = 0

        def drop() -> None:
            for path in old:
                path.unlink(missing_ok=True)

        return drop

    def _paths(self) -> list[Path]:
        found = self._folder.glob(f"{self._name}.redo.*")
        return sorted(found, key=lambda path: int(path.suffix[1:]))

    def _open(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        paths = self._paths()
        number = int(paths[-1].suffix[1:]) + 1 if paths else 0
        path = self._folder / f"{self._name}.redo.{number}"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
