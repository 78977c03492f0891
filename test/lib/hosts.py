# SPDX-License-Identifier: MIT
"""Hosts and the wires between them.

A Host is a network namespace in which commands run; a Lab makes hosts, joins them by veth pairs,
puts a masquerading router in the way, and takes everything down again whatever happened.
Every process that still lives in a namespace of ours is ended with it.
"""

import atexit
import itertools
import os
import pathlib
import re
import signal
import subprocess
import time

REPO = pathlib.Path(__file__).resolve().parents[2]
RUN_TIMEOUT = 30


class CommandError(AssertionError):
    """A command inside a host failed; the message has what it printed."""


class Result:
    def __init__(self, argv, code, out, err):
        self.argv, self.code, self.out, self.err = argv, code, out, err

    def check(self):
        if self.code != 0:
            raise CommandError(f"{' '.join(map(str, self.argv))}: exit code {self.code}\n"
                               f"{self.out}{self.err}")
        return self


class Process:
    """A command in the background. Its output is collected in files, so it never blocks."""

    def __init__(self, argv, directory):
        self.argv = argv
        self.log = pathlib.Path(directory) / f"process-{next(_serial)}.log"
        with open(self.log, "wb") as log:
            self._popen = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL,
                                           stdout=log, stderr=subprocess.STDOUT)
        self.pid = self._popen.pid

    def poll(self):
        return self._popen.poll()

    def wait(self, timeout=RUN_TIMEOUT):
        return self._popen.wait(timeout)

    def stop(self, sig=signal.SIGTERM, timeout=10):
        if self._popen.poll() is None:
            self._popen.send_signal(sig)
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
            raise

    def output(self):
        return self.log.read_text(errors="replace")


_serial = itertools.count()


def wait_until(condition, timeout, what, interval=0.05):
    """Poll `condition` until it gives something true; return that, or fail saying `what`."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(interval)


class Host:
    """A network namespace."""

    kind = "namespace"

    def __init__(self, lab, name):
        self.lab = lab
        self.name = name
        self.namespace = f"{lab.prefix}-{name}"
        _ip("netns", "add", self.namespace)
        self.prepare()

    def prepare(self):
        self.run("ip", "link", "set", "lo", "up")
        # A host that loses its first address keeps the others.
        self.sysctl(net__ipv4__conf__all__promote_secondaries=1)

    def argv(self, argv):
        return ["ip", "netns", "exec", self.namespace] + [str(a) for a in argv]

    def run(self, *argv, input=None, check=True, timeout=RUN_TIMEOUT):
        done = subprocess.run(self.argv(argv), input=input if input is not None else "",
                              capture_output=True, text=True, timeout=timeout)
        result = Result(argv, done.returncode, done.stdout, done.stderr)
        return result.check() if check else result

    def popen(self, *argv):
        return self.lab.popen_in(self, *argv)

    def inside(self, path):
        """A file as the host has it."""
        return pathlib.Path(path)

    # Addresses and links

    def ip_batch(self, *lines):
        """Several commands of ip(8) at once."""
        self.run("ip", "-batch", "-", input="\n".join(lines) + "\n")

    def address_add(self, dev, *addresses):
        self.ip_batch(*(f"address add {address} dev {dev}" + (" nodad" if ":" in address else "")
                        for address in addresses))

    def address_del(self, dev, address):
        self.run("ip", "address", "del", address, "dev", dev)

    def sysctl(self, **settings):
        for key, value in settings.items():
            self.run("sysctl", "-qw", f"{key.replace('__', '.')}={value}")

    def attach(self):
        """Where the lab shall put this host's end of a wire: (namespace, device name)."""
        used = self.run("ip", "-o", "link").out
        return self.namespace, next(name for name in map("eth{}".format, itertools.count())
                                    if f" {name}@" not in used)

    def attached(self, dev):
        self.run("ip", "link", "set", dev, "up")

    def detach(self, dev):
        self.run("ip", "link", "del", dev, check=False)

    def close(self):
        for sig, grace in ((signal.SIGTERM, 3), (signal.SIGKILL, 3)):
            deadline = time.monotonic() + grace
            pids = self.pids()
            for pid in pids:
                try:
                    os.kill(pid, sig)
                except ProcessLookupError:
                    pass
            while self.pids() and time.monotonic() < deadline:
                time.sleep(0.02)
        _ip("netns", "del", self.namespace)

    def pids(self):
        return pids_in(self.namespace)


class Link:
    """A wire: the device at its left and its right end."""

    def __init__(self, left, left_dev, right, right_dev):
        self.left, self.left_dev, self.right, self.right_dev = left, left_dev, right, right_dev

    def address(self, left=(), right=()):
        self.left.address_add(self.left_dev, *left)
        self.right.address_add(self.right_dev, *right)
        return self

    def remove(self):
        self.left.detach(self.left_dev)
        self.right.detach(self.right_dev)


class Lab:
    """Owns what a test has built. Use as a context manager."""

    _count = itertools.count()

    def __init__(self, directory):
        self.prefix = f"adit-{os.getpid()}-{next(Lab._count)}"
        self.directory = directory
        self._closers = []
        atexit.register(self.close)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def on_close(self, closer):
        self._closers.append(closer)

    def close(self):
        """Undo in reverse order; go on past failures, then tell the first of them."""
        first = None
        while self._closers:
            try:
                self._closers.pop()()
            except Exception as error:  # the rest must still be taken down
                first = first or error
        if first:
            raise first

    def popen_in(self, host, *argv):
        """A process for as long as the host is there."""
        process = Process(host.argv(argv), self.directory)
        self.on_close(lambda: process.poll() is None and process.stop())
        return process

    def host(self, name, kind=Host):
        host = kind(self, name)
        self.on_close(host.close)
        return host

    def link(self, left, right):
        """Join two hosts by a veth pair, both ends up."""
        left_namespace, left_dev = left.attach()
        right_namespace, right_dev = right.attach()
        _ip("link", "add", left_dev, "netns", left_namespace, "type", "veth",
            "peer", "name", right_dev, "netns", right_namespace)
        link = Link(left, left.attached(left_dev) or left_dev,
                    right, right.attached(right_dev) or right_dev)
        self.on_close(link.remove)
        return link

    def nat(self, client, server, udp_timeout=2):
        """client -- router -- server: the router masquerades what the client sends.

        The client is 10.99.1.2, the server 10.99.2.2 and knows no way to the client.
        A mapping that is silent for udp_timeout seconds is forgotten."""
        router = self.host("router")
        inside = self.link(client, router).address(["10.99.1.2/24"], ["10.99.1.1/24"])
        outside = self.link(server, router).address(["10.99.2.2/24"], ["10.99.2.1/24"])
        client.run("ip", "route", "add", "default", "via", "10.99.1.1")
        router.sysctl(net__ipv4__ip_forward=1)
        router.run("nft", "-f", "-", input=f"""
            table ip nat {{
                chain postrouting {{
                    type nat hook postrouting priority srcnat;
                    oifname "{outside.right_dev}" masquerade random
                }}
            }}
            table ip filter {{
                chain forward {{
                    type filter hook forward priority filter; policy drop;
                    ct state established,related accept
                    iifname "{inside.right_dev}" accept
                }}
            }}""")
        router.sysctl(net__netfilter__nf_conntrack_udp_timeout=udp_timeout,
                      net__netfilter__nf_conntrack_udp_timeout_stream=udp_timeout)
        return router


def pids_in(namespace):
    done = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True)
    return [int(pid) for pid in done.stdout.split()]


def remove_stale():
    """Delete the namespaces of test runs that were killed, and what still runs in them."""
    for name in os.listdir("/run/netns") if os.path.isdir("/run/netns") else []:
        match = re.fullmatch(r"adit-(\d+)-\d+-.*", name)
        if match and not os.path.exists(f"/proc/{match[1]}"):
            for pid in pids_in(name):
                os.kill(pid, signal.SIGKILL)
            subprocess.run(["ip", "netns", "del", name], check=False)


def _ip(*argv):
    done = subprocess.run(["ip", *argv], capture_output=True, text=True)
    Result(("ip", *argv), done.returncode, done.stdout, done.stderr).check()
