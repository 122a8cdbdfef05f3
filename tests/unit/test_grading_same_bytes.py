"""One answer has one reward, to the byte, wherever it is graded: on the laptop's engine, in the Lambda, by the CLI."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

from local.student import rft
from local.student.records import Prompt
from toolsmith.grading import grade_samples

ROOT = Path(__file__).resolve().parents[2]
QUESTION = "What does 17 CFR 230.506(b) say, and did SEC v. Ralston Purina Co. read it so?"
CALLS = [
    {"name": "statute_retrieval", "arguments": {"regulation": "17 CFR 230.506(b)"}},
    {"name": "case_law_search", "arguments": {"query": "SEC v. Ralston Purina Co."}},
]
REFERENCE = {"category": "regulatory_interpretation_research", "calls": CALLS}
FACTS = {"facts": {"laws": [{"text": "17 CFR 230.506(b)", "found": True}], "cases": [], "clauses": []}}
ANSWERS = [
    json.dumps(REFERENCE),
    json.dumps({**REFERENCE, "calls": CALLS[:1]}),
    json.dumps({**REFERENCE, "calls": [CALLS[0], {**CALLS[1], "arguments": {"query": "SEC v. Ralston"}}]}),
    "```json\n" + json.dumps({**REFERENCE, "calls": CALLS[::-1]}) + "\n``` That is all.",
    "§ no plan \u2019 at all",
]


def samples():
    """As the embedded trainer sends them."""
    prompts = [Prompt(str(n), "Plan.", QUESTION, known, {}) for n, known in enumerate((REFERENCE, FACTS))]
    return [rft.sample_event(prompt, n, text) for prompt in prompts for n, text in enumerate(ANSWERS)]


def in_another_process(code: str, event: bytes) -> bytes:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, input=event, capture_output=True, check=True, cwd=ROOT).stdout


def test_engine_lambda_and_command_line_give_the_same_bytes():
    event = json.dumps(samples()).encode()
    here = json.dumps(grade_samples(json.loads(event))).encode()
    path = ["layers/toolsmith", "."]
    by_command = in_another_process(
        f"import sys; sys.path[:0] = {path}; from local.cli.main import main; sys.exit(main(['grade']))", event
    )
    by_lambda = in_another_process(
        f"import sys, json; sys.path[:0] = {[*path, 'functions/grade']}; import app, contextlib, io\n"
        "with contextlib.redirect_stdout(io.StringIO()): found = app.handler(json.load(sys.stdin), None)\n"
        "print(json.dumps(found))",
        event,
    )
    assert by_lambda.strip() == by_command.strip() == here
    assert len({result["aggregate_reward_score"] for result in json.loads(here)}) > 4


def test_the_engine_hands_the_rewards_on_as_they_are():
    spec = importlib.util.spec_from_file_location("grade_app", ROOT / "functions" / "grade" / "app.py")
    app = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(app)
    event = samples()
    assert rft.grade(event, lambda part: app.handler(part, None), 3) == [
        result["aggregate_reward_score"] for result in grade_samples(event)
    ]
