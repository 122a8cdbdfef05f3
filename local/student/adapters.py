"""LoRA adapters, their optimizer and its schedule, and checkpoints as plain model directories."""

import copy
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from local.student.settings import Optimizer

Trainable = PreTrainedModel | PeftModel


def add(model: PreTrainedModel, settings: Optimizer, seed: int) -> Trainable:
    """The model with a fresh adapter on every linear layer; rank 0 leaves it as it is, all weights trainable.

    With `embeddings` the input embeddings get one too; they are then untied from the output's.
    """
    torch.manual_seed(seed)
    if not settings.rank:
        return model
    targets: str | list[str] = "all-linear"
    if settings.embeddings:
        _untie(model)
        heads = (model.get_input_embeddings(), model.get_output_embeddings())
        targets = [n for n, m in model.named_modules() if isinstance(m, torch.nn.Linear) and m not in heads]
        targets += [n for n, m in model.named_modules() if m is heads[0]]
    shape = LoraConfig(
        r=settings.rank, lora_alpha=settings.alpha, target_modules=targets, lora_dropout=0.0, task_type="CAUSAL_LM"
    )
    return get_peft_model(model, shape)


def _untie(model: PreTrainedModel) -> None:
    """Give the output embeddings weights of their own."""
    if model.config.tie_word_embeddings:
        model.config.tie_word_embeddings = False
        head = model.get_output_embeddings()
        head.weight = torch.nn.Parameter(head.weight.detach().clone(), requires_grad=head.weight.requires_grad)


def optimizer(model: Trainable, settings: Optimizer) -> torch.optim.AdamW:
    """AdamW over what is trainable; with `plus` LoRA's second matrices in a group of their own."""
    first, second = [], []
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            (second if "lora_B" in name and settings.plus != 1.0 else first).append(weight)
    groups = [{"params": first, "factor": 1.0}]
    if second:
        groups.append({"params": second, "factor": settings.plus})
    return torch.optim.AdamW(
        groups, lr=settings.rate, betas=(settings.beta1, settings.beta2), weight_decay=settings.decay
    )


def set_rate(adamw: torch.optim.AdamW, settings: Optimizer, step: int, steps: int) -> None:
    """Linear warm-up, then linear fall; the last step still moves."""
    warm = min(1.0, (step + 1) / max(1, settings.warmup))
    scale = warm * max(settings.floor, 1 - step / steps)
    for group in adamw.param_groups:
        group["lr"] = settings.rate * group["factor"] * scale


def apply(model: Trainable, adamw: torch.optim.AdamW, clip: float) -> float:
    """One optimizer step on the gathered gradients; returns their norm before clipping."""
    weights = [p for p in model.parameters() if p.requires_grad]
    norm = torch.nn.utils.clip_grad_norm_(weights, clip)
    adamw.step()
    adamw.zero_grad()
    return float(norm)


def save(model: Trainable, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """The merged model and its tokenizer, and the adapter alone in `adapter/`; the model trains on unharmed."""
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(model, PeftModel):
        model.save_pretrained(folder / "adapter")
        merged(model).save_pretrained(folder)
    else:
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def merged(model: Trainable) -> PreTrainedModel:
    """A copy of the model with the adapter added into its weights."""
    if not isinstance(model, PeftModel):
        return model
    return copy.deepcopy(model).merge_and_unload()
