# SPDX-License-Identifier: MIT
"""Everything is used up but memory: descriptors, and places at the UAPI socket. Packets flow all the
while, and afterwards there is room again."""

import contextlib
import errno
import itertools
import os
import re
import socket
import subprocess
import time

import pytest

from hosts import wait_until
from processes import Role, family
from traffic import ping, ping_until
from tunnels import SOCKETS, AditTunnel, adit_command

SOON = 15
CROWD = 200  # connections; 16 are served (local_server.h), and as many wait in the kernel's queue
POLLED = 8  # by the monitor, with some clients
LEAST = 4  # descriptors with which anything at all can be said


@pytest.fixture
def pair(lab):
    left, right = lab.host("a"), lab.host("b")
    lab.link(left, right).address(["10.9.0.1/24"], ["10.9.0.2/24"])
    a = AditTunnel(left, ["10.8.0.1/24"]).start()
    b = AditTunnel(right, ["10.8.0.2/24"]).start()
    a.add(b, "10.9.0.2:51820")
    b.add(a, "10.9.0.1:51820")
    ping(left, "10.8.0.2")
    a.roles = {"starter": Role(a.process.pid), **family(a.process.pid)}
    return a, b


@contextlib.contextmanager
def undisturbed(tunnel):
    """No packet is lost."""
    pings = tunnel.host.popen("ping", "-n", "-q", "-i", "0.02", "10.8.0.2")
    time.sleep(0.1)
    yield
    pings.stop(2)
    sent, received = map(int, re.findall(r"(\d+) (?:packets transmitted|received)",
                                         pings.output()))
    assert 0 < sent <= received + 1, pings.output()  # the last may have been cut off


class Client:
    def __init__(self, tunnel, wait=5):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(tunnel.socket))  # waits while the queue is full
        self.socket.settimeout(wait)

    def ask(self, text):
        """The answer; "" when there is none."""
        answer = b""
        try:
            self.socket.sendall(text.encode())
            while not answer.endswith(b"\n\n") and (more := self.socket.recv(65536)):
                answer += more
        except (BrokenPipeError, ConnectionResetError):
            pass
        return answer.decode()


def serves(tunnel):
    return Client(tunnel).ask("get=1\n\n").endswith("errno=0\n\n")


# --- places at the socket ------------------------------------------------------------------------


def crowd(tunnel, text=b""):
    """Connections, as many as the kernel queues and more, that say this and then nothing."""
    clients = []
    for _ in range(CROWD):
        with contextlib.suppress(BlockingIOError):
            client = socket.socket(socket.AF_UNIX)
            client.setblocking(False)
            client.connect(str(tunnel.socket))
            client.sendall(text)
            clients.append(client)
    return clients


@pytest.mark.parametrize("text", [b"", b"set=1\nlisten_port=1\n", b"get=1\n", b"\n" * 10000],
                         ids=["silent", "half a set", "half a get", "no request"])
def test_a_crowd_that_is_silent(pair, text):
    """Whoever has something to say is served before those who have not."""
    a, _ = pair
    with undisturbed(a):
        clients = []
        for _ in range(3):
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                clients += crowd(a, text)
            wait_until(lambda: serves(a), 5, "an honest client is served in the crowd")
        for client in clients:
            client.close()
    assert serves(a)
    assert a.peers().keys() == {pair[1].public_key}
    assert a.host.run("wg", "show", a.ifname, "listen-port").out == "51820\n"


def test_a_full_queue(pair):
    """The monitor stands still, so nobody is served; when it goes on everybody is, or is told."""
    a, _ = pair
    os.kill(a.roles["monitor"].pid, 19)
    with undisturbed(a):
        clients = crowd(a, b"get=1\n\n")
        assert 0 < len(clients) < CROWD, "the queue is full"
        with pytest.raises(BlockingIOError):
            late = socket.socket(socket.AF_UNIX)
            late.setblocking(False)
            late.connect(str(a.socket))
        os.kill(a.roles["monitor"].pid, 18)
        wait_until(lambda: serves(a), 5, "it is served again")
        for client in clients:
            client.close()
    assert serves(a)


def test_a_slow_client(pair):
    """A byte at a time, both ways, keeps nobody from anything."""
    a, b = pair
    request = b"set=1\npublic_key=" + b"ab" * 32 + b"\nallowed_ip=10.7.0.0/24\n\n"
    with undisturbed(a):
        writer = Client(a)
        for byte in request:
            writer.socket.sendall(bytes([byte]))
            assert byte != request[0] or serves(a)
        assert writer.ask("") == "errno=0\n\n"
        reader = Client(a)
        reader.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        reader.socket.sendall(b"get=1\n\n" * 300)
        answer = b""
        for _ in range(200):
            answer += reader.socket.recv(1)
        assert serves(a)
        while answer.count(b"errno=0\n\n") < 300:
            answer += reader.socket.recv(65536)
    assert serves(a)


# --- descriptors ---------------------------------------------------------------------------------


def limit_descriptors(role, limit):
    """As its own user, whom the kernel lets do it."""
    status = role.status()
    uid, gid = status["Uid"].split()[0], status["Gid"].split()[0]
    subprocess.run(["setpriv", "--reuid", uid, "--regid", gid, "--clear-groups", "prlimit",
                    f"--pid={role.pid}", f"--nofile={limit}:"], check=True)


@contextlib.contextmanager
def no_more_descriptors(role):
    """It keeps what it has, and gets no other, or one. (With fewer it could not even poll.)"""
    before = int(re.search(r"Max open files +(\d+)", role.proc("limits").read_text())[1])
    held = role.descriptors()
    free = next(fd for fd in itertools.count() if fd not in held)
    limit_descriptors(role, min(max(free, POLLED), before))
    yield
    if role.alive():
        limit_descriptors(role, before)


@pytest.mark.parametrize("name", ["starter", "vault", "engine"])
def test_who_needs_none(pair, name):
    """New keys, a new port, down and up, a handshake: everything goes on."""
    a, b = pair
    with no_more_descriptors(a.roles[name]):
        a.remove(b)
        a.wg_set("listen-port", 51999)
        a.add(b, "10.9.0.2:51820", keepalive=20)
        a.host.ip_batch(f"link set {a.ifname} down", f"link set {a.ifname} up")
        ping_until(a.host, "10.8.0.2", SOON)
    assert serves(a) and a.process.output() == ""


def test_the_monitor(pair):
    """Clients are turned away, but for one that is there already; nothing else is lost."""
    a, _ = pair
    with undisturbed(a):
        with no_more_descriptors(a.roles["monitor"]):
            begin = cpu_seconds(a.roles["monitor"])
            for _ in range(5):
                assert Client(a).ask("get=1\n\n") == ""
            time.sleep(1)
            assert cpu_seconds(a.roles["monitor"]) - begin < 0.5, "it does not wait"
            assert "a client is turned away: Too many open files\n" in a.process.output()
        silent = Client(a)
        assert silent.ask("get=1\n\n")
        with no_more_descriptors(a.roles["monitor"]):
            known = Client(a)
            assert known.ask("set=1\nlisten_port=51999\n\n") == f"errno={-errno.EMFILE}\n\n"
            assert "listen_port=51820\n" in known.ask("get=1\n\n")
            assert silent.ask("get=1\n\n") == "", "it had to make room"
    assert known.ask("set=1\nlisten_port=51999\n\n") == "errno=0\n\n"
    ping_until(a.host, "10.8.0.2", SOON)


def test_the_monitor_as_the_interface_comes_up(pair):
    """It needs sockets; without them the interface goes down again, and can be set up later."""
    a, _ = pair
    a.host.run("ip", "link", "set", a.ifname, "down")
    wait_until(lambda: ":51820 " not in a.host.run("ss", "-Hlun").out, 5, "its sockets are closed")
    with no_more_descriptors(a.roles["monitor"]):
        a.host.run("ip", "link", "set", a.ifname, "up")
        wait_until(lambda: "state DOWN" in a.host.run("ip", "link", "show", a.ifname).out, 5,
                   f"the interface is down: {a.process.output()}")
        wait_until(lambda: "cannot open UDP port 51820: Too many open files; the interface is set "
                   "down\n" in a.process.output(), 5, "it says why")
    a.host.run("ip", "link", "set", a.ifname, "up")
    ping_until(a.host, "10.8.0.2", SOON)


def test_the_datapath(pair):
    """It works with those it has; when it is to have others, the tunnel ends and says why."""
    a, _ = pair
    with undisturbed(a), no_more_descriptors(a.roles["datapath"]):
        ping(a.host, "10.8.0.2", count=10)
        assert serves(a)
    with no_more_descriptors(a.roles["datapath"]):
        a.host.run("wg", "set", a.ifname, "listen-port", 51999, check=False)
        assert a.process.wait(5) == 1
    assert "datapath: monitor: Too many open files\n" in a.process.output()


def test_too_few_to_start(lab):
    """Every number that is too small: it does not start, says why, and leaves nothing."""
    host = lab.host("few")
    ifname = f"few{os.getpid()}"
    sock = SOCKETS / f"{ifname}.sock"
    for num in range(LEAST, 200):
        process = host.popen("prlimit", f"--nofile={num}", *adit_command(), "run", ifname)
        wait_until(lambda: process.poll() is not None or answers_on(sock), 10, "up or ended", 0.01)
        if process.poll() is None:
            break
        assert process.poll() > 0, process.output()
        assert "Too many open files" in process.output(), process.output()
        assert "signal" not in process.output(), process.output()
        assert not sock.exists()
        assert host.run("ip", "link", "show", ifname, check=False).code != 0
    assert LEAST + 5 < num < 199
    process.stop()


def answers_on(path):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        try:
            client.connect(str(path))
            client.sendall(b"get=1\n\n")
            return client.recv(1) != b""
        except OSError:
            return False


def cpu_seconds(role):
    fields = role.proc("stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
