"""Answers a question over the ingested corpus with the deployed model; behind a function URL that asks for IAM."""

import json
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

from toolsmith import assistant, teaching
from toolsmith.assistant import Corpus
from toolsmith.aws import wiring
from toolsmith.aws.deployed import DeployedModel
from toolsmith.aws.handler import handler
from toolsmith.catalog import Catalog, load_catalog
from toolsmith.errors import InvalidInput, NothingDeployed


@cache
def _catalog() -> Catalog:
    return load_catalog()


def _corpus() -> Corpus:
    return assistant.open_corpus(wiring.work(), Path("/tmp/corpus"), teaching.load_canon(_catalog()))


@handler
def app(event: dict[str, Any]) -> dict[str, Any]:
    """A function URL's request with the body {"question"} -> the reply as JSON; 400 and 409 say what to do."""
    try:
        question = str(json.loads(event.get("body") or "{}").get("question", ""))
        model = DeployedModel(wiring.client("ssm"), wiring.bedrock_runtime(120), wiring.setting("MODEL_PARAMETER"))
        with closing(_corpus()) as corpus:
            status, body = 200, assistant.ask(question, model, corpus, _catalog()).to_json()
    except (ValueError, AttributeError, InvalidInput) as error:
        status, body = 400, {"error": str(error), "wanted": {"question": "text"}}
    except NothingDeployed as error:
        status, body = 409, {"error": str(error)}
    headers = {"content-type": "application/json; charset=utf-8", "cache-control": "no-store"}
    return {"statusCode": status, "headers": headers, "body": json.dumps(body, ensure_ascii=False)}
