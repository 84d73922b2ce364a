"""A Werkzeug server with limits: on connections, on connections per client, and on the time of a request.

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

MOST, MOST_OF_ONE = 64, 32  # connections at a time: in total, and per address
PATIENCE = 30.0  # seconds that a client may be silent, or take to receive a piece of a response
ASKING = 10.0  # seconds that a client may take to send a request
ANSWER = "netc.answer"  # key of the response in the WSGI environment
FULL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"


class _Timed(io.RawIOBase):
    """The input of a connection, readable until `deadline`."""

    def __init__(self, connection: socket.socket):
        self.connection, self.deadline = connection, 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the request takes too long")
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
        """Handle one request, which must be complete before the deadline."""
        self._timed.deadline = time.monotonic() + ASKING
        super().handle_one_request()

    def run_wsgi(self) -> None:
        """Send the response and close its file. Werkzeug leaves the file open if the client disconnects early."""
        self.environ = {}
        try:
            super().run_wsgi()
        finally:
            if close := getattr(self.environ.get(ANSWER), "close", None):
                close()

    def log(self, type: str, message: str, *args: Any) -> None:
        """Log nothing, to protect the privacy of clients."""


class BoundedServer(ThreadedWSGIServer):
    """Serves a WSGI application. Beyond the limits, clients receive status 503; `netc zoo download` tries again."""

    daemon_threads = True

    def __init__(self, host: str, port: int, application: Callable[..., Any]):
        self._lock, self._open = threading.Lock(), Counter[str]()

        def kept(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
            environ[ANSWER] = application(environ, start_response)
            return environ[ANSWER]

        super().__init__(host, port, kept, handler=_Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for a client, within the limits."""
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
        """Serve a client in its thread until it disconnects."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            client = str(client_address[0]) if client_address else ""
            with self._lock:
                self._open[client] -= 1
                self._open += Counter()  # drops addresses without connections

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore errors of a connection: a client that disconnects or is too slow is no error of the server."""
