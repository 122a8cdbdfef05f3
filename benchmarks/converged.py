"""How far labels alone carry the student when every wording has them: supervised fine-tuning, and then as many steps
again as reinforcement would cost. What reinforcement has to do without is the difference to the section `student`.

    python -m benchmarks.converged --split test

The data are those of benchmarks/student.py, with the plans of all registers told; the same recipes and the same test
questions.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.student import REWARDS, ROOT, Bench, fresh, page, read, say
from benchmarks.student_data import make_dataset
from local.student import base

RESULT = Path(__file__).parent / "results" / "converged.json"


def run(split: str, seeds: Sequence[int]) -> dict[str, Any]:
    data = read(make_dataset(ROOT / "samples", ROOT / "build" / "labelled-dataset", (), say), split)
    bench = Bench(data, [], REWARDS["reference"])
    for seed in seeds:
        tokenizer, model = base.load()
        model = bench.train_sft(f"sft-{seed}", "sft-lora", model, tokenizer, seed)
        bench.train_sft(f"more_sft-{seed}", "more-sft-lora", fresh(model), tokenizer, seed)
    result: dict[str, Any] = {
        "split": split,
        "labelled": len(data.labelled),
        "questions": len(data.asked),
        "documents": len({e["document"] for e in data.asked}),
        "arms": bench.arms,
        "differences": bench.differences(seeds),
    }
    scores = [100 * bench.arms[f"more_sft-{seed}"]["score"]["mean"] for seed in seeds]
    enough = "yes" if median(scores) >= 88 else "**no**"
    result["page"] = page(result)
    result["met"] = {
        "converged SFT at least 88 in the median": f"{enough}: " + ", ".join(f"{score:.1f}" for score in scores)
    }
    return result


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split", choices=("validation", "test"), default="validation")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    result = run(options.split, options.seeds)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
