"""Where the base model lies, and the check that it is the one that was committed; loading any model directory."""

import hashlib
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from toolsmith.errors import InvalidInput

BASE = Path(__file__).with_name("base")
DIGEST = "DIGEST"
DIGESTED = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def write_digest(folder: Path) -> None:
    """Write `DIGEST` (lines `<sha256>  <file>`, as sha256sum prints them) for the files that make the model."""
    lines = [f"{_digest(folder / name)}  {name}\n" for name in DIGESTED if (folder / name).is_file()]
    for name in DIGESTED:
        (folder / name).chmod(0o644)
    (folder / DIGEST).write_text("".join(lines), encoding="utf-8")


def verify(folder: Path) -> None:
    """Compare `folder` with its DIGEST file. Raises InvalidInput naming the first file that differs."""
    listing = folder / DIGEST
    if not listing.is_file():
        raise InvalidInput(
            f"{listing} is missing: make it again with `python -m local.student.make_base --out {folder}`"
        )
    for line in listing.read_text(encoding="utf-8").splitlines():
        expected, name = line.split(maxsplit=1)
        file = folder / name
        if not file.is_file() or _digest(file) != expected:
            raise InvalidInput(f"{file} is not the file whose digest {DIGEST} holds: restore it from version control")


def load(folder: Path | None = None) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    """Tokenizer and model of a Hugging Face directory, fp32; without `folder` the verified base.

    Raises InvalidInput when the directory holds no model or the base differs from its digest.
    """
    if folder is None:
        verify(BASE)
        folder = BASE
    if not (folder / "config.json").is_file():
        raise InvalidInput(f"{folder} holds no model (config.json is missing): give a Hugging Face model directory")
    logging.disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer, AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
