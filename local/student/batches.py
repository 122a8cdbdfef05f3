"""Rows of tokens and the forward pass that computes their common beginning once.

All rows of a job share the system text. Its keys and values are computed once per step, with gradients, and
repeated over the rows; the result is that of separate rows, at about a third of the tokens.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase

GROUP = 4  # rows in a pass: fewer cost more in overhead than they save in padding


@dataclass(frozen=True)
class Row:
    """Token ids of a prompt and its answer; `answer` is the index of the answer's first token."""

    ids: list[int]
    answer: int


def prompt_ids(tokenizer: PreTrainedTokenizerBase, system: str, question: str) -> list[int]:
    """The chat template's tokens up to where the assistant starts to speak."""
    messages = ([{"role": "system", "content": system}] if system else []) + [{"role": "user", "content": question}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def answer_ids(tokenizer: PreTrainedTokenizerBase, answer: str) -> list[int]:
    """The answer's tokens and the end token."""
    return [*tokenizer(answer, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]


def row(tokenizer: PreTrainedTokenizerBase, system: str, question: str, answer: str) -> Row:
    prompt = prompt_ids(tokenizer, system, question)
    return Row(prompt + answer_ids(tokenizer, answer), len(prompt))


def shared_length(rows: Sequence[Sequence[int]], most: int) -> int:
    """How many first tokens all rows share, `most` at most."""
    return min(len(os.path.commonprefix([list(ids[:most]) for ids in rows])), most)


def answer_states(model: PreTrainedModel, rows: Sequence[Row], groups: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """Hidden states (n, width) that predict the answer tokens, those tokens (n), and the row of each (n).

    groups: rows of like length run together in so many passes, which saves most of the padding (see `GROUP`).
    """
    decoder = _plain(model).get_decoder()
    device = _plain(model).device
    shared = shared_length([r.ids for r in rows], min(r.answer for r in rows) - 1)
    begin = DynamicCache()
    if shared:
        decoder(input_ids=torch.tensor([rows[0].ids[:shared]], device=device), past_key_values=begin, use_cache=True)
    order = sorted(range(len(rows)), key=lambda i: len(rows[i].ids)) if groups > 1 else list(range(len(rows)))
    size = -(-len(rows) // groups)
    parts = [order[at : at + size] for at in range(0, len(rows), size)]
    states = torch.cat([_tail_states(decoder, begin, [rows[i] for i in part], shared, device) for part in parts])
    owner = torch.tensor([i for i in order for _ in rows[i].ids[rows[i].answer :]], device=device)
    target = torch.tensor([token for i in order for token in rows[i].ids[rows[i].answer :]], device=device)
    return states, target, owner


def _plain(model: PreTrainedModel) -> PreTrainedModel:
    """The model without the wrapper that adapters put around it."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _tail_states(
    decoder: torch.nn.Module, begin: DynamicCache, rows: Sequence[Row], shared: int, device: torch.device
) -> Tensor:
    """Run what follows the shared beginning; the states (n, width) at the places that predict answer tokens."""
    cache = DynamicCache()
    for number, layer in enumerate(begin.layers):
        repeated = (kept.expand(len(rows), -1, -1, -1) for kept in (layer.keys, layer.values))
        cache.update(*repeated, number)
    tails = [r.ids[shared:-1] for r in rows]
    longest = max(map(len, tails))
    ids = torch.tensor([tail + [0] * (longest - len(tail)) for tail in tails], device=device)
    where = torch.arange(shared, shared + longest, device=device)[None].expand(len(rows), -1)
    states = decoder(input_ids=ids, position_ids=where, past_key_values=cache, use_cache=True).last_hidden_state
    owner = torch.tensor([i for i, r in enumerate(rows) for _ in r.ids[r.answer :]], device=device)
    place = torch.tensor([at - shared - 1 for r in rows for at in range(r.answer, len(r.ids))], device=device)
    return states[owner, place]


def answer_loss(model: PreTrainedModel, rows: Sequence[Row], groups: int = 1, by_row: bool = False) -> Tensor:
    """Mean cross-entropy in nats: of all answer tokens alike, or with `by_row` of the rows' means.

    By rows, a short plan counts as much as a long one, and so does its choice of category.
    """
    states, target, owner = answer_states(model, rows, groups)
    scores = _plain(model).get_output_embeddings()(states).float()
    if not by_row:
        return torch.nn.functional.cross_entropy(scores, target)
    each = torch.nn.functional.cross_entropy(scores, target, reduction="none")
    lengths = torch.bincount(owner, minlength=len(rows))
    return (each / lengths[owner]).sum() / len(rows)
