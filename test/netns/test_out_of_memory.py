# SPDX-License-Identifier: MIT
"""Memory runs out, once, at each place of each process where it is asked for (src/base/drill_alloc.c).

A tunnel is started and put to work as often as there are such places. Each time it either does all
of it, what failed when it is tried again; or it ends, all of it, and says that memory was missing.
"""

import base64
import concurrent.futures
import itertools
import os
import re
import signal
import socket
import time

import pytest

from drills import drills  # noqa: F401 (a fixture)
from hosts import wait_until
from tunnels import SOCKETS, AditTunnel, key, public
from wire import inside, udp

TRIES = 3
LIMIT = 20  # seconds a tunnel may take for everything, on a loaded machine
ENDS = re.compile(r"^adit: \w+: (monitor|vault|engine|datapath): .*: Cannot allocate memory"
                  r"(: the tunnel ends)?$|^adit: \w+: cannot start the monitor: Cannot allocate memory$", re.M)
# In the middle of its start a process is in libcrypto's, where there are a thousand places:
# test/unit/crypto/test_out_of_memory.c tries them all, here it is every so many.
ROLES = {"starter": 1, "monitor": 1, "vault": 37, "engine": 37, "datapath": 37}
HEAD = 8  # places of our own before that
# These end themselves, or crash, when they get no memory; none of them is used but at the start.
FRAGILE = ("libseccomp", "libc", "libnss", "ld-linux")

_serial = itertools.count()


class Ended(Exception):
    """The tunnel is no more."""


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


class Attempt:
    """One tunnel, from its start to its end, with one allocation refused."""

    def __init__(self, rig, role, place):
        self.rig, self.role = rig, role
        self.started = False
        self.started_without = False  # it was up before the allocation was asked for
        self.ifname = f"om{os.getpid()}n{next(_serial)}"
        self.socket = SOCKETS / f"{self.ifname}.sock"
        self.process = rig.ours.popen("env", f"ADIT_DRILL_ALLOC={role}:{place}", rig.program,
                                      "run", self.ifname)

    def said(self):
        return self.process.output()

    def was_hit(self):
        return f"drill: {self.role}: " in self.said()

    def whom(self):
        """The program or library that asked for the memory."""
        return re.search("is refused, for (.*)", self.said())[1]

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

    def step(self, what, function):
        """Do something that may fail once, but not again."""
        for _ in range(TRIES):
            if function():
                return
            if self.process.poll() is not None:
                raise Ended
            time.sleep(0.05)
        wait_until(lambda: self.process.poll() is not None, 2, f"{what}; it fails again and again")
        raise Ended

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

    def start(self):
        wait_until(lambda: self.ask("get=1\n\n") or self.process.poll() is not None, LIMIT,
                   "it is up or has ended", 0.01)
        if self.process.poll() is not None:
            raise Ended
        self.started = True
        self.started_without = not self.was_hit()

    def work(self):
        rig = self.rig
        peer = hexadecimal(rig.other.public_key)
        own = (f"private_key={hexadecimal(rig.private_key)}\nlisten_port=51820\n"
               f"public_key={peer}\npreshared_key={hexadecimal(rig.psk)}\n"
               "endpoint=10.9.0.2:51820\nreplace_allowed_ips=true\nallowed_ip=10.8.0.2/32\n")
        more = "".join(f"allowed_ip=10.7.{n}.0/24\n" for n in range(40))
        self.start()
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

    def run(self):
        """Give whether the allocation was asked for, and whether the tunnel survived it."""
        survived = True
        try:
            self.work()
        except Ended:
            survived = False
            assert self.was_hit(), self.said()
            fragile = not self.started and self.whom().startswith(FRAGILE)
            assert self.process.poll() != 0, self.said()
            assert fragile or self.process.poll() > 0, self.said()
            assert fragile or ENDS.search(self.said()), self.said()
        try:
            wait_until(self.nothing_is_left, 5, f"nothing is left: {self.said()}")
        finally:
            self.socket.unlink(missing_ok=True)
        return self.was_hit(), survived


class Walk:
    """One process, place by place."""

    def __init__(self, rig, role, stride):
        self.rig, self.role, self.stride = rig, role, stride
        self.tried = self.ended = 0

    def attempt(self, place):
        """Give whether there is such a place, and whether it is in the start."""
        attempt = Attempt(self.rig, self.role, place)
        try:
            hit, survived = attempt.run()
        except Exception as error:
            raise AssertionError(f"{self.role}, allocation {place}: {error}") from error
        self.tried += hit
        self.ended += hit and not survived
        return hit, hit and not attempt.started_without

    def run(self):
        place, in_start = 0, True
        while in_start:
            hit, in_start = self.attempt(place)
            place += self.stride if place >= HEAD else 1
        place = max(0, place - 2 * self.stride) + 1  # the last one in the start, or just behind
        while self.attempt(place)[0]:
            place += 1
        return self


@pytest.fixture
def rigs(lab, drills):
    return [Rig(lab, drills, number) for number in range(len(ROLES))]


def test_every_place(rigs):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        walks = [pool.submit(Walk(rig, role, stride).run)
                 for rig, (role, stride) in zip(rigs, ROLES.items())]
    for walk in [each.result() for each in walks]:
        print(f"{walk.role}: {walk.tried} allocations refused, {walk.ended} of them the end")
        assert walk.tried > 20
