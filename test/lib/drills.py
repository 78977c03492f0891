# SPDX-License-Identifier: MIT
"""The build whose programs can be told to misbehave (the meson option "drills"), and how to tell
them."""

import ctypes
import errno
import fcntl
import os
import re
import signal
import subprocess

import pytest

from hosts import REPO

BUILD = REPO / "build-drills"

# What a process with all rights gets from the attempt; 0 is success.
ATTACKS = {
    "open": 0, "openat": 0, "create": 0, "remove": 0, "set-user-id": 0,
    "proc-mem": 0,
    "socket-inet": 0, "socket-unix": 0, "socket-netlink": 0, "socket-packet": 0, "socket-raw": 0,
    "socketpair": 0,
    "execve": 0, "clone": 0, "ptrace": 0, "kill": 0, "pidfd": 0, "read-memory": 0,
    "write-memory": 0,
    "mmap-exec": 0, "mprotect-exec": 0, "memfd": 0,
    "setuid": 0, "capset": 0, "chroot": 0, "mount": errno.ENOENT, "unshare": 0, "dumpable": 0,
    "limits": 0, "munlockall": 0,
    "bpf": 0, "perf": 0, "io-uring": 0, "keyctl": 0, "userfaultfd": 0,
    "dup": 0, "descriptors": 0,
}

# What the kernel of this machine may lack, or the machine deny even to root.
OPTIONAL = {"bpf", "perf", "io-uring", "keyctl", "userfaultfd", "socket-packet", "socket-raw",
            "limits", "ptrace", "unshare"}

A_DESCRIPTOR = "a descriptor"  # or another number that is no error, as what comes of an attack
SYS_LANDLOCK_CREATE_RULESET = 444


def build(*targets):
    """Build some of them, or bring them up to date; one run of tests at a time."""
    turn = os.open(REPO, os.O_RDONLY)
    fcntl.flock(turn, fcntl.LOCK_EX)
    try:
        if not (BUILD / "build.ninja").exists():
            _quietly("meson", "setup", BUILD, REPO, "-Ddrills=true")
        _quietly("ninja", "-C", BUILD, *targets)
    finally:
        os.close(turn)


def _quietly(*argv):
    done = subprocess.run(list(map(str, argv)), stdin=subprocess.DEVNULL, capture_output=True,
                          text=True)
    assert done.returncode == 0, f"{argv}:\n{done.stdout}{done.stderr}"


@pytest.fixture(scope="session")
def drills():
    """The path of `adit` in such a build."""
    build("adit")
    return BUILD / "adit"


def give_the_word(pid, number):
    """Have a role make the attack it was started for (src/privsep/drill.h)."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.sigqueue(pid, int(signal.SIGUSR1), ctypes.c_void_p(number)) == 0


def check_control(said):
    """What came of the attacks with all rights: they succeeded. Else it would prove nothing that
    they fail in the sandbox."""
    said = dict(re.findall(r"^drill: (\S+): control (-?\d+)$", said, re.M))
    assert set(said) == set(ATTACKS)
    failed = {attack: int(said[attack]) for attack in ATTACKS
              if int(said[attack]) != ATTACKS[attack]}
    assert set(failed) <= OPTIONAL, failed
    for attack, error in failed.items():
        print(f"{attack}: this machine says {os.strerror(error)} to everybody")


def is_answer(attack, came, answer):
    """Whether a line, "drill: ATTACK: NUMBER", says this: a number, or A_DESCRIPTOR."""
    name, got = came.rsplit(": ", 1)
    return name == f"drill: {attack}" and (
        int(got) >= 0 if answer == A_DESCRIPTOR else int(got) == answer)


def landlock():
    """Whether this kernel has it."""
    return ctypes.CDLL(None).syscall(SYS_LANDLOCK_CREATE_RULESET, None, 0, 1) >= 1
