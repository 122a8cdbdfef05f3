"""What people write into runs/*.json, checked key by key."""

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from toolsmith.errors import InvalidInput


class RunRequest(BaseModel):
    """A run that somebody asks for; every key is optional."""

    model_config = ConfigDict(extra="forbid", strict=True)

    seed: int | None = Field(default=None, ge=0, le=2**31 - 1, description="Seed of split, training and sampling.")
    groups: list[str] | None = Field(default=None, description="Only documents of these split groups.")
    control: bool | None = Field(default=None, description="Train the equal-compute more-SFT control beside RFT.")
    budget_usd: float | None = Field(default=None, gt=0, description="Stop before the estimate is above it.")
    unpriced: bool = Field(default=False, description="Start even if no price is known, so that no budget holds it.")
    thorough: bool = Field(default=False, description="Evaluate few-shot arms, and rollouts before RFT, as well.")
    dry_run: bool = Field(default=False, description="Do everything that costs nothing, then stop.")


def read_run_request(data: bytes, name: str) -> RunRequest:
    """Raises InvalidInput that names the file, the key or line, and the remedy."""
    try:
        value: Any = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{name}: byte {error.start} is not UTF-8; save the file as UTF-8") from error
    except json.JSONDecodeError as error:
        raise InvalidInput(f"{name}, line {error.lineno}: {error.msg}; write one JSON object") from error
    if not isinstance(value, dict):
        raise InvalidInput(f'{name}, line 1: write one JSON object, for example {{"seed": 1}}')
    try:
        return RunRequest.model_validate(value)
    except ValidationError as error:
        known = ", ".join(RunRequest.model_fields)
        wrong = "; ".join(f"key {'.'.join(map(str, item['loc']))!r}: {item['msg']}" for item in error.errors())
        raise InvalidInput(f"{name}: {wrong}. Known keys: {known}") from error
