"""`toolsmith ask`: a question to the deployed model, its calls run over the ingested corpus, and what they found."""

import json
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from local.cli.failures import Misused
from local.cli.place import Place, place_of
from toolsmith import assistant, teaching
from toolsmith.assistant import Reply
from toolsmith.aws.deployed import DeployedModel
from toolsmith.aws.store import Store
from toolsmith.catalog import load_catalog
from toolsmith.errors import InvalidInput


class Assistant:
    """Answers questions about what one place has ingested; the index of the corpus is kept below `folder`."""

    def __init__(self, place: Place, folder: Path) -> None:
        self._place = place
        self._folder = folder / place.stack
        self._catalog = load_catalog()
        self._canon = teaching.load_canon(self._catalog)

    def model(self) -> DeployedModel:
        """The model deployed last. Raises NothingDeployed."""
        place = self._place
        return DeployedModel(place.client("ssm"), place.client("bedrock-runtime"), place.outputs["ModelParameter"])

    def ask(self, question: str) -> Reply:
        """Raises InvalidInput, NothingDeployed."""
        model = self.model()
        work = Store(self._place.client("s3"), self._place.outputs["WorkBucket"])
        with closing(assistant.open_corpus(work, self._folder, self._canon)) as corpus:
            return assistant.ask(question, model, corpus, self._catalog)


def run(arguments) -> int:
    place = place_of(arguments)
    try:
        reply = Assistant(place, arguments.home.absolute() / "corpus").ask(arguments.question)
    except InvalidInput as error:
        raise Misused(str(error)) from error
    if arguments.json:
        print(json.dumps(reply.to_json(), ensure_ascii=False))
    else:
        print(reply.answer)
        print(in_full(reply), file=sys.stderr)
    return 0


def in_full(reply: Reply) -> str:
    """Calls and sources, for people."""
    lines = ["", f"category  {reply.category or '-'}", f"model     {reply.model}"]
    for step in reply.steps:
        lines.append(f"call      {step.name}({_arguments(step.arguments)}) -> {step.result['status']}")
        for source in step.sources:
            section = f" · {source.section}" if source.section else ""
            lines.append(f"  [{source.number}] {source.title}{section} · characters {source.start}-{source.end}")
    return "\n".join(lines)


def _arguments(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in arguments.items() if value)
