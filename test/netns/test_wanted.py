# SPDX-License-Identifier: MIT
"""Peers on demand: a watcher hears which addresses packets want, and adds peers or refuses."""

import errno
import re
import socket
import sys
import threading
import time

import pytest

from hosts import wait_until
from processes import Running
from traffic import ping
from tunnels import SOCKETS, AditTunnel

TIMEOUT = 10
EBUSY = errno.EBUSY
HELD = 5  # seconds


class Watcher:
    """A connection to a tunnel's UAPI socket that carries events."""

    def __init__(self, ifname):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(SOCKETS / f"{ifname}.sock"))
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


class Answering(threading.Thread):
    """Answers all that is wanted by a function of watcher and address, until the watcher ends."""

    def __init__(self, watcher, answer):
        super().__init__(daemon=True)
        self.watcher, self.answer, self.seen = watcher, answer, []
        self.start()

    def run(self):
        try:
            while True:
                address = self.watcher.wanted()
                self.seen.append(address)
                self.answer(self.watcher, address)
        except (EOFError, OSError):
            pass


# Two tunnels; the left one does not know its peer, and its interface has a route to more addresses.
@pytest.fixture
def pair(lab):
    left, right = lab.host("a"), lab.host("b")
    lab.link(left, right).address(["10.9.0.1/24"], ["10.9.0.2/24"])
    tunnels = [AditTunnel(host, [f"10.8.0.{last}/16", f"fd08::{last}/64"]).start()
               for host, last in ((left, 1), (right, 2))]
    for tunnel in tunnels:
        # A new interface solicits routers, which is multicast, and reports what it has joined.
        tunnel.host.sysctl(**{f"net__ipv6__conf__{tunnel.ifname}__router_solicitations": 0})
    tunnels[1].add(tunnels[0], "10.9.0.1:51820")
    return tunnels


def add_other(pair):
    pair[0].add(pair[1], "10.9.0.2:51820")


CONNECT = """
import errno, socket, sys, time
address, port = sys.argv[1], int(sys.argv[2])
s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
s.settimeout(8)
begin = time.monotonic()
try:
    s.connect((address, port))
    s.sendall(b"hello")
    print("ok", s.recv(5).decode(), time.monotonic() - begin)
except OSError as e:
    print(errno.errorcode.get(e.errno, e), "-", time.monotonic() - begin)
"""

ECHO = """
import socket, sys
s = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
while True:
    c, _ = s.accept()
    c.sendall(c.recv(5))
    c.close()
"""


def connect(host, address, port=7000):
    """What became of a TCP connection, and in how many seconds."""
    result, _, seconds = host.run(sys.executable, "-c", CONNECT, address, port).out.split()
    return result, float(seconds)


@pytest.mark.parametrize("address", ["10.8.0.2", "fd08::2"])
def test_the_first_ping_is_answered(pair, address):
    with Watcher(pair[0].ifname) as watcher:
        answering = Answering(watcher, lambda *_: add_other(pair))
        ping(pair[0].host, address, count=1)
        assert answering.seen == [address]
