"""A server that does as it is told with each connection, down to the bytes: what HTTP would not do.

def slam(wire: socket) -> None:
    wire.recv(1 << 16)

with RawServer(slam) as server:
    ...  # point a client at server.url
"""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress

Behaviour = Callable[[socket.socket], object]

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


class RawServer:
    """Calls `behave` with each connection, in a thread of its own; it is closed afterwards."""

    def __init__(self, behave: Behaviour, *, tls: ssl.SSLContext | None = None) -> None:
        self._behave = behave
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.connections = 0

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        """The base URL for a client."""
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> RawServer:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                wire, _ = self._listener.accept()
            except OSError:  # the end
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=[wire], daemon=True).start()

    def _serve(self, wire: socket.socket) -> None:
        try:
            with self._tls.wrap_socket(wire, server_side=True) if self._tls else wire as spoken:
                self._behave(spoken)
        except OSError:  # the client has gone, which is for the test to see
            pass


def request(wire: socket.socket) -> bytes:
    """Read a request to its end."""
    got = b""
    while b"\r\n\r\n" not in got:
        got += wire.recv(1 << 16)
    head, _, body = got.partition(b"\r\n\r\n")
    length = next(
        (
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if b"content-length:" in line
        ),
        0,
    )
    while len(body) < length:
        body += wire.recv(1 << 16)
    return head + b"\r\n\r\n" + body


def says(*pieces: bytes) -> Behaviour:
    """Read a request, send the pieces, and close."""

    def behave(wire: socket.socket) -> None:
        request(wire)
        for piece in pieces:
            wire.sendall(piece)

    return behave


class Holds:
    """Reads a request, sends the pieces, and waits until the client leaves."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces
        self.sent = threading.Event()
        self.left = threading.Event()

    def __call__(self, wire: socket.socket) -> None:
        says(*self._pieces)(wire)
        self.sent.set()
        with suppress(OSError):  # it may break off
            while wire.recv(1 << 16):
                pass
        self.left.set()


def resets(*pieces: bytes) -> Behaviour:
    """Read a request, send the pieces, and break the connection off."""

    def behave(wire: socket.socket) -> None:
        says(*pieces)(wire)
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return behave
