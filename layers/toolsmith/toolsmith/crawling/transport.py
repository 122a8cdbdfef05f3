"""One GET over https, bounded in every direction. The resolver, the dialling and the clock are handed in."""

import http.client
import socket
import ssl
import tempfile
import zlib
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, Protocol
from urllib.parse import urljoin, urlsplit

from toolsmith.crawling.addresses import Resolver, check_url, public_address
from toolsmith.crawling.faults import BodyCut, BodyRefused, UrlRefused
from toolsmith.crawling.rate import Clock
from toolsmith.crawling.responses import Response
from toolsmith.crawling.sources import MIB, Source

_READ = 64 * 1024
_SOCKET_SECONDS = 30.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})

Dial = Callable[[str, str, float], socket.socket]
"""(host, address, seconds) -> a connected socket that speaks TLS for `host`."""


class Transport(Protocol):
    """Where requests go out."""

    def get(self, url: str, headers: Mapping[str, str], source: Source, admit: Callable[[], None]) -> Response:
        """The final response after redirects. `admit` is called before every single request.

        Raises UrlRefused, BodyRefused, or BodyCut for a connection that failed, ended early or took too long.
        """


def system_resolver(host: str) -> list[str]:
    """Addresses of a host as the operating system gives them."""
    found = socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def dial_tls(host: str, address: str, seconds: float) -> socket.socket:
    """A verified TLS connection to an address that was checked, not to whatever the name means by now."""
    plain = socket.create_connection((address, 443), seconds)
    return ssl.create_default_context().wrap_socket(plain, server_hostname=host)


class HttpTransport:
    """The standard library's HTTP client behind the checks of `addresses`."""

    def __init__(self, clock: Clock, resolve: Resolver = system_resolver, dial: Dial = dial_tls) -> None:
        self._clock, self._resolve, self._dial = clock, resolve, dial

    def get(self, url: str, headers: Mapping[str, str], source: Source, admit: Callable[[], None]) -> Response:
        for _ in range(source.max_redirects + 1):
            host = check_url(url, source)
            address = self._address(host, url)
            admit()
            deadline = self._clock.now() + source.deadline_seconds
            answer = self._once(host, address, url, headers, source, deadline)
            if isinstance(answer, Response):
                return answer
            url = urljoin(url, answer)
        raise BodyRefused("redirects", f"more than {source.max_redirects}")

    def _address(self, host: str, url: str) -> str:
        try:
            return public_address(host, self._resolve, url)
        except OSError as error:
            raise BodyCut(f"{host} does not resolve") from error

    def _once(
        self, host: str, address: str, url: str, headers: Mapping[str, str], source: Source, deadline: float
    ) -> Response | str:
        """A response, or where it redirects to."""
        connection = http.client.HTTPConnection(host, timeout=_SOCKET_SECONDS)
        try:
            connection.sock = self._dial(host, address, _SOCKET_SECONDS)
            connection.request("GET", _target(url), headers={**headers, "Accept-Encoding": "gzip"})
            got = connection.getresponse()
            named = {name.lower(): value for name, value in got.getheaders()}
            if got.status in _REDIRECTS and "location" in named:
                return named["location"]
            body, length = self._body(got, named, source, deadline)
            return Response(got.status, url, named, body, length)
        except (OSError, http.client.HTTPException) as error:
            raise BodyCut(f"{url}: {type(error).__name__}") from error
        finally:
            connection.close()

    def _body(
        self, got: http.client.HTTPResponse, named: Mapping[str, str], source: Source, deadline: float
    ) -> tuple[BinaryIO, int]:
        declared = named.get("content-length", "")
        if declared.isdigit() and int(declared) > source.max_bytes:
            raise BodyRefused("too_large", f"{declared} bytes announced, {source.max_bytes} allowed")
        encoding = named.get("content-encoding", "").lower()
        if encoding not in ("", "identity", "gzip", "x-gzip"):
            raise BodyRefused("encoding", encoding)
        unpack: Any = _Gunzip(source.max_ratio) if "gzip" in encoding else _Plain()
        kept: Any = tempfile.SpooledTemporaryFile(max_size=8 * MIB)  # noqa: SIM115  the caller closes it
        length = received = 0
        while piece := got.read1(_READ):
            received += len(piece)
            if self._clock.now() > deadline:
                raise BodyCut(f"body not finished within {source.deadline_seconds:.0f} s")
            for part in unpack.feed(piece):
                length += len(part)
                if length > source.max_bytes:
                    raise BodyRefused("too_large", f"more than {source.max_bytes} bytes")
                kept.write(part)
        if declared.isdigit() and received < int(declared):
            raise BodyCut(f"{received} of {declared} bytes arrived")
        unpack.finish()
        kept.seek(0)
        return kept, length


def _target(url: str) -> str:
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not target.isascii() or any(ord(one) <= 32 for one in target):
        raise UrlRefused("url", url)
    return target


class _Plain:
    def feed(self, piece: bytes) -> list[bytes]:
        return [piece]

    def finish(self) -> None:
        return None


class _Gunzip:
    """Streaming gunzip that gives up on a bomb before it has unpacked it."""

    _FREE = MIB
    _STEP = 256 * 1024

    def __init__(self, max_ratio: int) -> None:
        self._max_ratio, self._in, self._out = max_ratio, 0, 0
        self._inflate, self._started = zlib.decompressobj(31), False

    def feed(self, piece: bytes) -> Any:
        self._in += len(piece)
        self._started = True
        while piece:
            try:
                part = self._inflate.decompress(piece, self._STEP)
            except zlib.error as error:
                raise BodyRefused("gzip_corrupt", str(error)) from None
            self._out += len(part)
            if self._out > self._FREE and self._out > self._in * self._max_ratio:
                raise BodyRefused("gzip_ratio", f"{self._in} bytes unpack to more than {self._out}")
            yield part
            piece = self._inflate.unconsumed_tail
            if self._inflate.eof and (piece := self._inflate.unused_data):
                self._inflate = zlib.decompressobj(31)

    def finish(self) -> None:
        if self._started and not self._inflate.eof:
            raise BodyCut("the gzip stream ends early")
