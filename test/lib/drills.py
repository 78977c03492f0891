# SPDX-License-Identifier: MIT
"""The build whose programs can be told to misbehave (the meson option "drills"), and how to tell
them."""

import ctypes
import os
import shlex
import signal
import subprocess

from hosts import REPO

BUILD = REPO / "build-drills"


def drills_command():
    """The implementation under test with drills; brought up to date unless ADIT_DRILLS names it."""
    if "ADIT_DRILLS" in os.environ:
        return shlex.split(os.environ["ADIT_DRILLS"])
    if not (BUILD / "build.ninja").exists():
        _quietly("meson", "setup", BUILD, "-Ddrills=true")
    _quietly("ninja", "-C", BUILD, "adit")
    return [str(BUILD / "adit")]


def _quietly(*argv):
    done = subprocess.run(argv, cwd=REPO, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, f"{argv}:\n{done.stdout}{done.stderr}"


def give_the_word(pid, number):
    """Have a role make the attack it was started for (src/privsep/drill.h)."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.sigqueue(pid, int(signal.SIGUSR1), ctypes.c_void_p(number)) == 0
