# SPDX-License-Identifier: MIT
"""Each process of a tunnel with a session is told to attack, from inside its sandbox. It dies of the
attempt, says so, and the tunnel ends whole; or it is refused, and the tunnel goes on."""

import base64
import errno
import itertools
import os
import pathlib
import re
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from drills import (  # noqa: F401 (a fixture)
    A_DESCRIPTOR, ATTACKS, check_control, drills, give_the_word, is_answer, landlock)
from hosts import Lab, wait_until
from processes import ROLES, Running, uapi
from tunnels import AditTunnel, key, public

OWN_FILE = pathlib.Path("/run/adit/drill")  # of src/privsep/drill.c
VICTIMS = {"starter": "vault", "monitor": "vault", "vault": "engine", "engine": "datapath",
           "datapath": "engine"}

# Where the list of system calls does not kill, what comes of it.
ANSWERS = {
    # The monitor opens the sockets for packets, serves its socket, removes its file.
    ("monitor", "socket-inet"): A_DESCRIPTOR,
    ("monitor", "socket-unix"): A_DESCRIPTOR,
    ("monitor", "socket-raw"): -errno.EPERM,  # no CAP_NET_RAW
    ("monitor", "remove"): -errno.EACCES,  # by Landlock
    ("starter", "remove"): -errno.EACCES,  # the same: it may remove the tunnel's socket
    # Everybody may read and write, but there is nothing more to be read or written.
    **{(role, "descriptors"): 0 for role in VICTIMS},
}

_names = itertools.count()


@pytest.fixture(scope="module")
def command(drills):
    return [str(drills)]


class Hosts:
    """A host for each role's tunnel, and one with the peer of all."""

    def __init__(self, lab):
        there = lab.host("peer")
        self.peer = AditTunnel(there).start()
        self.hosts, self.keys, self.endpoints = {}, {}, {}
        for number, role in enumerate(VICTIMS):
            self.hosts[role] = lab.host(role)
            lab.link(self.hosts[role], there).address(
                [f"10.9.{number}.1/24"], [f"10.9.{number}.2/24"])
            self.endpoints[role] = f"10.9.{number}.2:{self.peer.port}"
            self.keys[role] = key()
            self.peer.wg_set("peer", public(self.keys[role]), "allowed-ips", f"10.8.0.{number}/32")


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    with Lab(tmp_path_factory.mktemp("attacks")) as lab:
        yield Hosts(lab)


def to_hex(text):
    return base64.b64decode(text).hex()


class Attacked(Running):
    """A tunnel of which one role will make an attack. It asks for a handshake by itself."""

    def __init__(self, command, hosts, role, attack):
        self.role, self.attack = role, attack
        self.request = (f"set=1\nprivate_key={to_hex(hosts.keys[role])}\n"
                        f"public_key={to_hex(hosts.peer.public_key)}\n"
                        f"endpoint={hosts.endpoints[role]}\nallowed_ip=0.0.0.0/0\n"
                        f"persistent_keepalive_interval=1\n\n")
        name = f"at{os.getpid()}n{next(_names)}"
        super().__init__(hosts.hosts[role], name, [*command, "run", name],
                         [f"ADIT_DRILL={role}:{attack}"])

    def usable(self):
        assert self.process.poll() is None, self.process.output()
        try:
            assert uapi(self.ifname, self.request) == "errno=0\n\n"
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        self.host.run("ip", "link", "set", self.ifname, "up")
        return True

    def wait_session(self):
        wait_until(lambda: re.search("^rx_bytes=[1-9]", uapi(self.ifname, "get=1\n\n"), re.M), 10,
                   f"{self.ifname} has a session")

    def begin(self):
        attacker = self.everyone()[self.role]
        number = (max(attacker.descriptors()) + 1 if self.attack == "descriptors"
                  else self.roles[VICTIMS[self.role]].pid)
        give_the_word(attacker.pid, number)

    def check_death(self):
        self.wait_gone(5)
        if self.role == "starter":  # nobody is left to say why
            assert self.process.wait() == -signal.SIGSYS
            assert self.process.output() == f"drill: {self.attack}: tried\n"
            return
        assert self.process.wait() == 1
        tried, why = self.process.output().splitlines()
        assert tried == f"drill: {self.attack}: tried"
        assert f"{self.ifname}: " in why
        assert f"the {self.role} died (signal 31, a forbidden system call)" in why

    def check_answer(self, answer):
        wait_until(lambda: self.process.output().count("\n") >= 2, 5, "the attack has an answer")
        tried, came = self.process.output().splitlines()
        assert tried == f"drill: {self.attack}: tried"
        assert is_answer(self.attack, came, answer), came
        assert "errno=0" in uapi(self.ifname, "get=1\n\n")
        self.process.stop()
        self.wait_gone(5)
        assert self.process.wait() == 0


def test_with_all_rights_the_attacks_succeed(lab, command):
    name = f"at{os.getpid()}n{next(_names)}"
    running = Running(lab.host("h"), name, [*command, "run", name], ["ADIT_DRILL=vault:control"])
    OWN_FILE.unlink(missing_ok=True)
    check_control(running.process.output())


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack(command, hosts, attack):
    OWN_FILE.touch()
    with ThreadPoolExecutor(len(VICTIMS)) as pool:
        attacked = list(pool.map(lambda role: Attacked(command, hosts, role, attack), VICTIMS))
    for it in attacked:
        it.wait_session()
        it.begin()
    try:
        for it in attacked:
            if (it.role, attack) not in ANSWERS:
                it.check_death()
            elif attack == "remove" and not landlock():
                it.process.stop()
            else:
                it.check_answer(ANSWERS[it.role, attack])
        assert OWN_FILE.exists() or not landlock()
    finally:
        OWN_FILE.unlink(missing_ok=True)


def test_an_ordinary_build_cannot_be_told(lab):
    running = Running(lab.host("h"), f"at{os.getpid()}n{next(_names)}",
                      env=["ADIT_DRILL=engine:open"])
    assert b"ADIT_DRILL" in running.starter.proc("environ").read_bytes()
    for name in ROLES:
        assert b"ADIT_DRILL" not in running.roles[name].proc("environ").read_bytes()
