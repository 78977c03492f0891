# SPDX-License-Identifier: MIT
"""Adit beside the kernel's WireGuard: two namespaces inside the emulated machine of test/lib, which
has one slow processor. Good for an order of magnitude."""

import shlex

import guest
from hosts import Host
from subjects import WIRE, Subject
from tunnels import AditTunnel, KernelTunnel, adit_command


class GuestHost(Host):
    """A namespace inside the guest; it goes with the guest."""

    def __init__(self, machine, name):
        self.machine, self.lab, self.name, self.namespace = machine, machine.lab, name, name
        machine.run("ip", "netns", "add", name)
        self.prepare()

    def run(self, *argv, **settings):
        return self.machine.run(*self.argv(argv), **settings)

    def popen(self, *argv):
        return self.machine.popen(*self.argv(argv))


class GuestHosts:
    """The two hosts and their wire."""

    def __init__(self, lab):
        self.machine = guest.Guest(lab)
        for module in ("tun", "veth"):
            self.machine.run("modprobe", module)
        self.left, self.right = (GuestHost(self.machine, name) for name in ("left", "right"))
        self.machine.run("ip", "link", "add", "wire", "netns", "left", "type", "veth",
                         "peer", "name", "wire", "netns", "right")
        for host, address in zip((self.left, self.right), WIRE):
            host.address_add("wire", address + "/24")
            host.run("ip", "link", "set", "wire", "up")

    def cpu(self):
        """Processor time of an emulated machine says nothing."""
        return {}


class GuestAdit(AditTunnel):
    def _ready(self):
        """Its socket is in the guest, out of our sight."""
        if self.process.poll() is not None:
            raise AssertionError(f"{self.command()}: {self.process.output()}")
        return self.host.run("wg", "show", self.ifname, check=False).code == 0


class GuestSubject(Subject):
    """A pair of tunnels of either kind in the guest."""

    def __init__(self, hosts, number, label, mtu):
        super().__init__(hosts, number, label, shlex.join(adit_command()), mtu)

    def make(self, host, addresses, port):
        kind = KernelTunnel if self.label == "kernel" else GuestAdit
        return kind(host, addresses, port)

    def cpu(self):
        return ()

    def version(self):
        if self.label == "kernel":
            return f"WireGuard of Linux {self.hosts.machine.run('uname', '-r').out.strip()}"
        return super().version()
