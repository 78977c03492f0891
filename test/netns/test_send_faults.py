# SPDX-License-Identifier: MIT
"""The kernel refuses to send, or the ground changes under a tunnel: whatever it was, when it is over
the tunnel works again by itself."""

import errno
import json
import signal
import time

import pytest

from drills import drills  # noqa: F401 (a fixture)
from hosts import Lab, wait_until
from traffic import answers, ping, ping_until
from tunnels import AditTunnel, adit_command

PORT = 51820
SOON = 15  # who hears nothing begins a handshake after 15 s at the latest; most need none


def failed(tunnel):
    """How many datagrams it could not send."""
    out = tunnel.host.run(*adit_command(), "show", tunnel.ifname, "--json").out
    return json.loads(out)["dropped"]["send_failed"]


class Rig:
    """Two hosts with two wires, v4 and v6, and a session over the first wire."""

    def __init__(self, lab):
        self.lab = lab
        self.left, self.right = lab.host("l"), lab.host("r")
        self.left.sysctl(net__ipv6__conf__all__keep_addr_on_down=1)
        self.wire()
        self.a = AditTunnel(self.left, ["10.8.0.1/24"], PORT).start()
        self.b = AditTunnel(self.right, ["10.8.0.2/24"], PORT).start()
        self.a.add(self.b, f"10.9.0.2:{PORT}")
        self.b.add(self.a, f"10.9.0.1:{PORT}")
        ping(self.left, "10.8.0.2")

    def wire(self):
        self.link = self.lab.link(self.left, self.right).address(
            ["10.9.0.1/24", "fd09::1/64"], ["10.9.0.2/24", "fd09::2/64"])

    def failed(self):
        return failed(self.a)

    def nft(self, verdict):
        self.left.run("nft", "-f", "-", input=f"""
            table inet fault {{
                chain output {{
                    type filter hook output priority filter;
                    udp dport {PORT} {verdict}
                }}
            }}""")

    def tc(self, *words):
        self.left.run("tc", "qdisc", "add", "dev", self.link.left_dev, "root", *words)


# Each makes sending fail and gives what undoes it.

def no_route(rig):
    """ENETUNREACH."""
    rig.left.run("ip", "route", "del", "10.9.0.0/24", "dev", rig.link.left_dev)
    return lambda: rig.left.run("ip", "route", "add", "10.9.0.0/24", "dev", rig.link.left_dev,
                                "src", "10.9.0.1")


def unreachable_route(rig):
    """EHOSTUNREACH."""
    rig.left.run("ip", "route", "add", "unreachable", "10.9.0.2/32")
    return lambda: rig.left.run("ip", "route", "del", "unreachable", "10.9.0.2/32")


def prohibiting_route(rig):
    """EACCES."""
    rig.left.run("ip", "route", "add", "prohibit", "10.9.0.2/32")
    return lambda: rig.left.run("ip", "route", "del", "prohibit", "10.9.0.2/32")


def blackhole(rig):
    """EINVAL."""
    rig.left.run("ip", "route", "add", "blackhole", "10.9.0.2/32")
    return lambda: rig.left.run("ip", "route", "del", "blackhole", "10.9.0.2/32")


def firewall_drops(rig):
    """EPERM."""
    rig.nft("drop")
    return lambda: rig.left.run("nft", "delete", "table", "inet", "fault")


def firewall_rejects(rig):
    """EPERM, and ECONNREFUSED that belongs to an earlier datagram."""
    rig.nft("reject")
    return lambda: rig.left.run("nft", "delete", "table", "inet", "fault")


def wire_down(rig):
    """ENETUNREACH, because the route goes too; it comes back with the interface."""
    rig.left.run("ip", "link", "set", rig.link.left_dev, "down")
    return lambda: rig.left.run("ip", "link", "set", rig.link.left_dev, "up")


def no_address(rig):
    """The source that the session has is ours no more: EINVAL; and there is no other."""
    rig.left.address_del(rig.link.left_dev, "10.9.0.1/24")
    return lambda: rig.left.address_add(rig.link.left_dev, "10.9.0.1/24")


def tiny_mtu(rig):
    """EMSGSIZE for what cannot be sent in segments; it is fragmented instead, so nothing fails."""
    rig.left.run("ip", "link", "set", rig.link.left_dev, "mtu", 1280)
    return lambda: rig.left.run("ip", "link", "set", rig.link.left_dev, "mtu", 1500)


def full_queue(rig):
    """ENOBUFS, which the kernel keeps to itself where nobody asked for errors (IP_RECVERR)."""
    rig.tc("tbf", "rate", "1mbit", "burst", "1600", "limit", "3000")
    return lambda: rig.left.run("tc", "qdisc", "del", "dev", rig.link.left_dev, "root")


def slow_wire(rig):
    """EAGAIN: what was sent before is still in the queue, and counts against the socket."""
    rig.tc("tbf", "rate", "1mbit", "burst", "1600", "limit", "1000000000")
    return lambda: rig.left.run("tc", "qdisc", "del", "dev", rig.link.left_dev, "root")


FAULTS = [no_route, unreachable_route, prohibiting_route, blackhole, firewall_drops,
          firewall_rejects, wire_down, no_address]


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with Lab(tmp_path_factory.mktemp("faults")) as lab:
        yield Rig(lab)


def throw_at(rig, seconds=0.3):
    """Packets of all sizes, in bursts, that nobody waits for."""
    loads = [rig.left.popen("ping", "-n", "-q", "-f", "-s", size, "10.8.0.2")
             for size in (10, 1300)]
    time.sleep(seconds)
    for load in loads:
        load.stop(signal.SIGINT)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_refused_to_send(rig, fault):
    ping_until(rig.left, "10.8.0.2", SOON)
    before = rig.failed()
    undo = fault(rig)
    throw_at(rig)
    assert not answers(rig.left, "10.8.0.2", 0.3)
    assert rig.failed() > before
    undo()
    ping_until(rig.left, "10.8.0.2", SOON)
    ping(rig.left, "10.8.0.2", count=10)
    assert rig.a.process.output() == ""


# --- the kernel says so --------------------------------------------------------------------------

REFUSED = 51999  # a port to which nothing can be sent


class RefusedTunnel(AditTunnel):
    """Its datapath is told an error when it sends there (net/drill_send.c)."""

    def __init__(self, host, program, error):
        super().__init__(host, ["10.7.2.1/24", "10.7.3.1/24"], PORT + 1)
        self.program = ["env", f"ADIT_DRILL_SEND={error}:{REFUSED}", program]

    def command(self):
        return [*self.program, "-f", self.ifname]

    def move(self, peer, port):
        self.wg_set("peer", peer.public_key, "endpoint", f"10.9.0.2:{port}")


@pytest.mark.parametrize("error", ["ENOBUFS", "EAGAIN", "EMSGSIZE", "ENETUNREACH", "ENOMEM"])
def test_the_kernel_says(rig, drills, error):  # noqa: F811
    """Errors as they come, those too that no setting of ours brings about; other peers hear us."""
    tunnel = RefusedTunnel(rig.left, drills, getattr(errno, error)).start()
    peers = [AditTunnel(rig.right, [f"10.7.{n}.2/24"], PORT + n).start() for n in (2, 3)]
    for peer, own in zip(peers, tunnel.addresses):
        tunnel.add(peer)
        tunnel.move(peer, peer.port)
        peer.add(tunnel, allowed_ips=[own[:-3]])
        ping_until(rig.left, peer.addresses[0][:-3], SOON)
    tunnel.move(peers[0], REFUSED)
    before = failed(tunnel)
    load = rig.left.popen("ping", "-n", "-q", "-f", "-s", 1300, "10.7.2.2")
    ping(rig.left, "10.7.3.2", count=10)
    wait_until(lambda: failed(tunnel) > before, SOON, "sending fails")
    load.stop(signal.SIGINT)
    tunnel.move(peers[0], peers[0].port)
    ping_until(rig.left, "10.7.2.2", SOON)
    assert tunnel.process.output() == ""
    for it in (tunnel, *peers):
        it.stop()


@pytest.mark.parametrize("fault", [tiny_mtu, full_queue], ids=lambda fault: fault.__name__)
def test_hindered_from_sending(rig, fault):
    """Not everything is lost, and nothing afterwards."""
    undo = fault(rig)
    throw_at(rig)
    ping_until(rig.left, "10.8.0.2", SOON)
    undo()
    wait_until(lambda: answers(rig.left, "10.8.0.2", 1), SOON, "it works again")
    ping(rig.left, "10.8.0.2", count=10, size=1300)
    assert rig.a.process.output() == ""


# Faster than any wire takes them: until the tunnel has to drop some, or too many.
FILL = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(100_000):
    s.sendto(bytes(1300), ("10.8.0.2", 9))
"""


def test_the_socket_is_full(rig):
    """What cannot be sent for a while is dropped, and the rest of us does not wait for it."""
    ping_until(rig.left, "10.8.0.2", SOON)
    before = rig.failed()
    undo = slow_wire(rig)
    load = rig.left.popen("python3", "-c", FILL)
    wait_until(lambda: rig.failed() > before, SOON, "sending fails")
    assert rig.left.run("wg", "show", rig.a.ifname).code == 0
    load.stop()
    undo()
    ping_until(rig.left, "10.8.0.2", SOON)
    ping(rig.left, "10.8.0.2", count=10)
    assert rig.a.process.output() == ""


# --- the ground changes --------------------------------------------------------------------------


def test_addresses_change(rig):
    """Those of the wire, in the middle of a session: the other side follows."""
    ping_until(rig.left, "10.8.0.2", SOON)
    dev = rig.link.left_dev
    rig.left.address_add(dev, "10.9.0.7/24")
    rig.left.address_del(dev, "10.9.0.1/24")
    ping_until(rig.left, "10.8.0.2", SOON)
    assert rig.b.peer(rig.a).endpoint == f"10.9.0.7:{PORT}"
    ping(rig.right, "10.8.0.1", count=10)
    rig.left.address_add(dev, "10.9.0.1/24")
    rig.left.address_del(dev, "10.9.0.7/24")
    ping_until(rig.left, "10.8.0.2", SOON)
    assert rig.b.peer(rig.a).endpoint == f"10.9.0.1:{PORT}"


def test_the_family_changes(rig):
    """v4 goes, v6 is what there is, and back."""
    handshake = rig.a.peer(rig.b).handshake
    for there, here in ((f"[fd09::2]:{PORT}", f"[fd09::1]:{PORT}"),
                        (f"10.9.0.2:{PORT}", f"10.9.0.1:{PORT}")):
        rig.a.wg_set("peer", rig.b.public_key, "endpoint", there)
        ping_until(rig.left, "10.8.0.2", SOON)
        assert rig.b.peer(rig.a).endpoint == here
        ping(rig.right, "10.8.0.1", count=10)
    assert rig.a.peer(rig.b).handshake - handshake < SOON


def test_the_interface_goes_down_and_up(rig):
    for tunnel in (rig.a, rig.b, rig.a):
        host = tunnel.host
        for _ in range(10):
            host.ip_batch(f"link set {tunnel.ifname} down", f"link set {tunnel.ifname} up")
        there = "10.8.0.2" if tunnel is rig.a else "10.8.0.1"
        ping_until(host, there, SOON)
        ping(host, there, count=10)
    assert rig.a.process.output() == rig.b.process.output() == ""


def test_the_wire_is_pulled_out(rig):
    """Its interface is removed, and there is another, with the same addresses."""
    rig.link.remove()
    assert not answers(rig.left, "10.8.0.2", 0.3)
    rig.wire()
    ping_until(rig.left, "10.8.0.2", SOON)
    ping(rig.right, "10.8.0.1", count=10)
    assert rig.a.process.output() == rig.b.process.output() == ""


def test_the_device_is_deleted_under_load(rig):
    """It ends and says why; started again, it is what it was."""
    loads = [host.popen("ping", "-n", "-q", "-f", "-s", 1300, address)
             for host, address in ((rig.left, "10.8.0.2"), (rig.right, "10.8.0.1"))]
    time.sleep(0.3)
    config = rig.a.showconf()
    rig.left.run("ip", "link", "del", rig.a.ifname)
    assert rig.a.process.wait(5) == 0
    assert rig.a.process.output().endswith("the interface was deleted: the tunnel ends\n")
    for load in loads:
        load.stop(signal.SIGINT)
    assert not rig.a.socket.exists()
    rig.a.start()
    rig.a.setconf(config)
    ping_until(rig.left, "10.8.0.2", SOON)
