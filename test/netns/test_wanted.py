# SPDX-License-Identifier: MIT
"""Peers on demand: a watcher hears which addresses packets want, and adds peers or refuses."""

import errno
import socket
import sys
import threading
import time

import pytest

from hosts import wait_until
from traffic import count, counted, ping
from tunnels import AditTunnel
from watcher import HELD, Watcher

EBUSY = errno.EBUSY
TRIES = 3  # of what a busy machine may do too late


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


PORT = 7000

CONNECT = """
import errno, socket, sys, time
address, port = sys.argv[1], int(sys.argv[2])
s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
s.settimeout(8)
begin = time.monotonic()
try:
    s.connect((address, port))
    s.sendall(b"hello")
    result = s.recv(5).decode()
except OSError as e:
    result = errno.errorcode.get(e.errno, str(e))
print(result, time.monotonic() - begin)
"""

ECHO = """
import socket, sys
s = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
while True:
    c, _ = s.accept()
    c.sendall(c.recv(5))
    c.close()
"""

SEND = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for address in sys.argv[2].split(","):
    for number in range(int(sys.argv[1])):
        s.sendto(str(number).encode(), (address, 7001))
"""

RECEIVE = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 7001))
s.settimeout(4)
try:
    while True:
        print(s.recv(100).decode(), flush=True)
except TimeoutError:
    pass
"""


def connect(host, address):
    """What became of a TCP connection, and in how many seconds."""
    result, seconds = host.run(sys.executable, "-c", CONNECT, address, PORT).out.split()
    return result, float(seconds)


def is_refused_at_once(host, address):
    """Rather than when TCP tries again."""
    return any(connect(host, address)[1] < 0.9 for _ in range(TRIES))


def send(host, num, *addresses):
    """UDP datagrams with their numbers, so many to each address."""
    host.run(sys.executable, "-c", SEND, num, ",".join(addresses))


def listens(host, port):
    wait_until(lambda: f":{port} " in host.run("ss", "-Hltun").out, 10, f"{port} listens")


def icmp(host, address):
    """What ping says of one packet."""
    return host.run("ping", "-n", "-c", 1, "-W", 8, address, check=False).out


def start_pair(lab):
    """Two tunnels; the left one does not know its peer, but its interface has routes to many."""
    left, right = lab.host("a"), lab.host("b")
    lab.link(left, right).address(["10.9.0.1/24"], ["10.9.0.2/24"])
    tunnels = [AditTunnel(host, [f"10.8.0.{last}/16", f"fd08::{last}/64"]).start()
               for host, last in ((left, 1), (right, 2))]
    tunnels[1].add(tunnels[0], "10.9.0.1:51820")
    return tunnels


@pytest.fixture
def pair(lab):
    return start_pair(lab)


def add_other(pair):
    pair[0].add(pair[1], "10.9.0.2:51820")


# --- a peer is added -----------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["10.8.0.2", "fd08::2"])
@pytest.mark.parametrize("engage", ["", "always"])
def test_the_first_ping_is_answered(lab, monkeypatch, address, engage):
    monkeypatch.setenv("ADIT_ENGAGE", engage)
    pair = start_pair(lab)
    with Watcher(pair[0]) as watcher:
        answering = Answering(watcher, lambda *_: add_other(pair))
        ping(pair[0].host, address, count=1)
        assert answering.seen == [address]


@pytest.mark.parametrize("address", ["10.8.0.2", "fd08::2"])
def test_a_tcp_connection_loses_no_packet(pair, address):
    pair[1].host.popen(sys.executable, "-c", ECHO, PORT)
    listens(pair[1].host, PORT)
    with Watcher(pair[0]) as watcher:
        answering = Answering(watcher, lambda *_: add_other(pair))
        for each in pair:
            count(each.host, f"tcp dport {PORT} tcp flags & (syn | ack) == syn counter")
        assert connect(pair[0].host, address)[0] == "hello"
        sent, received = (sum(counted(each.host)) for each in pair)
        assert received == sent > 0, "a SYN was lost"
        assert answering.seen == [address]


def test_the_first_packets_come_in_order(pair):
    receiver = pair[1].host.popen(sys.executable, "-c", RECEIVE)
    listens(pair[1].host, 7001)
    with Watcher(pair[0]) as watcher:
        send(pair[0].host, 20, "10.8.0.2")
        assert watcher.wanted() == "10.8.0.2"
        add_other(pair)
        receiver.wait()
        assert receiver.output().split() == [str(number) for number in range(8)]
        watcher.hears_nothing(0.2)
        # and without a watcher's help from now on
        ping(pair[0].host, "10.8.0.2")


def test_wg_works_beside(pair):
    left = pair[0]
    with Watcher(left) as watcher:
        left.wg_set("peer", pair[1].public_key, "allowed-ips", "10.8.7.0/24")
        assert left.peer(pair[1]).allowed_ips == ["10.8.7.0/24"]
        send(left.host, 1, "10.8.0.9", "10.8.7.7")
        assert watcher.wanted() == "10.8.0.9", "10.8.7.7 has a peer"
        # a peer without an endpoint cannot have them either: no event, and it is told
        left.wg_set("peer", pair[1].public_key, "allowed-ips", "10.8.0.0/24")
        assert "Destination Host Unreachable" in icmp(left.host, "10.8.0.9")
        left.remove(pair[1])
        send(left.host, 1, "10.8.0.9")
        assert watcher.wanted() == "10.8.0.9"
        watcher.socket.sendall(b"get=1\n\n")
        assert "listen_port=51820" in watcher.block()


# --- none is added -------------------------------------------------------------------------------


@pytest.mark.parametrize("address, error, said", [
    ("10.8.0.2", "EHOSTUNREACH", "Packet filtered"),
    ("fd08::2", "EACCES", "Administratively prohibited")])
def test_what_is_refused_fails_at_once(pair, address, error, said):
    with Watcher(pair[0]) as watcher:
        answering = Answering(watcher, Watcher.refuse)
        for _ in range(2):
            result, seconds = connect(pair[0].host, address)
            assert (result, seconds < HELD - 1) == (error, True)
        assert is_refused_at_once(pair[0].host, address)
        assert said in icmp(pair[0].host, address)
        assert answering.seen == [address], "one event for all of them"
        time.sleep(HELD)
        assert said in icmp(pair[0].host, address)
        assert answering.seen == [address] * 2
        # a peer that is there counts more than a refusal
        add_other(pair)
        ping(pair[0].host, address, count=1)


@pytest.mark.parametrize("address", ["10.8.0.2", "fd08::2"])
def test_nobody_decides(pair, address):
    with Watcher(pair[0]) as watcher:
        for _ in range(2):
            result, seconds = connect(pair[0].host, address)
            assert result == "EHOSTUNREACH"
            assert seconds > HELD - 1
            assert watcher.wanted() == address
        watcher.hears_nothing(0.2)


def test_the_watcher_goes(pair):
    first = Watcher(pair[0])
    other = Watcher(pair[0])
    assert (first.error, other.error) == (0, EBUSY)
    pings = pair[0].host.popen("ping", "-n", "-c", 1, "-W", 8, "10.8.0.2")
    assert first.wanted() == "10.8.0.2"
    first.close()
    begin = time.monotonic()
    pings.wait()
    assert "Destination Host Unreachable" in pings.output()
    assert time.monotonic() - begin < HELD - 1
    assert is_refused_at_once(pair[0].host, "10.8.0.2"), "as without a watcher"
    with Watcher(pair[0]) as watcher:
        send(pair[0].host, 1, "10.8.0.2")
        assert watcher.wanted() == "10.8.0.2"


def test_a_hundred_destinations_at_once(pair):
    addresses = [f"10.8.1.{last}" for last in range(1, 101)]
    with Watcher(pair[0]) as watcher:
        send(pair[0].host, 2, *addresses)
        wanted = [watcher.wanted() for _ in range(64)]
        assert wanted == addresses[:64]
        watcher.hears_nothing(0.2)
        assert "Destination Host Unreachable" in icmp(pair[0].host, addresses[80])
        for address in wanted:
            watcher.refuse(address)
        # refusals keep nobody out
        send(pair[0].host, 2, *addresses[64:])
        assert [watcher.wanted() for _ in range(36)] == addresses[64:]
        pair[0].add(pair[1], "10.9.0.2:51820", allowed_ips=["10.8.0.0/16"])
        wait_until(lambda: pair[0].peer(pair[1]).sent > 36 * 2 * 32, 5, "what was held is sent")


def test_what_is_no_event(pair):
    left = pair[0]
    left.host.run("ip", "route", "add", "169.254.0.0/16", "dev", left.ifname)
    left.host.run("ip", "route", "add", "224.0.0.0/4", "dev", left.ifname)
    with Watcher(left) as watcher:
        send(left.host, 1, "169.254.1.1", "224.0.0.251", "239.1.1.1")
        left.host.run("ping", "-n", "-c", 1, "-W", 1, f"fe80::7%{left.ifname}", check=False)
        left.host.run("ping", "-n", "-c", 1, "-W", 1, f"ff02::1%{left.ifname}", check=False)
        watcher.hears_nothing(0.5)


# --- watchers and their requests -----------------------------------------------------------------


def test_requests_that_are_none(pair):
    with Watcher(pair[0]) as watcher:
        for text in ("", "10.8.0", "10.8.0.2/32", "fd08::g", "10.8.0.2\nwatch=1", "x" * 1000):
            watcher.refuse(text)
            assert watcher.block() == f"errno=-{errno.EINVAL}"
        watcher.refuse("10.8.0.77")
        assert watcher.block() == "errno=0"
        assert "Packet filtered" in icmp(pair[0].host, "10.8.0.77"), "asked or not"
        watcher.socket.sendall(b"watch=1\n\n")
        assert watcher.block() == "errno=0", "it is the watcher already"
        watcher.socket.sendall(b"watch=2\n\n")
        with pytest.raises(EOFError):
            watcher.block()


def test_a_watcher_that_does_not_read_stops_nobody(pair):
    left = pair[0]
    with Watcher(left) as watcher:
        for block in range(40):  # refused by another connection, so that there is room for more
            addresses = [f"10.8.{100 + block}.{last}" for last in range(1, 255)]
            send(left.host, 1, *addresses)
            with socket.socket(socket.AF_UNIX) as other:
                other.connect(str(left.socket))
                for address in addresses:
                    other.sendall(f"refuse={address}\n\n".encode())
                    assert other.recv(100) == b"errno=0\n\n"
        add_other(pair)
        ping(left.host, "10.8.0.2")
        assert watcher.wanted() == "10.8.100.1", "it can still read what there was room for"
