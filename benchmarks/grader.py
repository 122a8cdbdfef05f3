"""How fast the grader is: start of the reward function, answers per second, BFCL's own checker in the same run.

    python benchmarks/grader.py [--json FILE]

Times are CPU times, so that neighbours on the machine count less; `reference loop` (a million additions and
multiplications in plain Python) says how fast the machine was. BFCL's part is left out where it is not installed.
"""

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PATH = (str(ROOT), str(ROOT / "layers" / "toolsmith"))
sys.path[:0] = PATH

from benchmarks import bfcl_oracle, grader_cases  # noqa: E402
from toolsmith.grading import Judge, grade_samples, judge, reward  # noqa: E402
from toolsmith.grading.attacks import ATTACKS, right_answer  # noqa: E402
from toolsmith.grading.strict import plain_calls  # noqa: E402

LIMITS = {
    "start_ms": ("<=", 80.0),
    "answers_per_s": (">=", 20_000.0),
    "times_bfcl": (">=", 5.0),
    "event_p99_ms": ("<=", 20.0),
}
FIRST_ANSWER = """
import sys
sys.path[:0] = [{layer!r}, {function!r}]
import app
answer = '{{"category":"c","calls":[{{"name":"statute_retrieval","arguments":{{"regulation":"Rule 501"}}}}]}}'
gold = {{"category": "c", "calls": [{{"name": "statute_retrieval", "arguments": {{"regulation": "17 CFR 230.501"}}}}]}}
app.handler([{{"id": "1", "messages": [{{"role": "assistant", "content": answer}}], "reference_answer": gold}}], None)
"""


def cpu_ms(program: str, env: dict[str, str]) -> float:
    """The CPU time of a fresh interpreter that runs a program: the least of 40 runs, without the user's site."""
    times = []
    for _ in range(40):
        process = subprocess.Popen([sys.executable, "-S", "-c", program], stdout=subprocess.DEVNULL, env=env)
        _, _, usage = os.wait4(process.pid, 0)
        times.append(1000 * (usage.ru_utime + usage.ru_stime))
    return min(times)


def start_ms() -> float:
    """Import and first answer of the reward handler with bytecode, as the layer ships it, less a bare interpreter."""
    program = FIRST_ANSWER.format(layer=PATH[1], function=str(ROOT / "functions" / "grade"))
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as kept:
        env["PYTHONPYCACHEPREFIX"] = kept
        return cpu_ms(program, env) - cpu_ms("pass", env)


def rollouts(count: int) -> list[tuple[str, Any, str]]:
    """(answer, reference, question): right answers, answers of other questions, and every attack in turn."""
    cases = grader_cases.cases(count, seed=9)
    found = []
    for i, (question, reference) in enumerate(cases):
        attack = ATTACKS[i % len(ATTACKS)]
        found.append((right_answer(question, reference), reference, question))
        found.append((right_answer(*cases[(i + 8) % count]), reference, question))
        found.append((attack.make_answer(question, reference), reference, question))
    return found


def seconds(work: Callable[[], Any], repeats: int = 5) -> float:
    """The least CPU time of several runs, without garbage collection (as timeit measures)."""
    times = []
    gc.collect()
    gc.disable()
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    gc.enable()
    return min(times)


def answers_per_s() -> float:
    """Plans of this corpus, two of three answers wrong or only partly right, graded one by one."""
    answers = [one for one in rollouts(2000) if len(one[0]) < 4000]
    return len(answers) / seconds(lambda: [reward(answer, gold, question) for answer, gold, question in answers])


def sample(identity: int, answer: str, reference: Any, question: str) -> dict[str, Any]:
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"id": str(identity), "messages": messages, "reference_answer": reference}


def event_ms() -> dict[str, float]:
    """Events of 128 samples, decoded anew like Lambda's, and one of almost 6 MB."""
    samples = [sample(i, *one) for i, one in enumerate(rollouts(4300)) if len(one[0]) < 4000]
    texts = [json.dumps(samples[k : k + 128]) for k in range(0, len(samples) - 128, 128)]
    del samples
    times = []
    gc.collect()
    gc.freeze()  # what this program holds is not on a Lambda's heap
    for text in texts:
        event = json.loads(text)
        start = time.process_time()
        grade_samples(event)
        times.append(1000 * (time.process_time() - start))
    filler = "The offering is described at length. " * 1200
    question, reference = grader_cases.cases(1)[0]
    large = [sample(i, filler + right_answer(question, reference), reference, question) for i in range(128)]
    ordered = sorted(times)
    return {
        "event_p50_ms": statistics.median(times),
        "event_p99_ms": ordered[int(0.99 * len(ordered))],
        "large_event_mb": len(json.dumps(large)) / 2**20,
        "large_event_ms": 1000 * seconds(lambda: grade_samples(large), 3),
    }


def against_bfcl() -> dict[str, float]:
    """Verdicts per second on BFCL's mutated answers, its checker's and ours, each on calls in its own decoded form.

    Ours three times: the verdict alone, as BFCL's; with the graded score; and without a reference that is prepared
    once for all answers to its question.
    """
    place = bfcl_oracle.folder()
    if place is None:
        return {}
    theirs = bfcl_oracle.load_checker(place)
    work = [(entry, [calls for _, calls in bfcl_oracle.mutations(entry, 7)]) for entry in bfcl_oracle.entries(place)]
    count = sum(len(answers) for _, answers in work)
    judges = {
        "bfcl": (bfcl_oracle.own_form, lambda entry: lambda calls: theirs(entry, calls)),
        "alone": (plain_calls, lambda entry: Judge(entry.tools, entry.accept).check),
        "scored": (list, lambda entry: Judge(entry.tools, entry.accept).verdict),
        "unprepared": (list, lambda entry: lambda calls: judge(entry.tools, entry.accept, calls)),
    }
    rounds = [{name: timed(work, *how) for name, how in judges.items()} for _ in range(5)]
    bfcl, alone, scored, unprepared = (min(one[name] for one in rounds) for name in judges)
    return {
        "bfcl_answers": float(count),
        "bfcl_per_s": count / bfcl,
        "times_bfcl": bfcl / alone,
        "times_bfcl_with_score": bfcl / scored,
        "times_bfcl_unprepared": bfcl / unprepared,
    }


def timed(work: list[Any], form: Callable[[Any], Any], judge_of: Callable[[Any], Callable[[Any], Any]]) -> float:
    """The CPU time of all verdicts, the answers brought into the judge's form before."""
    formed = [(entry, [form(calls) for calls in answers]) for entry, answers in work]

    def run() -> None:
        for entry, answers in formed:
            decide = judge_of(entry)
            for calls in answers:
                decide(calls)

    return seconds(run, 1)


def reference_loop_ms() -> float:
    def loop() -> None:
        total = 0
        for i in range(1_000_000):
            total += i * i

    return 1000 * seconds(loop)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the numbers to a file as well")
    target = parser.parse_args().json
    measured = {"load_average": os.getloadavg()[0], "reference_loop_ms": reference_loop_ms()}
    measured |= {"start_ms": start_ms(), "answers_per_s": answers_per_s()}
    measured |= event_ms() | against_bfcl()
    found: dict[str, Any] = {name: round(value, 3) for name, value in measured.items()}
    found["met"] = {}
    for name, value in measured.items():
        sign, limit = LIMITS.get(name, ("", None))
        asked, met = "", ""
        if limit is not None:
            found["met"][f"{name} {sign} {limit:,.0f}"] = enough = value <= limit if sign == "<=" else value >= limit
            asked, met = f"{limit:,.0f}", "met" if enough else "MISSED"
        print(f"{name:26s}{value:14,.2f}   {sign:2s} {asked:>8s}  {met}")
    print(json.dumps(found))
    if target is not None:
        target.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
