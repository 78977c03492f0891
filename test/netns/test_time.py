# SPDX-License-Identifier: MIT
"""Time passes otherwise than usual: a process stands still for half a minute, and a day is over in
three. Both take long, so they go on at the same time."""

import concurrent.futures
import os
import shutil
import signal
import time

import pytest

import hosts
from drills import drills  # noqa: F401 (a fixture)
from hosts import wait_until
from processes import GONE, ROLES, Role, family, session_keys
from traffic import answers, ping, ping_until
from tunnels import AditTunnel

EVERYONE = ("starter",) + ROLES
STOPPED = 30  # seconds
SOON = 15  # a lost handshake message is sent again after 5 s
ANSWER_TIMEOUT = 10  # monitor.c: so long it waits for another process
SETTLED = 3  # so long after the last change of a route the monitors ask nothing more


# --- a process stands still ----------------------------------------------------------------------


class Stopped:
    """A pair of tunnels of which one has a role that is to stand still."""

    def __init__(self, ours, theirs, number, role):
        self.role = role
        self.address = f"10.8.{number}.2"
        self.tunnel = AditTunnel(ours, [f"10.8.{number}.1/24"], 51820 + number).start()
        self.other = AditTunnel(theirs, [f"10.8.{number}.2/24"], 51820 + number).start()
        self.meet()
        self.other.add(self.tunnel)
        ping(ours, self.address)
        self.roles = {"starter": Role(self.tunnel.process.pid),
                      **family(self.tunnel.process.pid)}

    def meet(self):
        self.tunnel.add(self.other, f"10.9.0.2:{self.other.port}")

    def send(self, sig):
        os.kill(self.roles[self.role].pid, sig)

    def alive(self):
        return all(role.alive() for role in self.roles.values())


@pytest.fixture
def still(lab):
    ours, theirs = lab.host("still"), lab.host("other")
    lab.link(ours, theirs).address(["10.9.0.1/24"], ["10.9.0.2/24"])

    def stop(names):
        pairs = [Stopped(ours, theirs, number, name) for number, name in enumerate(names, 1)]
        time.sleep(SETTLED)
        for pair in pairs:
            pair.send(signal.SIGSTOP)
        return pairs
    yield stop


def new_handshake(pair):
    """The other side has forgotten the session, and so needs one."""
    pair.other.remove(pair.tunnel)
    pair.other.add(pair.tunnel, f"10.9.0.1:{pair.tunnel.port}")


def test_stopped_for_long(still, day):
    pairs = still(EVERYONE)
    end = time.monotonic() + STOPPED
    for pair in pairs:  # a session needs nobody but the datapath
        assert answers(pair.tunnel.host, pair.address) == (pair.role != "datapath"), pair.role
        if pair.role != "monitor":
            new_handshake(pair)
    pings = [pair.other.host.popen("ping", "-n", "-q", "-i", "0.05", f"{pair.address[:-1]}1")
             for pair in pairs]
    time.sleep(end - time.monotonic())
    for pair in pairs:
        assert pair.alive(), (pair.role, pair.tunnel.process.output())
        pair.send(signal.SIGCONT)
    for pair, each in zip(pairs, pings):
        ping_until(pair.tunnel.host, pair.address, SOON)
        each.stop(signal.SIGINT)
        ping(pair.tunnel.host, pair.address, count=10)
        assert pair.tunnel.peer(pair.other).handshake, pair.role
        assert pair.alive() and pair.tunnel.process.output() == ""


def test_asked_while_stopped(still, day):
    """The monitor does not wait for ever for a process that stands still."""
    pairs = still(("vault", "engine", "datapath"))
    begin = time.monotonic()
    asked = [pair.tunnel.host.popen("wg", "set", pair.tunnel.ifname, "peer",
                                    pair.other.public_key, "persistent-keepalive", 5)
             if pair.role != "vault" else
             pair.tunnel.host.popen("wg", "show", pair.tunnel.ifname) for pair in pairs]
    for pair, each in zip(pairs, asked):
        assert pair.tunnel.process.wait(2 * ANSWER_TIMEOUT) == 1
        assert pair.tunnel.process.output().endswith(
            f"monitor: the {pair.role} does not answer: the tunnel ends\n")
        each.wait()
        wait_until(lambda: not any(role.alive() for role in pair.roles.values()), 5,
                   f"the {pair.role} is gone as well")
    assert time.monotonic() - begin > ANSWER_TIMEOUT / 2


# --- a day ---------------------------------------------------------------------------------------

FACTOR = 480  # an hour in 7.5 s; a handshake has 10 ms before it is tried again
HOURS = 24
HOUR = 3600 / FACTOR
IDLE = 700 / FACTOR  # after 9 minutes nothing is left of a session
BUSY_PINGS, PAUSE = 180, 0.02
REKEY_AFTER = 120
LOST_MAX = 12  # after something has changed


class FastTunnel(AditTunnel):
    """With a clock that is FACTOR times too fast, and served first, for otherwise another
    program's slice of the processor is ten seconds."""

    program = start_ns = None

    def command(self):
        first = ["chrt", "-f", "1"] if shutil.which("chrt") else []
        return [*first, "env", f"ADIT_DRILL_CLOCK={FACTOR}:{self.start_ns}", self.program, "-f",
                self.ifname]

    def look(self):
        self.roles = {"starter": Role(self.process.pid), **family(self.process.pid)}
        return self

    def resident(self):
        return {name: role.resident() for name, role in self.roles.items()}

    def kinds(self):
        return {name: role.kinds() for name, role in self.roles.items()}


class Day:
    """One tunnel with two peers, one of which has a persistent keepalive."""

    def __init__(self, lab, program):
        FastTunnel.program, FastTunnel.start_ns = program, time.clock_gettime_ns(
            time.CLOCK_BOOTTIME)
        self.ours, self.b, self.c = lab.host("day"), lab.host("dayb"), lab.host("dayc")
        self.link = lab.link(self.ours, self.b).address(["10.9.1.1/24"], ["10.9.1.2/24"])
        lab.link(self.ours, self.c).address(["10.9.2.1/24"], ["10.9.2.2/24"])
        self.ours.run("nft", "-f", "-", input="""
            table inet seen {
                chain any {
                    type filter hook prerouting priority raw;
                    udp dport 51820 @th,64,32 0x01000000 counter
                    udp dport 51820 @th,64,32 0x02000000 counter
                }
            }""")
        self.tunnel = FastTunnel(self.ours, ["10.8.0.1/24"]).start()
        self.roaming = FastTunnel(self.b, ["10.8.0.2/24"]).start()
        self.steady = FastTunnel(self.c, ["10.8.0.3/24"]).start()
        self.everyone = [self.tunnel.look(), self.roaming.look(), self.steady.look()]
        self.tunnel.add(self.roaming, "10.9.1.2:51820")
        self.tunnel.add(self.steady)
        self.roaming.add(self.tunnel, "10.9.1.1:51820")
        self.steady.add(self.tunnel, "10.9.2.1:51820", keepalive=25)
        self.lost = {}

    def handshakes(self):
        """Those that we answered or that were answered to us."""
        out = self.ours.run("nft", "list", "table", "inet", "seen").out
        return sum(int(line.split("packets ")[1].split()[0]) for line in out.splitlines()
                   if "packets" in line)

    def burst(self, meanwhile=lambda: None):
        """Traffic both ways with both peers; give how many packets were lost, and may have been:
        all that were sent during the change, and some after it."""
        pings = [host.popen("ping", "-n", "-q", "-i", PAUSE, "-c", BUSY_PINGS, "-W", 2, address)
                 for host, address in ((self.ours, "10.8.0.2"), (self.ours, "10.8.0.3"),
                                       (self.b, "10.8.0.1"), (self.c, "10.8.0.1"))]
        time.sleep(BUSY_PINGS * PAUSE / 3)
        begin = time.monotonic()
        meanwhile()
        took = time.monotonic() - begin
        for each in pings:
            each.wait()
        lost = [BUSY_PINGS - int(each.output().split(" received")[0].split()[-1])
                for each in pings]
        return lost, int(took / PAUSE) + LOST_MAX

    def roam(self):
        self.b.address_add("eth0", "10.9.1.3/24")
        self.b.address_del("eth0", "10.9.1.2/24")

    def down_and_up(self):
        self.ours.run("ip", "link", "set", self.tunnel.ifname, "down")
        self.ours.run("ip", "link", "set", self.tunnel.ifname, "up")
        self.ours.run("ip", "route", "replace", "10.8.0.0/24", "dev", self.tunnel.ifname)

    def forget(self):
        """The keys of a session are gone when nobody has used it for long."""
        ping(self.ours, "10.8.0.2")
        datapaths = [self.tunnel.roles["datapath"], self.roaming.roles["datapath"]]
        for datapath in datapaths:  # or they would be gone before they are found
            os.kill(datapath.pid, signal.SIGSTOP)
        keys = dict(enumerate(session_keys(*datapaths)))
        for datapath in datapaths:
            os.kill(datapath.pid, signal.SIGCONT)
        assert keys, "the session is found"
        time.sleep(3 * IDLE)
        for datapath in datapaths:
            assert datapath.holds(keys) == set()

    def run(self):
        events = {6: self.roam, 11: self.down_and_up, 15: self.roam_back, 20: self.down_and_up}
        end = time.monotonic()
        for hour in range(HOURS):
            end += HOUR
            if hour == 3:
                early = self.measure()
            if hour == 12:
                self.forget()
            lost, most = self.burst(events.get(hour, lambda: None))
            assert max(lost) <= (most if hour in events else 0), f"hour {hour}: lost {lost}"
            time.sleep(max(IDLE, end - time.monotonic()))
        return early, self.measure()

    def roam_back(self):
        self.b.address_add("eth0", "10.9.1.2/24")
        self.b.address_del("eth0", "10.9.1.3/24")

    def measure(self):
        return [(tunnel.resident(), tunnel.kinds()) for tunnel in self.everyone]


@pytest.fixture(scope="module")
def day(tmp_path_factory, drills):
    """What the day brings, once it is over."""
    with hosts.Lab(tmp_path_factory.mktemp("day")) as its_lab, \
            concurrent.futures.ThreadPoolExecutor(1) as pool:
        its = Day(its_lab, drills)
        its.result = pool.submit(its.run)
        yield its


def test_a_day(day):
    early, late = day.result.result()
    for (resident, kinds), (resident_late, kinds_late) in zip(early, late):
        assert kinds_late == kinds
        for role, size in resident.items():
            assert resident_late[role] < size + 0.5, f"{role} grows: {size} to {late} MiB"
    num = day.handshakes()
    busy = HOURS * BUSY_PINGS * PAUSE * FACTOR
    print(f"{HOURS} hours, {num} handshakes, {busy / 3600:.1f} hours of traffic")
    assert num > 2 * busy / REKEY_AFTER / 2
    for tunnel in day.everyone:
        assert tunnel.process.output() == ""
        tunnel.stop()
