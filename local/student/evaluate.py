"""Evaluation in the manner of gen_qa: the model's answers to a file of questions, and plain text metrics."""

import json
import re
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from local.student.batches import prompt_ids
from local.student.records import Query
from local.student.sampler import Sampler
from local.student.settings import Evaluate

TASK = "custom|gen_qa_gen_qa|0"
Processor = Callable[[dict[str, Any]], dict[str, Any]]


def answers(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    queries: Sequence[Query],
    settings: Evaluate,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[str]:
    """One answer a query, in order. Prompts of like length share a batch."""
    torch.manual_seed(settings.seed)
    model.eval()
    sampler = Sampler(model, tokenizer.eos_token_id)
    prompts = [prompt_ids(tokenizer, q.system, q.question) for q in queries]
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    texts = [""] * len(prompts)
    for at in range(0, len(order), settings.batch):
        part = order[at : at + settings.batch]
        drawn = sampler.sample([prompts[i] for i in part], 1, settings.new_tokens, settings.temperature)
        for i, ids in zip(part, drawn, strict=True):
            texts[i] = tokenizer.decode(ids, skip_special_tokens=True)
        on_progress(at + len(part), len(order))
    return texts


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def text_metrics(answer: str, gold: str) -> dict[str, float]:
    """The text metrics of gen_qa that need no package: exact match, exact but for case and signs, word F1."""
    mine, theirs = _words(answer), _words(gold)
    common = sum((Counter(mine) & Counter(theirs)).values())
    return {
        "exact_match": float(answer.strip() == gold.strip()),
        "quasi_exact_match": float(mine == theirs),
        "f1_score": 2 * common / (len(mine) + len(theirs)) if mine or theirs else 1.0,
    }


def processor_metrics(query: Query, answer: str, settings: Evaluate, call: Processor) -> dict[str, float]:
    """The metrics that the job's Lambda gives for one answer (bring your own metrics, or the reward contract)."""
    if settings.lambda_type == "rft":
        messages = [{"role": "user", "content": query.question}, {"role": "assistant", "content": answer}]
        reply: Any = call([{"id": "0", "messages": messages, "reference_answer": _json(query.gold)}])
        return {"lambda_reward_score": float(reply[0]["aggregate_reward_score"])}
    data = {"prompt": query.question, "inference_output": answer, "gold": query.gold}
    reply = call({"process_type": "postprocess", "data": data})
    return {item["metric"]: float(item["value"]) for item in reply["body"]}


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


_AGGREGATIONS = {"average": statistics.fmean, "min": min, "max": max, "sum": sum}


def aggregate(rows: Sequence[dict[str, float]], how: str) -> dict[str, float]:
    """Every metric over all rows, with the standard error of its mean as `<metric>_stderr`."""
    found: dict[str, float] = {}
    for name in sorted({name for row in rows for name in row}):
        values = [row[name] for row in rows if name in row]
        found[name] = _AGGREGATIONS[how](values)
        found[f"{name}_stderr"] = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return found


def write_results(
    folder: Path, settings: Evaluate, queries: Sequence[Query], texts: Sequence[str], results: dict[str, float]
) -> None:
    """The files of a gen_qa job below `<run name>/eval_results/`."""
    where = folder / settings.name / "eval_results"
    where.mkdir(parents=True, exist_ok=True)
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S.%f")
    summary = {
        "config_general": {"model_name": settings.name, "generation_size": settings.new_tokens},
        "results": {TASK: results, "all": results},
    }
    (where / f"results_{stamp}.json").write_text(json.dumps(summary, indent=2), encoding="utf-8")
    with (where / "inference_output.jsonl").open("w", encoding="utf-8") as out:
        for query, text in zip(queries, texts, strict=True):
            line = {"prompt": query.question, "inference": str([text]), "gold": query.gold, "metadata": query.metadata}
            out.write(json.dumps(line, ensure_ascii=False) + "\n")
