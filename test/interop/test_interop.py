# SPDX-License-Identifier: MIT
"""Adit against wireguard-go and against the kernel's WireGuard.

    ours (Adit)                                            theirs (the peer)
    10.98.0.1, fd98::1  ---------- one wire ----------  10.98.0.2, fd98::2
    10.97.0.1, fd97::1  ========== the tunnel ========  10.97.0.2, fd97::2

Who initiates is settled by who knows the other's endpoint: only that side can begin.
"""

import base64
import os
import time

import pytest

from hosts import wait_until
from traffic import (Tcp, answers, ping, ping_until, tcp_both_ways, udp_sweep)
from tunnels import AditTunnel, KernelTunnel, WireguardGoTunnel

OUTER = {4: ("10.98.0.1", "10.98.0.2"), 6: ("[fd98::1]", "[fd98::2]")}
INNER = {4: ("10.97.0.1", "10.97.0.2"), 6: ("fd97::1", "fd97::2")}
PORT = 51820

# A side that hears nothing for KEEPALIVE_TIMEOUT + REKEY_TIMEOUT begins a new handshake; a little
# more for jitter, a slow machine, and one lost attempt.
REHANDSHAKE_LIMIT = 15 + 8
LIMIT = 14  # seconds; a slow guest needs some, and from 15 on a new handshake would mend what fails
ACKNOWLEDGEMENTS = 10_000  # bytes, of some hundred packets


@pytest.fixture(params=["wireguard-go", "kernel"])
def theirs(request, lab):
    """The peer's host and the kind of its tunnel."""
    if request.param == "kernel":
        return request.getfixturevalue("kernel_guest"), KernelTunnel
    return lab.host("theirs"), WireguardGoTunnel


class Pair:
    """Both ends, their tunnels up, not yet peers."""

    def __init__(self, lab, theirs):
        their_host, their_kind = theirs
        self.our_host, self.their_host = lab.host("ours"), their_host
        self.ours = AditTunnel(self.our_host, [INNER[4][0] + "/24", INNER[6][0] + "/64"], PORT)
        self.theirs = their_kind(self.their_host, [INNER[4][1] + "/24", INNER[6][1] + "/64"], PORT)

    def wire(self, lab):
        self.link = lab.link(self.our_host, self.their_host).address(
            ["10.98.0.1/24", "fd98::1/64"], ["10.98.0.2/24", "fd98::2/64"])
        return self

    def start(self):
        self.ours.start()
        self.theirs.start()
        return self

    def connect(self, outer=4, we_know=True, they_know=True, psk=None):
        """Make the two peers of each other; who knows the other's endpoint can initiate."""
        our_address, their_address = OUTER[outer]
        self.ours.add(self.theirs, f"{their_address}:{PORT}" if we_know else None, psk=psk)
        self.theirs.add(self.ours, f"{our_address}:{PORT}" if they_know else None, psk=psk)

    def sides(self, who):
        """(host, tunnel, device, inner index) of the named side, then of the other."""
        ours = (self.our_host, self.ours, self.link.left_dev, 0)
        theirs = (self.their_host, self.theirs, self.link.right_dev, 1)
        return (ours, theirs) if who == "ours" else (theirs, ours)


@pytest.fixture
def pair(lab, theirs):
    return Pair(lab, theirs).wire(lab).start()


def random_key():
    return base64.b64encode(os.urandom(32)).decode()


@pytest.mark.parametrize("outer", [4, 6], ids=["outer4", "outer6"])
@pytest.mark.parametrize("psk", [False, True], ids=["plain", "psk"])
@pytest.mark.parametrize("initiator", ["ours", "theirs"])
def test_handshake(pair, initiator, psk, outer):
    psk = random_key() if psk else None
    pair.connect(outer, initiator == "ours", initiator == "theirs", psk)
    (host, tunnel, _, _), (_, other, _, there) = pair.sides(initiator)
    for inner in (4, 6):
        ping(host, INNER[inner][there])
    for one, two in ((tunnel, other), (other, tunnel)):
        peer = one.peer(two)
        assert peer.handshake > 0 and peer.received > 0 and peer.sent > 0
        assert peer.endpoint.startswith(OUTER[outer][1 if two is pair.theirs else 0])


@pytest.mark.parametrize("initiator", ["ours", "theirs"])
def test_wrong_psk_is_refused(pair, initiator):
    pair.connect(4, initiator == "ours", initiator == "theirs", random_key())
    pair.ours.wg_set("peer", pair.theirs.public_key, "preshared-key", "/dev/stdin",
                     input=random_key())
    (host, tunnel, _, _), (_, other, _, there) = pair.sides(initiator)
    assert not answers(host, INNER[4][there])
    assert tunnel.peer(other).handshake == 0


@pytest.mark.parametrize("inner", [4, 6], ids=["inner4", "inner6"])
@pytest.mark.parametrize("outer", [4, 6], ids=["outer4", "outer6"])
def test_tcp_both_ways(pair, outer, inner):
    pair.connect(outer)
    tcp_both_ways(pair.our_host, pair.their_host, INNER[inner][1])


@pytest.mark.parametrize("outer", [4, 6], ids=["outer4", "outer6"])
def test_udp_of_every_size(pair, outer):
    pair.connect(outer)
    for inner in (4, 6):
        udp_sweep(pair.our_host, pair.their_host, INNER[inner][1], pair.ours.mtu)


def tcp_goes_on(tunnel, other):
    """What it sends is acknowledged."""
    received = tunnel.peer(other).received
    wait_until(lambda: tunnel.peer(other).received > received + ACKNOWLEDGEMENTS, LIMIT,
               "TCP goes on")


def roams_to(tunnel, other, endpoint):
    """The other learns from what is sent to it where its peer is now, and answers there."""
    wait_until(lambda: other.peer(tunnel).endpoint == endpoint, LIMIT, f"it is {endpoint}")
    tcp_goes_on(tunnel, other)


@pytest.mark.parametrize("outer", [4, 6], ids=["outer4", "outer6"])
@pytest.mark.parametrize("mover", ["ours", "theirs"])
def test_address_roams_in_mid_transfer(pair, mover, outer):
    """The mover sends, for only what it sends can tell the other where it is now."""
    pair.connect(outer)
    (host, tunnel, dev, here), (other_host, other, _, there) = pair.sides(mover)
    old, new = ((f"10.98.0.{here + 1}/24", "10.98.0.77/24") if outer == 4 else
                (f"fd98::{here + 1}/64", "fd98::77/64"))
    transfer = Tcp(host, other_host, INNER[4][there], seconds=3 * LIMIT)
    time.sleep(1)
    host.address_add(dev, new)
    host.address_del(dev, old)
    if isinstance(tunnel, WireguardGoTunnel):
        # It clings to a source address that is gone (IPv4); told its peer's endpoint, it lets go.
        tunnel.wg_set("peer", other.public_key, "endpoint", f"{OUTER[outer][there]}:{PORT}")
    moved_to = new.split("/")[0]
    roams_to(tunnel, other, f"{moved_to}:{PORT}" if outer == 4 else f"[{moved_to}]:{PORT}")
    transfer.stop()


@pytest.mark.parametrize("mover", ["ours", "theirs"])
def test_port_roams_in_mid_transfer(pair, mover):
    pair.connect()
    (host, tunnel, _, here), (other_host, other, _, there) = pair.sides(mover)
    transfer = Tcp(host, other_host, INNER[4][there], seconds=3 * LIMIT)
    time.sleep(1)
    tunnel.wg_set("listen-port", PORT + 7)
    roams_to(tunnel, other, f"{OUTER[4][here]}:{PORT + 7}")
    transfer.stop()


@pytest.mark.parametrize("restarted", ["ours", "theirs"])
def test_restarted_side_goes_on(pair, restarted):
    """Restarted, with things to say: it begins a handshake at once, and TCP goes on."""
    pair.connect()
    (host, tunnel, _, _), (other_host, other, _, there) = pair.sides(restarted)
    transfer = Tcp(host, other_host, INNER[4][there], seconds=3 * LIMIT)
    time.sleep(1)
    tunnel.restart()
    tcp_goes_on(tunnel, other)
    assert tunnel.peer(other).handshake > 0
    transfer.stop()


@pytest.mark.parametrize("restarted", ["ours", "theirs"])
def test_other_side_notices_a_restart(pair, restarted):
    """Restarted, without knowing where the other is: the other must notice that nothing comes
    back, and begin a new handshake by itself."""
    pair.connect(we_know=restarted == "theirs", they_know=restarted == "ours")
    (_, tunnel, _, here), (talker, other, _, _) = pair.sides(restarted)
    ping(talker, INNER[4][here])
    stream = talker.popen("ping", "-n", "-q", "-i", "0.05", INNER[4][here])
    time.sleep(0.5)
    tunnel.restart(forget_endpoints=True)
    assert not answers(talker, INNER[4][here]), "it still has the old keys"
    ping_until(talker, INNER[4][here], REHANDSHAKE_LIMIT)
    stream.stop()
    assert other.peer(tunnel).handshake > 0


@pytest.mark.parametrize("remover", ["ours", "theirs"])
def test_peer_removed_and_added(pair, remover):
    pair.connect()
    (host, tunnel, _, here), (other_host, other, _, there) = pair.sides(remover)
    ping(other_host, INNER[4][here])
    tunnel.remove(other)
    assert tunnel.peers() == {}
    assert not answers(other_host, INNER[4][here])
    assert not answers(host, INNER[4][there])
    tunnel.add(other, f"{OUTER[4][there]}:{PORT}")
    ping(host, INNER[4][there])
    ping(other_host, INNER[4][here])


@pytest.mark.parametrize("client", ["ours", "theirs"])
def test_nat(lab, theirs, client):
    """Behind a NAT that forgets after two silent seconds, a keepalive each second keeps the
    way in open; without it, the way is closed until the client speaks again."""
    pair = Pair(lab, theirs)
    hosts = ((pair.our_host, pair.ours), (pair.their_host, pair.theirs))
    (host, tunnel), (server, other) = hosts if client == "ours" else reversed(hosts)
    here, there = (0, 1) if client == "ours" else (1, 0)
    lab.nat(host, server, udp_timeout=2)
    pair.start()
    other.add(tunnel)
    tunnel.add(other, f"10.99.2.2:{PORT}", keepalive=1)

    ping_until(server, INNER[4][here], 5)  # the first keepalive made the handshake
    assert other.peer(tunnel).endpoint.startswith("10.99.2.1:")
    time.sleep(3)
    ping(server, INNER[4][here])

    tunnel.wg_set("peer", other.public_key, "persistent-keepalive", "off")
    time.sleep(3)
    assert not answers(server, INNER[4][here])
    ping(host, INNER[4][there])
    ping(server, INNER[4][here])


def test_thousand_peers(pair):
    """One setconf with 1,000 peers; all are there as told, and one of them is real."""
    keys = [random_key() for _ in range(1000)]
    keys[500] = pair.theirs.public_key
    psks = [random_key() for _ in keys]
    allowed = [[f"10.{100 + i // 250}.{i % 250}.0/24", f"fd00:{i + 1:x}::/32"]
               for i in range(len(keys))]
    allowed[500] += [INNER[4][1] + "/32", INNER[6][1] + "/128"]
    pair.ours.setconf(
        f"[Interface]\nPrivateKey = {pair.ours.private_key}\nListenPort = {PORT}\n" + "".join(
            f"[Peer]\nPublicKey = {key}\nPresharedKey = {psk}\nAllowedIPs = {', '.join(ips)}\n"
            f"Endpoint = {OUTER[4][1]}:{PORT if i == 500 else 9}\n"
            for i, (key, psk, ips) in enumerate(zip(keys, psks, allowed))))

    peers = pair.ours.peers()
    assert list(sorted(peers)) == sorted(keys)
    for key, psk, ips in zip(keys, psks, allowed):
        assert peers[key].psk == psk
        assert sorted(peers[key].allowed_ips) == sorted(ips)

    pair.theirs.add(pair.ours, psk=psks[500])
    for inner in (4, 6):
        ping(pair.our_host, INNER[inner][1])
    wait_until(lambda: pair.ours.peer(pair.theirs).handshake > 0, 10, "the handshake shows")
