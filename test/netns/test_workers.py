# SPDX-License-Identifier: MIT
"""Several workers in one datapath. ADIT_ENGAGE=always has them engaged as soon as their lane has
packets, which takes load and idle cores otherwise.

    hub: 10.98.0.1, and inside 10.97.N.1      spokes: 10.98.0.2, and inside 10.97.N.2 of tunnel N
"""

import json
import os
import pathlib
import sys
import time

import pytest

from hosts import wait_until
from processes import family, session_keys
from traffic import Tcp, ping, ping_until
from tunnels import AditTunnel, key, public

FLOWS = pathlib.Path(__file__).resolve().parents[1] / "lib" / "flows.py"
NUM_SPOKES = 4
FLOWS_EACH = 4
PORT = 5200
SECONDS = 6

pytestmark = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core: one worker")


class ForcedTunnel(AditTunnel):
    def command(self):
        return ["env", "ADIT_ENGAGE=always", *super().command()]

    @property
    def datapath(self):
        return family(self.process.pid)["datapath"]


class Rig:
    def __init__(self, lab):
        self.outside, self.inside = lab.host("spokes"), lab.host("hub")
        lab.link(self.inside, self.outside).address(["10.98.0.1/24"], ["10.98.0.2/24"])
        self.hub = ForcedTunnel(
            self.inside, [f"10.97.{n}.1/24" for n in range(NUM_SPOKES)], 51820).start()
        self.spokes = [ForcedTunnel(self.outside, [f"10.97.{n}.2/24"], 52000 + n).start()
                       for n in range(NUM_SPOKES)]
        for n, spoke in enumerate(self.spokes):
            spoke.add(self.hub, "10.98.0.1:51820", allowed_ips=[f"10.97.{n}.1/32"])
            self.hub.add(spoke, f"10.98.0.2:{52000 + n}")
            ping(self.outside, f"10.97.{n}.1")

    def addresses(self, end):
        return [f"10.97.{n}.{end}" for n in range(NUM_SPOKES)]

    def flows(self, sender, receiver, end, seconds=SECONDS):
        """From all addresses of one host to all of the other."""
        taker = receiver.popen(sys.executable, FLOWS, "receive", *self.addresses(end), PORT)
        wait_until(lambda: receiver.run("ss", "-Hlun").out.count(f":{PORT} ") == NUM_SPOKES, 10,
                   "the receiver listens")
        giver = sender.popen(sys.executable, FLOWS, "send", *self.addresses(end), PORT, FLOWS_EACH,
                             seconds)
        return giver, taker


@pytest.fixture
def rig(lab):
    return Rig(lab)


def other_threads(tunnel):
    return sorted((thread for thread in tunnel.datapath.threads()
                   if int(str(thread.pid).rpartition("/")[2]) != tunnel.datapath.pid),
                  key=lambda thread: thread.pid)


def processor_ticks(thread):
    user, system = thread.proc("stat").read_text().rpartition(")")[2].split()[11:13]
    return int(user) + int(system)


@pytest.mark.parametrize("moves", (False, True))
def test_flows_keep_their_order_whatever_changes(rig, moves):
    """But what comes from a new port may go to another socket, and overtake what waits in the old
    one."""
    pairs = [rig.flows(rig.outside, rig.inside, 1), rig.flows(rig.inside, rig.outside, 2)]
    end = time.monotonic() + SECONDS
    for i in range(1000):
        others = [public(key()) for _ in range(3)]
        for other in others:
            rig.hub.wg_set("peer", other, "allowed-ips", f"10.97.{i % NUM_SPOKES}.0/28")
        rig.hub.wg_set("fwmark", i + 1,
                       *(["listen-port", 51820 + i % 2] if moves else []))
        for other in others:
            rig.hub.wg_set("peer", other, "remove")
        rig.hub.host.run("ip", "link", "set", rig.hub.ifname, "mtu", 1400 + i % 2)
        time.sleep(0.1)
        if time.monotonic() > end:
            break
    for giver, taker in pairs:
        giver.wait()
        time.sleep(0.3)
        taker.stop()
        seen = json.loads(taker.output())
        assert len(seen) == NUM_SPOKES * FLOWS_EACH
        assert min(arrived for arrived, _ in seen.values()) > 1000
        late = {flow: late for flow, (arrived, late) in seen.items()
                if late > (arrived / 20 if moves else 0)}
        assert late == {}
    assert max(map(processor_ticks, other_threads(rig.hub))) > 0
    for n in range(NUM_SPOKES):
        ping_until(rig.inside, f"10.97.{n}.2", 5)
    Tcp(rig.outside, rig.inside, "10.97.1.1", 2).finish()


def test_parked_workers_sleep_and_forget(rig):
    keys = session_keys(rig.hub.datapath, rig.spokes[0].datapath)
    assert keys
    giver, taker = rig.flows(rig.inside, rig.outside, 2, 2)
    giver.wait()
    assert max(map(processor_ticks, other_threads(rig.hub))) > 0
    rig.hub.remove(rig.spokes[0])
    time.sleep(2)
    assert not rig.hub.datapath.holds(dict(enumerate(keys)))
    for _ in range(4):
        before = [thread.switches() for thread in other_threads(rig.hub)]
        time.sleep(3)
        if before == [thread.switches() for thread in other_threads(rig.hub)]:
            return
    raise AssertionError("a parked worker wakes up")


def test_a_port_is_not_shared_with_strangers(rig):
    stranger = rig.inside.popen(sys.executable, "-c", """if True:
        import socket, time
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sock.bind(("0.0.0.0", 51999))
            time.sleep(60)""")
    wait_until(lambda: ":51999 " in rig.inside.run("ss", "-Hlun").out, 10, "the stranger listens")
    done = rig.inside.run("wg", "set", rig.hub.ifname, "listen-port", 51999, check=False)
    assert done.code != 0 and "Address already in use" in done.err
    stranger.stop()
    rig.hub.wg_set("listen-port", 51999)
    ping_until(rig.inside, "10.97.0.2", 5)
