# SPDX-License-Identifier: MIT
"""The build whose programs can be told to misbehave (the meson option "drills"), and how to tell
them."""

import ctypes
import fcntl
import os
import signal
import subprocess

import pytest

from hosts import REPO

BUILD = REPO / "build-drills"


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
