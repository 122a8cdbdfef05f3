"""What the embedded student learns: every arm over several seeds, in this process, with what it costs. What it does not
reach, and what was tried, stands in docs/decisions.md.

    python -m benchmarks.student --seeds 0 1 2 3 4 --split test

Uses a dataset folder as a run exports it (`--dataset`), or makes one from samples/. Each seed runs the stages of
recipes/local in order: SFT, more SFT (the control of equal compute) and RFT, both from the SFT model; the reward is
the reward function's own body with the same event. Scores are rewards of held-out documents' questions; intervals
resample documents. Tune on `--split validation`; open `test` once.
"""

import argparse
import json
import resource
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
import yaml

from benchmarks.student_data import make_dataset
from local.student import base, evaluate, records, rft, settings, sft
from toolsmith import catalog, recipes
from toolsmith.customization import profile, statistics
from toolsmith.grading import grade_samples, reward, talk_score
from toolsmith.grading.arms import constant_answer

RESULT = Path(__file__).parent / "results" / "student.json"
ROOT = Path(__file__).resolve().parents[1]
UNLABELLED = tuple(profile.load("local").unlabelled)
REWARDS: dict[str, rft.Grader] = {
    "reference": grade_samples,
    "constant": lambda event: [{"id": s["id"], "aggregate_reward_score": 0.5} for s in event],
    "random": lambda event: [
        {"id": s["id"], "aggregate_reward_score": zlib.crc32(json.dumps(s).encode()) % 1000 / 1000} for s in event
    ],
}


@dataclass(frozen=True)
class Data:
    """labelled, prompts: what the jobs get. asked: the held-out examples. plans: the references told in training."""

    labelled: list[records.Labelled]
    prompts: list[records.Prompt]
    asked: list[dict[str, Any]]
    plans: list[dict[str, Any]]
    system: str
    system_tools: str


def read(folder: Path, split: str) -> Data:
    """The rows of a dataset folder; `split` is the one that is scored."""
    lines = (folder / "examples.jsonl").read_text(encoding="utf-8").splitlines()
    examples = [json.loads(line) for line in lines]
    domain = catalog.load_catalog()
    return Data(
        records.read_labelled(folder / "sft" / "train.jsonl"),
        records.read_prompts(folder / "rft" / "train.jsonl"),
        [e for e in examples if e["split"] == split],
        [reference(e) for e in examples if e["split"] == "train" and e["register"] not in UNLABELLED],
        catalog.student_system_prompt(domain),
        catalog.full_tools_prompt(domain),
    )


def reference(example: dict[str, Any]) -> dict[str, Any]:
    return {key: example[key] for key in ("category", "calls", "accept") if key in example}


def recipe(name: str, changes: Sequence[str], seed: int) -> dict[str, Any]:
    """A recipe of recipes/local with `file:dotted.key=value` changes of this run applied, and the seed."""
    tree = yaml.safe_load(recipes.path(f"local/{name}.yaml").read_text(encoding="utf-8"))
    tree["run"]["seed"] = seed
    for change in changes:
        file, assignment = change.split(":", 1)
        if file == name:
            dotted, value = assignment.split("=", 1)
            *path, last = dotted.split(".")
            block = tree
            for part in path:
                block = block.setdefault(part, {})
            block[last] = yaml.safe_load(value)
    return tree


class Clock:
    """Core-seconds and wall seconds of a stage, and the process's peak memory so far."""

    def __enter__(self) -> "Clock":
        self.cpu, self.wall = time.process_time(), time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.cpu, self.wall = time.process_time() - self.cpu, time.monotonic() - self.wall

    def cost(self) -> dict[str, float]:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return {"cpu_seconds": round(self.cpu, 1), "wall_seconds": round(self.wall, 1), "peak_mib": round(peak)}


def score(examples: Sequence[dict[str, Any]], answers: Sequence[str]) -> list[dict[str, Any]]:
    """One row an example: id, document, score, talk_score and the reward's parts."""
    rows = []
    for example, answer in zip(examples, answers, strict=True):
        graded = reward(answer, reference(example), example["question"])
        rows.append(
            {
                "id": example["id"],
                "document": example["document"],
                "score": graded.score,
                "talk_score": talk_score(answer, reference(example)),
                "parts": graded.parts,
                "category": example["category"],
                "wording": "unlabelled" if example["register"] in UNLABELLED else "labelled",
            }
        )
    return rows


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Score and talk score with intervals, and the means of the parts that tell what is wrong."""
    found = {name: asdict(statistics.bootstrap(statistics.by_document(rows, name))) for name in ("score", "talk_score")}
    parts = ("parsed", "category", "tools", "parameters", "exact")
    found["parts"] = {p: round(sum(r["parts"][p] for r in rows) / len(rows), 4) for p in parts}
    found["wording"] = {
        kind: asdict(statistics.bootstrap(statistics.by_document(part, "score")))
        for kind in ("labelled", "unlabelled")
        if (part := [r for r in rows if r["wording"] == kind])
    }
    found["by_category"] = {
        c: round(sum(v) / len(v), 4)
        for c in sorted({r["category"] for r in rows})
        if (v := [r["score"] for r in rows if r["category"] == c])
    }
    return found


class Bench:
    """One run over seeds; `rows` keeps every arm's scored rows for the paired intervals."""

    def __init__(self, data: Data, changes: Sequence[str], grader: rft.Grader) -> None:
        self.data, self.changes, self.grader = data, changes, grader
        self.arms: dict[str, dict[str, Any]] = {}
        self.rows: dict[str, list[dict[str, Any]]] = {}

    def measure(self, name: str, model: Any, tokenizer: Any, system: str | None = None) -> None:
        plan = settings.evaluate(recipe("evaluate", self.changes, 0))
        queries = [records.Query(system or self.data.system, e["question"], "") for e in self.data.asked]
        with Clock() as clock:
            texts = evaluate.answers(model, tokenizer, queries, plan)
        self.keep(name, texts, evaluation=clock.cost())

    def keep(self, name: str, texts: Sequence[str], **more: Any) -> None:
        self.rows[name] = score(self.data.asked, texts)
        self.arms.setdefault(name, {}).update(summary(self.rows[name]), **more)
        got = self.arms[name]
        say(f"{name}: score {100 * got['score']['mean']:.1f} {got['parts']} {self.arms[name].get('training', '')}")

    def train_sft(self, name: str, stage: str, start: Any, tokenizer: Any, seed: int) -> Any:
        losses: list[float] = []
        plan = settings.sft(recipe(stage, self.changes, seed))
        with Clock() as clock:
            model = sft.train(start, tokenizer, self.data.labelled, plan, lambda step, epoch, loss: losses.append(loss))
        self.arms[name] = {"training": clock.cost(), "loss": smooth(losses), "steps": plan.steps}
        self.measure(name, model, tokenizer)
        return model

    def train_rft(self, name: str, start: Any, tokenizer: Any, seed: int) -> None:
        steps: list[rft.Step] = []
        plan = settings.rft(recipe("rft-lora", self.changes, seed))
        with Clock() as clock:
            model = rft.train(start, tokenizer, self.data.prompts, plan, self.grader, steps.append)
        self.arms[name] = {
            "training": clock.cost(), "steps": plan.steps,
            "reward": smooth([s.reward for s in steps]), "entropy": smooth([s.entropy for s in steps]),
            "length": smooth([s.length for s in steps]), "flat_groups": smooth([s.flat_groups for s in steps]),
        }  # fmt: skip
        self.measure(name, model, tokenizer)

    def seed(self, seed: int, stages: Sequence[str], keep: Path | None) -> None:
        tokenizer, model = base.load(keep / f"sft-{seed}" if keep and (keep / f"sft-{seed}").is_dir() else None)
        if keep and (keep / f"sft-{seed}").is_dir():
            self.measure(f"sft-{seed}", model, tokenizer)
        else:
            model = self.train_sft(f"sft-{seed}", "sft-lora", model, tokenizer, seed)
            if keep:
                model.save_pretrained(keep / f"sft-{seed}")
                tokenizer.save_pretrained(keep / f"sft-{seed}")
        if "more_sft" in stages:
            self.train_sft(f"more_sft-{seed}", "more-sft-lora", fresh(model), tokenizer, seed)
        if "rft" in stages:
            self.train_rft(f"rft-{seed}", fresh(model), tokenizer, seed)

    def differences(self, seeds: Sequence[int]) -> dict[str, Any]:
        """Paired differences of the arms on all questions, and on those worded as labels were and as they were not."""
        pairs = (("rft", "sft"), ("rft", "more_sft"), ("more_sft", "sft"))
        return {
            f"{one}-{other}/{seed}/{kind}": asdict(statistics.paired(*both))
            for one, other in pairs
            for seed in seeds
            if f"{one}-{seed}" in self.rows and f"{other}-{seed}" in self.rows
            for kind in ("all", "labelled", "unlabelled")
            if (both := [_worded(self.rows[f"{arm}-{seed}"], kind) for arm in (one, other)])[0]
        }


def page(result: dict[str, Any]) -> dict[str, Any]:
    """What a reader wants first: scores of every arm in percent, and the paired differences in points."""

    def told(found: dict[str, Any]) -> str:
        return "{:.1f} [{:.1f}, {:.1f}]".format(*(100 * found[key] for key in ("mean", "low", "high")))

    arms = [
        {"arm": name, "score": told(arm["score"]), "talk score": told(arm["talk_score"])}
        | {kind: told(found) for kind, found in arm["wording"].items()}
        | {"training, CPU seconds": arm.get("training", {}).get("cpu_seconds")}
        for name, arm in result["arms"].items()
    ]
    rows: dict[str, dict[str, Any]] = {}
    for name, found in result["differences"].items():
        pair, seed, kind = name.split("/")
        rows.setdefault(f"{pair}/{seed}", {"difference": pair, "seed": int(seed)})[kind] = told(found)
    facts = {key: result[key] for key in ("split", "questions", "documents")}
    return facts | {"arms": arms, "differences": list(rows.values())}


def verdicts(result: dict[str, Any]) -> dict[str, str]:
    """Every demand on the student beside what was measured; what is not reached says so."""
    arms, seeds = result["arms"], sorted({int(name.split("-")[1]) for name in result["arms"] if "-" in name})

    def of(stage: str, read: Callable[[dict[str, Any]], float]) -> list[float]:
        return [read(arms[f"{stage}-{seed}"]) for seed in seeds if f"{stage}-{seed}" in arms]

    def points(stage: str, kind: str | None = None) -> list[float]:
        return of(stage, lambda arm: 100 * (arm["wording"][kind] if kind else arm["score"])["mean"])

    def gains(pair: str, kind: str) -> list[dict[str, float]]:
        return [result["differences"][f"{pair}/{seed}/{kind}"] for seed in seeds]

    def told(enough: bool, values: Sequence[float]) -> str:
        return f"{'yes' if enough else '**no**'}: " + ", ".join(f"{value:.1f}" for value in values)

    sft, more, rft_points = points("sft"), points("more_sft"), points("rft")
    found = {
        "SFT at least 75 in the median": told(median(sft) >= 75, sft),
        "converged SFT (more SFT) at least 88 in the median, with the quarter that no label resembles": told(
            median(more) >= 88, more
        ),
        "the same on the wordings that labels have (with labels for all: see `converged`)": told(
            median(points("more_sft", "labelled")) >= 88, points("more_sft", "labelled")
        ),
        "best arm (RFT) at least 92 in the median": told(median(rft_points) >= 92, rft_points),
    }
    for pair, name in (("rft-sft", "SFT"), ("rft-more_sft", "more SFT")):
        gained, kept = gains(pair, "unlabelled"), gains(pair, "labelled")
        found[f"wordings without labels: RFT 2 points above {name}, interval above 0, every seed"] = told(
            all(d["mean"] >= 0.02 and d["low"] > 0 for d in gained), [100 * d["mean"] for d in gained]
        )
        found[f"wordings with labels: no significant loss against {name}, every seed"] = told(
            all(d["high"] >= 0 for d in kept), [100 * d["mean"] for d in kept]
        )
    for stage, most in (("sft", 90), ("rft", 150)):
        seconds = of(stage, lambda arm: arm["training"]["cpu_seconds"])
        found[f"{stage.upper()} at most {most} s of CPU"] = told(max(seconds) <= most, seconds)
    scored = [arm["evaluation"] for arm in arms.values() if "evaluation" in arm]
    found["an evaluation at most 20 s of CPU"] = told(
        all(cost["cpu_seconds"] <= 20 for cost in scored), [max(cost["cpu_seconds"] for cost in scored)]
    )
    peak = max(cost["peak_mib"] for cost in scored)
    found["peak memory at most 1,600 MB"] = told(peak * 1.048576 <= 1600, [peak * 1.048576])
    return found


def _worded(rows: Sequence[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [row for row in rows if kind in ("all", row["wording"])]


def fresh(model: Any) -> Any:
    """A copy that a stage may change."""
    import copy

    return copy.deepcopy(model)


def smooth(values: Sequence[float], points: int = 24) -> list[float]:
    """Means of at most `points` equal stretches."""
    width = max(1, -(-len(values) // points))
    return [round(sum(part) / len(part), 4) for at in range(0, len(values), width) if (part := values[at : at + width])]


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def run(options: argparse.Namespace, say: Callable[[str], None] = say) -> dict[str, Any]:
    folder = options.dataset or make_dataset(
        ROOT / "samples", ROOT / "build" / "student-dataset", UNLABELLED, say
    )
    data = read(folder, options.split)
    say(f"{len(data.labelled)} labelled, {len(data.prompts)} prompts, {len(data.asked)} asked ({options.split})")
    bench = Bench(data, options.set, REWARDS[options.reward])
    if "base" in options.stages:
        tokenizer, model = base.load()
        bench.keep("constant", [constant_answer(data.plans)] * len(data.asked))
        bench.measure("base", model, tokenizer)
        bench.measure("base_tools", model, tokenizer, data.system_tools)
    facts = {
        "split": options.split,
        "reward": options.reward,
        "questions": len(data.asked),
        "documents": len({e["document"] for e in data.asked}),
        "changes": options.set,
    }
    result: dict[str, Any] = facts
    for at, seed in enumerate(options.seeds):
        bench.seed(seed, options.stages, options.keep)
        result = facts | {"arms": bench.arms, "differences": bench.differences(options.seeds)}
        result["page"] = page(result)
        if {"sft", "more_sft", "rft"} <= set(options.stages):
            result["met"] = verdicts(result | {"differences": bench.differences(options.seeds[: at + 1])})
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")  # a stopped run keeps its seeds
    return result


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", type=Path, help="folder of a dataset; made from samples/ if left out")
    parser.add_argument("--split", choices=("validation", "test"), default="validation")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--stages", nargs="+", default=["base", "sft", "more_sft", "rft"])
    parser.add_argument(
        "--reward", choices=sorted(REWARDS), default="reference", help="a broken one shows what it is worth"
    )
    parser.add_argument("--set", nargs="*", default=[], metavar="RECIPE:KEY=VALUE", help="change a recipe for this run")
    parser.add_argument("--keep", type=Path, help="folder for SFT models, used again if they are there")
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    result = run(options)
    for name, found in result["differences"].items():
        say(f"{name}: {100 * found['mean']:+.1f} [{100 * found['low']:.1f}, {100 * found['high']:.1f}]")


if __name__ == "__main__":
    main(sys.argv[1:])
