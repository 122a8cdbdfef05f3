"""One S3 bucket as a store of bytes, JSON and JSON lines."""

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from botocore.exceptions import ClientError, IncompleteReadError, ResponseStreamingError

from toolsmith.errors import DocumentRejected

_ABSENT = {"NoSuchKey", "404", "NotFound", "NoSuchVersion"}
# The SDK's retries end where the body begins: one that breaks off is ours to read again.
_BROKEN_OFF = (IncompleteReadError, ResponseStreamingError)
READS = 4


class Store:
    """Reads and writes objects of one bucket. A missing key raises KeyError with the key."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self.bucket = bucket
        s3.meta.events.register("before-sign.s3.PutObject", _send_at_once, unique_id="toolsmith-send-at-once")

    def uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

    def read(self, key: str, version: str | None = None, limit: int | None = None) -> bytes:
        """The object's bytes. Raises KeyError, or DocumentRejected("too_large") above `limit` bytes."""
        for _ in range(READS - 1):
            with suppress(*_BROKEN_OFF):
                return self._body(key, version, limit).read()
        return self._body(key, version, limit).read()

    def _body(self, key: str, version: str | None, limit: int | None) -> Any:
        wanted = {"VersionId": version} if version else {}
        try:
            found = self._s3.get_object(Bucket=self.bucket, Key=key, **wanted)
        except ClientError as error:
            if error.response["Error"]["Code"] in _ABSENT:
                raise KeyError(key) from error
            raise
        if limit is not None and found["ContentLength"] > limit:
            raise DocumentRejected("too_large", f"{key} has {found['ContentLength']} bytes, more than {limit}")
        return found["Body"]

    def write(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> None:
        self._s3.put_object(Bucket=self.bucket, Key=key, Body=data, ContentType=content_type)

    def read_json(self, key: str) -> Any:
        return json.loads(self.read(key))

    def write_json(self, key: str, value: Any) -> None:
        self.write(key, json.dumps(value, ensure_ascii=False).encode(), "application/json")

    def read_lines(self, key: str) -> list[Any]:
        """The values of a JSON-lines object."""
        return [json.loads(line) for line in self.read(key).splitlines() if line]

    def write_lines(self, key: str, rows: Iterable[Any]) -> None:
        body = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        self.write(key, body.encode(), "application/x-ndjson")

    def exists(self, key: str) -> bool:
        try:
            self._s3.head_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in _ABSENT:
                return False
            raise
        return True

    def keys(self, prefix: str, after: str = "") -> Iterator[str]:
        """Keys below a prefix, in order; those that come later than `after`."""
        wanted = {"StartAfter": after} if after else {}
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix, **wanted):
            yield from (entry["Key"] for entry in page.get("Contents", []))

    def move(self, key: str, target: str) -> None:
        """Copy, then delete; the bucket's versioning keeps the original version."""
        source = {"Bucket": self.bucket, "Key": key}
        self._s3.copy_object(Bucket=self.bucket, Key=target, CopySource=source)
        self._s3.delete_object(Bucket=self.bucket, Key=key)


def _send_at_once(request: Any, **_: Any) -> None:
    """Asks for no leave before the body: most objects fit a few packets, and to be given leave costs a round trip."""
    del request.headers["Expect"]


def split_uri(uri: str) -> tuple[str, str]:
    """("bucket", "key") of an s3:// URI."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key
