# SPDX-License-Identifier: MIT
"""The corners of the Linux side, where userspace implementations are known to fail.

    ours: Adit                          theirs: Adit, or a peer that follows a script
    10.98.0.1, fd98::1  ------------  10.98.0.2, fd98::2
    10.97.0.1, fd97::1  ============  10.97.0.2, fd97::2
"""

import base64
import itertools
import json
import os
import re
import socket
import struct
import subprocess
import time

import pytest

from hosts import Process, wait_until
from processes import GONE
from traffic import answers, ping, ping_until
from tunnels import SOCKETS, AditTunnel, adit_command, key, public
from wire import Tap, ip_packet, udp, udp_packet
from wireguard import DATA, INITIATION, RESPONSE, ScriptedPeer

PORT = 51820
OUTER = {4: ("10.98.0.1", "10.98.0.2"), 6: ("fd98::1", "fd98::2")}
INNER = {4: ("10.97.0.1", "10.97.0.2"), 6: ("fd97::1", "fd97::2")}
HANDSHAKE_TOS = 0x88
UDP_SEGMENT = 103
CLONE_NEWNET = 0x40000000


def endpoint(address, port=PORT):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class Rig:
    """Our tunnel and the wire; the other end as each test wants it."""

    def __init__(self, lab):
        self.lab = lab
        self.ours, self.theirs = lab.host("ours"), lab.host("theirs")
        self.link = lab.link(self.ours, self.theirs).address(
            ["10.98.0.1/24", "fd98::1/64"], ["10.98.0.2/24", "fd98::2/64"])
        self.tunnel = AditTunnel(self.ours, ["10.97.0.1/24", "fd97::1/64"], PORT).start()
        self.tap = Tap(self.theirs, self.link.right_dev)

    def their_tunnel(self, outer=4):
        """A tunnel at the other end; each knows the other's endpoint."""
        tunnel = AditTunnel(self.theirs, ["10.97.0.2/24", "fd97::2/64"], PORT).start()
        self.tunnel.add(tunnel, endpoint(OUTER[outer][1]))
        tunnel.add(self.tunnel, endpoint(OUTER[outer][0]))
        return tunnel

    def script(self, outer=4, address=None):
        """A scripted peer with a session; it spoke to the given address of ours."""
        private_key = key()
        self.tunnel.wg_set("peer", public(private_key), "allowed-ips", "10.97.0.2/32,fd97::2/128")
        sock = udp(self.theirs, OUTER[outer][1], version=outer)
        return ScriptedPeer(sock, base64.b64decode(private_key),
                            base64.b64decode(self.tunnel.public_key),
                            (address or OUTER[outer][0], PORT)).connect()

    def drops(self, reason):
        out = self.ours.run(*adit_command(), "show", self.tunnel.ifname, "--json").out
        return json.loads(out)["dropped"][reason]

    def from_us(self, datagram, message_type=DATA):
        return (datagram.source_port == PORT and datagram.source not in ("10.98.0.2", "fd98::2")
                and datagram.payload[:1] == bytes([message_type]))


@pytest.fixture
def rig(lab):
    return Rig(lab)


def echo_request(version=4, sequence=0, size=8):
    """A ping of ours by the peer."""
    body = struct.pack(">HH", 1, sequence) + bytes(size)
    if version == 4:
        total = 0x0800 + 1 + sequence
        return ip_packet("10.97.0.2", "10.97.0.1", 1,
                         struct.pack(">BBH", 8, 0, ~(total + (total >> 16)) & 0xffff) + body)
    total = sum(struct.unpack(">16H", socket.inet_pton(socket.AF_INET6, "fd97::2") +
                              socket.inet_pton(socket.AF_INET6, "fd97::1")))
    total += 8 + size + 58 + 0x8000 + 1 + sequence
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ip_packet("fd97::2", "fd97::1", 58, struct.pack(">BBH", 128, 0, ~total & 0xffff) + body)


# --- source addresses ---------------------------------------------------------------------------

SECOND = {4: "10.98.0.11", 6: "fd98::11"}


def prefix_len(version):
    return 24 if version == 4 else 64


@pytest.mark.parametrize("gro", ["off", "on"])
@pytest.mark.parametrize("outer", [4, 6], ids=["outer4", "outer6"])
def test_reply_leaves_from_the_address_that_was_addressed(rig, outer, gro):
    for feature in ("gro", "rx-udp-gro-forwarding"):
        rig.ours.run("ethtool", "-K", rig.link.left_dev, feature, gro)
    rig.ours.address_add(rig.link.left_dev, f"{SECOND[outer]}/{prefix_len(outer)}")
    for address in (SECOND[outer], OUTER[outer][0]):
        rig.tap.take()
        peer = rig.script(outer, address)
        for sequence in range(3):
            peer.send(echo_request(4, sequence))
            assert peer.receive()
        replies = [seen for seen in rig.tap.take() if seen.source_port == PORT]
        assert {seen.payload[0] for seen in replies} == {RESPONSE, DATA}
        assert {seen.source for seen in replies} == {address}


@pytest.mark.parametrize("outer", [4, 6], ids=["outer4", "outer6"])
def test_reply_address_changes_in_the_middle_of_a_burst(rig, outer):
    """Two trains of datagrams, which the kernel hands over joined, to one address and the other."""
    for feature in ("gro", "rx-udp-gro-forwarding"):
        rig.ours.run("ethtool", "-K", rig.link.left_dev, feature, "on")
    rig.ours.address_add(rig.link.left_dev, f"{SECOND[outer]}/{prefix_len(outer)}")
    peer = rig.script(outer)
    messages = [peer.session.data(echo_request(4, sequence)) for sequence in range(40)]
    peer.sock.setsockopt(socket.SOL_UDP, UDP_SEGMENT, len(messages[0]))
    rig.tap.take()
    peer.sock.sendto(b"".join(messages[:20]), (OUTER[outer][0], PORT))
    peer.sock.sendto(b"".join(messages[20:]), (SECOND[outer], PORT))
    peer.sock.setsockopt(socket.SOL_UDP, UDP_SEGMENT, 0)
    assert all(peer.receive() for _ in range(40))
    sources = [seen.source for seen in rig.tap.take() if rig.from_us(seen)]
    assert [source for source, _ in itertools.groupby(sources)] in (
        [OUTER[outer][0], SECOND[outer]], [SECOND[outer]])
    peer.send(echo_request())
    assert peer.receive()
    assert {seen.source for seen in rig.tap.take() if rig.from_us(seen)} == {OUTER[outer][0]}


@pytest.mark.parametrize("outer", [4, 6], ids=["outer4", "outer6"])
def test_source_that_disappears_is_forgotten_and_the_packet_goes(rig, outer):
    rig.ours.address_add(rig.link.left_dev, f"{SECOND[outer]}/{prefix_len(outer)}")
    peer = rig.script(outer, SECOND[outer])
    peer.send(echo_request())
    assert peer.receive()
    rig.ours.address_del(rig.link.left_dev, f"{SECOND[outer]}/{prefix_len(outer)}")
    rig.tap.take()
    rig.ours.popen("ping", "-n", "-c", "1", "10.97.0.2")
    assert peer.receive()[9] == 1
    assert {seen.source for seen in rig.tap.take() if rig.from_us(seen)} == {OUTER[outer][0]}
    assert rig.drops("send_failed") == 0


def test_source_of_another_interface_is_forgotten_when_the_route_moves(rig):
    """The address stays ours, but the way to the peer is another: IPv4 sources are bound to it.
    Other changes of routes, which never end here, may not put that off."""
    other = rig.lab.link(rig.ours, rig.theirs).address(["10.95.0.1/24"], ["10.95.0.2/24"])
    rig.theirs.run("ip", "address", "add", "10.94.0.2/32", "dev", "lo")
    rig.ours.run("ip", "route", "add", "10.94.0.2/32", "via", "10.98.0.2")
    private_key = key()
    rig.tunnel.wg_set("peer", public(private_key), "allowed-ips", "10.97.0.2/32")
    peer = ScriptedPeer(udp(rig.theirs, "10.94.0.2"), base64.b64decode(private_key),
                        base64.b64decode(rig.tunnel.public_key), ("10.98.0.1", PORT)).connect()
    rig.ours.run("ip", "route", "replace", "10.94.0.2/32", "via", "10.95.0.2")
    tap = Tap(rig.theirs, other.right_dev)
    noise = rig.ours.popen("sh", "-c", "for i in $(seq 100); do ip route add 192.0.2.$i dev lo;"
                                       "sleep 0.1; done")
    for _ in range(60):
        rig.ours.run("ping", "-n", "-c", "1", "-W", "0.05", "10.97.0.2", check=False)
        if any(rig.from_us(seen) and seen.source == "10.95.0.1" for seen in tap.take()):
            break
    else:
        pytest.fail("the old source is used for ever")
    assert noise.poll() is None
    assert peer.receive()


def test_endpoint_changes_between_ipv4_and_ipv6(rig):
    peer = rig.script(4)
    sockets = {4: peer.sock, 6: udp(rig.theirs, "fd98::2", version=6)}
    for outer in (6, 4, 6, 4):
        peer.sock, peer.endpoint = sockets[outer], (OUTER[outer][0], PORT)
        for inner in (4, 6):
            peer.send(echo_request(inner))
            assert peer.receive()[0] >> 4 == inner
        port = peer.sock.getsockname()[1]
        [known] = rig.tunnel.peers().values()
        assert known.endpoint == endpoint(OUTER[outer][1], port)
    rig.tunnel.wg_set("peer", known.public_key, "endpoint", endpoint("fd98::2", 7))
    rig.ours.popen("ping", "-n", "-c", "1", "10.97.0.2")
    assert rig.tap.wait(lambda seen: seen.destination_port == 7 and seen.version == 6)


# --- program and interface ----------------------------------------------------------------------

def test_returns_when_interface_and_socket_are_usable(lab):
    host = lab.host("ours")
    name = f"wg{os.getpid()}r"
    adit = " ".join(adit_command())
    for _ in range(6):
        host.run("sh", "-ec", f"{adit} {name} && wg show {name} && ip link show {name} && "
                              f"wg set {name} listen-port 51820 && ip link set {name} up")
        host.run("ip", "link", "del", name)
        wait_until(lambda: not host.pids(), 3, "it ends with its interface")
        assert not (SOCKETS / f"{name}.sock").exists()


def test_interface_deleted_from_outside(rig):
    rig.ours.run("ip", "link", "del", rig.tunnel.ifname)
    rig.tunnel.process.wait(3)
    assert "deleted" in rig.tunnel.process.output()
    assert not (SOCKETS / f"{rig.tunnel.ifname}.sock").exists()


def longest_after_ping(rig, host, size):
    rig.tap.take()
    ping(host, "10.97.0.2", size=size - 28)
    return max(len(seen.payload) for seen in rig.tap.take() if rig.from_us(seen))


def test_interface_in_another_namespace_than_its_socket(rig):
    """The usual way to give a container nothing but a tunnel."""
    rig.their_tunnel()
    ping(rig.ours, "10.97.0.2")
    name, home = rig.tunnel.ifname, rig.ours
    hosts = [rig.lab.host("away"), home, rig.lab.host("elsewhere"), home]
    for before, host in zip([home, *hosts], hosts):
        before.run("ip", "link", "set", name, "netns", host.namespace)
        host.address_add(name, "10.97.0.1/24")
        host.run("ip", "link", "set", name, "up", "mtu", 1420)
        ping_until(host, "10.97.0.2", 7)
        host.run("ip", "link", "set", name, "mtu", 1299)
        wait_until(lambda: longest_after_ping(rig, host, 1299) == 32 + 1299, 3,
                   f"padding knows the new MTU ({host.name})")
        assert (f":{PORT} " in host.run("ss", "-Hlun").out) == (host is home)


@pytest.mark.parametrize("outer", [4, 6], ids=["outer4", "outer6"])
def test_large_mtu(rig, outer):
    their = rig.their_tunnel(outer)
    for host, tunnel in ((rig.ours, rig.tunnel), (rig.theirs, their)):
        host.run("ip", "link", "set", tunnel.ifname, "mtu", 34816)
    for size in (8972, 20000, 34816 - 28):
        ping(rig.ours, "10.97.0.2", size=size)
        ping(rig.theirs, "fd97::1", size=size - 20)


def test_interface_down_up(rig):
    their = rig.their_tunnel()
    ping(rig.ours, "10.97.0.2")
    rig.ours.run("ip", "link", "set", rig.tunnel.ifname, "down")
    wait_until(lambda: f":{PORT} " not in rig.ours.run("ss", "-Hlun").out, 3, "the port is closed")
    assert not answers(rig.theirs, "10.97.0.1", 0.3)
    rig.tap.take()
    rig.ours.run("ip", "link", "set", rig.tunnel.ifname, "up")
    rig.ours.address_add(rig.tunnel.ifname, "fd97::1/64")
    ping_until(rig.ours, "10.97.0.2", 7)  # theirs may have asked while we were down
    assert any(seen.payload[:1] == bytes([INITIATION]) for seen in rig.tap.take())
    assert rig.tunnel.peer(their).endpoint == endpoint("10.98.0.2")


def test_port_that_is_taken_when_going_up(rig):
    name = rig.tunnel.ifname
    rig.ours.run("ip", "link", "set", name, "down")
    wait_until(lambda: f":{PORT} " not in rig.ours.run("ss", "-Hlun").out, 3, "the port is closed")
    sock = udp(rig.ours, "", PORT)
    rig.ours.run("ip", "link", "set", name, "up")
    wait_until(lambda: "UP" not in rig.ours.run("ip", "-br", "link", "show", name).out.split()[2],
               3, "it is set down")
    assert f"cannot open UDP port {PORT}" in rig.tunnel.process.output()
    sock.close()
    rig.ours.run("ip", "link", "set", name, "up")
    wait_until(lambda: f":{PORT} " in rig.ours.run("ss", "-Hlun").out, 3, "the port is open")


def test_conflict_of_ports_changes_nothing(rig):
    second = AditTunnel(rig.ours, [], PORT + 1).start()
    peer = public(key())
    before = second.showconf()
    result = rig.ours.run("wg", "set", second.ifname, "listen-port", PORT, "fwmark", 5,
                          "private-key", "/dev/stdin", "peer", peer, "endpoint", "10.98.0.2:1",
                          input=key(), check=False)
    assert result.code == 1 and "Address already in use" in result.err
    assert second.showconf() == before
    assert f":{PORT + 1} " in rig.ours.run("ss", "-Hlun").out


def test_two_tunnels_on_one_host(rig):
    their = rig.their_tunnel()
    ours = AditTunnel(rig.ours, ["10.96.0.1/24"], PORT + 1).start()
    theirs = AditTunnel(rig.theirs, ["10.96.0.2/24"], PORT + 1).start()
    ours.add(theirs, endpoint("10.98.0.2", PORT + 1))
    theirs.add(ours)
    for address in ("10.97.0.2", "10.96.0.2"):
        ping(rig.ours, address)
    ours.stop()
    ping(rig.ours, "10.97.0.2")
    assert rig.tunnel.peer(their).handshake


# --- routes -------------------------------------------------------------------------------------

def test_tunnel_inside_the_tunnel(rig):
    rig.their_tunnel()
    inner_ours = AditTunnel(rig.ours, ["10.96.0.1/24"], PORT + 1)
    inner_theirs = AditTunnel(rig.theirs, ["10.96.0.2/24"], PORT + 1)
    for tunnel in (inner_ours, inner_theirs):
        tunnel.mtu = 1340
        tunnel.start()
    inner_ours.add(inner_theirs, endpoint("10.97.0.2", PORT + 1))
    inner_theirs.add(inner_ours)
    for size in (1, 1000, 1340 - 28):
        ping(rig.ours, "10.96.0.2", size=size)
    assert inner_theirs.peer(inner_ours).endpoint == endpoint("10.97.0.1", PORT + 1)


def cpu_seconds(host):
    ticks = 0
    for pid in host.pids():
        try:
            fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
        except GONE:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("established", [True, False], ids=["session", "no-session"])
def test_routing_loop_stays_bounded(rig, established):
    """The endpoint is reached through the tunnel itself: each packet would be wrapped for ever."""
    their, name = rig.their_tunnel(), rig.tunnel.ifname
    rig.tunnel.wg_set("peer", their.public_key, "allowed-ips", "0.0.0.0/0,fd97::2/128")
    if established:
        ping(rig.ours, "10.97.0.2")
    rig.ours.run("ip", "route", "add", "10.98.0.2/32", "dev", name)
    inside = Tap(rig.ours, name)
    before = cpu_seconds(rig.ours)
    for size in (56, 1392):  # the second leaves in fragments
        rig.ours.run("ping", "-n", "-q", "-c", 10, "-i", "0.05", "-W", "0.1", "-s", size,
                     "10.97.0.2", check=False)
    time.sleep(0.5)
    assert cpu_seconds(rig.ours) - before < 0.5
    assert len(inside.take()) < 100
    if established:
        assert rig.drops("loop") >= 20
    rig.ours.run("ip", "route", "del", "10.98.0.2/32", "dev", name)
    ping_until(rig.ours, "10.97.0.2", 8)


def test_fwmark_chooses_the_route_at_run_time(rig):
    other = rig.lab.link(rig.ours, rig.theirs).address(["10.95.0.1/24"], ["10.95.0.2/24"])
    rig.ours.run("ip", "rule", "add", "fwmark", 7, "table", 100)
    rig.ours.run("ip", "route", "add", "10.98.0.2/32", "via", "10.95.0.2", "table", 100)
    their = rig.their_tunnel()
    taps = {0: rig.tap, 7: Tap(rig.theirs, other.right_dev)}
    for mark in (0, 7, 0):
        rig.tunnel.wg_set("fwmark", mark)
        for tap in taps.values():
            tap.take()
        ping(rig.ours, "10.97.0.2")
        for each, tap in taps.items():
            mine = [seen for seen in tap.take() if rig.from_us(seen)]
            assert bool(mine) == (each == mark)
    assert rig.tunnel.peer(their).endpoint == endpoint("10.98.0.2")


def test_port_changes_at_run_time(rig):
    their = rig.their_tunnel()
    ping(rig.ours, "10.97.0.2")
    handshake = rig.tunnel.peer(their).handshake
    for port in (PORT + 5, 0):
        rig.tunnel.wg_set("listen-port", port)
        ping(rig.ours, "10.97.0.2")
        ports = set(re.findall(r":(\d+) ", rig.ours.run("ss", "-Hlun").out))
        shown = rig.ours.run("wg", "show", rig.tunnel.ifname, "listen-port").out.strip()
        assert ports == {shown} and shown != str(PORT) and (port == 0 or shown == str(port))
        assert their.peer(rig.tunnel).endpoint == endpoint("10.98.0.1", shown)
    assert rig.tunnel.peer(their).handshake == handshake


# --- peers --------------------------------------------------------------------------------------

LOW_ORDER = [bytes(32), bytes([1]) + bytes(31),
             bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
             bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
             *((2**255 - 19 + n).to_bytes(32, "little") for n in (-1, 0, 1))]


def test_low_order_public_keys(rig):
    """They may be configured; nothing is ever sent to them."""
    for n, point in enumerate(LOW_ORDER):
        rig.tunnel.wg_set("peer", base64.b64encode(point).decode(), "endpoint", "10.98.0.2:9",
                          "allowed-ips", f"10.97.1.{n}/32", "persistent-keepalive", 1)
    rig.ours.run("ip", "route", "add", "10.97.1.0/24", "dev", rig.tunnel.ifname)
    pings = [rig.ours.popen("ping", "-n", "-q", "-c", 3, "-i", "0.2", "-W", "0.5", f"10.97.1.{n}")
             for n in range(len(LOW_ORDER))]
    assert all(each.wait() != 0 for each in pings)
    assert not [seen for seen in rig.tap.take() if seen.source_port == PORT]
    assert all(peer.sent == 0 and peer.handshake == 0 for peer in rig.tunnel.peers().values())


@pytest.mark.parametrize("inner", [4, 6], ids=["inner4", "inner6"])
@pytest.mark.parametrize("with_peer", [False, True], ids=["no-peer", "no-endpoint"])
def test_unreachable_is_told_at_once(rig, inner, with_peer):
    if with_peer:
        rig.tunnel.wg_set("peer", public(key()), "allowed-ips", "10.97.0.2/32,fd97::2/128")
    result = rig.ours.run("ping", "-n", "-c", 1, "-W", 3, INNER[inner][1], check=False)
    assert result.code == 1
    text = "Destination Host Unreachable" if inner == 4 else (
        "Destination unreachable: Address unreachable")
    assert text in result.out
    assert rig.drops("no_endpoint" if with_peer else "no_peer") >= 1


# --- what the wire shows ------------------------------------------------------------------------

@pytest.mark.parametrize("inner", [4, 6], ids=["inner4", "inner6"])
@pytest.mark.parametrize("outer", [4, 6], ids=["outer4", "outer6"])
def test_ecn_going_out(rig, outer, inner):
    """RFC 6040: the inner ECN field and nothing else of the inner traffic class."""
    peer = rig.script(outer)
    rig.tap.take()
    sock = udp(rig.ours, version=inner)
    for tos in range(256):
        if inner == 4:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
        else:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, tos)
        sock.sendto(b"x", (INNER[inner][1], 9))
        packet = peer.receive()
        got = packet[1] if inner == 4 else (packet[0] << 4 | packet[1] >> 4) & 255
        assert got == tos
    seen = [each.tos for each in rig.tap.take() if rig.from_us(each)]
    assert seen == [tos & 3 for tos in range(256)]


NOT_ECT, ECT_1, ECT_0, CE = range(4)
MERGED = {(outer, inner): inner for outer in range(4) for inner in range(4)}
MERGED.update({(CE, ECT_0): CE, (CE, ECT_1): CE, (ECT_1, ECT_0): ECT_1})


@pytest.mark.parametrize("inner", [4, 6], ids=["inner4", "inner6"])
@pytest.mark.parametrize("outer", [4, 6], ids=["outer4", "outer6"])
def test_ecn_coming_in(rig, outer, inner):
    peer = rig.script(outer)
    inside = Tap(rig.ours, rig.tunnel.ifname)
    dscp = 0xb8
    for (outer_ecn, inner_ecn), merged in MERGED.items():
        if outer == 4:
            peer.sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, outer_ecn)
        else:
            peer.sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, outer_ecn)
        source, destination = INNER[inner][1], INNER[inner][0]
        inside.take()
        peer.send(udp_packet(source, destination, tos=dscp | inner_ecn))
        # Only the ECN bits change, and the IPv4 checksum with them.
        seen = inside.wait(lambda each: each.source == source)
        assert seen.packet == udp_packet(source, destination, tos=dscp | merged)


@pytest.mark.parametrize("outer", [4, 6], ids=["outer4", "outer6"])
def test_tos_of_handshakes_and_fragments_allowed(rig, outer):
    """Initiations and responses carry 0x88, keepalives 0; no datagram forbids fragments."""
    their = rig.their_tunnel(outer)
    ping(rig.ours, INNER[4][1])
    their.restart()  # now it is theirs to begin
    ping_until(rig.theirs, INNER[4][0], 5)
    seen = [each for each in rig.tap.take() if each.source_port == PORT]
    for each in seen:
        assert each.tos == (HANDSHAKE_TOS if each.payload[0] in (INITIATION, RESPONSE) else 0)
    assert {each.payload[0] for each in seen} == {INITIATION, RESPONSE, DATA}
    if outer == 4:
        assert not any(each.dont_fragment for each in seen)


@pytest.mark.parametrize("mtu", [1420, 1299, 1280])
def test_padding(rig, mtu):
    """Zeros up to a multiple of 16, but not beyond the MTU."""
    rig.ours.run("ip", "link", "set", rig.tunnel.ifname, "mtu", mtu)
    peer = rig.script()
    sock = udp(rig.ours)
    rig.tap.take()
    for length in [*range(28, 62), *range(mtu - 20, mtu + 1)]:
        sock.sendto(bytes([255]) * (length - 28), ("10.97.0.2", 9))
        packet = peer.receive()
        padded = min((length + 15) // 16 * 16, mtu)
        assert len(packet) == padded and packet[length:] == bytes(padded - length)
        assert struct.unpack_from(">H", packet, 2)[0] == length
    assert {len(seen.payload) % 16 for seen in rig.tap.take() if rig.from_us(seen)} == {
        0, mtu % 16}


@pytest.mark.parametrize("outer", [4, 6], ids=["outer4", "outer6"])
def test_oversize_outer_datagrams_are_fragmented(rig, outer):
    """The wire takes less than the tunnel sends; it gets there all the same."""
    rig.their_tunnel(outer)
    for host, dev in ((rig.ours, rig.link.left_dev), (rig.theirs, rig.link.right_dev)):
        host.run("ip", "link", "set", dev, "mtu", 1300)
    ping(rig.ours, "10.97.0.2", size=1420 - 28)
    assert any(seen.is_fragment for seen in rig.tap.take())
