# SPDX-License-Identifier: MIT
"""Many nodes on one host: bench/swarm's memberships against a real hub.

The hub with its launcher, vault, door and database is a machine, all nodes are another host. Only
the tunnel may be a plain wire (bench/swarm_tunnel), over which the nodes reach the API from their
own addresses.
"""

import json
import os
import select
import subprocess
import time

from hosts import REPO, pids_in, wait_until
from machines import Hub

PROGRAM = REPO / "build" / "bench" / "swarm"
TUNNEL = REPO / "bench" / "swarm_tunnel"
HUB, NODES = "198.18.0.1", "198.18.0.2"
SOURCES = "198.18.1.0/24"  # of the nodes' enrolments
OVERLAY = "100.64.0.0/16"
API = "100.64.0.1"
WIRE = ("169.254.1.1", "169.254.1.2")
LIMIT_S = 300


class Swarm:
    """The program that plays the nodes."""

    def __init__(self, host, link, num):
        self.process = subprocess.Popen(
            [str(a) for a in host.argv([PROGRAM, link, num])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=False, bufsize=0)
        self.buffer = b""

    def say(self, line):
        self.process.stdin.write(line.encode() + b"\n")

    def hear(self, limit=LIMIT_S):
        """The next line of JSON, or None when none came in time."""
        deadline = time.monotonic() + limit
        while b"\n" not in self.buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                return None
            data = os.read(self.process.stdout.fileno(), 1 << 16)
            if not data:
                raise AssertionError("the swarm ended")
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)

    def ask(self, line):
        self.say(line)
        answer = self.hear()
        if answer is None:
            raise AssertionError(f"{line}: no end after {LIMIT_S} s")
        return answer


def _hold(host):
    """A process in the host's namespace, by which ip finds it."""
    host.popen("sleep", "3600")
    return str(wait_until(lambda: pids_in(host.namespace), 10, "a process in the namespace")[0])


def _wire(hub, nodes):
    """What bench/swarm_tunnel takes for a tunnel."""
    hub.run("ip", "link", "add", "overlay0", "type", "veth", "peer", "name", "overlay1")
    hub.run("ip", "link", "set", "overlay1", "netns", _hold(nodes))
    nodes.run("ip", "address", "add", f"{WIRE[1]}/30", "dev", "overlay1")
    nodes.run("ip", "link", "set", "overlay1", "up")
    hub.run("ip", "address", "add", f"{WIRE[0]}/30", "dev", "overlay0")
    nodes.run("ip", "route", "add", "local", OVERLAY, "dev", "lo", "table", "main")
    nodes.run("ip", "route", "add", API, "via", WIRE[0], "dev", "overlay1", "onlink")


def start(lab, num, uses=None):
    """A hub with the network "robots", and a swarm of num nodes that has a link to it."""
    hub, nodes = lab.host(f"hub{num}", Hub), lab.host(f"swarm{num}")
    lab.link(hub, nodes).address([f"{HUB}/24"], [f"{NODES}/24"])
    hub.run("ip", "route", "add", SOURCES, "via", NODES)
    nodes.run("ip", "route", "add", "local", SOURCES, "dev", "lo")
    _wire(hub, nodes)
    hub.address = HUB
    hub.start("--tunnel-program", TUNNEL)
    hub.adit_hub("network", "add", "robots", "--prefix4", OVERLAY)
    hub.run("ip", "route", "replace", OVERLAY, "via", WIRE[1], "dev", "adit-hub", "onlink")
    swarm = Swarm(nodes, hub.link("robots", "--uses", uses or num), num)
    lab.on_close(swarm.process.kill)
    return hub, swarm
