# SPDX-License-Identifier: MIT
"""Bad input at every door of a running tunnel: the UDP socket, the inside of a session, UAPI.

    ours: the tunnel under attack        theirs: everybody else
    10.98.0.1, fd98::1  ------------  10.98.0.2, fd98::2    honest, a tunnel with a live session
    10.97.0.1, fd97::1                10.98.0.66, fd98::66  strangers, and an evil peer

Whatever comes, the session of the honest peer goes on, nothing is answered that must stay silent,
and every datagram is counted once, under its reason.
"""

import base64
import collections
import functools
import itertools
import json
import random
import re
import socket
import struct
import time

import pytest

import hosts
from hosts import wait_until
from traffic import ping
from tunnels import SOCKETS, AditTunnel, adit_command, key, public
from wire import Forger, Tap, ip_packet, udp, udp_packet
from wireguard import (COOKIE_REPLY, DATA, INITIATION, LENGTHS, RESPONSE, Initiator, ScriptedPeer,
                       open_cookie, with_mac1, with_mac2)

PORT = 51820
OURS = {4: ("10.98.0.1", PORT), 6: ("fd98::1", PORT)}
MANY = 700  # of each kind from each sender
FUTILE_MAX = 1024  # engine.c: so many initiations a second that lead to nothing are load
REJECT_AFTER_MESSAGES = 2**64 - 1 - 8128 - 1
RECEIVE_REASONS = """wrong_length unknown_type bad_mac1 bad_mac2 rate_limited queue_full
    unknown_index unknown_peer bad_handshake old_timestamp initiation_flood bad_cookie_reply
    keypair_expired bad_tag replayed bad_inner not_allowed""".split()

dice = random.Random(20)


def raw(text):
    return base64.b64decode(text)


class Rig:
    """Both hosts with a session, begun by the honest peer while its wire was tapped."""

    def __init__(self, lab):
        self.ours, self.theirs = lab.host("ours"), lab.host("theirs")
        self.link = lab.link(self.ours, self.theirs).address(
            ["10.98.0.1/24", "fd98::1/64"],
            ["10.98.0.2/24", "fd98::2/64", "10.98.0.66/24", "fd98::66/64"])
        self.tunnel = AditTunnel(self.ours, ["10.97.0.1/24", "fd97::1/64"], PORT).start()
        self.honest = AditTunnel(self.theirs, ["10.97.0.2/24", "fd97::2/64"], PORT).start()
        self.evil_key = key()
        self.tunnel.add(self.honest)
        self.add_evil()
        self.public_key = raw(self.tunnel.public_key)
        self.tap = Tap(self.theirs, self.link.right_dev)
        self.honest.add(self.tunnel, f"10.98.0.1:{PORT}")
        ping(self.theirs, "10.97.0.1")
        seen = [each.payload for each in self.tap.take()
                if each.source == "10.98.0.2" and each.destination_port == PORT]
        self.recorded_initiation = next(m for m in seen if m[0] == INITIATION)
        self.recorded_data = next(m for m in reversed(seen) if m[0] == DATA)
        self.live_index = self.recorded_data[4:8]

    def add_evil(self):
        self.tunnel.wg_set("peer", public(self.evil_key), "allowed-ips",
                           "10.97.0.66/32,fd97::66/128")

    def senders(self):
        """Strangers, and what looks like the honest peer."""
        return [(udp(self.theirs, "10.98.0.66", 4), OURS[4]),
                (udp(self.theirs, "fd98::66", 6, version=6), OURS[6]),
                (Forger(self.theirs, "10.98.0.2", PORT), OURS[4])]

    def drops(self):
        out = self.ours.run(*adit_command(), "show", self.tunnel.ifname, "--json").out
        dropped = json.loads(out)["dropped"]
        return collections.Counter({name: dropped[name] for name in RECEIVE_REASONS})

    def wait_drops(self, before, num):
        return wait_until(lambda: (now := self.drops() - before).total() >= num and now, 10,
                          f"{num} datagrams are counted: {self.drops() - before}")

    def session(self):
        peer = self.tunnel.peer(self.honest)
        return peer.handshake, peer.endpoint

    def evil(self, version=4):
        sock = (udp(self.theirs, "10.98.0.66") if version == 4 else
                udp(self.theirs, "fd98::66", version=6))
        self.friends.add(sock.getsockname()[:2])
        return ScriptedPeer(sock, raw(self.evil_key), self.public_key, OURS[version]).connect()


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with hosts.Lab(tmp_path_factory.mktemp("bad")) as its_lab:
        yield Rig(its_lab)


@pytest.fixture
def under_attack(rig):
    """The honest session is used during the test, and is the same one afterwards; strangers
    hear nothing."""
    before = rig.session()
    rig.tap.take()
    pings = rig.theirs.popen("ping", "-n", "-q", "-i", "0.02", "10.97.0.1")
    rig.friends = {("10.98.0.2", PORT)}
    begin = time.monotonic()
    yield rig
    time.sleep(max(0, begin + 0.2 - time.monotonic()))
    pings.stop(2)
    sent, received = map(int, re.findall(r"(\d+) (?:packets transmitted|received)",
                                         pings.output()))
    assert 0 < sent <= received + 1, pings.output()  # the last may have been cut off
    assert rig.session() == before
    assert rig.tunnel.process.poll() is None
    for seen in rig.tap.take():
        if seen.source in ("10.98.0.1", "fd98::1") and seen.source_port == PORT:
            assert (seen.destination, seen.destination_port) in rig.friends
            assert seen.payload[0] == DATA or seen.destination != "10.98.0.2"


# Datagrams: each kind says how to make the n-th one, and why it must be dropped.

def kind(reason, num=MANY, chunk=350):
    return lambda make: KINDS.append((make, reason, num, chunk)) or make


KINDS = []


def of_type(message_type, length):
    return struct.pack("<I", message_type) + dice.randbytes(length - 4)


@kind("wrong_length")
def stub(rig, n):
    return dice.randbytes(n % 4)


@kind("unknown_type")
def unknown_type(rig, n):
    return of_type(dice.choice([0, 5, 255, 256 + INITIATION, DATA << 8, DATA | 1 << 31]),
                   dice.choice([4, 32, 64, 92, 148, 1200]))


@kind("wrong_length")
def truncated_initiation(rig, n):
    return rig.recorded_initiation[:4 + n % 144]


@kind("wrong_length")
def truncated_response(rig, n):
    return of_type(RESPONSE, 4 + n % 88)


@kind("wrong_length")
def truncated_cookie_reply(rig, n):
    return of_type(COOKIE_REPLY, 4 + n % 60)


@kind("wrong_length")
def truncated_data(rig, n):
    return rig.recorded_data[:4 + n % 28]


@kind("bad_tag")
def truncated_tag(rig, n):
    return rig.recorded_data[:32 + n % (len(rig.recorded_data) - 32)]


@kind("wrong_length")
def long_handshake(rig, n):
    message_type = dice.choice([INITIATION, RESPONSE, COOKIE_REPLY])
    return of_type(message_type, LENGTHS[message_type] + dice.randint(1, 1300))


@kind("wrong_length", num=20, chunk=5)
def giant_handshake(rig, n):
    return of_type(dice.choice([INITIATION, RESPONSE, COOKIE_REPLY]), dice.randint(60000, 65507))


@kind("bad_tag", num=20, chunk=5)
def giant_data(rig, n):
    return rig.recorded_data + bytes(65507 - len(rig.recorded_data) - n)


@kind("bad_mac1")
def random_initiation(rig, n):
    return of_type(INITIATION, 148)


@kind("bad_mac1")
def random_response(rig, n):
    return of_type(RESPONSE, 92)


@kind("unknown_index")
def random_cookie_reply(rig, n):
    return of_type(COOKIE_REPLY, 64)


@kind("unknown_index")
def random_data(rig, n):
    return of_type(DATA, dice.randint(32, 1400))


@kind("bad_handshake", chunk=100)
def initiation_with_mac1(rig, n):
    return with_mac1(of_type(INITIATION, 148), rig.public_key)


@kind("bad_handshake", num=50)
def initiation_with_low_order_point(rig, n):
    point = (n % 2).to_bytes(32, "little")
    return with_mac1(of_type(INITIATION, 8) + point + dice.randbytes(108), rig.public_key)


@kind("unknown_peer", num=30)
def initiation_of_a_stranger(rig, n):
    return Initiator(dice.randbytes(32), rig.public_key).initiation()


@kind("bad_handshake", num=30)
def initiation_that_names_a_peer(rig, n):
    """With the honest peer's public key, but without its private key."""
    initiator = Initiator(dice.randbytes(32), rig.public_key)
    initiator.public_key = raw(rig.honest.public_key)
    return initiator.initiation()


@kind("old_timestamp", chunk=100)
def initiation_again(rig, n):
    return rig.recorded_initiation


@kind("old_timestamp", chunk=100)
def initiation_again_with_another_index(rig, n):
    message = rig.recorded_initiation[:4] + dice.randbytes(4) + rig.recorded_initiation[8:]
    return with_mac1(message, rig.public_key)


@kind("unknown_index", chunk=100)
def response_with_mac1(rig, n):
    return with_mac1(of_type(RESPONSE, 92), rig.public_key)


@kind("unknown_index", chunk=100)
def response_to_a_session(rig, n):
    message = of_type(RESPONSE, 8) + rig.live_index + dice.randbytes(80)
    return with_mac1(message, rig.public_key)


@kind("bad_cookie_reply", chunk=100)
def cookie_reply_to_a_session(rig, n):
    return of_type(COOKIE_REPLY, 4) + rig.live_index + dice.randbytes(56)


@kind("bad_tag")
def data_of_a_session(rig, n):
    return of_type(DATA, 4) + rig.live_index + struct.pack("<Q", n) + dice.randbytes(16 + n % 1400)


@kind("keypair_expired")
def data_beyond_the_last_counter(rig, n):
    return (of_type(DATA, 4) + rig.live_index + struct.pack("<Q", REJECT_AFTER_MESSAGES + n) +
            dice.randbytes(64))


@kind("replayed")
def data_again(rig, n):
    return rig.recorded_data


def attack(rig, make, num, chunk, sender):
    """Send num messages; give the reasons counted. In chunks, so that no queue overflows, and not
    so many that took arithmetic in one second that they count as load."""
    sock, endpoint = sender
    before = rig.drops()
    for start in range(0, num, chunk):
        end = min(start + chunk, num)
        for message in [make(n) for n in range(start, end)]:
            sock.sendto(message, endpoint)
        counted = rig.wait_drops(before, end)
    if counted["bad_handshake"] + counted["old_timestamp"] > FUTILE_MAX // 10:
        time.sleep(1.1)
    return dict(counted)


@pytest.mark.parametrize("make, reason, num, chunk", KINDS, ids=[row[0].__name__ for row in KINDS])
def test_datagrams(under_attack, make, reason, num, chunk):
    for sender in under_attack.senders():
        assert attack(under_attack, functools.partial(make, under_attack), num, chunk,
                      sender) == {reason: num}


def flip(message, bit):
    return (int.from_bytes(message, "little") ^ 1 << bit).to_bytes(len(message), "little")


def test_every_bit_of_an_initiation(under_attack):
    message = under_attack.recorded_initiation

    def reason(bit):
        if bit == 1:  # type 3, of another length
            return "wrong_length"
        if bit < 32:
            return "unknown_type"
        return "bad_mac1" if bit < 132 * 8 else "old_timestamp"  # mac2 proves nothing to us now

    expected = collections.Counter(reason(bit) for bit in range(148 * 8))
    for sender in under_attack.senders():
        assert attack(under_attack, lambda n: flip(message, n), 148 * 8, 100, sender) == expected


def test_every_bit_of_an_initiation_with_its_mac1_made_right(under_attack):
    """All but the index is sealed: what is left is an old timestamp."""
    message = under_attack.recorded_initiation

    def make(n):
        return with_mac1(flip(message, 32 + n), under_attack.public_key)

    # The uppermost bit of a point means nothing to X25519, but the hash covers it.
    for sender in under_attack.senders():
        assert attack(under_attack, make, 112 * 8, 100, sender) == {
            "old_timestamp": 32, "bad_handshake": 108 * 8}


def test_every_bit_of_a_data_message(under_attack):
    message = under_attack.recorded_data
    bits = len(message) * 8
    expected = {"unknown_type": 32, "unknown_index": 32, "bad_tag": bits - 64}
    for sender in under_attack.senders():
        assert attack(under_attack, lambda n: flip(message, n), bits, 350, sender) == expected


def test_load_is_answered_with_cookies_and_nothing_else(rig):
    """Each message of a flood meets one of four ends; one of them is a cookie reply to its
    sender, and never a larger message than its own."""
    sock, endpoint = rig.senders()[0]
    flood = [with_mac1(of_type(INITIATION, 148), rig.public_key) for _ in range(6000)]
    before, session = rig.drops(), rig.session()
    rig.tap.take()
    for message in flood:
        sock.sendto(message, endpoint)
    counted = rig.wait_drops(before, len(flood))
    assert set(counted) <= {"bad_handshake", "bad_mac2", "queue_full"}
    assert counted.total() == len(flood) and counted["bad_mac2"] > 0
    answers = [seen for seen in rig.tap.take() if seen.destination == "10.98.0.66"
               and seen.source_port == PORT]
    assert len(answers) == counted["bad_mac2"]
    assert all(answer.payload[:4] == struct.pack("<I", COOKIE_REPLY)
               and len(answer.payload) == 64 and answer.destination_port == 4
               and answer.tos == 0 for answer in answers)
    asked = {message[4:8] for message in flood}
    assert {answer.payload[4:8] for answer in answers} <= asked
    time.sleep(1.2)  # the load is over, and so are the cookies
    before = rig.drops()
    sock.sendto(flood[0], endpoint)
    assert rig.wait_drops(before, 1) == {"bad_handshake": 1}
    ping(rig.theirs, "10.97.0.1")
    assert rig.session() == session


def test_futile_initiations_are_load_however_short_the_queue(rig):
    time.sleep(1.1)  # those of the second before count, too
    for _ in range(10):  # on a machine that is busy they may come too slowly
        counted = attack(rig, lambda n: with_mac1(of_type(INITIATION, 148), rig.public_key),
                         FUTILE_MAX + 400, 100, rig.senders()[0])
        if "bad_mac2" in counted and counted["bad_handshake"] < FUTILE_MAX + 8:
            break
    assert set(counted) == {"bad_handshake", "bad_mac2"}
    assert FUTILE_MAX <= counted["bad_handshake"] < FUTILE_MAX + 8  # as many as go together


def test_cookie_replies_nobody_asked_for_keep_no_initiation_out(rig):
    """They need no mac1: whoever sends them need not even know our public key."""
    sock, endpoint = rig.senders()[0]
    replies = [of_type(COOKIE_REPLY, 64) for _ in range(12000)]
    initiations = [with_mac1(of_type(INITIATION, 148), rig.public_key) for _ in range(200)]
    before = rig.drops()
    for message in replies + initiations:
        sock.sendto(message, endpoint)
    counted = rig.wait_drops(before, len(replies) + len(initiations))
    assert set(counted) == {"unknown_index", "queue_full", "bad_handshake"}
    assert counted["bad_handshake"] == len(initiations)


@pytest.mark.parametrize("outer", [4, 6], ids=["outer4", "outer6"])
def test_who_has_a_cookie_is_served_under_load_at_a_bounded_rate(rig, outer):
    """20 a second for an address, 5 at once; a cookie is good for one address and port."""
    sock, endpoint = rig.senders()[0 if outer == 4 else 1]
    other = (udp(rig.theirs, "10.98.0.66") if outer == 4 else
             udp(rig.theirs, "fd98::66", version=6))
    flood = [with_mac1(of_type(INITIATION, 148), rig.public_key) for _ in range(6000)]
    before = rig.drops()
    for message in flood:
        sock.sendto(message, endpoint)
    rig.wait_drops(before, len(flood))

    other.settimeout(10)
    other.sendto(flood[0], endpoint)
    cookie = open_cookie(other.recv(1000), flood[0], rig.public_key)
    before = rig.drops()
    sock.sendto(with_mac2(flood[1], cookie), endpoint)
    assert rig.wait_drops(before, 1) == {"bad_mac2": 1}
    before = rig.drops()
    for message in flood[:40]:
        other.sendto(with_mac2(message, cookie), endpoint)
    counted = rig.wait_drops(before, 40)
    assert counted.total() == 40 and set(counted) == {"bad_handshake", "rate_limited"}
    assert 4 <= counted["bad_handshake"] <= 20  # 5, and what a slow machine adds
    time.sleep(1.2)


def test_initiations_of_a_peer_are_consumed_at_a_bounded_rate(under_attack):
    """One in 20 ms, whatever its timestamp says."""
    sock = udp(under_attack.theirs, "10.98.0.66")
    under_attack.friends.add(sock.getsockname()[:2])
    now = time.time()
    messages = [Initiator(raw(under_attack.evil_key), under_attack.public_key).initiation(now + n)
                for n in range(5)]
    before = under_attack.drops()
    for message in messages:
        sock.sendto(message, OURS[4])
    under_attack.wait_drops(before, 1)
    time.sleep(0.1)  # a slow machine may consume more than one
    counted = under_attack.drops() - before
    assert set(counted) == {"initiation_flood"} and counted.total() <= 4
    # Its clock went back since: it must wait until time has caught up.
    under_attack.tunnel.wg_set("peer", public(under_attack.evil_key), "remove")
    under_attack.add_evil()


# What an authentic peer may put into its messages

def good4(length=32):
    return udp_packet("10.97.0.66", "10.97.0.1", bytes(length))


def good6(length=32):
    return udp_packet("fd97::66", "fd97::1", bytes(length))


def lie(packet, offset, value):
    return packet[:offset] + struct.pack(">H", value) + packet[offset + 2:]


BAD_INNER = [
    *[bytes([0x45]) + bytes(n) for n in range(19)],
    *[bytes([0x60]) + bytes(n) for n in range(39)],
    *[bytes([version << 4 | 5]) + good4()[1:] for version in range(16) if version not in (4, 6)],
    *[lie(good4(), 2, total) for total in (0, 1, 19, len(good4()) + 1, 1500, 0x7fff, 0xffff)],
    *[lie(good6(), 4, length) for length in (len(good6()) - 39, 1500, 0xffd7, 0xffd8, 0xffd9,
                                             0xffff)],
]
NOT_ALLOWED = [
    *[udp_packet(source, "10.97.0.1") for source in ("10.97.0.2", "10.97.0.1", "10.97.0.67",
                                                     "0.0.0.0", "127.0.0.1", "255.255.255.255",
                                                     "10.98.0.66", "224.0.0.1")],
    *[udp_packet(source, "fd97::1") for source in ("fd97::2", "fd97::1", "fd97::67", "::", "::1",
                                                   "fe80::1", "fd98::66", "ff02::1")],
]


@pytest.mark.parametrize("outer", [4, 6], ids=["outer4", "outer6"])
def test_inner_packets_of_an_evil_peer(under_attack, outer):
    rig = under_attack
    evil = rig.evil(outer)
    inside = Tap(rig.ours, rig.tunnel.ifname)
    before = rig.drops()
    for packet in itertools.chain(BAD_INNER, NOT_ALLOWED):
        evil.send(packet)
    counted = rig.wait_drops(before, len(BAD_INNER) + len(NOT_ALLOWED))
    assert counted == {"bad_inner": len(BAD_INNER), "not_allowed": len(NOT_ALLOWED)}
    evil.send()  # a keepalive is no packet
    # One by one: what comes together is joined (UDP segmentation offload), and seen so here.
    for num, packet in enumerate((good4(), good6(), good4() + dice.randbytes(99),
                                  good6() + bytes(5)), 1):
        evil.send(packet)
        wait_until(lambda: delivered(inside, ("10.97.0.66", "fd97::66")) == num, 3,
                   "good ones are delivered")
    assert rig.drops() - before == counted
    assert not [each for each in inside.seen
                if each.destination in ("10.97.0.1", "fd97::1")
                and each.source not in ("10.97.0.66", "fd97::66", "10.97.0.2")]


def delivered(tap, sources):
    """How many good packets came; they come cut to their own length."""
    tap.seen = getattr(tap, "seen", []) + tap.take()
    mine = [each.packet for each in tap.seen if each.source in sources]
    assert all(packet in (good4(), good6()) for packet in mine)
    return len(mine)


def test_inner_header_length_lies_reach_only_the_kernel(under_attack):
    """As with the kernel's WireGuard: it is for the stack to look at options."""
    evil = under_attack.evil()
    packet = bytes([0x4f]) + good4()[1:]
    before = under_attack.drops()
    evil.send(packet)
    evil.send(ip_packet("10.97.0.66", "10.97.0.1", 1, b"\x08\0\xf7\xff" + bytes(4)))
    assert evil.receive()[20:22] == b"\0\0"  # the echo after it is answered
    assert under_attack.drops() == before


def test_replays_of_an_evil_peer(under_attack):
    """8,128 counters back is late but welcome, one more is not; none is welcome twice."""
    evil = under_attack.evil()
    before = under_attack.drops()
    top = 20000
    good = [top, top - 1, top - 100, top - 8127, top + 1]
    for counter in good:
        evil.send(good4(), counter)
    bad = [*good, top + 1 - 8129, 0, 5]
    for counter in bad:
        evil.send(good4(), counter)
    counted = under_attack.wait_drops(before, len(bad))
    assert counted == {"replayed": len(bad)}


def test_random_inner_packets_of_an_evil_peer(under_attack):
    evil = under_attack.evil(6)
    before = under_attack.drops()
    num = 1000
    for n in range(num):
        packet = dice.randbytes(dice.randint(1, 100))
        if n % 2:
            packet = bytes([dice.choice([0x45, 0x60])]) + packet[1:]
        evil.send(packet)
    counted = under_attack.wait_drops(before, num)
    assert counted.total() == num and set(counted) <= {"bad_inner", "not_allowed"}


# UAPI text

class Client:
    def __init__(self, rig):
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.connect(str(SOCKETS / f"{rig.tunnel.ifname}.sock"))
        self._sock.settimeout(10)
        self._pending = b""

    def send(self, data):
        self._sock.sendall(data)

    def reply(self):
        """One reply, None when the connection ends instead."""
        while b"\n\n" not in self._pending:
            try:
                data = self._sock.recv(65536)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self._pending += data
        reply, self._pending = self._pending.split(b"\n\n", 1)
        return reply.decode() + "\n"

    def ask(self, data):
        self.send(data)
        return self.reply()

    def close(self):
        self._sock.close()


def settings(rig):
    """All that a request can change."""
    lines = Client(rig).ask(b"get=1\n\n").splitlines()
    moving = ("rx_bytes", "tx_bytes", "last_handshake", "drop_")
    return [line for line in lines if not line.startswith(moving)]


NEW_PEER = bytes(range(32)).hex()

GOOD_LINES = f"""private_key={"11" * 32}
listen_port=4711
fwmark=7
replace_peers=true
public_key={NEW_PEER}
preshared_key={"22" * 32}
endpoint=192.0.2.1:7
persistent_keepalive_interval=9
replace_allowed_ips=true
allowed_ip=192.0.2.0/24
allowed_ip=2001:db8::/32
protocol_version=1
public_key={"33" * 32}
""".splitlines()

EINVAL, EPROTO = 22, 71
BAD_LINES = [
    ("nonsense", EPROTO), ("\0", EPROTO), ("listen_port=1\0", EPROTO), (" ", EPROTO),
    ("nonsense=1", EINVAL), ("=", EINVAL), ("=1", EINVAL), ("get=1", EINVAL), ("set=1", EINVAL),
    ("errno=0", EINVAL), ("Public_Key=" + "44" * 32, EINVAL), ("public_key =" + "44" * 32, EINVAL),
    ("public_key=", EINVAL), ("public_key=" + "4" * 63, EINVAL), ("public_key=" + "4" * 65, EINVAL),
    ("public_key=" + "zz" * 32, EINVAL), ("public_key=" + base64.b64encode(bytes(32)).decode(),
                                          EINVAL),
]
BAD_DEVICE_LINES = [
    ("private_key=", EINVAL), ("private_key=" + "5" * 66, EINVAL), ("listen_port=", EINVAL),
    ("listen_port=65536", EINVAL), ("listen_port=-1", EINVAL), ("listen_port=0x10", EINVAL),
    ("listen_port= 1", EINVAL), ("listen_port=1 ", EINVAL), ("listen_port=" + "9" * 400, EINVAL),
    ("fwmark=4294967296", EINVAL), ("fwmark=0xzz", EINVAL), ("replace_peers=false", EINVAL),
    ("replace_peers=", EINVAL), ("allowed_ip=10.0.0.0/8", EINVAL), ("endpoint=10.0.0.1:1", EINVAL),
    ("remove=true", EINVAL), ("protocol_version=1", EINVAL),
]
BAD_PEER_LINES = [
    ("listen_port=1", EINVAL), ("private_key=" + "55" * 32, EINVAL), ("preshared_key=1", EINVAL),
    ("replace_peers=true", EINVAL), ("remove=yes", EINVAL), ("update_only=1", EINVAL),
    ("protocol_version=2", EINVAL), ("persistent_keepalive_interval=65536", EINVAL),
    ("persistent_keepalive_interval=off", EINVAL), ("endpoint=", EINVAL),
    ("endpoint=10.0.0.1", EINVAL), ("endpoint=10.0.0.1:65536", EINVAL),
    ("endpoint=example.com:1", EINVAL), ("endpoint=[fd00::1:1", EINVAL),
    ("endpoint=" + "1" * 5000, EINVAL), ("allowed_ip=", EINVAL), ("allowed_ip=10.0.0.0/33", EINVAL),
    ("allowed_ip=10.0.0/8", EINVAL), ("allowed_ip=::/129", EINVAL), ("allowed_ip=::/-1", EINVAL),
    ("allowed_ip=" + "a" * 5000, EINVAL),
]


def cases():
    for rows, first, last in ((BAD_LINES, 0, len(GOOD_LINES)), (BAD_DEVICE_LINES, 0, 4),
                              (BAD_PEER_LINES, 5, len(GOOD_LINES))):
        for line, errno in rows:
            yield line, errno, first, last


def test_one_bad_line_and_nothing_is_changed(under_attack):
    before = settings(under_attack)
    client = Client(under_attack)
    for line, errno, first, last in cases():
        for at in (first, (first + last) // 2, last):
            lines = ["set=1", *GOOD_LINES[:at], line, *GOOD_LINES[at:], "", ""]
            assert client.ask("\n".join(lines).encode()) == f"errno=-{errno}\n", (line, at)
    assert settings(under_attack) == before


def test_garbage_ends_the_connection(under_attack):
    before = settings(under_attack)
    beginnings = [b"\n", b"\n\n", b"\0", b"get=2\n\n", b"get=1\nx=1\n\n", b"GET / HTTP/1.1\r\n\r\n",
                  b"set=2\n\n", b"set =1\n\n", b"errno=0\n\n", b"public_key=", b"\xff" * 65536]
    for data in beginnings + [dice.randbytes(2**n) for n in range(21)]:
        client = Client(under_attack)
        try:
            client.send(data)
        except (BrokenPipeError, ConnectionResetError):
            continue
        assert client.reply() is None, data[:80]
    assert settings(under_attack) == before


def monitor_memory(rig):
    """Of the process with the UAPI socket, in MB."""
    status = open(f"/proc/{rig.tunnel.process.pid}/status").read()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def test_a_request_without_end(under_attack):
    """64 MiB are taken, for it could become a request; then the connection ends."""
    before, memory = settings(under_attack), monitor_memory(under_attack)
    for filling in (b"a" * 65536, b"public_key=" + b"00" * 32 + b"\n"):
        client = Client(under_attack)
        block = filling * (2**20 // len(filling))
        client.send(b"set=1\n")
        sent = 0
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            while sent <= 80 * 2**20:
                client.send(block)
                sent += len(block)
        assert sent >= 63 * 2**20
        assert settings(under_attack) == before
    assert monitor_memory(under_attack) < memory + 16


def test_half_requests_and_slow_clients(under_attack):
    before = settings(under_attack)
    request = b"set=1\nfwmark=9\n\n"
    for end in range(len(request)):
        client = Client(under_attack)
        client.send(request[:end])
        client.close()
    assert settings(under_attack) == before
    slow = [Client(under_attack) for _ in range(4)]
    for byte in b"get=1\n\n":
        for client in slow:
            client.send(bytes([byte]))
    assert all("errno=0\n" in client.reply() for client in slow)


def test_requests_in_one_piece_and_interleaved(under_attack):
    before = settings(under_attack)
    one, two = Client(under_attack), Client(under_attack)
    one.send(b"set=1\nfwmark=1\n")
    assert two.ask(b"set=1\nfwmark=2\n\n") == "errno=0\n"
    assert one.ask(b"\n") == "errno=0\n"
    assert "fwmark=1" in settings(under_attack)
    two.send(b"set=1\nfwmark=3\n\nget=1\n\nset=1\nbad=1\n\nset=1\nfwmark=0\n\nget=1\n\n")
    replies = [two.reply() for _ in range(5)]
    assert "fwmark=3\n" in replies[1] and "fwmark" not in replies[4]
    assert (replies[0], replies[2], replies[3]) == ("errno=0\n", "errno=-22\n", "errno=0\n")
    assert settings(under_attack) == before


def test_many_connections(under_attack):
    """Those that say nothing keep nobody out."""
    before = settings(under_attack)
    idle = []
    for n in range(60):
        idle.append(Client(under_attack))
        if n % 2:
            idle[-1].send(b"set=1\nlisten_port=1\n")
    assert settings(under_attack) == before
    for client in idle:
        client.close()
    assert settings(under_attack) == before


def test_a_client_that_reads_nothing(under_attack):
    client = Client(under_attack)
    client._sock.settimeout(0.5)
    with pytest.raises(TimeoutError):
        for _ in range(100000):
            client.send(b"get=1\n\n" * 100)
    assert settings(under_attack)
