# SPDX-License-Identifier: MIT
"""Floods from strangers while others work.

    theirs 10.9.1.2 ---- 10.9.1.1  ours  10.9.3.1 ---- 198.18.0.0/15 stranger
    friends 10.9.2.2 --- 10.9.2.1  the tunnel

What the stranger sends comes from random addresses (bench/flood.c), of which it hears the answers.
"""

import collections
import json
import shutil
import time
import warnings

import pytest

import drills
from hosts import wait_until
from traffic import Tcp, answers, count, counted, ping
from tunnels import AditTunnel, WireguardGoTunnel, adit_command
from wire import Tap

PORT = 51820
FORGED_PER_S = 10_000
JUNK_PER_S = 500_000
SECONDS = 8
MESSAGE_DATA = b"\4\0\0\0"
# A handshake message that is lost is sent again after 5 s; it takes two of them, one for the cookie.
IN_TIME = 30
SOON = 5


class Rig:
    def __init__(self, lab):
        self.ours = lab.host("ours")
        self.theirs, self.friends, self.stranger = map(lab.host, ("theirs", "friends", "stranger"))
        for number, host in enumerate((self.theirs, self.friends, self.stranger), 1):
            lab.link(self.ours, host).address([f"10.9.{number}.1/24"], [f"10.9.{number}.2/24"])
        self.ours.run("ip", "route", "add", "198.18.0.0/15", "via", "10.9.3.2")
        self.stranger.run("ip", "route", "add", "local", "198.18.0.0/15", "dev", "lo")
        count(self.stranger, "udp sport 51820 @th,64,32 0x03000000 counter",
              "udp sport 51820 @th,64,32 != 0x03000000 counter")
        count(self.theirs, "udp dport 51820 @th,64,32 0x01000000 counter")
        self.tunnel = AditTunnel(self.ours, ["10.8.0.1/24"], PORT).start()
        self.honest = AditTunnel(self.theirs, ["10.8.0.2/24"], PORT).start()
        self.tunnel.add(self.honest)
        self.honest.add(self.tunnel, f"10.9.1.1:{PORT}")
        ping(self.theirs, "10.8.0.1")

    def heard(self):
        """What the stranger got: cookie replies, and other messages."""
        return counted(self.stranger)[:2]

    def begun(self):
        """Handshakes that the honest two began, either of them."""
        return sum(counted(self.theirs))

    def sent(self):
        """Packets from the stranger that came to our side of the wire."""
        out = json.loads(self.ours.run("ip", "-j", "-s", "link", "show", "dev", "eth2").out)
        return out[0]["stats64"]["rx"]["packets"]

    def dropped(self):
        """Datagrams that led to nothing, by reason."""
        out = self.ours.run(*adit_command(), "show", self.tunnel.ifname, "--json").out
        return collections.Counter(json.loads(out)["dropped"])

    def flood(self, program, rate, *what):
        return self.stranger.popen(program, "10.9.3.1", PORT, rate, 2 * IN_TIME, *what)

    def receiver_index(self):
        """Of our session with the honest peer, as everybody on that wire sees it."""
        tap = Tap(self.ours, "eth0")
        ping(self.theirs, "10.8.0.1")
        seen = tap.wait(lambda datagram: datagram.source == "10.9.1.2" and
                        datagram.payload.startswith(MESSAGE_DATA))
        return int.from_bytes(seen.payload[4:8], "little")

    def transfer(self, seconds):
        return Tcp(self.theirs, self.ours, "10.8.0.1", seconds)

    def newcomer(self, kind, number):
        """A peer that we know and that never was here; it begins."""
        port = PORT + number
        tunnel = kind(self.friends, [f"10.8.{number}.2/24"], port).start()
        self.tunnel.add(tunnel, allowed_ips=[f"10.8.{number}.2/32"])
        self.tunnel.host.address_add(self.tunnel.ifname, f"10.8.{number}.1/24")
        tunnel.add(self.tunnel, f"10.9.2.1:{PORT}", keepalive=1,
                   allowed_ips=[f"10.8.{number}.1/32"])
        return f"10.8.{number}.1"


@pytest.fixture
def rig(lab):
    return Rig(lab)


@pytest.fixture(scope="session")
def flood_program():
    drills.build("bench/flood")
    return drills.BUILD / "bench" / "flood"


def check_progress(report):
    """Every second moved data. Gives MB each."""
    moved = [each["sum"]["bytes"] for each in report["intervals"] if each["sum"]["seconds"] > 0.5]
    assert min(moved) > 0, f"TCP stood still: {moved}"
    return [round(each / 1e6) for each in moved]


def say_if_fewer(rate, wanted):
    if rate < 0.9 * wanted:
        warnings.warn(f"this machine managed {rate:.0f} datagrams a second of {wanted}")


def test_forged_initiations(rig, flood_program):
    """They cost us arithmetic, until they are asked for cookies that their senders do not want."""
    kinds = [AditTunnel] + [WireguardGoTunnel] * bool(shutil.which("wireguard-go"))
    begin = time.monotonic()
    flood = rig.flood(flood_program, FORGED_PER_S, rig.tunnel.public_key)
    transfer = rig.transfer(SECONDS)
    wait_until(lambda: rig.heard()[0] > 1000, SOON, "cookie replies are on the wire")
    asked = time.monotonic()
    waiting = {rig.newcomer(kind, number): kind.__name__ for number, kind in enumerate(kinds, 1)}
    took = {}
    while waiting:
        assert time.monotonic() - asked < IN_TIME, f"kept out: {waiting}"
        for address in [each for each in waiting if answers(rig.friends, each)]:
            took[waiting.pop(address)] = f"{time.monotonic() - asked:.1f} s"
    report = transfer.finish()
    moved = check_progress(report)
    assert flood.poll() is None
    rate = rig.dropped().total() / (time.monotonic() - begin)
    flood.stop()
    cookies, others = rig.heard()
    print(f"{rate:.0f} forged initiations a second, {cookies} cookie replies; in after {took}; "
          f"TCP moved {moved} MB")
    assert others == 0
    say_if_fewer(rate, FORGED_PER_S)
    ping(rig.theirs, "10.8.0.1", count=20)


def test_junk(rig, flood_program):
    """All types and sizes, also of the session that there is; none leaves a trace but in the counts of
    what was dropped, and a peer that comes meanwhile gets in."""
    index = rig.receiver_index()
    begun, before = rig.begun(), rig.dropped()
    begin = time.monotonic()
    flood = rig.flood(flood_program, JUNK_PER_S, "junk", index)
    transfer = rig.transfer(SECONDS)
    newcomer = rig.newcomer(AditTunnel, 1)
    wait_until(lambda: answers(rig.friends, newcomer), IN_TIME, "a newcomer is let in")
    took = time.monotonic() - begin
    report = transfer.finish()
    moved = check_progress(report)
    dropped = rig.dropped() - before
    seconds = time.monotonic() - begin
    sent = rig.sent() / seconds
    assert flood.poll() is None
    flood.stop()
    ping(rig.theirs, "10.8.0.1", count=20)
    print(f"{sent:.0f} datagrams a second of {JUNK_PER_S} wanted, {dropped.total() / seconds:.0f} of "
          f"them read; in after {took:.1f} s; TCP moved {moved} MB; {dict(dropped)}")
    for reason in ("wrong_length", "unknown_type", "bad_mac1", "unknown_index", "bad_tag"):
        assert dropped[reason] > 0, reason
    assert not [reason for reason in dropped if reason in ("replayed", "bad_inner", "not_allowed")]
    # who hears nothing for 15 s, on a machine that has no time for him, begins another
    assert rig.receiver_index() == index or rig.begun() > begun, "the session is another"
    assert rig.heard() == [0, 0]
    say_if_fewer(sent, JUNK_PER_S)
