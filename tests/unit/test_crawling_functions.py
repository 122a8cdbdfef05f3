"""The two Lambdas of the crawl machine, on emulated AWS: request in, items out, documents kept with metadata."""

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tests.unit.crawling_stage import answer, stage
from toolsmith.aws import wiring
from toolsmith.errors import InvalidInput

ROOT = Path(__file__).resolve().parents[2]
CONTEXT: Any = None


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{name}_app", ROOT / "functions" / name / "app.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    settings = {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
        "INTAKE_BUCKET": "intake",
        "LEDGER_TABLE": "ledger",
        "CONTACT": "crawl@toolsmith.example",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    caches = [one for one in vars(wiring).values() if hasattr(one, "cache_clear")]
    with mock_aws():
        for one in caches:
            one.cache_clear()
        client = boto3.client("s3")
        client.create_bucket(Bucket="intake")
        boto3.resource("dynamodb").create_table(
            TableName="ledger",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("kind", "id")],
            KeySchema=[{"AttributeName": "kind", "KeyType": "HASH"}, {"AttributeName": "id", "KeyType": "RANGE"}],
        )
        yield client
        for one in caches:
            one.cache_clear()


def put(s3: Any, key: str, value: object) -> dict[str, str]:
    s3.put_object(Bucket="intake", Key=key, Body=json.dumps(value).encode())
    return {"bucket": "intake", "key": key}


def test_a_request_becomes_a_list_of_items(s3: Any) -> None:
    wish = {"ecfr": [{"part": "230", "date": "2024-10-01"}, {"part": "240", "date": "2024-10-01"}]}
    app = load("plan_crawl").app
    event = put(s3, "requests/two parts.json", wish)
    told = app(event, CONTEXT)
    assert told["bucket"] == "intake" and told["count"] == 2
    assert told["key"].startswith("crawls/two-parts-") and told["key"].endswith("/items.jsonl")
    lines = s3.get_object(Bucket="intake", Key=told["key"])["Body"].read().splitlines()
    assert [json.loads(one)["name"] for one in lines] == [
        "title-17-part-230-2024-10-01.xml",
        "title-17-part-240-2024-10-01.xml",
    ]
    assert app(event, CONTEXT) == told, "a repeated event writes the same object"


def test_a_wrong_request_names_file_and_key(s3: Any) -> None:
    with pytest.raises(InvalidInput, match=r"requests/bad\.json: key \"ecfr\[0\]\.prat\" is unknown"):
        load("plan_crawl").app(put(s3, "requests/bad.json", {"ecfr": [{"prat": "230"}]}), CONTEXT)


def test_documents_are_kept_in_incoming_with_metadata(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = load("plan_crawl").app(put(s3, "requests/r.json", {"courtlistener": [{"opinion": 5}]}), CONTEXT)
    (item,) = s3.get_object(Bucket="intake", Key=planned["key"])["Body"].read().splitlines()
    module = load("fetch")
    with stage(answer(200, b'{"id": 5}', ETag='"five"')) as here:
        monkeypatch.setattr(module, "HttpTransport", lambda clock: here.transport())
        first = module.app({"Items": [json.loads(item)]}, CONTEXT)
        again = module.app(json.loads(item), CONTEXT)
        assert len(here.asked) == 1
    assert first == {"fetched": 1, "held": 0, "absent": 0, "refused": 0}
    assert again == {"fetched": 0, "held": 1, "absent": 0, "refused": 0}
    kept = s3.get_object(Bucket="intake", Key="incoming/courtlistener/cl_5.json")
    assert kept["Body"].read() == b'{"id": 5}'
    assert kept["Metadata"]["source"] == "courtlistener"
    shelf = module.fetcher()._shelf
    assert shelf.facts("incoming/courtlistener/cl_5.json")["etag"] == '"five"'
    assert shelf.facts("incoming/courtlistener/cl_6.json") is None


def test_importing_the_functions_needs_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("INTAKE_BUCKET", "LEDGER_TABLE", "CONTACT", "AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    assert load("plan_crawl").app and load("fetch").app
