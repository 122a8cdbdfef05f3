"""Real documents and what an independent probe saw in them."""

import json
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from toolsmith.documents import Parsed, parse
from toolsmith.errors import DocumentRejected

# A busy machine is no failure of what is tested.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.fixture(scope="session")
def data(shared: Path) -> Path:
    return shared / "data"


@pytest.fixture(scope="session")
def oracle(data: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (data / "ORACLE.jsonl").read_text().splitlines()]


@pytest.fixture(scope="session")
def parsed(data: Path) -> dict[str, Parsed]:
    """Every real file that can be parsed, by its path below data/."""
    found: dict[str, Parsed] = {}
    for folder in ("edgar", "regulations", "caselaw"):
        for file in sorted((data / folder).iterdir()):
            try:
                found[f"{folder}/{file.name}"] = parse(file.read_bytes(), file.name)
            except DocumentRejected:
                continue
    return found
