# SPDX-License-Identifier: MIT
"""What is measured: two hosts on one wire, and between them a pair of tunnels of each
implementation, or the wire itself.

    left  10.98.0.1  ------- one wire (veth) -------  10.98.0.2  right
          10.96.N.1  ======= tunnel of subject N =====  10.96.N.2
"""

import os
import pathlib
import re
import shlex
import subprocess
import time

from hosts import pids_in, wait_until
from processes import children
from traffic import ping_until
from tunnels import UserspaceTunnel

WIRE = ("10.98.0.1", "10.98.0.2")
STRANGER = ("10.97.0.1", "10.97.0.2")
STRANGERS_SOURCES = "198.18.0.0/15"  # those of bench/flood
PORT = 51820


class Hosts:
    """The two hosts and their wire; and a third on a wire of its own, if somebody asks for it."""

    def __init__(self, lab, offloads=True):
        self._lab, self._stranger = lab, None
        self.left, self.right = lab.host("left"), lab.host("right")
        self.link = lab.link(self.left, self.right)
        self.link.address([WIRE[0] + "/24"], [WIRE[1] + "/24"])
        if not offloads:
            for host, dev in ((self.left, self.link.left_dev), (self.right, self.link.right_dev)):
                _switch_offloads_off(host, dev)

    def stranger(self):
        """A host that reaches the right one under many addresses."""
        if not self._stranger:
            self._stranger = self._lab.host("stranger")
            link = self._lab.link(self._stranger, self.right)
            link.address([STRANGER[0] + "/24"], [STRANGER[1] + "/24"])
            self.right.run("ip", "route", "add", STRANGERS_SOURCES, "via", STRANGER[0])
        return self._stranger

    def cpu(self):
        """Processor seconds the whole machine was not idle, from a fixed moment on."""
        stat = pathlib.Path("/proc/stat").read_text().split("\n")[0].split()
        idle = (int(stat[4]) + int(stat[5])) / os.sysconf("SC_CLK_TCK")
        return {"machine": time.monotonic() * os.cpu_count() - idle}


def _switch_offloads_off(host, dev):
    """Every datagram crosses the wire alone. A kernel knows not all names; the first it must."""
    host.run("ethtool", "-K", dev, "tso", "off", "gso", "off", "gro", "off")
    for name in ("tx-udp-segmentation", "rx-gro-list", "rx-udp-gro-forwarding"):
        host.run("ethtool", "-K", dev, name, "off", check=False)


class CommandTunnel(UserspaceTunnel):
    """A program called as wireguard-go is, and the processes it consists of."""

    def __init__(self, host, argv, *args, **settings):
        super().__init__(host, *args, **settings)
        self.argv = argv
        self._others = set()

    def command(self):
        return [*self.argv, "-f", self.ifname]

    def start(self):
        before = set(pids_in(self.host.namespace))
        super().start()
        # Those that no longer descend from the program started, but did.
        self._others = set(pids_in(self.host.namespace)) - before
        return self

    def pids(self):
        found, new = set(), {self.process.pid}
        while new:
            found |= new
            new = {child for pid in new for child in children(pid)} - found
        return found | self._others

    def cpu(self):
        """Processor seconds used so far, by all threads of all processes."""
        total = 0
        for pid in self.pids():
            for task in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"):
                try:
                    total += int(task.read_text().split()[0])
                except OSError:
                    pass  # ended since
        return total / 1e9

    def switches(self):
        """How often a thread of it was put to sleep or aside so far."""
        found = 0
        for pid in self.pids():
            for task in pathlib.Path(f"/proc/{pid}/task").glob("*/status"):
                found += sum(map(int, re.findall(r"ctxt_switches:\s+(\d+)", task.read_text())))
        return found

    def memory(self):
        """MiB resident, all processes: with pages they share counted in each, and once."""
        rss = pss = 0
        for pid in self.pids():
            try:
                lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            except OSError:
                continue
            sizes = {line.split()[0]: int(line.split()[1]) for line in lines[1:]}
            rss, pss = rss + sizes["Rss:"], pss + sizes["Pss:"]
        return rss / 1024, pss / 1024


class Wire:
    """The wire without a tunnel: the ceiling."""

    label = "veth"
    is_tunnel = False
    address = WIRE[1]

    def __init__(self, hosts):
        self.hosts = hosts

    def start(self):
        pass

    def cpu(self):
        return ()

    def set_mtu(self, mtu):
        pass

    def version(self):
        return "the wire without a tunnel"


class Subject:
    """An implementation: a command, and a pair of its tunnels that is up all the time."""

    is_tunnel = True

    def __init__(self, hosts, number, label, command, mtu):
        self.hosts, self.number, self.label, self.mtu = hosts, number, label, mtu
        self.argv = shlex.split(command)
        self.address = f"10.96.{number}.2"
        self.left, self.right = self._tunnels(number)

    def _tunnels(self, number):
        """One tunnel on each host, not started; every pair has its own addresses and ports."""
        tunnels = [self.make(host, [f"10.96.{number}.{last}/24"], PORT + number)
                   for host, last in ((self.hosts.left, 1), (self.hosts.right, 2))]
        for tunnel in tunnels:
            tunnel.mtu = self.mtu
        return tunnels

    def make(self, host, addresses, port):
        """A tunnel that is not started."""
        return CommandTunnel(host, self.argv, addresses, port)

    def start(self):
        connect(self.left, self.right)

    def fresh_pair(self):
        """Two more tunnels that are up, for measurements that need new ones; to be stopped."""
        pair = self._tunnels(self.number + 100)
        connect(*pair)
        return pair

    def fresh_tunnel(self):
        """One more tunnel on the left host, up, without peers; to be stopped."""
        return self._tunnels(self.number + 100)[0].start()

    def cpu(self):
        """Processor seconds of the left and of the right tunnel."""
        return self.left.cpu(), self.right.cpu()

    def set_mtu(self, mtu):
        for tunnel in (self.left, self.right):
            tunnel.host.run("ip", "link", "set", tunnel.ifname, "mtu", mtu)

    def version(self):
        """The command, and the first line of what it says of its version, if anything."""
        command = shlex.join(self.argv)
        try:
            done = subprocess.run([*self.argv, "--version"], stdin=subprocess.DEVNULL, text=True,
                                  capture_output=True, timeout=5)
        except (OSError, subprocess.TimeoutExpired):
            return command
        lines = done.stdout.splitlines() if done.returncode == 0 else []
        return f"{command} ({lines[0].strip()})" if lines else command


def connect(left, right):
    """Start both tunnels, make them peers, and wait until they carry packets."""
    left.start()
    right.start()
    left.add(right, f"{WIRE[1]}:{right.port}")
    right.add(left, f"{WIRE[0]}:{left.port}")
    ping_until(left.host, right.addresses[0].split("/")[0], 10)
