# SPDX-License-Identifier: MIT
"""Memory runs out, once, at each place of each process where it is asked for (src/base/drill_alloc.c).

A tunnel is started and put to work as often as there are such places. Each time it either does all
of it, what failed when it is tried again; or it ends, all of it, and says that memory was missing.
"""

import base64
import concurrent.futures
import functools
import itertools
import os
import re
import signal
import socket
import time

import pytest

from drills import drills  # noqa: F401 (a fixture)
from hosts import wait_until
from shortage import LIMIT, Attempt, Ended, Walk
from tunnels import SOCKETS, AditTunnel, key, public
from wire import udp

ENDS = re.compile(r"^adit: \w+: ((monitor|vault|engine|datapath): )?.*: Cannot allocate memory"
                  r"(: the tunnel ends)?$", re.M)
# In the middle of its start a process is in libcrypto's, where there are a thousand places:
# test/unit/crypto/test_out_of_memory.c tries them all, here it is every so many.
ROLES = {"starter": 1, "monitor": 1, "vault": 37, "engine": 37, "datapath": 37}

_serial = itertools.count()


def hexadecimal(text):
    return base64.b64decode(text).hex()


class Rig:
    """A tunnel that stays, and a host for one that does not."""

    def __init__(self, lab, program, number):
        self.program = program
        self.ours, self.theirs = lab.host(f"a{number}"), lab.host(f"b{number}")
        lab.link(self.ours, self.theirs).address(["10.9.0.1/24"], ["10.9.0.2/24"])
        self.other = AditTunnel(self.theirs, ["10.8.0.2/24"]).start()
        self.private_key, self.psk = key(), key()
        self.third = hexadecimal(public(key()))
        self.public_key = public(self.private_key)
        self.meet()
        self.pings = udp(self.ours), udp(self.theirs, "0.0.0.0", 7)

    def meet(self):
        self.other.wg_set("peer", self.public_key, "allowed-ips", "10.8.0.1/32", "endpoint",
                          "10.9.0.1:51820", "preshared-key", "/dev/stdin", input=self.psk)

    def forget(self):
        self.other.wg_set("peer", self.public_key, "remove")


class Life(Attempt):
    """One tunnel, from its start to its end."""

    def __init__(self, rig, role, place):
        super().__init__(role, place)
        self.rig = rig
        self.ifname = f"om{os.getpid()}n{next(_serial)}"
        self.socket = SOCKETS / f"{self.ifname}.sock"
        self.process = rig.ours.popen(*self.prefix, rig.program, "run", self.ifname)

    def ask(self, text):
        """Put a request; give the answer, or None when the connection ended without one."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(LIMIT)
            try:
                s.connect(str(self.socket))
                s.sendall(text.encode())
                answer = b""
                while not answer.endswith(b"\n\n") and (more := s.recv(65536)):
                    answer += more
            except OSError:
                return None
        return answer.decode() or None

    def set(self, text):
        return lambda: self.ask(f"set=1\n{text}\n") == "errno=0\n\n"

    def gives(self, *lines):
        def look():
            answer = self.ask("get=1\n\n")
            return answer and all(f"{line}\n" in answer for line in lines)
        return look

    def lacks(self, line):
        return lambda: (answer := self.ask("get=1\n\n")) and line not in answer

    def carries(self, sender, receiver, address):
        """A datagram gets through; handshake messages may have to be sent again."""
        def send():
            receiver.settimeout(0.2)
            end = time.monotonic() + LIMIT
            while time.monotonic() < end and self.process.poll() is None:
                try:
                    sender.sendto(b"x", (address, receiver.getsockname()[1]))
                    if receiver.recv(16):
                        return True
                except OSError:
                    pass
            return False
        return send

    def up(self):
        return self.rig.ours.run("ip", "-batch", "-", check=False, input=(
            f"address replace 10.8.0.1/24 dev {self.ifname}\n"
            f"link set {self.ifname} up\n")).code == 0

    def work(self):
        rig = self.rig
        peer = hexadecimal(rig.other.public_key)
        own = (f"private_key={hexadecimal(rig.private_key)}\nlisten_port=51820\n"
               f"public_key={peer}\npreshared_key={hexadecimal(rig.psk)}\n"
               "endpoint=10.9.0.2:51820\nreplace_allowed_ips=true\nallowed_ip=10.8.0.2/32\n")
        more = "".join(f"allowed_ip=10.7.{n}.0/24\n" for n in range(40))
        self.await_start(lambda: self.ask("get=1\n\n"))
        self.step("configured", self.set(own))
        self.step("up", self.up)
        self.step("shown", self.gives(f"public_key={peer}", "allowed_ip=10.8.0.2/32",
                                      f"preshared_key={hexadecimal(rig.psk)}", "errno=0"))
        self.step("sends", self.carries(rig.pings[0], rig.pings[1], "10.8.0.2"))
        if not self.started_without:
            self.end()
            return
        rig.forget()  # and now as the responder
        rig.meet()
        self.step("receives", self.carries(rig.pings[1], rig.pings[0], "10.8.0.1"))
        self.step("a peer more", self.set(f"public_key={rig.third}\n{more}"))
        self.step("with its addresses", self.gives(f"public_key={rig.third}",
                                                   *more.splitlines()))
        self.step("a peer less", self.set(f"public_key={rig.third}\nremove=true\n"))
        self.step("it is gone", self.lacks(rig.third))
        self.step("still sends", self.carries(rig.pings[0], rig.pings[1], "10.8.0.2"))
        self.end()

    def end(self):
        self.process.stop(signal.SIGTERM)
        if self.process.poll() != 0:
            raise Ended

    def nothing_is_left(self):
        return (not self.socket.exists() and
                self.rig.ours.run("ip", "link", "show", self.ifname, check=False).code != 0)

    def judge(self):
        fragile = self.is_fragile()
        assert self.process.poll() != 0, self.said()
        assert fragile or self.process.poll() > 0, self.said()
        assert fragile or ENDS.search(self.said()), self.said()

    def clear(self):
        try:
            wait_until(self.nothing_is_left, 5, f"nothing is left: {self.said()}")
        finally:
            self.socket.unlink(missing_ok=True)


@pytest.fixture
def rigs(lab, drills):
    return [Rig(lab, drills, number) for number in range(len(ROLES))]


def test_every_place(rigs):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        walks = [pool.submit(Walk(functools.partial(Life, rig), role, stride).run)
                 for rig, (role, stride) in zip(rigs, ROLES.items())]
    for walk in [each.result() for each in walks]:
        print(walk)
        assert walk.tried > 20
