# SPDX-License-Identifier: MIT
"""Programs built with -Ddrills=true: they can be told by the environment to misbehave."""

import subprocess

import pytest

from hosts import REPO

BUILD = REPO / "build-drills"


def build(*targets):
    """Build some of them, or bring them up to date."""
    if not (BUILD / "build.ninja").exists():
        _run("meson", "setup", BUILD, REPO, "-Ddrills=true")
    _run("ninja", "-C", BUILD, *targets)


def _run(*argv):
    done = subprocess.run(list(map(str, argv)), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def drills():
    """The path of `adit` in such a build."""
    build("adit")
    return BUILD / "adit"
