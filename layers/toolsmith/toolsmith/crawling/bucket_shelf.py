"""Documents kept in an S3 bucket, with what is known of each as object metadata."""

from collections.abc import Mapping
from typing import Any, BinaryIO
from urllib.parse import quote, unquote


class BucketShelf:
    """s3: a boto3 S3 client, handed in."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3, self._bucket = s3, bucket

    def facts(self, key: str) -> Mapping[str, str] | None:
        try:
            found = self._s3.head_object(Bucket=self._bucket, Key=key)
        except self._s3.exceptions.ClientError as error:
            if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NotFound"):
                return None
            raise
        return {name: unquote(value) for name, value in found["Metadata"].items()}

    def keep(self, key: str, body: BinaryIO, facts: Mapping[str, str]) -> None:
        """Metadata travels in headers, so quotes and blanks are percent-encoded."""
        noted = {name: quote(value, safe=":/?=&,+-._") for name, value in facts.items()}
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=body, Metadata=noted)
