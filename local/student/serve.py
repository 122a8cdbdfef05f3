"""A model server on standard input and output: one JSON object a line, `{"id","system","messages","max_tokens"}`."""

import json
import queue
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

import torch

from local.student import base
from local.student.sampler import Sampler

MOST_TOKENS = 1024
TOGETHER = 64  # beyond it the core's cache is too small


class Server:
    """Answers with one model; the system text of the last request stays computed."""

    def __init__(self, folder: Path | None) -> None:
        self.tokenizer, self.model = base.load(folder)
        self.model.eval()
        self.sampler = Sampler(self.model, self.tokenizer.eos_token_id)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """{"id","text","input_tokens","output_tokens"}, or {"id","error"} for a request that cannot be read."""
        return self.answers([request])[0]

    def answers(self, requests: Sequence[Any]) -> list[dict[str, Any]]:
        """The answers to requests that wait together, in order; drawn together where they may be equally long."""
        replies = [self._read(request) for request in requests]
        by_length: dict[int, list[dict[str, Any]]] = {}
        for reply in replies:
            if "ids" in reply:
                by_length.setdefault(reply.pop("most"), []).append(reply)
        for most, group in by_length.items():
            drawn = self.sampler.sample([reply["ids"] for reply in group], 1, most, 0.0)
            for reply, ids in zip(group, drawn, strict=True):
                reply["text"] = self.tokenizer.decode(ids, skip_special_tokens=True)
                reply |= {"input_tokens": len(reply.pop("ids")), "output_tokens": len(ids)}
        return replies

    def _read(self, request: Any) -> dict[str, Any]:
        """{"id","ids","most"}, or {"id","error"}."""
        if not isinstance(request, dict):
            return {"id": None, "error": str(request) if isinstance(request, ValueError) else "not an object"}
        try:
            chat = [{"role": "system", "content": str(request["system"])}] if request.get("system") else []
            chat += [{"role": str(m["role"]), "content": str(m["text"])} for m in request["messages"]]
            most = max(1, min(int(request.get("max_tokens") or MOST_TOKENS), MOST_TOKENS))
        except (KeyError, TypeError, ValueError) as error:
            return {"id": request.get("id"), "error": f"unreadable request: {type(error).__name__} {error}"}
        text = self.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        longest = self.model.config.max_position_embeddings
        if len(ids) + most > longest:
            return {"id": request.get("id"), "error": f"{len(ids)} tokens and {most} new ones exceed {longest}"}
        return {"id": request.get("id"), "ids": ids, "most": most}


def serve(folder: Path | None, lines: Iterable[str] = sys.stdin, out: TextIO = sys.stdout) -> None:
    """Answer until the input ends, what waits together at once; a line that is no JSON gets an error of its own."""
    torch.set_num_threads(1)
    server = Server(folder)
    for part in _together(lines):
        for reply in server.answers([_parsed(line) for line in part]):
            out.write(json.dumps(reply, ensure_ascii=False) + "\n")
        out.flush()


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        return ValueError(f"not JSON: {error}")


def _together(lines: Iterable[str]) -> Iterator[list[str]]:
    """The lines that wait when one is asked for, at most TOGETHER of them."""
    waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def fill() -> None:
        for line in lines:
            if line.strip():
                waiting.put(line)
        waiting.put(None)

    threading.Thread(target=fill, daemon=True).start()
    line = waiting.get()
    while line is not None:
        part = [line]
        line = ""
        while line is not None and len(part) < TOGETHER and not waiting.empty():
            line = waiting.get()
            part += [line] if line is not None else []
        yield part
        if line is not None:
            line = waiting.get()
