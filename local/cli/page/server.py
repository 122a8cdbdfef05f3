"""Serves the page and answers its questions. Only the loopback is listened on, only this page's own requests count."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from local.cli.failures import Failed, told
from toolsmith.errors import InvalidInput, ToolsmithError

HTML = Path(__file__).with_name("index.html")
LARGEST = 16_384
Answer = Callable[[str], dict[str, Any]]


def policy_of(page: str) -> str:
    """The Content-Security-Policy that lets exactly this page's own style and script run."""
    digests = {tag: [_digest(text) for text in re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)]
               for tag in ("style", "script")}  # fmt: skip
    return (
        f"default-src 'none'; style-src {' '.join(digests['style'])}; script-src {' '.join(digests['script'])}; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


class Page:
    """The server; `port` 0 takes a free one. answer(question) returns a reply as JSON; its errors are shown."""

    def __init__(self, answer: Answer, port: int = 0) -> None:
        self._asked = ThreadPoolExecutor(1, thread_name_prefix="assistant")  # one question at a time
        self._server = _Server(port, self._answered(answer))
        self.address = f"http://127.0.0.1:{self._server.server_port}/"

    def start(self) -> "Page":
        threading.Thread(target=self._server.serve_forever, name="page", daemon=True).start()
        return self

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._asked.shutdown(wait=False, cancel_futures=True)

    def _answered(self, answer: Answer) -> Callable[[str], tuple[int, dict[str, Any]]]:
        def answered(question: str) -> tuple[int, dict[str, Any]]:
            try:
                return 200, self._asked.submit(answer, question).result()
            except InvalidInput as error:
                return 400, {"error": str(error)}
            except (Failed, ToolsmithError) as error:
                return 409, {"error": str(error)}
            except Exception as error:
                return 502, {"error": told(error) or f"a fault of the assistant: {type(error).__name__}"}

        return answered


class _Server(ThreadingHTTPServer):
    """Listens on the loopback; carries what its requests are answered with."""

    daemon_threads = True

    def __init__(self, port: int, answered: Callable[[str], tuple[int, dict[str, Any]]]) -> None:
        self.answered = answered
        self.page = HTML.read_text(encoding="utf-8")
        self.policy = policy_of(self.page)
        super().__init__(("127.0.0.1", port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version = "toolsmith"
    sys_version = ""

    def do_GET(self) -> None:
        if not self._is_ours():
            return
        if self.path == "/":
            self._send(200, self.server.page.encode(), "text/html; charset=utf-8")
        else:
            self._send_json(404, {"error": f"nothing is at {self.path}; the page is at /"})

    def do_POST(self) -> None:
        if not self._is_ours():
            return
        if self.path != "/ask" or self.headers.get("Content-Type", "").partition(";")[0] != "application/json":
            self._send_json(404, {"error": "questions are posted to /ask as application/json"})
            return
        question = self._question()
        if question is not None:
            self._send_json(*self.server.answered(question))

    def _question(self) -> str | None:
        size = self.headers.get("Content-Length", "")
        if not size.isdigit() or int(size) > LARGEST:
            self._send_json(413, {"error": f"a question takes at most {LARGEST} bytes"})
            return None
        try:
            return str(json.loads(self.rfile.read(int(size)))["question"])
        except (ValueError, KeyError, TypeError):
            self._send_json(400, {"error": 'send {"question": "..."}'})
            return None

    def _is_ours(self) -> bool:
        """No other site's page may ask through the browser: neither by its own name for us nor across origins."""
        port = self.server.server_address[1]
        names = {f"127.0.0.1:{port}", f"localhost:{port}"}
        origin = self.headers.get("Origin")
        if self.headers.get("Host") in names and (origin is None or origin.removeprefix("http://") in names):
            return True
        self._send_json(403, {"error": "only the page itself may ask"})
        return False

    def _send_json(self, status: int, body: dict[str, Any]) -> None:
        self._send(status, json.dumps(body, ensure_ascii=False).encode(), "application/json; charset=utf-8")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind), ("Content-Length", str(len(body))), ("Cache-Control", "no-store"),
            ("Content-Security-Policy", self.server.policy), ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
        ):  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: questions are nobody else's business."""
