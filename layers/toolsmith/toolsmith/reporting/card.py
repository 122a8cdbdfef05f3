"""The model card, in Markdown."""

from collections.abc import Mapping
from typing import Any

from toolsmith.reporting.facts import RunFacts, percent


def model_card(facts: RunFacts, report: Mapping[str, Any]) -> str:
    """What the model is, what it was made from, what it can do by the numbers, and where it must not be trusted."""
    arms = "\n".join(
        f"| {arm} | {percent(entry['score'])} | {percent(entry['talk_score'])} |"
        for arm, entry in report["arms"].items()
    )
    return f"""# Model card: {facts.run}

{report["verdict"]}

- Student: {facts.plan["student"]}, seed {facts.plan["seed"]}; teacher: {facts.plan["teacher"]}
- Documents: {len(facts.documents)}; dataset: `{facts.dataset.get("prefix", "")}`
- Model: `{facts.outcome.get("model_arn", "none")}`
- Deployment: `{facts.outcome.get("deployment_arn", "none")}`

## Intended use
Planning which of four securities-research tools to call, in which order and with which arguments. It gives no legal advice.

## Results on held-out documents (95 % interval over documents)
| arm | score | score as the talk counted |
|---|---|---|
{arms}

## Limits
The questions were written by the teacher about the ingested documents; other phrasings and other domains were not measured.
"""
