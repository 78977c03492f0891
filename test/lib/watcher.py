# SPDX-License-Identifier: MIT
"""Who hears from a tunnel which addresses packets want."""

import re
import socket

import pytest

TIMEOUT = 10
HELD = 5  # seconds that packets wait for a peer, and a refusal holds


class Watcher:
    """A connection to a tunnel's UAPI socket that carries events."""

    def __init__(self, tunnel):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(tunnel.socket))
        self.socket.settimeout(TIMEOUT)
        self.rest = b""
        self.socket.sendall(b"watch=1\n\n")
        self.error = -int(re.fullmatch(r"errno=(-?\d+)", self.block())[1])

    def __enter__(self):
        assert self.error == 0
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def block(self):
        while b"\n\n" not in self.rest:
            piece = self.socket.recv(65536)
            if not piece:
                raise EOFError
            self.rest += piece
        block, self.rest = self.rest.split(b"\n\n", 1)
        return block.decode()

    def wanted(self):
        """The next address that is wanted."""
        while True:
            key, _, value = self.block().partition("=")
            if key == "wanted":
                return value
            assert (key, value) == ("errno", "0")

    def hears_nothing(self, seconds):
        self.socket.settimeout(seconds)
        with pytest.raises(TimeoutError):
            self.wanted()
        self.socket.settimeout(TIMEOUT)

    def refuse(self, address):
        self.socket.sendall(f"refuse={address}\n\n".encode())
