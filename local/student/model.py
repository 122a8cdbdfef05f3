"""The student's network: a small Hugging Face Llama (1.3 million parameters) whose first weights already copy.

A plan is mostly copied text: tool names from the system text, argument values from the question. Two attention
layers can copy ("what followed the last token when it stood here before?") if the first one fetches each token's
predecessor. A small network needs far more text to find this than a laptop can read, so the first weights are set
to do it: layer 0 looks one position back by the phases of its rotary embedding, later layers match content with
predecessors. All weights stay trainable.

The residual stream of width d is read as two halves: content of the token, content of its predecessor.
"""

import math

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

WIDTH, LAYERS, HEADS, HEAD_DIM, INNER = 128, 3, 4, 64, 256
ROPE_THETA = 1e6
LONGEST = 4096  # positions; the arm with full tool specifications needs about 1,100


def blank(vocabulary: int, pad: int, end: int, layers: int = LAYERS) -> LlamaForCausalLM:
    """The network with ordinary random weights."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=WIDTH,
            intermediate_size=INNER,
            num_hidden_layers=layers,
            num_attention_heads=HEADS,
            num_key_value_heads=HEADS,
            head_dim=HEAD_DIM,
            attention_bias=True,
            tie_word_embeddings=True,
            max_position_embeddings=LONGEST,
            rope_parameters={"rope_type": "default", "rope_theta": ROPE_THETA},
            pad_token_id=pad,
            eos_token_id=end,
            bos_token_id=None,
        )
    )


def structured(vocabulary: int, pad: int, end: int, seed: int, layers: int = LAYERS) -> LlamaForCausalLM:
    """The network with weights that copy from the start (see the module's text)."""
    torch.manual_seed(seed)
    model = blank(vocabulary, pad, end, layers)
    half = WIDTH // 2
    with torch.no_grad():
        table = model.model.embed_tokens.weight
        table.mul_(0.05)
        table[:, :half] = torch.randn(vocabulary, half) / half**0.5
        _look_back(model.model.layers[0].self_attn, half)
        for layer, strength in ((1, 1.0), (2, 0.6)):
            _match_and_copy(model.model.layers[layer].self_attn, half, strength)
    return model


def _rows(head: int) -> slice:
    return slice(head * HEAD_DIM, (head + 1) * HEAD_DIM)


def _look_back(attention: torch.nn.Module, half: int) -> None:
    """Head 0 attends to the position before and adds that token's content to the second half."""
    pairs = HEAD_DIM // 2
    frequency = ROPE_THETA ** (-torch.arange(pairs).float() / pairs)
    rows = _rows(0)
    loud = math.sqrt(40.0 * math.sqrt(HEAD_DIM) / (pairs // 2))
    query, key = torch.zeros(HEAD_DIM), torch.zeros(HEAD_DIM)
    for pair in range(pairs // 2):  # rotary pairs are (i, i + HEAD_DIM / 2)
        query[pair] = loud
        key[pair] = loud * math.cos(frequency[pair])
        key[pair + pairs] = loud * math.sin(frequency[pair])
    attention.q_proj.weight[rows] *= 0.1
    attention.k_proj.weight[rows] *= 0.1
    attention.q_proj.bias[rows] = query
    attention.k_proj.bias[rows] = key
    carry = torch.linalg.qr(torch.randn(HEAD_DIM, half))[0]
    _move(attention, carry, source=slice(0, half), target=slice(half, WIDTH), gain=1.4 / WIDTH**0.5)


def _match_and_copy(attention: torch.nn.Module, half: int, strength: float) -> None:
    """Two heads find the positions whose predecessor is the current token and add their content to the first half."""
    slow = HEAD_DIM // 4  # the slowly rotating pairs hardly depend on distance
    for head in range(2):
        start = head * HEAD_DIM
        rows = [start + slow + i for i in range(slow)] + [start + 3 * slow + i for i in range(slow)]
        attention.q_proj.weight[_rows(head)] *= 0.1
        attention.k_proj.weight[_rows(head)] *= 0.1
        view = torch.linalg.qr(torch.randn(half, half))[0][: len(rows)]
        attention.q_proj.weight[rows, :half] = view * 2.0 * strength
        attention.k_proj.weight[rows, half:] = view * 2.0 * strength
    carry = torch.linalg.qr(torch.randn(2 * HEAD_DIM, half))[0]
    _move(attention, carry, source=slice(0, half), target=slice(0, half), gain=4.2 * strength / WIDTH**0.5)


def _move(attention: torch.nn.Module, carry: Tensor, source: slice, target: slice, gain: float) -> None:
    """Let the first heads read the `source` half of the stream and write it to `target`."""
    rows = carry.shape[0]
    attention.v_proj.weight[:rows] = 0
    attention.v_proj.weight[:rows, source] = carry
    attention.o_proj.weight[:, :rows] = 0
    attention.o_proj.weight[target, :rows] = carry.T * gain


@torch.no_grad()
def copying(model: LlamaForCausalLM, seed: int = 0) -> float:
    """Share of tokens copied rightly when a random string comes up a second time; 0 for ordinary first weights."""
    maker = torch.Generator().manual_seed(seed)
    vocabulary = model.config.vocab_size
    noise = torch.randint(5, vocabulary, (8, 90), generator=maker)
    again = torch.randint(5, vocabulary, (8, 20), generator=maker)
    ids = torch.cat([noise[:, :60], again, noise[:, 60:], again], 1)
    guess = model(ids).logits.argmax(-1)
    return (guess[:, -20:-1] == again[:, 1:]).float().mean().item()
