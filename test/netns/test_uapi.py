# SPDX-License-Identifier: MIT
"""UAPI over its socket, byte for byte, and what stands on it: `wg`, `wg-quick`, `adit`."""

import base64
import itertools
import os
import re
import socket
import time

import pytest

from hosts import wait_until
from processes import Running
from traffic import Tcp, ping, ping_until
from tunnels import SOCKETS, AditTunnel, WireguardGoTunnel, adit_command, key, public

_names = itertools.count()

TIMEOUT = 20


def new_name():
    # The sockets of all namespaces share a directory, so the name must be ours alone.
    return f"au{os.getpid()}n{next(_names)}"


def hexed(text):
    return base64.b64decode(text).hex()


class Uapi:
    """One connection."""

    def __init__(self, ifname):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(SOCKETS / f"{ifname}.sock"))
        self.socket.settimeout(TIMEOUT)  # and not before, lest it fail while others wait
        self.rest = b""

    def send(self, text):
        self.socket.sendall(text if isinstance(text, bytes) else text.encode())

    def reply(self):
        """One reply, or None when the other side hangs up."""
        while b"\n\n" not in self.rest:
            try:
                piece = self.socket.recv(65536)
            except ConnectionResetError:
                piece = b""
            if not piece:
                return None
            self.rest += piece
        reply, self.rest = self.rest.split(b"\n\n", 1)
        return reply.decode()

    def set(self, *lines):
        """The errno of a set request."""
        self.send("".join(f"{line}\n" for line in ("set=1", *lines)) + "\n")
        reply = self.reply()
        assert re.fullmatch(r"errno=-?\d+", reply), reply
        return int(reply.removeprefix("errno="))

    def get(self, *lines):
        """The device's lines, and the lines of each peer by public key."""
        self.send("".join(f"{line}\n" for line in ("get=1", *lines)) + "\n")
        *lines, last = self.reply().split("\n")
        assert last == "errno=0"
        device, peers = [], {}
        target = device
        for line in lines:
            if line.startswith("public_key="):
                target = peers.setdefault(line.partition("=")[2], [])
            elif not line.startswith("drop_"):
                target.append(line)
        return device, peers


# What wireguard-go reports of a peer nobody has set anything of.
def bare_peer(**changed):
    values = {"preshared_key": "0" * 64, "protocol_version": 1, "endpoint": None,
              "last_handshake_time_sec": 0, "last_handshake_time_nsec": 0, "tx_bytes": 0,
              "rx_bytes": 0, "persistent_keepalive_interval": 0, **changed}
    return [f"{name}={value}" for name, value in values.items() if value is not None]


@pytest.fixture
def host(lab):
    return lab.host("h")


@pytest.fixture
def running(host):
    return Running(host, new_name())


@pytest.fixture
def uapi(running):
    return Uapi(running.ifname)


A, B, C = (bytes([n] * 32).hex() for n in (0x11, 0x22, 0x33))
PRIVATE = "60" + "44" * 31
PSK = "77" * 32


# --- keys and values -----------------------------------------------------------------------------


def test_every_key_is_set_and_read_back(uapi):
    assert uapi.get() == ([], {})
    assert uapi.set(f"private_key={PRIVATE}", "listen_port=51899", "fwmark=4294967295",
                    "replace_peers=true",
                    f"public_key={A}", f"preshared_key={PSK}", "protocol_version=1",
                    "endpoint=192.0.2.1:65535", "persistent_keepalive_interval=65535",
                    "replace_allowed_ips=true", "allowed_ip=10.0.0.0/8", "allowed_ip=fd00::/64",
                    f"public_key={B}", "endpoint=[2001:db8::1]:1", "allowed_ip=0.0.0.0/0",
                    "allowed_ip=::/0", "allowed_ip=10.1.2.3/32",
                    f"public_key={C}", "endpoint=[fe80::1%1]:2") == 0
    device, peers = uapi.get()
    assert device == [f"private_key={PRIVATE}", "listen_port=51899", "fwmark=4294967295"]
    assert list(peers) == [A, B, C]
    plain = bare_peer(preshared_key=PSK, endpoint="192.0.2.1:65535",
                      persistent_keepalive_interval=65535)
    assert peers[A][:len(plain)] == plain, "in wireguard-go's order"
    assert set(peers[A][len(plain):]) == {"allowed_ip=10.0.0.0/8", "allowed_ip=fd00::/64"}
    assert set(peers[B][len(plain):]) == {
        "allowed_ip=0.0.0.0/0", "allowed_ip=::/0", "allowed_ip=10.1.2.3/32"}
    assert peers[B][2] == "endpoint=[2001:db8::1]:1"
    assert peers[C] == bare_peer(endpoint="[fe80::1%1]:2")
    # and off again
    assert uapi.set("private_key=" + "0" * 64, "listen_port=0", "fwmark=0",
                    f"public_key={A}", "preshared_key=" + "0" * 64,
                    "persistent_keepalive_interval=0", "replace_allowed_ips=true") == 0
    device, peers = uapi.get()
    assert device == []
    assert peers[A] == bare_peer(endpoint="192.0.2.1:65535")
    assert uapi.set("replace_peers=true") == 0
    assert uapi.get() == ([], {})


def test_a_key_is_clamped_as_wireguard_go_does(uapi):
    assert uapi.set("private_key=" + "ff" * 32) == 0
    assert uapi.get()[0] == ["private_key=f8" + "ff" * 30 + "7f"]


def test_peers(uapi):
    def peers():
        return {name: {line.partition("=")[2] for line in lines if "allowed_ip" in line}
                for name, lines in uapi.get()[1].items()}

    assert uapi.set(f"public_key={A}", "update_only=true", "allowed_ip=10.0.0.0/8") == 0
    assert peers() == {}, "update_only makes no peer"
    assert uapi.set(f"public_key={A}", "remove=true") == 0, "removing what is not there"
    assert uapi.set(f"public_key={A}", "allowed_ip=10.0.0.0/8", "allowed_ip=fd00::/8",
                    f"public_key={B}", "allowed_ip=10.1.0.0/16") == 0
    assert uapi.set(f"public_key={A}", "update_only=true", "allowed_ip=10.2.0.0/16") == 0
    assert peers() == {A: {"10.0.0.0/8", "fd00::/8", "10.2.0.0/16"}, B: {"10.1.0.0/16"}}
    # A prefix belongs to whoever named it last; a part of it is another.
    assert uapi.set(f"public_key={B}", "allowed_ip=10.0.0.0/8") == 0
    assert peers() == {A: {"fd00::/8", "10.2.0.0/16"}, B: {"10.0.0.0/8", "10.1.0.0/16"}}
    # Host bits are of no meaning.
    assert uapi.set(f"public_key={A}", "allowed_ip=10.255.255.255/8") == 0
    assert peers() == {A: {"10.0.0.0/8", "fd00::/8", "10.2.0.0/16"}, B: {"10.1.0.0/16"}}
    # Minus removes, from its owner alone.
    assert uapi.set(f"public_key={B}", "allowed_ip=-10.0.0.0/8", "allowed_ip=-10.9.0.0/16") == 0
    assert uapi.set(f"public_key={A}", "allowed_ip=-fd00::/8", "allowed_ip=+10.3.0.0/16") == 0
    assert peers() == {A: {"10.0.0.0/8", "10.2.0.0/16", "10.3.0.0/16"}, B: {"10.1.0.0/16"}}
    assert uapi.set(f"public_key={A}", "replace_allowed_ips=true", "allowed_ip=1.2.3.4/32") == 0
    assert peers() == {A: {"1.2.3.4/32"}, B: {"10.1.0.0/16"}}
    # In one request: moved back and forth, removed and made anew.
    assert uapi.set(f"public_key={A}", "allowed_ip=10.1.0.0/16", f"public_key={B}",
                    "allowed_ip=1.2.3.4/32", f"public_key={A}", "remove=true",
                    f"public_key={A}", "allowed_ip=10.7.0.0/16") == 0
    assert peers() == {A: {"10.7.0.0/16"}, B: {"1.2.3.4/32"}}
    assert uapi.set("replace_peers=true", f"public_key={C}") == 0
    assert peers() == {C: set()}
    assert uapi.set(f"public_key={C}", "remove=true") == 0
    assert peers() == {}


def test_our_own_key_is_nobodys(uapi):
    private = key()
    own = hexed(public(private))
    assert uapi.set(f"private_key={hexed(private)}", f"public_key={own}", f"preshared_key={PSK}",
                    "endpoint=192.0.2.1:1", "allowed_ip=10.0.0.0/8",
                    f"public_key={A}", "allowed_ip=10.1.0.0/16") == 0
    assert list(uapi.get()[1]) == [A]
    assert uapi.set("private_key=" + "0" * 64, f"public_key={own}") == 0
    assert set(uapi.get()[1]) == {A, own}
    assert uapi.set(f"private_key={hexed(private)}") == 0
    assert list(uapi.get()[1]) == [A], "a peer that turns out to be us goes"


# --- what is wrong -------------------------------------------------------------------------------

BAD_LINES = {
    -71: ["nonsense", "x" * 1000, "\0"],
    -22: ["unknown=1", "=", "=1", "x=", "private_key=", "private_key=" + "0" * 63,
          "private_key=" + "0" * 65, "private_key=" + "g" * 64, "listen_port=65536",
          "listen_port=-1", "listen_port=", "listen_port=x", "listen_port= 1", "listen_port=0x1",
          "listen_port=18446744073709551617", "fwmark=4294967296", "fwmark=off", "fwmark=-1",
          "replace_peers=false", "replace_peers=", "replace_peers=1", "replace_peers=True",
          "public_key=", "public_key=x", "public_key=" + "0" * 62, "preshared_key=" + PSK,
          "endpoint=1.2.3.4:5", "remove=true", "allowed_ip=1.2.3.4/32", "errno=0", "set=2",
          "get=1", "PRIVATE_KEY=" + "0" * 64, " listen_port=1"],
}
BAD_PEER_LINES = {
    -71: ["nonsense"],
    -22: ["unknown=1", "listen_port=1", "fwmark=1", "private_key=" + PRIVATE,
          "replace_peers=true", "preshared_key=", "preshared_key=x", "preshared_key=" + "0" * 66,
          "endpoint=", "endpoint=x", "endpoint=1.2.3.4", "endpoint=1.2.3.4:", "endpoint=:1",
          "endpoint=1.2.3.4:65536", "endpoint=1.2.3:1", "endpoint=::1:1", "endpoint=[::1]",
          "endpoint=[1.2.3.4]:1x", "endpoint=example.org:1", "endpoint=[::1%]:1x",
          "persistent_keepalive_interval=65536", "persistent_keepalive_interval=off",
          "persistent_keepalive_interval=", "persistent_keepalive_interval=-1",
          "replace_allowed_ips=false", "replace_allowed_ips=", "remove=false", "remove=",
          "update_only=false", "update_only=1", "allowed_ip=", "allowed_ip=x",
          "allowed_ip=1.2.3.4/33", "allowed_ip=::/129", "allowed_ip=1.2.3.4/-1",
          "allowed_ip=1.2.3.4/x", "allowed_ip=/8", "allowed_ip=1.2.3.4/8/8",
          "protocol_version=0", "protocol_version=2", "protocol_version=",
          "public_key=x"],
}


def bad_requests():
    for error, lines in BAD_LINES.items():
        yield from ((error, (line,)) for line in lines)
    for error, lines in BAD_PEER_LINES.items():
        yield from ((error, (f"public_key={A}", line)) for line in lines)


def test_the_errors_are_wireguard_gos(lab, running, uapi):
    """On the wire, number for number, as the daemon says that everybody knows."""
    other = WireguardGoTunnel(lab.host("go"), port=0).start()
    theirs = Uapi(other.ifname)
    before = uapi.get()
    for error, lines in bad_requests():
        assert uapi.set(*lines) == error, lines
        try:
            said = theirs.set(*lines)
        except (TypeError, BrokenPipeError):
            theirs = Uapi(other.ifname)  # it may hang up
            continue
        # The NUL is a part of a key to it.
        assert said == error or "\0" in lines[-1], lines
        assert theirs.set("replace_peers=true") == 0
    assert uapi.get() == before


def test_a_port_that_is_taken(running, uapi):
    running.host.run("ip", "link", "set", running.ifname, "up")
    listener = running.host.popen(
        "/usr/bin/python3", "-c", "import socket, time; s = socket.socket(2, 2); "
        "s.bind(('0.0.0.0', 5199)); time.sleep(60)")
    wait_until(lambda: ":5199 " in running.host.run("ss", "-Hlun").out, 5, "the port is taken")
    assert uapi.set(f"private_key={PRIVATE}", f"public_key={A}", "allowed_ip=10.0.0.0/8") == 0
    before = uapi.get()
    assert before[0][1] != "listen_port=5199"
    assert uapi.set("private_key=" + "0" * 64, "listen_port=5199", "fwmark=5", "replace_peers=true",
                    f"public_key={B}", "allowed_ip=10.0.0.0/8") == -98
    assert uapi.get() == before
    done = running.host.run("wg", "set", running.ifname, "listen-port", 5199, check=False)
    assert done.code != 0 and "Address already in use" in done.err
    listener.stop()
    assert uapi.set("listen_port=5199") == 0
    assert "5199" in running.host.run("ss", "-Hlun").out
    # It is taken as well when the interface comes up: then that fails, visibly.
    assert running.host.run("wg", "show", running.ifname, "listen-port").out == "5199\n"


FULL = [f"private_key={PRIVATE}", "listen_port=5180", "fwmark=7", "replace_peers=true",
        f"public_key={B}", f"preshared_key={PSK}", "endpoint=192.0.2.9:9",
        "persistent_keepalive_interval=9", "replace_allowed_ips=true", "allowed_ip=10.0.0.0/8",
        f"public_key={A}", "remove=true", f"public_key={C}", "allowed_ip=-10.9.0.0/16",
        "allowed_ip=10.3.0.0/16"]


def test_a_bad_line_anywhere_changes_nothing(running, uapi):
    running.host.run("ip", "link", "set", running.ifname, "up")
    assert uapi.set("private_key=" + "68" * 32, "listen_port=5181",
                    f"public_key={A}", f"preshared_key={A}", "endpoint=192.0.2.1:1",
                    "allowed_ip=10.0.0.0/8", f"public_key={C}", "allowed_ip=10.9.0.0/16") == 0
    before = uapi.get()
    sockets = running.host.run("ss", "-Hlun").out
    for at, (bad, error) in itertools.product(
            range(len(FULL) + 1), (("nonsense", -71), ("unknown=1", -22), ("remove=x", -22))):
        assert uapi.set(*FULL[:at], bad, *FULL[at:]) == error
        assert uapi.get() == before, (at, bad)
    assert running.host.run("ss", "-Hlun").out == sockets
    # Nor does a request that never ends, or is cut anywhere.
    request = "\n".join(["set=1", *FULL]) + "\n"
    for end in (*range(0, len(request), 41), len(request)):
        broken = Uapi(running.ifname)
        broken.send(request[:end])
        broken.socket.close()
    assert Uapi(running.ifname).get() == before
    assert uapi.set(*FULL) == 0
    after = uapi.get()
    assert after != before and set(after[1]) == {B, C}


@pytest.mark.parametrize("start", (
    "nonsense\n\n", "\n", "\n\n", "get=2\n\n", "get=1\nx\n\n", "set=2\n\n", "set=1 \n\n", "GET=1\n\n",
    "set\n\n", " get=1\n\n", "\0" * 10, "get=1\r\n\r\n", "x" * 100000), ids=lambda s: repr(s)[:20])
def test_what_is_no_request_closes_the_connection(running, uapi, start):
    assert uapi.get() == ([], {})
    try:
        uapi.send(start)
        assert uapi.reply() is None
    except BrokenPipeError:
        pass
    assert Uapi(running.ifname).get() == ([], {})


# --- connections ---------------------------------------------------------------------------------


def test_many_requests_on_one_connection(uapi):
    for port in range(1, 50):
        assert uapi.set(f"listen_port={port}") == 0
        assert uapi.get()[0] == [f"listen_port={port}"]
    # All at once, with a bad one in between, and byte by byte.
    request = "set=1\nlisten_port=7\n\nget=1\n\nset=1\nx=1\n\nset=1\n\nget=1\n\n"
    wanted = ["errno=0", "listen_port=7\nerrno=0", "errno=-22", "errno=0",
              "listen_port=7\nerrno=0"]

    def replies():
        return [re.sub("drop_.*\n", "", uapi.reply()) for _ in wanted]

    uapi.send(request * 30)
    for _ in range(30):
        assert replies() == wanted
    for byte in request:
        uapi.send(byte)
    assert replies() == wanted
    uapi.send("get=1\n\n" * 3)
    uapi.socket.shutdown(socket.SHUT_WR)
    assert [uapi.reply() is not None for _ in range(4)] == [True] * 3 + [False]


def test_keys_are_hidden_from_a_connection_that_asked(running, uapi):
    assert uapi.set(f"private_key={PRIVATE}", f"public_key={A}", f"preshared_key={PSK}",
                    "allowed_ip=10.0.0.0/8", f"public_key={B}") == 0
    other = Uapi(running.ifname)
    whole = other.get()
    assert f"private_key={PRIVATE}" in whole[0] and f"preshared_key={PSK}" in whole[1][A]
    shown = ([line for line in whole[0] if "private_key" not in line],
             {peer: [line for line in lines if "preshared_key" not in line]
              for peer, lines in whole[1].items()})
    uapi.send("hide_keys=1\n\n" + "get=1\n\n")
    assert uapi.reply() == "errno=0"
    text = uapi.reply()
    assert "private" not in text and "preshared" not in text and PSK not in text
    for _ in range(2):
        assert uapi.get() == shown
        assert other.get() == whole
        uapi.send("hide_keys=1\n\n")  # once more changes nothing
        assert uapi.reply() == "errno=0"
    assert uapi.set(f"private_key={PSK}", f"public_key={B}", f"preshared_key={PRIVATE}") == 0
    assert uapi.get() == shown
    assert f"preshared_key={PRIVATE}" in other.get()[1][B]
    assert Uapi(running.ifname).get() == other.get()
    uapi.send("hide_keys=0\n\n")
    assert uapi.reply() is None


def test_one_peer_is_told_of(running, uapi):
    assert uapi.set(f"private_key={PRIVATE}", "listen_port=5181",
                    *thousand_peers().split()) == 0
    device, peers = uapi.get()
    assert len(peers) == 1000
    for n in (1, 2, 500, 1000):
        name = f"{n:064x}"
        assert uapi.get(f"public_key={name}") == (device, {name: peers[name]})
    # One with more allowed IPs than a report holds, and a secret of its own.
    name = f"{7:064x}"
    assert uapi.set(f"public_key={name}", f"preshared_key={PSK}", "endpoint=192.0.2.1:1",
                    *(f"allowed_ip=fd00:{n:x}::/64" for n in range(500))) == 0
    one = uapi.get(f"public_key={name}")
    assert one == (device, {name: uapi.get()[1][name]})
    assert len(one[1][name]) > 500 and f"preshared_key={PSK}" in one[1][name]
    assert uapi.set(f"public_key={name}", "remove=true") == 0
    for request, error in ((f"public_key={name}", -2), (f"public_key={'0' * 64}", -2),
                           ("public_key=x", -22), (f"public_key={A}\npublic_key={A}", -22)):
        uapi.send(f"get=1\n{request}\n\n")
        assert uapi.reply() == f"errno={error}"
    uapi.send("hide_keys=1\n\n")
    assert uapi.reply() == "errno=0"
    uapi.send(f"get=1\npublic_key={1:064x}\n\n")
    text = uapi.reply()
    assert f"public_key={1:064x}" in text and "private" not in text and "preshared" not in text
    uapi.send("get=1\nprivate_key=\n\n")
    assert uapi.reply() is None


def test_many_connections(running):
    first, second = Uapi(running.ifname), Uapi(running.ifname)
    first.send("set=1\nlisten_port=5\n")  # unfinished
    assert second.set("listen_port=6") == 0
    assert second.get()[0] == ["listen_port=6"]
    first.send("\n")
    assert first.reply() == "errno=0"
    assert second.get()[0] == ["listen_port=5"]
    # More than are served at once: those that have had their answer make room.
    crowd = []
    for _ in range(40):
        crowd.append(Uapi(running.ifname))
        crowd[-1].send("get=1\n\n")
    for each in crowd:
        assert each.reply() is not None
        each.socket.close()
    assert running.host.run("wg", "show", running.ifname).code == 0


def thousand_peers(number=1000):
    return "".join(f"public_key={n:064x}\nallowed_ip=10.{n >> 8}.{n & 255}.0/24\n"
                   for n in range(1, number + 1))


def test_who_does_not_read_replies_hurts_nobody(running, uapi):
    assert uapi.set(*thousand_peers().split()) == 0
    greedy = Uapi(running.ifname)
    greedy.send("get=1\n\n" * 5000)  # 1.5 GB of replies
    begin = time.monotonic()
    for _ in range(3):
        assert len(uapi.get()[1]) == 1000
    assert time.monotonic() - begin < 5
    assert int(running.monitor.status()["VmRSS"].split()[0]) < 50_000, "kB"
    greedy.socket.close()
    assert len(uapi.get()[1]) == 1000


# --- wg and adit ---------------------------------------------------------------------------------


@pytest.fixture
def pair(lab):
    """Two tunnels with a session."""
    left, right = lab.host("a"), lab.host("b")
    lab.link(left, right).address(["10.9.0.1/24"], ["10.9.0.2/24"])
    a = AditTunnel(left, ["10.8.0.1/24", "fd08::1/64"]).start()
    b = AditTunnel(right, ["10.8.0.2/24", "fd08::2/64"]).start()
    psk = key()
    b.add(a, psk=psk)
    a.add(b, "10.9.0.2:51820", psk, keepalive=25)
    ping(left, "10.8.0.2", count=3)
    return a, b


FIELDS = ("public-key private-key listen-port fwmark peers preshared-keys endpoints allowed-ips "
          "latest-handshakes transfer persistent-keepalive dump").split()


def test_adit_shows_what_wg_shows(pair):
    for tunnel in pair:
        def same(*words):
            for _ in range(3):  # time and traffic go on
                wg, adit = (tunnel.host.run(*tool, *words).out
                            for tool in (["wg"], adit_command()))
                if wg == adit:
                    return wg
            assert adit == wg

        text = same("show", tunnel.ifname)
        assert "latest handshake: " in text and "transfer: " in text
        for field in FIELDS:
            assert same("show", tunnel.ifname, field)
        assert tunnel.private_key in same("showconf", tunnel.ifname)
        peer = next(iter(tunnel.peers().values()))
        assert abs(peer.handshake - time.time()) < 60 and peer.received > 300 and peer.sent > 300


def test_adit_and_wg_change_the_same(host):
    one, other = Running(host, new_name()), Running(host, new_name())

    def both(*words, input=None, file=None):
        for running, tool in ((one, ["wg"]), (other, adit_command())):
            host.run(*tool, words[0], running.ifname, *words[1:], input=input)
        shown = [host.run("wg", "showconf", running.ifname).out for running in (one, other)]
        assert shown[0] == shown[1]
        return shown[0]

    a, b = public(key()), public(key())
    text = both("set", "listen-port", 4711, "fwmark", "0x10", "private-key", "/dev/stdin",
                "peer", a, "endpoint", "192.0.2.1:1", "persistent-keepalive", 3,
                "allowed-ips", "10.0.0.0/8,::/0", input=key())
    assert "ListenPort = 4711\nFwMark = 0x10\nPrivateKey = " in text and a in text
    assert both("setconf", "/dev/stdin", input=text) == text
    text = both("addconf", "/dev/stdin", input=f"[Peer]\nPublicKey={b}\nAllowedIPs=10.0.0.0/8\n")
    assert text.count("[Peer]") == 2
    assert both("syncconf", "/dev/stdin", input=text) == text
    text = both("syncconf", "/dev/stdin",
                input=re.sub(r"(?s)\[Peer\]\n.*?(?=\[Peer\])", "", text))
    assert text.count("[Peer]") == 1
    text = both("set", "peer", b, "preshared-key", "/dev/stdin", "peer", a, input=key())
    assert "PresharedKey" in text and text.count("[Peer]") == 2
    text = both("set", "fwmark", "off", "private-key", "/dev/null", "peer", a, "remove",
                "peer", b, "preshared-key", "/dev/null", "persistent-keepalive", "off",
                "allowed-ips", "")
    assert text == f"[Interface]\nListenPort = 4711\n\n[Peer]\nPublicKey = {b}\n"
    assert both("setconf", "/dev/stdin", input="[Interface]\nListenPort = 5\n") == (
        "[Interface]\nListenPort = 5\n\n")


def test_syncconf_disturbs_no_session(pair):
    a, b = pair
    before = a.peer(b)
    for tool in (["wg"], adit_command()):
        text = a.showconf()
        a.host.run(*tool, "syncconf", a.ifname, "/dev/stdin", input=text)
        extra = f"{text}\n[Peer]\nPublicKey = {public(key())}\nAllowedIPs = 10.77.0.0/16\n"
        a.host.run(*tool, "syncconf", a.ifname, "/dev/stdin", input=extra)
        assert len(a.peers()) == 2
        a.host.run(*tool, "syncconf", a.ifname, "/dev/stdin", input=text)
        assert len(a.peers()) == 1
        assert a.showconf() == text
        ping(a.host, "10.8.0.2", timeout=1)
    after = a.peer(b)
    assert after.handshake == before.handshake and after.sent > before.sent
    # No handshake was sent either: nothing but the pings and their answers, and a keepalive.
    assert after.sent - before.sent <= 2 * 2 * 128 + 2 * 32


def test_a_thousand_peers_in_one_setconf(running):
    keys = [base64.b64encode(os.urandom(32)).decode() for _ in range(1000)]
    text = f"[Interface]\nListenPort = 5\nPrivateKey = {key()}\n" + "".join(
        f"\n[Peer]\nPublicKey = {each}\nPresharedKey = {key_of(n)}\n"
        f"AllowedIPs = 10.{n >> 8}.{n & 255}.0/24, fd00:{n:x}::/64\n"
        f"Endpoint = 192.0.2.{n & 255}:{n + 1}\nPersistentKeepalive = {n}\n"
        for n, each in enumerate(keys))
    for tool in (["wg"], adit_command()):
        begin = time.monotonic()
        running.host.run(*tool, "setconf", running.ifname, "/dev/stdin", input=text)
        shown = running.host.run("wg", "showconf", running.ifname).out
        assert time.monotonic() - begin < 5
        assert shown.count("[Peer]") == 1000
        assert set(re.findall("PublicKey = (.*)", shown)) == set(keys)
        assert set(re.findall("PresharedKey = (.*)", shown)) == {key_of(n) for n in range(1000)}
        assert len(re.findall(r"AllowedIPs = 10\.\S+, fd00:", shown)) == 1000
    running.host.run("wg", "setconf", running.ifname, "/dev/stdin", input="[Interface]\n")
    assert running.host.run("wg", "show", running.ifname, "peers").out == ""


def key_of(n):
    return base64.b64encode((n + 1).to_bytes(4, "big") * 8).decode()


# --- wg-quick ------------------------------------------------------------------------------------


class Quick:
    """wg-quick as Debian has it, with Adit behind it."""

    def __init__(self, host, folder):
        self.host = host
        self.ifname = new_name()
        self.private_key = key()
        self.public_key = public(self.private_key)
        folder.mkdir(exist_ok=True)
        self.file = folder / f"{self.ifname}.conf"

    def configure(self, text):
        self.file.write_text(f"[Interface]\nPrivateKey = {self.private_key}\n{text}")
        self.file.chmod(0o600)

    def run(self, verb, check=True):
        return self.host.run(
            "env", f"WG_QUICK_USERSPACE_IMPLEMENTATION={adit_command()[0]}", "wg-quick", verb,
            self.file, check=check)


def state_of(host):
    """What a tunnel may leave behind on a host."""
    return {name: host.run(*words).out for name, words in {
        "links": ["ip", "-br", "link"], "addresses": ["ip", "-br", "address"],
        "routes": ["ip", "route", "show", "table", "all"],
        "routes6": ["ip", "-6", "route", "show", "table", "all"],
        "rules": ["ip", "rule"], "rules6": ["ip", "-6", "rule"],
        "nft": ["nft", "list", "ruleset"]}.items()} | {"processes": len(host.pids())}


@pytest.fixture
def quick(lab, tmp_path):
    """Two hosts, the second also with a network behind it, and a tunnel on the second."""
    left, right = lab.host("a"), lab.host("b")
    lab.link(left, right).address(["10.9.0.1/24", "fd09::1/64"], ["10.9.0.2/24", "fd09::2/64"])
    left.run("ip", "route", "add", "default", "via", "10.9.0.2")
    wait_until(lambda: "tentative" not in left.run("ip", "address").out, 5, "addresses settle")
    server = AditTunnel(right, ["10.8.0.2/24", "fd08::2/64", "198.51.100.1/32"]).start()
    quick = Quick(left, tmp_path / "etc")
    server.wg_set("peer", quick.public_key, "allowed-ips", "10.8.0.1/32,fd08::1/128")
    return quick, server


def test_wg_quick_up_and_down(quick, tmp_path):
    quick, server = quick
    marker = tmp_path / "up"
    quick.configure(f"""Address = 10.8.0.1/24, fd08::1/64
MTU = 1380
FwMark = 0x33
PreUp = echo preup %i >> {marker}
PostUp = ip link show %i
PostUp = echo postup %i >> {marker}
PostDown = echo postdown %i >> {marker}
[Peer]
PublicKey = {server.public_key}
Endpoint = 10.9.0.2:51820
AllowedIPs = 10.8.0.0/24, fd08::/64, 198.51.100.0/24
""")
    before = state_of(quick.host)
    quick.run("up")
    assert marker.read_text() == f"preup {quick.ifname}\npostup {quick.ifname}\n"
    assert "mtu 1380" in quick.host.run("ip", "link", "show", quick.ifname).out
    assert "198.51.100.0/24" in quick.host.run("ip", "route", "show", "dev", quick.ifname).out
    for address in ("10.8.0.2", "fd08::2", "198.51.100.1"):
        ping_until(quick.host, address, 5)
    assert quick.run("up", check=False).code != 0, "it is up already"
    ping(quick.host, "10.8.0.2")
    assert quick.run("strip").out.count("[Peer]") == 1
    quick.host.run("wg", "set", quick.ifname, "peer", server.public_key, "persistent-keepalive", 7)
    quick.run("save")
    saved = quick.file.read_text()
    assert "PersistentKeepalive = 7" in saved and "PostUp = ip link" in saved
    assert f"PrivateKey = {quick.private_key}" in saved and "FwMark = 0x33" in saved
    quick.run("down")
    assert marker.read_text().endswith(f"postdown {quick.ifname}\n")
    wait_until(lambda: state_of(quick.host) == before, 10, "nothing is left")
    assert not (SOCKETS / f"{quick.ifname}.sock").exists()
    quick.run("up")  # from what it saved
    ping_until(quick.host, "10.8.0.2", 5)
    quick.run("down")


def test_wg_quick_with_the_default_route(quick):
    quick, server = quick
    quick.configure(f"""Address = 10.8.0.1/32, fd08::1/128
[Peer]
PublicKey = {server.public_key}
Endpoint = 10.9.0.2:51820
AllowedIPs = 0.0.0.0/0, ::/0
""")
    before = state_of(quick.host)
    quick.run("up")
    mark = quick.host.run("wg", "show", quick.ifname, "fwmark").out.strip()
    assert mark == "0xca6c"
    assert f"not from all fwmark {mark} lookup 51820" in quick.host.run("ip", "rule").out
    assert f"wg-quick-{quick.ifname}" in quick.host.run("nft", "list", "ruleset").out
    ping_until(quick.host, "198.51.100.1", 5)
    ping(quick.host, "fd08::2")
    peer = server.peers()[quick.public_key]
    assert peer.endpoint.startswith("10.9.0.1:"), "the outer packets keep out of the tunnel"
    sent = peer.received
    ping(quick.host, "10.9.0.2")
    # A neighbour is still reached directly, by the more specific route.
    assert server.peers()[quick.public_key].received - sent < 200
    Tcp(quick.host, server.host, "198.51.100.1", seconds=1).finish()
    quick.run("down")
    after = state_of(quick.host)
    wait_until(lambda: state_of(quick.host) == before, 10, f"nothing is left: {after}")


def test_wg_quick_undoes_what_failed(quick):
    quick, server = quick
    quick.configure(f"Address = 10.8.0.1/24\nPostUp = false\n[Peer]\n"
                    f"PublicKey = {server.public_key}\nAllowedIPs = 10.8.0.0/24\n")
    before = state_of(quick.host)
    assert quick.run("up", check=False).code != 0
    wait_until(lambda: state_of(quick.host) == before, 10, "nothing is left")
    quick.configure("[Peer]\nPublicKey = x\n")
    assert quick.run("up", check=False).code != 0
    wait_until(lambda: state_of(quick.host) == before, 10, "nothing is left")
