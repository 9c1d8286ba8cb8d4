"""A proxy on the loopback, between clients and an S3 server, that does by rule what networks and stores do to people at night.

    with Faulty(s3.endpoint, [Rule(Fault.SLOW_DOWN, share=0.1), Rule(Fault.RESET, method="GET", path=r"\\.mp3$", times=2)]) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)

What no rule touches is passed on as it came, the Host header too, which clients sign.
"""

import http.client
import random
import re
import select
import socket
import struct
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import unquote, urlsplit

PIECE = 64 * 1024
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "expect", "proxy-connection", "te", "upgrade"}


class Fault(Enum):
    SERVER_ERROR = "500 InternalError"
    SLOW_DOWN = "503 SlowDown"
    DENIED = "403 AccessDenied"
    RESET = "the connection is reset before the request arrives"
    LOST = "the request is carried out, but the connection is reset before its answer"
    CUT = "an answer whose Content-Length is whole and whose body is half, then the connection ends"
    SLOW = "`seconds` pass before the request is passed on"
    STALL = "no answer for `seconds`, then a reset"


@dataclass
class Rule:
    """One fault, for the requests that it fits: the first `times` of them, or the `share` of them that a seeded die picks."""

    fault: Fault
    method: str = ""
    path: str = ""
    """A regular expression, searched in `/bucket/key?query` with nothing percent-encoded."""
    times: int | None = None
    share: float = 1.0
    seconds: float = 0.1
    hits: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Seen:
    """A request as it came, and what was done to it; None: nothing."""

    method: str
    path: str
    fault: Fault | None


class Faulty:
    """`url` is the endpoint for clients; `rules` may be changed at any time, the first that fits is the one; `seen` says what came."""

    def __init__(self, endpoint: str, rules: Iterable[Rule] = (), seed: int = 0) -> None:
        self.rules = list(rules)
        self.seen: list[Seen] = []
        self._die, self._lock, self._closed = random.Random(seed), threading.Lock(), threading.Event()
        self._clients: set[socket.socket] = set()
        target = urlsplit(endpoint).netloc
        handler = type("Handler", (_Handler,), {"proxy": self, "target": target})
        self._server = _Server(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "Faulty":
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()
        with self._lock:
            clients = list(self._clients)
        for client in clients:
            try:
                client.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def injected(self, fault: Fault | None = None) -> int:
        """How many requests met a fault, or this one."""
        return sum(each.fault is not None and fault in (None, each.fault) for each in self.seen)

    def _decide(self, method: str, raw_path: str) -> Rule | None:
        path = unquote(raw_path)
        with self._lock:
            chosen = next((rule for rule in self.rules if self._fits(rule, method, path)), None)
            if chosen:
                chosen.hits += 1
            self.seen.append(Seen(method, path, chosen.fault if chosen else None))
        return chosen

    def _fits(self, rule: Rule, method: str, path: str) -> bool:
        if rule.method not in ("", method) or not re.search(rule.path, path):
            return False
        return (rule.times is None or rule.hits < rule.times) and (rule.share >= 1 or self._die.random() < rule.share)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def shutdown_request(self, request: Any) -> None:
        # No shutdown() first: it would say goodbye before a reset.
        self.close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are why this proxy exists; the server behind it may be killed as well."""


class _Handler(BaseHTTPRequestHandler):
    """One connection of a client, and one of its own to the server, both kept while they are good."""

    proxy: Faulty
    target: str
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    upstream: http.client.HTTPConnection | None = None

    def setup(self) -> None:
        super().setup()
        with self.proxy._lock:
            self.proxy._clients.add(self.connection)

    def finish(self) -> None:
        with self.proxy._lock:
            self.proxy._clients.discard(self.connection)
        if self.upstream:
            self.upstream.close()
        super().finish()

    def log_message(self, *_: Any) -> None:
        pass

    def _serve(self) -> None:
        rule = self.proxy._decide(self.command, self.path)
        fault = rule.fault if rule else None
        if rule and fault is Fault.STALL:
            self.proxy._closed.wait(rule.seconds)
        if fault in (Fault.RESET, Fault.STALL):
            self._reset()
            return
        if fault in (Fault.SERVER_ERROR, Fault.SLOW_DOWN, Fault.DENIED):
            for _ in self._request_body():
                pass
            self._refuse(fault)
            return
        if rule and fault is Fault.SLOW:
            time.sleep(rule.seconds)
        try:
            answer = self._forward()
        except (OSError, http.client.HTTPException):
            # The server is down: who asks finds a connection that breaks.
            self._reset()
            return
        if fault is Fault.LOST:
            answer.read()
            self._reset()
        else:
            self._pass_on(answer, cut=fault is Fault.CUT)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_OPTIONS = _serve

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def _refuse(self, fault: Fault) -> None:
        status, code = fault.value.split()
        body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>injected</Message></Error>'.encode()
        self.send_response(int(status))
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(0 if self.command == "HEAD" else len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _request_body(self) -> Iterator[bytes]:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return
        left = int(self.headers.get("Content-Length") or 0)
        while left and (piece := self.rfile.read(min(left, PIECE))):
            left -= len(piece)
            yield piece

    def _forward(self) -> http.client.HTTPResponse:
        server = self._connected()
        server.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in HOP_BY_HOP:
                server.putheader(name, value)
        chunked = "chunked" in self.headers.get("Transfer-Encoding", "")
        if chunked:
            server.putheader("Transfer-Encoding", "chunked")
        server.endheaders(self._request_body(), encode_chunked=chunked)
        return server.getresponse()

    def _connected(self) -> http.client.HTTPConnection:
        held = self.upstream
        # Readable with nothing asked: the server has hung up.
        if held and held.sock and not select.select([held.sock], [], [], 0)[0]:
            return held
        if held:
            held.close()
        self.upstream = http.client.HTTPConnection(self.target, timeout=120)
        self.upstream.connect()
        return self.upstream

    def _pass_on(self, answer: http.client.HTTPResponse, *, cut: bool) -> None:
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        bodiless = self.command == "HEAD" or answer.status in (204, 304)
        length = None if bodiless else answer.length
        chunked = not bodiless and length is None
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        left = length // 2 if cut and length else None
        while piece := answer.read(PIECE if left is None else min(left, PIECE)):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            if left is not None and not (left := left - len(piece)):
                break
        if chunked and not cut:
            self.wfile.write(b"0\r\n\r\n")
        if cut and not bodiless:
            self.close_connection = True
            if self.upstream:
                self.upstream.close()
