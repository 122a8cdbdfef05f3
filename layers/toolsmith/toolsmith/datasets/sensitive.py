"""Secrets and personal numbers that no training row may carry, whatever document they came from."""

import re
from collections.abc import Mapping
from typing import Any

_PATTERNS = {
    "an AWS access key": re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    "an AWS secret key": re.compile(r"(?i)aws.{0,20}secret.{0,20}[=:]\s*[A-Za-z0-9/+]{40}\b"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "an access token": re.compile(
        r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|xox[abprs]-[A-Za-z0-9-]{10,}|eyJ[\w-]{10,}\.eyJ[\w-]{10,})"
    ),
    "a social security number": re.compile(r"(?<![\w-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])"),
    "a password": re.compile(r"(?i)\bpassword\s*[=:]\s*\S{6,}"),
}
_CARD = re.compile(r"(?<![\d.,-])(?:\d[ -]?){13,16}(?![\d.,-])")


def sensitive(text: str) -> str | None:
    """What kind of secret or personal number stands in `text`, or None. Card numbers must pass the Luhn check."""
    for kind, pattern in _PATTERNS.items():
        if pattern.search(text):
            return kind
    return "a card number" if any(_luhn(match.group()) for match in _CARD.finditer(text)) else None


def sensitive_example(example: Mapping[str, Any]) -> str | None:
    """The same for everything of an example that reaches a file."""
    values = [value for call in example["calls"] for value in call["arguments"].values() if isinstance(value, str)]
    return sensitive("\n".join([example["question"], example["evidence"]["quote"], *values]))


def _luhn(text: str) -> bool:
    digits = [int(char) for char in reversed(text) if char.isdigit()]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return len(digits) >= 13 and any(digits) and (sum(digits[::2]) + sum(doubled)) % 10 == 0
