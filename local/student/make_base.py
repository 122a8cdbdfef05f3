"""Makes the student's base weights and tokenizer: `python -m local.student.make_base --out local/student/base`.

Fixed steps and seed, about an hour of one core. The result is kept in the repository with its digest.
"""

import argparse
import sys
import time
from pathlib import Path
from random import Random

import torch
from transformers import PreTrainedTokenizerBase

from local.student import base, model
from local.student import tokenizer as tokenizers
from local.student.batches import Row, answer_loss, row
from local.student.curriculum import copy_row, domain, question
from local.student.values import Words, words
from toolsmith import catalog

VOCABULARY = 5120
STEPS = 7500
RATE, MATRIX_RATE = 2.5e-3, 1.5e-3  # of AdamW and of Muon
DOMAINS, QUESTIONS = 2, 10  # a step: so many domains, so many questions about each
PASSES = 2  # rows of like length run together
WARMUP = 50
DECAY_FROM = 0.5  # the rate falls linearly over the second half
SEED = 0
SPECIALS = 5


def tokenizer_texts(r: Random) -> list[str]:
    """Curriculum text, plain words in three spellings, and the system text that every later job shares."""
    w = Words(r)
    texts = []
    for _ in range(250):
        area = domain(r, w, r.random())
        texts.append(area.system)
        for _ in range(3):
            texts += question(r, w, area)
    plain = list(words())
    for _ in range(60):
        r.shuffle(plain)
        texts.append(" ".join(plain))
    for _ in range(40):
        r.shuffle(plain)
        texts.append(" ".join(word.capitalize() for word in plain))
    acronyms = [
        "SEC",
        "CFR",
        "USC",
        "EDGAR",
        "PLC",
        "LLC",
        "LP",
        "NYSE",
        "GAAP",
        "IPO",
        "CEO",
        "CFO",
        "US",
        "FTC",
        "ESG",
        "MD",
        "A",
    ]
    texts += [" ".join(acronyms)] * 60
    return texts + [catalog.student_system_prompt(catalog.load_catalog())] * 60


def make_tokenizer(seed: int) -> PreTrainedTokenizerBase:
    return tokenizers.train(tokenizer_texts(Random(seed)), VOCABULARY)


def pieces(tokenizer: PreTrainedTokenizerBase) -> tuple[str, ...]:
    """The alphabetic tokens: a token that the curriculum's names never use can later not be copied."""
    cut = (tokenizer.decode([i]).strip() for i in range(SPECIALS, len(tokenizer)))
    return tuple(sorted({p for p in cut if p.isascii() and p.isalpha()}))


class Stream:
    """Endless groups of rows with a common system text; `progress` in [0, 1] widens the domains."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, seed: int) -> None:
        self.tokenizer = tokenizer
        self.random = Random(seed)
        self.words = Words(self.random, pieces(tokenizer))

    def group(self, progress: float) -> list[Row]:
        drill = 0.25 if progress < 0.1 else 0.06
        if self.random.random() < drill:
            return [self._repeat() if self.random.random() < 0.4 else self._copy() for _ in range(QUESTIONS)]
        hardness = min(1.0, progress * self.random.uniform(1.0, 3.0))
        area = domain(self.random, self.words, hardness)
        return [row(self.tokenizer, area.system, *question(self.random, self.words, area)) for _ in range(QUESTIONS)]

    def _copy(self) -> Row:
        asked, answer = copy_row(self.random, self.words)
        return row(self.tokenizer, "Copy as JSON.", asked, answer)

    def _repeat(self) -> Row:
        noise = [self.random.randrange(SPECIALS, VOCABULARY) for _ in range(self.random.randint(8, 24))]
        return Row(noise + noise, len(noise) + 1)


def _rate(step: int, steps: int, peak: float) -> float:
    done = step / steps
    falling = 1.0 if done < DECAY_FROM else (1 - done) / (1 - DECAY_FROM)
    return peak * min(1.0, (step + 1) / WARMUP) * max(0.02, falling)


def optimizers(net: torch.nn.Module) -> list[tuple[torch.optim.Optimizer, float]]:
    """Each optimizer with its rate: Muon for the matrices of the layers, AdamW for all else (Jordan et al. 2024).

    Muon's steps are scaled to the size of AdamW's (Liu et al. 2025), so that the two rates compare.
    """
    matrices = [p for p in net.model.layers.parameters() if p.ndim == 2]
    kept = {id(p) for p in matrices}
    others = [p for p in net.parameters() if id(p) not in kept]
    return [
        (torch.optim.Muon(matrices, lr=MATRIX_RATE, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"), MATRIX_RATE),
        (torch.optim.AdamW(others, lr=RATE, betas=(0.9, 0.98), weight_decay=0.01), RATE),
    ]


def pretrain(net: torch.nn.Module, stream: Stream, steps: int, report_every: int = 100) -> list[float]:
    """Train all weights on answer tokens; returns the mean loss of every `report_every` steps."""
    pairs = optimizers(net)
    net.train()
    recent, curve, began = [], [], time.process_time()
    for step in range(steps):
        for optimizer, rate in pairs:
            for group in optimizer.param_groups:
                group["lr"] = _rate(step, steps, rate)
        for _ in range(DOMAINS):
            loss = answer_loss(net, stream.group(step / steps), PASSES)
            (loss / DOMAINS).backward()
            recent.append(loss.item())
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        for optimizer, _ in pairs:
            optimizer.step()
            optimizer.zero_grad()
        if (step + 1) % report_every == 0:
            curve.append(sum(recent) / len(recent))
            recent = []
            print(f"step {step + 1}/{steps} loss {curve[-1]:.3f} cpu {time.process_time() - began:.0f}s", flush=True)
    return curve


@torch.no_grad()
def held_out_loss(net: torch.nn.Module, tokenizer: PreTrainedTokenizerBase, groups: int = 24) -> float:
    """Mean loss on domains of another seed, at full hardness."""
    stream = Stream(tokenizer, SEED + 1_000_003)
    net.eval()
    return sum(answer_loss(net, stream.group(1.0)).item() for _ in range(groups)) / groups


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    tokenizer = make_tokenizer(SEED)
    net = model.structured(len(tokenizer), tokenizer.pad_token_id, tokenizer.eos_token_id, SEED)
    size = sum(p.numel() for p in net.parameters())
    print(f"{size} parameters, copying at first {model.copying(net):.2f}", flush=True)
    pretrain(net, Stream(tokenizer, SEED), STEPS)
    print(f"loss on other domains {held_out_loss(net, tokenizer):.3f}")
    net.save_pretrained(options.out)
    tokenizer.save_pretrained(options.out)
    base.write_digest(options.out)


if __name__ == "__main__":
    main(sys.argv[1:])
