"""The S3 adapter over boto3: what it asks of S3."""

from typing import Any

from tests.workflows.memory_aws import OBJECT_CALLS, Objects
from tests.workflows.wire import Sdk
from toolsmith.aws.store import Store


def store(*keys: str) -> tuple[Store, Sdk]:
    sdk, objects = Sdk(), Objects("work")
    for key in keys:
        objects.put_object("work", key)
    for name in OBJECT_CALLS:
        sdk.wire.calls[f"s3.{name}"] = getattr(objects, name)
    return Store(sdk.client("s3"), "work"), sdk


def test_an_object_is_sent_without_asking_for_leave():
    kept, sdk = store()
    sent: list[Any] = []
    sdk.client("s3").meta.events.register_first("before-send.s3.PutObject", lambda request, **_: sent.append(request))
    kept.write("a", b"text")
    assert kept.read("a") == b"text"
    assert len(sent) == 1 and "Expect" not in sent[0].headers


def test_keys_begin_where_they_are_asked_to():
    kept, _ = store("b", *(f"a/{number:04d}" for number in range(2100)))
    assert list(kept.keys("a/", after="a/0007")) == [f"a/{number:04d}" for number in range(8, 2100)]
    assert list(kept.keys("a/", after="a/2098")) == ["a/2099"]
