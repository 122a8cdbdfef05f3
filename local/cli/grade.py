"""`toolsmith grade` and `toolsmith judge`: the grader on stdin."""

import json
import sys

from local.cli.failures import Misused
from toolsmith import grading


def run(arguments) -> int:
    return _judge() if arguments.command == "judge" else _grade()


def _grade() -> int:
    try:
        event = json.load(sys.stdin)
    except ValueError as error:
        raise Misused(
            f"stdin is no JSON ({error}); give one sample or a list of samples as the reward function gets"
        ) from error
    print(json.dumps(grading.grade_samples(event), ensure_ascii=False))
    return 0


def _judge() -> int:
    wrong = 0
    for number, line in enumerate(sys.stdin, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            verdict = grading.judge(row["tools"], row["accept"], row["answer"], bool(row.get("ordered", False)))
        except (ValueError, KeyError, TypeError) as error:
            wrong += 1
            print(
                f"line {number}: {type(error).__name__}: {error}; wanted keys: id, tools, accept, answer",
                file=sys.stderr,
            )
            continue
        answer = {"id": row.get("id"), "valid": verdict.valid, "reason": verdict.reason, "score": verdict.score}
        print(json.dumps(answer, ensure_ascii=False))
    return 2 if wrong else 0
