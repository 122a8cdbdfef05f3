"""A stage for the crawler: a loopback server that plays the sources, a virtual clock, a shelf in memory."""

import heapq
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import create_connection, socket
from typing import Any, BinaryIO

from toolsmith.crawling import Fetcher
from toolsmith.crawling.rate import MemoryGate
from toolsmith.crawling.transport import HttpTransport

START = 1_700_000_000.0
PUBLIC = "93.184.216.34"
Script = Callable[[BaseHTTPRequestHandler], None]


class VirtualClock:
    """Time passes only when every one of `workers` threads sleeps; the earliest wakes first."""

    def __init__(self, workers: int = 1) -> None:
        self._now, self._workers = START, workers
        self._sleeping: list[float] = []
        self._changed = threading.Condition()

    def now(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        with self._changed:
            wake = self._now + seconds
            heapq.heappush(self._sleeping, wake)
            self._advance()
            self._changed.wait_for(lambda: self._now >= wake, timeout=30)

    def leave(self) -> None:
        """A worker is done and sleeps no more."""
        with self._changed:
            self._workers -= 1
            self._advance()

    def jump(self, seconds: float) -> None:
        with self._changed:
            self._now += seconds
            self._changed.notify_all()

    def _advance(self) -> None:
        if self._sleeping and len(self._sleeping) >= self._workers:
            self._now = max(self._now, self._sleeping[0])
            while self._sleeping and self._sleeping[0] <= self._now:
                heapq.heappop(self._sleeping)
            self._changed.notify_all()


class MemoryShelf:
    def __init__(self) -> None:
        self.documents: dict[str, bytes] = {}
        self.noted: dict[str, dict[str, str]] = {}

    def facts(self, key: str) -> Mapping[str, str] | None:
        return self.noted.get(key)

    def keep(self, key: str, body: BinaryIO, facts: Mapping[str, str]) -> None:
        self.documents[key], self.noted[key] = body.read(), dict(facts)


class Stage:
    """script: plays every request; asked: (virtual time, host, path, headers) of each."""

    def __init__(self, script: Script, clock: VirtualClock, port: int) -> None:
        self.script, self.clock, self.port = script, clock, port
        self.asked: list[tuple[float, str, str, dict[str, str]]] = []
        self.shelf, self.gate = MemoryShelf(), MemoryGate(clock)
        self.answers: dict[str, list[str]] = {}

    def resolve(self, host: str) -> list[str]:
        return self.answers.get(host, [PUBLIC])

    def dial(self, host: str, address: str, seconds: float) -> socket:
        return create_connection(("127.0.0.1", self.port), seconds)

    def transport(self) -> HttpTransport:
        return HttpTransport(self.clock, self.resolve, self.dial)

    def fetcher(self, contact: str = "crawl@toolsmith.example") -> Fetcher:
        return Fetcher(self.transport(), self.gate, self.shelf, self.clock, contact)


@contextmanager
def stage(script: Script, workers: int = 1) -> Iterator[Stage]:
    clock = VirtualClock(workers)
    lock = threading.Lock()

    class Player(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            with lock:
                here.asked.append((clock.now(), headers.get("host", ""), self.path, headers))
            self.close_connection = True
            here.script(self)

        def log_message(self, *_: Any) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Player)
    server.daemon_threads = True
    here = Stage(script, clock, server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield here
    finally:
        server.shutdown()
        server.server_close()


def answer(status: int, body: bytes = b"", **headers: str) -> Script:
    """A script that always gives the same answer; header names with _ for -."""

    def play(to: BaseHTTPRequestHandler) -> None:
        to.send_response(status)
        for name, value in headers.items():
            to.send_header(name.replace("_", "-"), value)
        to.send_header("Content-Length", str(len(body)))
        to.end_headers()
        to.wfile.write(body)

    return play
