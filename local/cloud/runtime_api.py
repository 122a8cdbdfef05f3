"""The Lambda Runtime API of one sandbox, as AWS documents it for custom runtimes.

AWS's runtime client polls GET .../invocation/next and posts to .../invocation/{id}/response,
.../invocation/{id}/error or .../init/error. One server serves one sandbox.
Source: docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import http.server
import queue
import threading
from dataclasses import dataclass


@dataclass(frozen=True)
class Invocation:
    """What the runtime client receives for one call."""

    request_id: str
    payload: bytes
    deadline_ms: int
    function_arn: str
    trace: str


@dataclass(frozen=True)
class Message:
    """What came back. kind: ready (polls for work) | response | error | init | exit."""

    kind: str
    body: bytes = b""
    request_id: str = ""


class RuntimeApi:
    """Serves one sandbox on a loopback port of its own."""

    def __init__(self) -> None:
        self.messages: queue.Queue[Message] = queue.Queue()
        self._work: queue.Queue[Invocation | None] = queue.Queue()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.api = self
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 5}, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def push(self, invocation: Invocation) -> None:
        self._work.put(invocation)

    def next(self) -> Invocation | None:
        """The next invocation; blocks. None when the sandbox is being closed."""
        self.messages.put(Message("ready"))
        return self._work.get()

    def close(self) -> None:
        self._work.put(None)
        threading.Thread(target=self._server.shutdown, daemon=True).start()
        self._server.server_close()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    api: RuntimeApi

    def handle_error(self, request, client_address) -> None:
        """A sandbox that was killed drops its connection; that is no news."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def log_message(self, *args) -> None:
        """Silent: the sandbox's own output is the log."""

    def do_GET(self) -> None:
        work = self.server.api.next()
        if work is None:
            self._send(410, {})
            return
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": work.request_id,
            "Lambda-Runtime-Deadline-Ms": str(work.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": work.function_arn,
            "Lambda-Runtime-Trace-Id": work.trace,
        }
        self._send(200, headers, work.payload)

    def do_POST(self) -> None:
        body = self._body()
        parts = self.path.strip("/").split("/")
        kind = "init" if parts[-2:] == ["init", "error"] else parts[-1]
        self.server.api.messages.put(Message(kind, body, parts[-2]))
        self._send(202, {}, b'{"status":"OK"}')

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _send(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
