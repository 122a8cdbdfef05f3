"""The use cases after the last gate: smoke-test the deployed model, write the report."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from toolsmith import grading, reporting
from toolsmith.catalog import Catalog, student_system_prompt, tool_config
from toolsmith.errors import SmokeTestFailed
from toolsmith.grading import arms
from toolsmith.pipeline import spending
from toolsmith.pipeline.asking import say
from toolsmith.pipeline.ports import Ledger, Store
from toolsmith.pipeline.spending import Budget
from toolsmith.pipeline.training import score_row, summary
from toolsmith.reporting import registry_card

RUNS_IN_INDEX = 100
SMOKE_QUESTIONS = 3


def smoke(runtime: Any, work: Store, catalog: Catalog, run: str, deployment: str) -> dict[str, Any]:
    """Ask the deployed model "hi" and a question of the validation split that wants calls, as the assistant asks it.

    How good the answers are was measured before; here a deployment that serves the wrong weights, or none, must show.
    So one usable plan is enough, and a question answered without one is followed by another, `SMOKE_QUESTIONS` at most.
    Returns {"hi", "question", "answer", "category"}. Raises SmokeTestFailed when the model says nothing to "hi", or
    answers every question with something that is no plan over known tools.
    """
    system = student_system_prompt(catalog)
    hi = say(runtime, deployment, system, "hi")
    if not hi.strip():
        raise SmokeTestFailed(f'{deployment} answered "hi" with nothing')
    prefix = work.read_json(f"runs/{run}/dataset.json")["prefix"]
    rows = [row["messages"] for row in work.read_lines(f"{prefix}/sft/validation.jsonl")]
    asking = [messages for messages in rows if grading.parse_answer(messages[1]["content"]).calls]
    for messages in asking[:SMOKE_QUESTIONS]:
        question = messages[0]["content"][0]["text"]
        answer = say(runtime, deployment, system, question, tool_config(catalog))
        parsed = grading.parse_answer(answer)
        names = [call.name for call in parsed.calls]
        if names and not set(names) - set(catalog.tools):
            return {"hi": hi[:200], "question": question, "answer": answer, "category": parsed.category}
    raise SmokeTestFailed(f"{deployment} answered {question!r} with no usable plan ({parsed.reason}): {answer[:300]!r}")


def fixed_arms(train: list[dict[str, Any]], references: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Arms that need no model, scored on the run's own test questions: what routing and constants alone are worth.

    train: reference answers of the training split, from which constants are taken.
    """
    constant, majority, common = arms.constant_answer(train), arms.majority_plan(train), arms.common_values(train)
    answers = {
        "constant": lambda reference: constant,
        "majority_plan": lambda reference: majority,
        "right_tools_empty": arms.right_tools_empty,
        "right_tools_generic": lambda reference: arms.right_tools_generic(reference, common),
    }
    found = {}
    for name, answer in answers.items():
        rows = [score_row(row, answer(row["reference"])) for row in references]
        counted = {"questions": len(rows), "documents": len({row["document"] for row in rows})}
        found[name] = {"arm": name, **counted, **summary(rows)}
    return found


def _labelled(examples: list[dict[str, Any]], unlabelled: Sequence[str]) -> list[dict[str, Any]]:
    """Reference answers of the training split that the student is told: all that a constant may be chosen by."""
    told = [e for e in examples if e["split"] == "train" and e["register"] not in unlabelled]
    return [{key: example[key] for key in ("category", "calls", "accept")} for example in told]


def report(
    work: Store, ledger: Ledger, catalog: Catalog, run: str, outcome: Mapping[str, Any], finished_at: str
) -> dict[str, Any]:
    """Gather everything the run left, write report.html, report.json and model_card.md below runs/<run>/.

    outcome: {"candidate", "model_arn", "deployment_arn", "smoke", "registered"}; finished_at: UTC, ISO 8601.
    The page runs/index.html compares the runs so far. Returns the keys and the verdict.
    """
    prefix = work.read_json(f"runs/{run}/dataset.json")["prefix"]
    references = work.read_lines(f"{prefix}/eval/references.jsonl")
    manifest = work.read_json(f"{prefix}/manifest.json")
    train = _labelled(work.read_lines(f"{prefix}/examples.jsonl"), manifest["config"]["unlabelled"])
    plan = work.read_json(f"runs/{run}/plan.json")
    plan["budget_usd"] = Budget(plan["budget_usd"]).changed(ledger, run).usd
    facts = reporting.RunFacts(
        run=run,
        plan=plan,
        dataset={**manifest, "prefix": prefix},
        measures={**_folder(work, f"runs/{run}/measures/"), **fixed_arms(train, references)},
        jobs=_folder(work, f"runs/{run}/jobs/", depth=0),
        gates=_folder(work, f"runs/{run}/gates/"),
        attacks=work.read_json(f"runs/{run}/attacks.json"),
        documents=[row for row in ledger.all("DOCUMENT") if row["id"] in set(plan["documents"])],
        rejected=ledger.all("REJECTED"),
        outcome=dict(outcome),
        references={row["id"]: row["reference"] for row in references},
        finished_at=finished_at,
        digests=_digests(work, catalog, run),
        probe=work.read_json(f"runs/{run}/probe.json") if work.exists(f"runs/{run}/probe.json") else {},
        spending=spending.rows(ledger, run),
    )
    files = reporting.build(facts)
    verdict = json.loads(files["report.json"])["verdict"]
    for name, data in files.items():
        kind = "text/html; charset=utf-8" if name.endswith(".html") else "text/plain; charset=utf-8"
        work.write(f"runs/{run}/{name}", data, "application/json" if name.endswith(".json") else kind)
    changes = {"status": "reported", "verdict": verdict, "reported_at": finished_at}
    ledger.update("RUN", run, changes)
    _write_index(work, ledger)
    return {
        "report": f"runs/{run}/report.html",
        "summary": f"runs/{run}/report.json",
        "verdict": verdict,
    }


def publish_card(sagemaker: Any, work: Store, run: str) -> str | None:
    """Keep the run's model card in SageMaker under the run's name; a card that is there is brought up to date.

    sagemaker: a boto3 client. Returns the name of the card, None for a run that registered no model.
    """
    found = work.read_json(f"runs/{run}/report.json")
    if not found["outcome"].get("registered"):
        return None
    content = json.dumps(registry_card.content(found))
    try:
        sagemaker.create_model_card(ModelCardName=run, ModelCardStatus="PendingReview", Content=content)
    except sagemaker.exceptions.ConflictException:
        sagemaker.update_model_card(ModelCardName=run, Content=content)
    return run


def _digests(work: Store, catalog: Catalog, run: str) -> dict[str, str]:
    """SHA-256 of what shaped the run besides its documents: the rendered recipes and the student's prompt."""
    prefix = f"runs/{run}/jobs/"
    recipes = [key for key in work.keys(prefix) if key.endswith("/recipe.yaml")]
    found = {f"recipe {key.removeprefix(prefix).split('/')[0]}": work.read(key) for key in recipes}
    found["student prompt"] = student_system_prompt(catalog).encode()
    return {name: hashlib.sha256(data).hexdigest() for name, data in found.items()}


def _write_index(work: Store, ledger: Ledger) -> None:
    reported = [row for row in ledger.all("RUN") if row.get("reported_at")]
    newest = sorted(reported, key=lambda row: row["reported_at"])[-RUNS_IN_INDEX:]
    reports = [work.read_json(f"runs/{row['id']}/report.json") for row in newest]
    work.write("runs/index.html", reporting.index(reports).encode(), "text/html; charset=utf-8")


def _folder(work: Store, prefix: str, depth: int | None = None) -> dict[str, Any]:
    """The JSON files below a prefix by their stem; depth 0 leaves out those in folders below it."""
    keys = [key for key in work.keys(prefix) if key.endswith(".json")]
    if depth == 0:
        keys = [key for key in keys if "/" not in key.removeprefix(prefix)]
    return {key.rsplit("/", 1)[1].removesuffix(".json"): work.read_json(key) for key in keys}
