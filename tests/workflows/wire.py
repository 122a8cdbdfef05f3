"""The in-memory services behind real boto3 clients: what botocore sends is answered before it leaves the process.

Serialization, signing, retries and parsing are botocore's own, so a fault that is injected here is met as on AWS.
"""

import json
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import boto3
import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError

SERVICE_IDS = {"sfn": "stepfunctions", "eventbridge": "events"}
JSON_ERRORS = {"dynamodb", "stepfunctions", "events"}


@dataclass(frozen=True)
class Reply:
    """An HTTP response."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, value: Any) -> "Reply":
        return cls(200, json.dumps(value).encode(), (("content-type", "application/json"),))


class _Raw:
    """The part of a urllib3 response that botocore reads."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def read(self, amt: int | None = None, **_: Any) -> bytes:
        end = len(self._data) if amt is None else self._at + amt
        found, self._at = self._data[self._at : end], min(end, len(self._data))
        return found

    def stream(self, *_: Any, **__: Any):
        yield self.read()

    def close(self) -> None:
        self._at = len(self._data)


@dataclass(frozen=True)
class Answer:
    """Called, it is what the service replies to `request`, botocore's own."""

    reply: Callable[[], Reply]
    request: Any

    def __call__(self) -> Reply:
        return self.reply()


class Wire:
    """`calls` maps "service.method" to the service's method; `disturb(service, operation, answer)` gives the reply,
    by default what `answer()` gives, or raises what a connection would."""

    def __init__(self) -> None:
        self.calls: dict[str, Callable[..., Any]] = {}
        self.disturb: Callable[[str, str, Answer], Reply] = lambda service, operation, answer: answer()

    def __call__(self, event_name: str, request: Any, **_: Any) -> AWSResponse:
        _, service, operation = event_name.split(".")
        service = SERVICE_IDS.get(service, service)
        answer = Answer(lambda: self._answer(service, operation, request), request)
        reply = self.disturb(service, operation, answer)
        return AWSResponse(request.url, reply.status, dict(reply.headers), _Raw(reply.body))

    def _answer(self, service: str, operation: str, request: Any) -> Reply:
        try:
            return _PROTOCOLS[service](self.calls, operation, request)
        except ClientError as error:
            return refused(service, error)


def refused(service: str, error: ClientError) -> Reply:
    """The HTTP response that botocore parses into this error."""
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
    if service == "s3":
        return Reply(status, f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>".encode())
    if service == "sns":
        error_xml = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
        return Reply(status, f"<ErrorResponse>{error_xml}</ErrorResponse>".encode())
    body = json.dumps({"message": message, **({"__type": code} if service in JSON_ERRORS else {})})
    return Reply(status, body.encode(), (("x-amzn-errortype", code),))


def _body(request: Any) -> bytes:
    data = request.body or b""
    data = data.read() if hasattr(data, "read") else data
    data = data.encode() if isinstance(data, str) else bytes(data)
    return _unchunked(data) if "aws-chunked" in str(request.headers.get("Content-Encoding", "")) else data


def _unchunked(data: bytes) -> bytes:
    found, at = [], 0
    while True:
        end = data.index(b"\r\n", at)
        size = int(data[at:end], 16)
        if not size:
            return b"".join(found)
        found.append(data[end + 2 : end + 2 + size])
        at = end + 2 + size + 2


def _json(service: str) -> Callable[..., Reply]:
    def answer(calls: dict[str, Callable[..., Any]], operation: str, request: Any) -> Reply:
        reply = Reply.of(calls[f"{service}.{_snake(operation)}"](**json.loads(_body(request) or b"{}")))
        if service == "dynamodb":  # which tells the SDK how to see a body that broke off
            return Reply(200, reply.body, (*reply.headers, ("x-amz-crc32", str(zlib.crc32(reply.body)))))
        return reply

    return answer


def _converse(calls: dict[str, Callable[..., Any]], operation: str, request: Any) -> Reply:
    model = unquote(urlsplit(request.url).path).removeprefix("/model/").removesuffix("/converse")
    return Reply.of(calls["bedrock-runtime.converse"](modelId=model, **json.loads(_body(request))))


def _publish(calls: dict[str, Callable[..., Any]], operation: str, request: Any) -> Reply:
    given = {name: values[0] for name, values in parse_qs(_body(request).decode()).items()}
    wanted = {name: given[name] for name in ("TopicArn", "Subject", "Message")}
    found = calls["sns.publish"](**wanted)["MessageId"]
    xml = f"<PublishResponse><PublishResult><MessageId>{found}</MessageId></PublishResult></PublishResponse>"
    return Reply(200, xml.encode())


def _s3(calls: dict[str, Callable[..., Any]], operation: str, request: Any) -> Reply:
    url = urlsplit(request.url)
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    named = {"Bucket": url.netloc.split(".s3")[0]}
    if operation != "ListObjectsV2":
        named["Key"] = unquote(url.path[1:])
    if "versionId" in query:
        named["VersionId"] = query["versionId"]
    return _S3[operation](calls, named, query, request)


def _put(calls: dict, named: dict, query: dict, request: Any) -> Reply:
    told = {name.lower(): _text(value) for name, value in request.headers.items()}
    noted = {name[11:]: value for name, value in told.items() if name.startswith("x-amz-meta-")}
    found = calls["s3.put_object"](**named, Body=_body(request), ContentType=told.get("content-type"), Metadata=noted)
    return Reply(200, b"", (("etag", found["ETag"]), ("x-amz-version-id", found["VersionId"])))


def _get(calls: dict, named: dict, query: dict, request: Any) -> Reply:
    found = calls["s3.get_object"](**named)
    return Reply(200, found["Body"].read(), _described(found))


def _head(calls: dict, named: dict, query: dict, request: Any) -> Reply:
    try:
        return Reply(200, b"", _described(calls["s3.head_object"](**named)))
    except ClientError as error:
        return Reply(error.response["ResponseMetadata"]["HTTPStatusCode"])


def _copy(calls: dict, named: dict, query: dict, request: Any) -> Reply:
    bucket, _, key = unquote(_text(request.headers["x-amz-copy-source"])).partition("/")
    found = calls["s3.copy_object"](**named, CopySource={"Bucket": bucket, "Key": key})
    return Reply(200, f"<CopyObjectResult><ETag>{escape(found['ETag'])}</ETag></CopyObjectResult>".encode())


def _delete(calls: dict, named: dict, query: dict, request: Any) -> Reply:
    calls["s3.delete_object"](**named)
    return Reply(204)


def _list(calls: dict, named: dict, query: dict, request: Any) -> Reply:
    found = calls["s3.list_objects_v2"](
        Bucket=named["Bucket"], Prefix=query.get("prefix", ""), StartAfter=query.get("start-after", ""),
        ContinuationToken=query.get("continuation-token", "")
    )  # fmt: skip
    rows = "".join(
        f"<Contents><Key>{escape(c['Key'])}</Key><Size>{c['Size']}</Size></Contents>" for c in found["Contents"]
    )
    more = escape(found.get("NextContinuationToken", ""))
    rest = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{more}</NextContinuationToken>" if more else ""
    return Reply(200, f"<ListBucketResult>{rows}{rest}</ListBucketResult>".encode())


def _described(found: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    noted = [(f"x-amz-meta-{name}", value) for name, value in found["Metadata"].items()]
    return (("content-length", str(found["ContentLength"])), ("etag", found["ETag"]),
            ("x-amz-version-id", found["VersionId"]), ("content-type", found["ContentType"]), *noted)  # fmt: skip


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


_S3 = {"PutObject": _put, "GetObject": _get, "HeadObject": _head, "CopyObject": _copy, "DeleteObject": _delete,
       "ListObjectsV2": _list}  # fmt: skip
_PROTOCOLS = {"s3": _s3, "dynamodb": _json("dynamodb"), "stepfunctions": _json("stepfunctions"),
              "events": _json("events"), "sns": _publish, "bedrock-runtime": _converse}  # fmt: skip


class Sdk:
    """boto3's clients on a session of our own; they outlive a test, since making them costs more than most tests."""

    def __init__(self) -> None:
        self.wire = Wire()
        session = botocore.session.Session()
        session.set_credentials("offline", "offline")
        session.set_config_variable("region", "us-east-1")
        session.register("before-send", lambda **given: self.wire(**given))
        self._session = boto3.Session(botocore_session=session)
        self._made: dict[str, Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str, *_: Any, config: Any = None, **__: Any) -> Any:
        name = f"{service}/{sorted((config._user_provided_options if config else {}).items(), key=str)}"
        with self._lock:
            if name not in self._made:
                self._made[name] = self._session.client(service, config=config)
            return self._made[name]

    def resource(self, service: str, *_: Any, **__: Any) -> Any:
        with self._lock:
            if service not in self._made:
                self._made[service] = self._session.resource(service)
            return self._made[service]
