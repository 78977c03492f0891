# SPDX-License-Identifier: MIT
"""Machines of an overlay: hosts with a name, a /run and a /var/lib of their own, on one switch.

A machine runs the hub or an agent with nothing but defaults, so that a test does what a person
would: `adit join LINK`, `adit-hub node revoke robots robot2`.
"""

import http.client
import json
import os
import re
import signal
import socket
from pathlib import Path

from hosts import REPO, Host, wait_until
from processes import GONE, Role, children
from tunnels import adit_command

HUB = REPO / "build" / "adit-hub"
AGENT = REPO / "build" / "adit-agent"
ADIT = adit_command()[0]

READY = "ready"
# What a fresh machine has that others must not see: names, sockets, state. Its processes end with
# this shell, which the lab ends.
PREPARE = f"""
hostname $1
mount -t tmpfs run /run
mount -t tmpfs lib /var/lib
echo {READY}
exec sleep infinity
"""


class ApiError(AssertionError):
    """The hub refused."""

    def __init__(self, request, status, text):
        super().__init__(f"{request}: {status} {text}")
        self.status, self.text = status, text


class UnixConnection(http.client.HTTPConnection):
    """The admin API of the hub on a machine, one connection for all requests."""

    def __init__(self, machine):
        super().__init__("hub", timeout=30)
        self.path = str(machine.inside("/run/adit/hub.sock"))

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)

    def ask(self, method, path, body=None):
        self.request(method, path, json.dumps(body) if body is not None else None,
                     {"Content-Type": "application/json"})
        answer = self.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise ApiError(f"{method} {path}", answer.status, text.decode())
        return json.loads(text) if text else {}


class Machine(Host):
    """A namespace with a hostname and private state. Addresses are the fleet's business."""

    holder = None  # until there is one, it is like any host

    def __init__(self, lab, name):
        super().__init__(lab, name)
        self.holder = lab.popen_in(self, "unshare", "--mount", "--uts", "--propagation", "private",
                                   "sh", "-euc", PREPARE, "sh", name)
        wait_until(lambda: READY in self.holder.output(), 5, f"{name} is there")

    def argv(self, argv):
        if not self.holder:
            return super().argv(argv)
        return ["nsenter", "-t", str(self.holder.pid), "--net", "--mount", "--uts",
                "--"] + [str(a) for a in argv]

    def inside(self, path):
        return Path(f"/proc/{self.holder.pid}/root{path}")

    def reboot(self):
        """Everything dies at once, and what is in memory with it."""
        for pid in self.pids():
            if pid != self.holder.pid:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        wait_until(lambda: self.pids() == [self.holder.pid], 5, "all have ended")
        self.run("sh", "-c", "rm -rf /run/*")

    def break_disk(self, fault):
        """Let /var/lib be "full" or "read-only"; returns what mends it."""
        if fault == "read-only":
            self.run("mount", "-o", "remount,ro", "/var/lib")
            return lambda: self.run("mount", "-o", "remount,rw", "/var/lib")
        self.run("sh", "-c", "mount -o remount,size=4m /var/lib; cat /dev/zero >/var/lib/full",
                 check=False)
        return self.inside("/var/lib/full").unlink


class Hub(Machine):
    """A machine on which `adit-hub run` works."""

    def start(self, *options):
        self.process = self.popen(HUB, "run", "--host", self.address, *options)
        wait_until(self.answers, 10, "the hub answers")
        return self

    def answers(self):
        assert self.process.poll() is None, self.process.output()
        return self.run(HUB, "status", check=False).code == 0

    def server(self):
        """The process that has the database; None: it is being started."""
        for pid in children(self.process.pid):
            try:
                if Path(f"/proc/{pid}/comm").read_text() == "adit-server\n":
                    return Role(pid)
            except GONE:
                pass  # it has died since
        return None

    def adit_hub(self, *words, **settings):
        return self.run(HUB, *words, **settings)

    def json(self, *words):
        return json.loads(self.adit_hub(*words, "--json").out)

    def link(self, network, *options):
        """A fresh join link."""
        text = self.adit_hub("key", "create", network, *options).out
        return re.search(r"adit://\S+", text)[0]


class Node(Machine):
    """A machine on which the agent works."""

    def start(self, *options):
        self.process = self.popen(AGENT, *options)
        wait_until(self.answers, 10, f"the agent of {self.name} answers")
        return self

    def answers(self):
        assert self.process.poll() is None, self.process.output()
        return self.run(ADIT, "status", check=False).code == 0

    def adit(self, *words, **settings):
        return self.run(ADIT, *words, **settings)

    def join(self, link, *options):
        self.adit("join", link, "--wait", *options)
        return self

    def status(self):
        return json.loads(self.adit("status", "--json").out)

    def pings(self, destination, count=1, wait=2, check=False):
        """Whether a ping by the agent's name arrives."""
        return self.adit("ping", "-c", count, "-W", wait, destination, check=check).code == 0


class Fleet:
    """A hub and nodes on one switch, 192.0.2.0/24."""

    def __init__(self, lab):
        self.lab = lab
        self.switch = lab.host("switch")
        self.switch.run("ip", "link", "add", "bridge", "type", "bridge")
        self.switch.run("ip", "link", "set", "bridge", "up")
        self._number = 0

    def _machine(self, kind, name):
        return self.add(self.lab.host(name, kind))

    def add(self, host):
        """Let a host be on the switch; it gets an `address`."""
        link = self.lab.link(self.switch, host)
        self.switch.run("ip", "link", "set", link.left_dev, "master", "bridge")
        self._number += 1
        host.address = f"192.0.2.{self._number}"
        link.address(right=[f"{host.address}/24"])
        return host

    def hub(self, name="hub"):
        return self._machine(Hub, name)

    def node(self, name):
        return self._machine(Node, name)
