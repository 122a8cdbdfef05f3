"""A model server on standard input and output: one JSON object a line, `{"id","system","messages","max_tokens"}`."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

import torch

from local.student import base
from local.student.sampler import Sampler

MOST_TOKENS = 1024


class Server:
    """Answers with one model; the system text of the last request stays computed."""

    def __init__(self, folder: Path | None) -> None:
        self.tokenizer, self.model = base.load(folder)
        self.model.eval()
        self.sampler = Sampler(self.model, self.tokenizer.eos_token_id)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """{"id","text","input_tokens","output_tokens"}, or {"id","error"} for a request that cannot be read."""
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
        drawn = self.sampler.sample([ids], 1, most, 0.0)[0]
        return {
            "id": request.get("id"),
            "text": self.tokenizer.decode(drawn, skip_special_tokens=True),
            "input_tokens": len(ids),
            "output_tokens": len(drawn),
        }


def serve(folder: Path | None, lines: Iterable[str] = sys.stdin, out: TextIO = sys.stdout) -> None:
    """Answer until the input ends; a line that is no JSON object gets an error of its own."""
    torch.set_num_threads(1)
    server = Server(folder)
    for line in lines:
        if not line.strip():
            continue
        try:
            request = json.loads(line)
            reply = server.answer(request) if isinstance(request, dict) else {"id": None, "error": "not an object"}
        except ValueError as error:
            reply = {"id": None, "error": f"not JSON: {error}"}
        out.write(json.dumps(reply, ensure_ascii=False) + "\n")
        out.flush()
