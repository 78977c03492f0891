# SPDX-License-Identifier: MIT
"""Each process of a hub and of an agent is told to attack, from inside its sandbox. It dies of the
attempt, and whoever waits for it says so; or it is refused, and goes on. (The tunnels that they
start are in test_attacks.py.)"""

import errno
import signal
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor

import pytest

from drills import (  # noqa: F401 (a fixture)
    A_DESCRIPTOR, ATTACKS, build, check_control, drills, give_the_word, is_answer, landlock)
from hosts import REPO, Lab, wait_until
from machines import Fleet
from processes import Role, children

# Of which program; what that calls the role; the process, and whom it attacks. None: the launcher.
Attacker = namedtuple("Attacker", "program role process victim")
ATTACKERS = {
    "hub's launcher": Attacker("adit-hub", "launcher", None, "adit-server"),
    "server": Attacker("adit-hub", "server", "adit-server", "adit-door"),
    "door": Attacker("adit-hub", "door", "adit-door", "adit-server"),
    "hub's vault": Attacker("adit-hub", "vault", "adit-vault", "adit-server"),
    "agent's launcher": Attacker("adit-agent", "launcher", None, "adit-member"),
    "agent": Attacker("adit-agent", "member", "adit-member", None),
}
LAUNCHERS = ("hub's launcher", "agent's launcher")

# Where the list of system calls does not kill, what comes of it.
LAUNCHERS_ANSWERS = {
    # It is root, and reads what root owns, but not the memory of a process. It writes nowhere but
    # in the database's or the agent's folder; where its socket is it removes.
    "open": A_DESCRIPTOR, "openat": A_DESCRIPTOR, "proc-mem": -errno.EACCES,
    "create": -errno.EACCES if landlock() else A_DESCRIPTOR, "remove": 0,
    # Its own sockets, and its children's; without CAP_NET_RAW.
    "socket-inet": A_DESCRIPTOR, "socket-unix": A_DESCRIPTOR, "socket-netlink": A_DESCRIPTOR,
    "socket-raw": -errno.EPERM, "socketpair": 0,
    # It starts processes, which begin with these and inherit the rest, and ends them.
    "execve": None, "clone": A_DESCRIPTOR, "kill": 0, "dup": A_DESCRIPTOR, "memfd": A_DESCRIPTOR,
    "mprotect-exec": -errno.EPERM,
    "chroot": 0, "limits": 0, "dumpable": 0, "capset": 0,
}
ANSWERS = {
    **{(name, attack): answer
       for name in LAUNCHERS for attack, answer in LAUNCHERS_ANSWERS.items()},
    # The database's directory is all the files there are.
    **{("server", attack): -errno.ENOENT
       for attack in ("open", "openat", "create", "remove", "proc-mem")},
    ("server", "dup"): A_DESCRIPTOR,
    ("server", "limits"): 0,  # its own, and no higher than they are
    # By Landlock it has its folder, and reads what names are resolved with; and by its user.
    ("agent", "create"): -errno.EACCES if landlock() else A_DESCRIPTOR,
    **{("agent", attack): -errno.EACCES for attack in ("open", "openat", "proc-mem")},
    **{("agent", attack): A_DESCRIPTOR for attack in (
        "socket-inet", "socket-unix", "socket-netlink", "dup")},
    ("agent", "socket-raw"): -errno.EPERM,
    ("agent", "socketpair"): 0,
    # Everybody may read and write, but there is nothing more to be read or written.
    **{(name, "descriptors"): 0 for name in ATTACKERS},
}


@pytest.fixture(scope="module")
def programs(drills):  # noqa: F811
    build("adit-hub", "adit-agent")
    return drills.parent


@pytest.fixture(scope="module")
def machines(tmp_path_factory):
    """One for each attacker."""
    with Lab(tmp_path_factory.mktemp("attacks")) as lab:
        fleet = Fleet(lab)
        yield {name: (fleet.hub if attacker.program == "adit-hub" else fleet.node)(f"h{number}")
               for number, (name, attacker) in enumerate(ATTACKERS.items())}


class Attacked:
    """A hub or an agent of which one process will make an attack."""

    def __init__(self, programs, machine, name, attack):
        self.machine, self.name, self.attack = machine, name, attack
        self.attacker = ATTACKERS[name]
        machine.reboot()  # should an earlier test have failed
        words = (["run", "--host", machine.address] if self.attacker.program == "adit-hub" else [])
        self.process = machine.process = machine.popen(
            "env", f"ADIT_DRILL={self.attacker.role}:{attack}", programs / self.attacker.program,
            *words, "--tunnel-program", REPO / "build" / "adit")
        wait_until(machine.answers, 10, f"the machine of the {name} answers")
        self.role = self.find(self.attacker.process)

    def find(self, process):
        """One below the launcher, by name."""
        below = map(Role, children(self.process.pid) if process else [self.process.pid])
        (role,) = [role for role in below if process in (None, role.proc("comm").read_text()[:-1])]
        return role

    def begin(self):
        give_the_word(self.role.pid, max(self.role.descriptors()) + 1
                      if self.attack == "descriptors" else self.find(self.attacker.victim).pid)

    def said(self):
        return [line for line in self.process.output().splitlines() if "drill: " in line]

    def check_death(self):
        wait_until(lambda: not self.role.alive(), 5, f"the {self.name} dies")
        died = f"the {self.name.split()[-1]} died (signal 31, a forbidden system call)"
        if self.name in LAUNCHERS:  # nobody is left to say why
            assert self.process.wait() == -signal.SIGSYS
        elif self.name in ("server", "agent"):
            wait_until(lambda: died in self.process.output(), 5, "the launcher says of what")
            self.check_life()
        else:
            assert self.process.wait() == 1
            assert f"{died}: the hub ends" in self.process.output()
        assert self.said() == [f"drill: {self.attack}: tried"]

    def check_answer(self, answer):
        if answer is None:  # it is another program now
            assert self.process.wait() == 0
            assert self.said() == [f"drill: {self.attack}: tried"]
            return
        wait_until(lambda: len(self.said()) == 2, 5, "the attack has an answer")
        assert is_answer(self.attack, self.said()[1], answer), (self.name, self.said())
        assert self.role.alive()
        self.check_life()

    def check_life(self):
        wait_until(self.machine.answers, 10, f"the machine of the {self.name} answers")
        self.process.stop()
        assert self.process.wait() == 0

    def check(self):
        if (self.name, self.attack) in ANSWERS:
            self.check_answer(ANSWERS[self.name, self.attack])
        else:
            self.check_death()
        wait_until(lambda: self.machine.pids() == [self.machine.holder.pid], 5,
                   f"nothing is left of the {self.name}'s program")


@pytest.mark.parametrize("name", LAUNCHERS)
def test_with_all_rights_the_attacks_succeed(programs, machines, name):
    attacked = Attacked(programs, machines[name], name, "control")
    check_control(attacked.process.output())
    attacked.check_life()


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack(programs, machines, attack):
    with ThreadPoolExecutor(len(ATTACKERS)) as pool:
        attacked = list(pool.map(
            lambda name: Attacked(programs, machines[name], name, attack), ATTACKERS))
    for it in attacked:
        if attack in ("create", "remove"):  # one that everybody could write to
            own_file = it.machine.inside("/run/adit/drill")
            own_file.touch()
            own_file.chmod(0o666)
        it.begin()
    for it in attacked:
        it.check()


def test_an_ordinary_build_cannot_be_told(machines):
    machine = machines["agent"]
    machine.process = machine.popen("env", "ADIT_DRILL=member:open", REPO / "build" / "adit-agent")
    wait_until(machine.answers, 10, "the agent answers")
    (agent,) = map(Role, children(machine.process.pid))
    assert b"ADIT_DRILL" not in agent.proc("environ").read_bytes()
    machine.process.stop()
