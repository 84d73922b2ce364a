"""Werkzeug's server with bounds: so many connections at once, of them so many of one client, and a deadline for what each asks.

Needs the extra `serve`.
"""

import io
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

MOST, MOST_OF_ONE = 64, 32  # connections at once, and of one address
PATIENCE = 30.0  # seconds that a client may be silent, or take for a piece of an answer
ASKING = 10.0  # seconds that a client may take for the whole of a question
ANSWER = "netc.answer"  # where the environment of a request keeps what answers it
FULL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"


class _Timed(io.RawIOBase):
    """What a client sends, until `deadline`."""

    def __init__(self, connection: socket.socket):
        self.connection, self.deadline = connection, 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the question takes too long")
        self.connection.settimeout(left)
        try:
            return self.connection.recv_into(buffer)
        finally:
            self.connection.settimeout(PATIENCE)


class _Handler(WSGIRequestHandler):
    timeout = PATIENCE
    server_version, sys_version = "netc", ""
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self._timed = _Timed(self.connection)
        self.rfile = io.BufferedReader(self._timed)

    def handle_one_request(self) -> None:
        """One question, asked before its deadline."""
        self._timed.deadline = time.monotonic() + ASKING
        super().handle_one_request()

    def run_wsgi(self) -> None:
        """An answer. Werkzeug leaves its file open where the client breaks off before all that it sent is read."""
        self.environ = {}
        try:
            super().run_wsgi()
        finally:
            if close := getattr(self.environ.get(ANSWER), "close", None):
                close()

    def log(self, type: str, message: str, *args: Any) -> None:
        """Nothing: what was asked for is nobody's business."""


class BoundedServer(ThreadedWSGIServer):
    """Serves a WSGI application. Beyond the bounds a client is told to come again, which `netc zoo download` does."""

    daemon_threads = True

    def __init__(self, host: str, port: int, application: Callable[..., Any]):
        self._lock, self._open = threading.Lock(), Counter[str]()

        def kept(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
            environ[ANSWER] = application(environ, start_response)
            return environ[ANSWER]

        super().__init__(host, port, kept, handler=_Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread for a client, if there is room."""
        client = str(client_address[0]) if client_address else ""
        with self._lock:
            room = self._open.total() < MOST and self._open[client] < MOST_OF_ONE
            self._open[client] += room
        if not room:
            with suppress(OSError):
                request.settimeout(0)
                request.send(FULL)
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """The thread, until its client has gone."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            client = str(client_address[0]) if client_address else ""
            with self._lock:
                self._open[client] -= 1
                self._open += Counter()  # forgets those that are gone

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: a client that goes away or is too slow is no error of the server."""
