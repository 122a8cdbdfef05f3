"""The answers that were paid for, in the work bucket: a folder a document, in it one a chunk."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from itertools import takewhile
from typing import Any, Self, TypeVar

from toolsmith.pipeline.ports import Store

T = TypeVar("T")


def answers_folder(document: str) -> str:
    """Where the answers about a document are kept in the work bucket."""
    return f"teaching/answers/{document}/"


def answer_path(document: str, number: int, key: str) -> str:
    """Where the answer to a prompt about chunk `number` is kept; the chunks of a document stand in order."""
    return f"{answers_folder(document)}{number:06d}/{key}.json"


class BatchAnswers:
    """The kept answers about the chunks `first` to `last` (half-open) of a document.

    Which there are is listed once, from the moment the context is entered: a new prompt costs no look of its own. New
    answers are written while the teacher is asked the next prompt; leaving the context waits until all are there, and
    raises what kept one from being written.
    """

    def __init__(self, store: Store, document: str, first: int, last: int) -> None:
        self._store, self._document, self._first, self._last = store, document, first, last
        self._new: dict[str, dict[str, Any]] = {}
        self._behind = ThreadPoolExecutor(1, "answers")
        self._written: list[Future[None]] = []

    def __enter__(self) -> Self:
        self._held = self._later(self._list)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        self._behind.shutdown()
        if kind is None:
            for written in self._written:
                written.result()

    def about(self, number: int) -> "ChunkAnswers":
        return ChunkAnswers(self, number)

    def read(self, number: int, key: str) -> dict[str, Any] | None:
        path = answer_path(self._document, number, key)
        if path in self._held.result():
            return self._store.read_json(path)
        return self._new.get(path)

    def write(self, number: int, key: str, response: dict[str, Any]) -> None:
        path = answer_path(self._document, number, key)
        self._new[path] = response
        self._written.append(self._later(self._store.write_json, path, response))

    def _later(self, work: Callable[..., T], *given: Any) -> "Future[T]":
        return self._behind.submit(copy_context().run, work, *given)

    def _list(self) -> frozenset[str]:
        folder = answers_folder(self._document)
        begin, end = f"{folder}{self._first:06d}", f"{folder}{self._last:06d}"
        return frozenset(takewhile(lambda path: path < end, self._store.keys(folder, after=begin)))


class ChunkAnswers:
    """Those of them about one chunk, by prompt key."""

    def __init__(self, batch: BatchAnswers, number: int) -> None:
        self._batch, self._number = batch, number

    def read(self, key: str) -> dict[str, Any] | None:
        return self._batch.read(self._number, key)

    def write(self, key: str, response: dict[str, Any]) -> None:
        self._batch.write(self._number, key, response)
