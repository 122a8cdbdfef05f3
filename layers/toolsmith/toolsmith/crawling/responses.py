"""What a response means: a document, nothing new, nothing there, or a source that wants to be left alone."""

import email.utils
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

from toolsmith.crawling.sources import BLOCK_STOP_SECONDS

_BLOCK_TITLES = re.compile(
    rb"<title>[^<]*(?:Request Rate Threshold Exceeded|Undeclared Automated Tool|Access Denied|"
    rb"Request Access|Just a moment|Attention Required)[^<]*</title>"
    rb"|Your Request Originates from an Undeclared Automated Tool|You.{1,8}ve Exceeded the SEC.{1,8}s Traffic Limit",
    re.IGNORECASE,
)
_HEAD = 16 * 1024


@dataclass(frozen=True, slots=True)
class Response:
    """An answer with its decoded body as a file at its start. headers: lower-case names."""

    status: int
    url: str
    headers: Mapping[str, str]
    body: BinaryIO
    length: int


@dataclass(frozen=True, slots=True)
class Meaning:
    """kind: "document" | "unchanged" | "absent" | "stop" | "down" | "refused".

    seconds: for "stop", how long nobody may ask the source; for "down", when one may try again.
    """

    kind: str
    reason: str = ""
    seconds: float = 0.0


def read(response: Response, now: float) -> Meaning:
    """The meaning of a response. Looks at the first 16 KiB of the body and leaves the file at its start.

    EDGAR answers 403 with S3's XML for an object that does not exist, and 403, 429 or even 200 with an HTML page
    when it has blocked the asker; 503 past the end of its feed of current filings.
    """
    head = response.body.read(_HEAD)
    response.body.seek(0)
    status, wait = response.status, retry_after(response.headers.get("retry-after"), now)
    if status == 304:
        return Meaning("unchanged")
    if is_block_page(head):
        return Meaning("stop", "block_page", max(wait or 0.0, BLOCK_STOP_SECONDS))
    if status == 429:
        return Meaning("stop", "http_429", wait if wait is not None else BLOCK_STOP_SECONDS)
    if status == 403:
        absent = _is_xml_error(head)
        return Meaning("absent", "access_denied") if absent else Meaning("stop", "http_403", BLOCK_STOP_SECONDS)
    if status in (404, 410):
        return Meaning("absent", f"http_{status}")
    if status >= 500:
        return _server_error(response, wait)
    if status != 200:
        return Meaning("refused", f"http_{status}")
    if not head.strip():
        return Meaning("refused", "empty")
    return Meaning("refused", "html_page") if _opens_like_a_page(head) else Meaning("document")


def _server_error(response: Response, wait: float | None) -> Meaning:
    if response.status == 503 and "action=getcurrent" in response.url:
        return Meaning("absent", "end_of_feed")
    if wait is not None:
        return Meaning("stop", f"http_{response.status}", wait)
    return Meaning("down", f"http_{response.status}", 60.0)


def is_block_page(head: bytes) -> bool:
    """An HTML page that says that the asker is blocked, whatever its status."""
    return _opens_like_a_page(head) and _BLOCK_TITLES.search(head) is not None


def _opens_like_a_page(head: bytes) -> bool:
    """Nothing that is asked for opens like this: submissions are SGML or PEM, parts XML, lists and opinions JSON."""
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()[:20].lower().startswith((b"<!doctype html", b"<html"))


def _is_xml_error(head: bytes) -> bool:
    return re.search(rb"^(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?<Error><Code>AccessDenied</Code>", head) is not None


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds to wait, from a number or a date; None where absent or unreadable. At most one day."""
    if not value:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), 86_400.0)
    try:
        at = email.utils.parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    return min(max(at.timestamp() - now, 0.0), 86_400.0)
