# SPDX-License-Identifier: MIT
"""Tunnels under one interface: Adit, wireguard-go and the kernel's.

A tunnel belongs to a host. It is made with a key and inner addresses, started, and configured
with `wg`, which speaks to all three.
"""

import os
import pathlib
import re
import shlex
import signal
import subprocess
from itertools import count

from hosts import REPO, wait_until

SOCKETS = pathlib.Path("/var/run/wireguard").resolve()  # in the machine's root, too

_names = count()


def adit_command():
    """The implementation under test."""
    return shlex.split(os.environ.get("ADIT", str(REPO / "build" / "adit")))


def remove_stale():
    """Delete the sockets of test runs that were killed."""
    for socket in SOCKETS.glob("wg*n*.sock"):
        match = re.fullmatch(r"wg(\d+)n\d+", socket.stem)
        if match and not os.path.exists(f"/proc/{match[1]}"):
            socket.unlink(missing_ok=True)


def key():
    """A private key."""
    return _wg("genkey")


def public(private_key):
    return _wg("pubkey", private_key)


def _wg(verb, text=""):
    return subprocess.run(["wg", verb], input=text, check=True, text=True,
                          capture_output=True).stdout.strip()


class Peer:
    """What `wg show dump` says about one peer."""

    def __init__(self, line):
        (self.public_key, self.psk, self.endpoint, allowed_ips, handshake, received, sent,
         self.keepalive) = line.split("\t")
        self.allowed_ips = [] if allowed_ips == "(none)" else allowed_ips.split(",")
        self.handshake, self.received, self.sent = int(handshake), int(received), int(sent)


class Tunnel:
    """What the three have in common; a subclass makes the interface appear and go."""

    mtu = 1420

    def __init__(self, host, addresses=(), port=51820):
        self.host = host
        # The sockets of all namespaces share a directory, so the name must be ours alone.
        self.ifname = f"wg{os.getpid()}n{next(_names)}"
        self.addresses = list(addresses)
        self.port = port
        self.private_key = key()
        self.public_key = public(self.private_key)

    def start(self):
        """Bring the interface up with its key, port and addresses, and no peers."""
        self._create()
        self.wg_set("listen-port", self.port, "private-key", "/dev/stdin", input=self.private_key)
        self._up()
        return self

    def stop(self):
        """End it in good order."""
        self._destroy(signal.SIGTERM)

    def restart(self, forget_endpoints=False):
        """Lose all sessions, as in a crash, and come back with the same configuration."""
        config = self.showconf()
        if forget_endpoints:
            config = re.sub("(?m)^Endpoint.*\n", "", config)
        self._destroy(signal.SIGKILL)
        self._create()
        self.setconf(config)
        self._up()

    def _up(self):
        self.host.address_add(self.ifname, *self.addresses)
        self.host.run("ip", "link", "set", self.ifname, "up", "mtu", self.mtu)

    # wg

    def wg_set(self, *args, input=None):
        self.host.run("wg", "set", self.ifname, *args, input=input)

    def setconf(self, text):
        self.host.run("wg", "setconf", self.ifname, "/dev/stdin", input=text)

    def showconf(self):
        return self.host.run("wg", "showconf", self.ifname).out

    def peers(self):
        """Peers by public key."""
        lines = self.host.run("wg", "show", self.ifname, "dump").out.splitlines()[1:]
        return {peer.public_key: peer for peer in map(Peer, lines)}

    def peer(self, other):
        return self.peers()[other.public_key]

    def add(self, other, endpoint=None, psk=None, keepalive=None, allowed_ips=None):
        """Make `other` a peer of ours; its inner addresses are allowed unless told otherwise."""
        if allowed_ips is None:
            allowed_ips = [address.split("/")[0] for address in other.addresses]
        args = ["peer", other.public_key, "allowed-ips", ",".join(allowed_ips)]
        if endpoint:
            args += ["endpoint", endpoint]
        if keepalive is not None:
            args += ["persistent-keepalive", keepalive]
        if psk:
            args += ["preshared-key", "/dev/stdin"]
        self.wg_set(*args, input=psk)

    def remove(self, other):
        self.wg_set("peer", other.public_key, "remove")


class UserspaceTunnel(Tunnel):
    """A program in the foreground whose interface is there once its socket answers."""

    process = None

    def __init__(self, *args, **settings):
        super().__init__(*args, **settings)
        self.socket = self.host.inside(SOCKETS / f"{self.ifname}.sock")
        self.host.lab.on_close(self._remove_socket)  # a killed program leaves it

    def command(self):
        raise NotImplementedError

    def _remove_socket(self):
        self.socket.unlink(missing_ok=True)

    def _create(self):
        self.process = self.host.popen(*self.command())
        wait_until(self._ready, 10, f"{self.command()} is up")

    def _ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"{self.command()} ended with {self.process.poll()}:\n"
                                 f"{self.process.output()}")
        return (self.socket.exists()
                and self.host.run("wg", "show", self.ifname, check=False).code == 0)

    def _destroy(self, sig):
        self.process.stop(sig)
        wait_until(lambda: self.host.run("ip", "link", "show", self.ifname, check=False).code,
                   5, f"{self.ifname} goes with its program")
        self._remove_socket()


class AditTunnel(UserspaceTunnel):
    def command(self):
        return [*adit_command(), "-f", self.ifname]


class WireguardGoTunnel(UserspaceTunnel):
    def command(self):
        return ["wireguard-go", "-f", self.ifname]


class KernelTunnel(Tunnel):
    """On a host whose kernel has WireGuard: the guest."""

    def _create(self):
        self.host.run("ip", "link", "add", self.ifname, "type", "wireguard")

    def _destroy(self, sig):
        self.host.run("ip", "link", "del", self.ifname)
