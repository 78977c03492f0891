# SPDX-License-Identifier: MIT
"""The kernel's WireGuard as data path: adit-kernel makes it look like a tunnel of ours."""

import pytest

from hosts import REPO, wait_until
from tunnels import AditTunnel, key, public

IFNAME = "kernel0"
# Watch, and do as a manager would: the words are what it answers to the addresses it hears of.
MANAGER = """
import socket, subprocess, sys
watch = socket.socket(socket.AF_UNIX)
watch.settimeout(20)
watch.connect("/var/run/wireguard/%s.sock")
watch.sendall(b"watch=1\\n\\n")
assert watch.recv(100) == b"errno=0\\n\\n"
address, *answer = sys.argv[1:]
ping = subprocess.Popen(["ping", "-c", "2", "-i", "0.2", "-W", "5", address], text=True,
                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
assert watch.recv(100) == b"wanted=" + address.encode() + b"\\n\\n"
if answer:
    subprocess.run(answer, check=True)
else:
    watch.sendall(b"refuse=" + address.encode() + b"\\n\\n")
print(ping.communicate()[0])
""" % IFNAME


@pytest.fixture
def path(lab, kernel_guest):
    """A guest with adit-kernel, and a tunnel of ours that knows it."""
    other = lab.host("other")
    lab.link(other, kernel_guest).address(["192.0.2.1/24"], ["192.0.2.2/24"])
    tunnel = AditTunnel(other, ["10.9.0.2/24", "fd09::2/64"]).start()
    private = key()
    tunnel.host.run("wg", "set", tunnel.ifname, "peer", public(private),
                    "allowed-ips", "10.9.0.1/32,fd09::1/128")
    bridge = kernel_guest.popen(REPO / "build" / "adit-kernel", "run", IFNAME)
    wait_until(lambda: kernel_guest.run("wg", "show", IFNAME, check=False).code == 0, 20,
               "the UAPI socket answers")
    kernel_guest.run("wg", "set", IFNAME, "listen-port", "51820", "private-key", "/dev/stdin",
                     input=private)
    kernel_guest.address_add(IFNAME, "10.9.0.1/24", "fd09::1/64")
    kernel_guest.run("ip", "link", "set", IFNAME, "up")
    yield tunnel
    assert bridge.poll() is None, bridge.output()
    bridge.stop()
    assert kernel_guest.run("ip", "link", "show", IFNAME, check=False).code != 0
    assert IFNAME not in kernel_guest.run("nft", "list", "ruleset").out


@pytest.mark.parametrize("address", ["10.9.0.2", "fd09::2"])
def test_wanted_packets_are_delivered(kernel_guest, path, address):
    out = kernel_guest.run("/usr/bin/python3", "-c", MANAGER, address, "wg", "set", IFNAME, "peer",
                           path.public_key, "allowed-ips", address, "endpoint",
                           "192.0.2.1:51820").out
    assert " 0% packet loss" in out


@pytest.mark.parametrize("address", ["10.9.0.7", "fd09::7"])
def test_refused_packets_are_answered(kernel_guest, path, address):
    out = kernel_guest.run("/usr/bin/python3", "-c", MANAGER, address).out
    assert "filtered" in out or "prohibited" in out.lower()


READER = """
import socket
s = socket.socket(socket.AF_UNIX)
s.connect("/var/run/wireguard/%s.sock")
def ask(request):
    s.sendall(request.encode() + b"\\n\\n")
    reply = b""
    while not reply.endswith(b"\\n\\n"):
        reply += s.recv(65536)
    print(reply.decode().strip().replace("\\n", " "))
PEER = "get=1\\npublic_key="
ask("set=1\\npublic_key=" + "ab" * 32 + "\\npreshared_key=" + "cd" * 32)
ask("get=1")
ask(PEER + "ab" * 32)
ask(PEER + "ef" * 32)
ask("hide_keys=1")
ask("get=1")
ask(PEER + "ab" * 32)
""" % IFNAME


def test_one_peer_is_told_of_and_keys_are_hidden(kernel_guest, path):
    kernel_guest.run("wg", "set", IFNAME, "peer", path.public_key)
    lines = kernel_guest.run("/usr/bin/python3", "-c", READER).out.splitlines()
    everything, one, none, hidden, everything_without, one_without = lines[1:]
    assert everything.count(" public_key=") == everything_without.count(" public_key=") == 2
    assert one.count(" public_key=") == one_without.count(" public_key=") == 1
    assert f"public_key={'ab' * 32} preshared_key={'cd' * 32}" in one
    assert f"public_key={'ab' * 32} protocol_version" in one_without
    assert (none, hidden) == ("errno=-2", "errno=0")
    for text in everything, one:
        assert text.startswith("private_key=") and "preshared_key=" in text
    for text in everything_without, one_without:
        assert "private_key=" not in text and "preshared_key=" not in text
