"""Mounts the services we write ourselves on the emulator's request path.

A service object has handle(action, params) -> response members, and may have
passes(action, params) -> [(role ARN, service principal)] for calls that hand a role to a service.
"""

import asyncio
import concurrent.futures
import contextvars
import json
import logging
import re
import uuid
from collections.abc import Callable
from urllib.parse import unquote

from local.cloud import emulator, wire
from local.cloud.errors import ApiError

logger = logging.getLogger("local.cloud.gateway")

HEALTH = "/_ministack/health"

_pool = concurrent.futures.ThreadPoolExecutor(128, thread_name_prefix="service")


async def _call(function: Callable, *args):
    """Run `function` on a thread of ours: it may take seconds and call back into this process."""
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(_pool, context.run, function, *args)


def json_service(service, version: str = "1.1") -> Callable:
    """An async handler for a JSON-protocol service (the action stands in X-Amz-Target)."""
    kind = f"application/x-amz-json-{version}"

    async def handler(method, path, headers, body, query):
        action = headers.get("x-amz-target", "").rpartition(".")[2]

        def decode() -> tuple[str, dict]:
            return action, wire.json_request(body)

        return await _answer(service, decode, headers, query, kind)

    return handler


def rest_service(service, model: str) -> Callable:
    """An async handler for a REST-JSON service described by botocore's model `model`."""

    async def handler(method, path, headers, body, query):
        def decode() -> tuple[str, dict]:
            return wire.rest_request(model, method, path, query, body)

        return await _answer(service, decode, headers, query, "application/json")

    return handler


async def _answer(service, decode: Callable, headers: dict, query: dict, kind: str) -> tuple[int, dict, bytes]:
    try:
        action, params = decode()
        _check_passed_roles(service, action, params, headers, query)
        return 200, {"Content-Type": kind}, _json(await _call(service.handle, action, params))
    except Exception as error:
        code, status = getattr(error, "code", None), getattr(error, "status", 400)
        if code is None:
            logger.exception("an internal error")
            code, status = "InternalServerException", 500
        body = {"__type": code, "message": getattr(error, "message", str(error))}
        return status, {"Content-Type": kind, "x-amzn-errortype": code}, _json(body)


def _json(value) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _check_passed_roles(service, action: str, params: dict, headers: dict, query: dict) -> None:
    """Who hands a role to a service needs iam:PassRole on it. Raises ApiError("AccessDeniedException")."""
    passes = getattr(service, "passes", None)
    for role, receiver in passes(action, params) if passes else []:
        conditions = {"iam:PassedToService": receiver}
        if isinstance(role, str) and not emulator.may(headers, query, "iam:PassRole", role, conditions):
            who = emulator.caller(headers, query)
            raise ApiError(
                "AccessDeniedException",
                f"User: {who} is not authorized to perform: iam:PassRole on resource: {role} because no "
                "identity-based policy allows the iam:PassRole action",
            )


def front(app: Callable, note: Callable[[str, str, str, str], None], hosts: set[str]) -> Callable:
    """The application as callers meet it; note(method, path, authorization, target) follows each request.

    The loopback counts as an encrypted channel: policies that demand TLS (aws:SecureTransport) hold. Only
    signed requests come through, and none from a browser: a web page must not reach the cloud through its
    visitor (Origin, or a name that was made to point here).
    """

    async def fronted(scope, receive, send):
        if scope["type"] == "lifespan":
            await app(scope, receive, send)
            return
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        foreign = b"origin" in headers or headers.get(b"host") not in hosts
        if scope["type"] != "http" or foreign or not _signed(scope, headers):
            await _refuse(send)
            return
        scope = {**scope, "headers": [*scope["headers"], (b"x-forwarded-proto", b"https")]}
        await app(scope, receive, send)
        note(scope["method"], scope["path"], headers.get(b"authorization", ""), headers.get(b"x-amz-target", ""))

    return fronted


# The access key in a signature's scope (header or presigned address), or in an address signed the old way.
_KEY = re.compile(r"Credential=([^/,\s]+)/|AWSAccessKeyId=([^&]+)")


def _signed(scope: dict, headers: dict[bytes, str]) -> bool:
    """Whether the request names an access key whose signature the emulator will verify."""
    if scope["path"] == HEALTH:
        return True
    query = unquote(scope.get("query_string", b"").decode("latin-1"))
    found = _KEY.search(headers.get(b"authorization", "") or query)
    return found is not None and not emulator.guessable(found[1] or found[2])


async def _refuse(send: Callable) -> None:
    body = b"only signed requests of SDKs on this machine are answered here"
    await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": body})


def new_id(length: int = 12) -> str:
    """A random lower-case identifier as AWS puts into ARNs."""
    return uuid.uuid4().hex[:length]
