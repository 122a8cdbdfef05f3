"""runs/*.json: what people may ask for, and what they are told when a key is wrong."""

import pytest

from toolsmith.errors import InvalidInput
from toolsmith.pipeline.requests import read_run_request


def test_an_empty_request_takes_the_defaults():
    asked = read_run_request(b"{}", "runs/a.json")
    assert (asked.seed, asked.control, asked.dry_run) == (None, None, False)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'{"sed": 1}', ["runs/a.json", "'sed'", "seed"]),
        (b'{"seed": "1"}', ["'seed'", "integer"]),
        (b'{"seed": -1}', ["'seed'", "0"]),
        (b'{"budget_usd": 0}', ["'budget_usd'"]),
        (b'{"seed": 1,\n "control": yes}', ["line 2"]),
        (b"[1]", ["one JSON object"]),
        (b"", ["line 1"]),
        (b"\xff\xfe{}", ["UTF-8"]),
    ],
)
def test_a_wrong_request_is_refused_with_file_key_and_remedy(data, words):
    with pytest.raises(InvalidInput) as raised:
        read_run_request(data, "runs/a.json")
    assert all(word in str(raised.value) for word in ["runs/a.json", *words])
