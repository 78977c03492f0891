# SPDX-License-Identifier: MIT
"""Fixtures of the tests that need namespaces. Run them as root: `sudo make check`, or
`python3 -m pytest test/interop -k kernel`; ADIT names another implementation to test."""

import os
import pathlib
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))

import guest  # noqa: E402
import hosts  # noqa: E402
import tunnels  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def prerequisites():
    if os.geteuid() != 0:
        pytest.exit("network namespaces need root", returncode=1)
    if not shutil.which(tunnels.adit_command()[0]):
        pytest.exit(f"no {tunnels.adit_command()[0]}: run make first", returncode=1)
    hosts.remove_stale()
    tunnels.remove_stale()


@pytest.fixture
def lab(tmp_path):
    with hosts.Lab(tmp_path) as it:
        yield it


@pytest.fixture(scope="session")
def kernel_guest_machine(tmp_path_factory):
    """The emulated machine, booted once."""
    why_not = guest.missing()
    if why_not:
        pytest.skip(f"kernel guest: {why_not}")
    with hosts.Lab(tmp_path_factory.mktemp("guest")) as its_lab:
        yield guest.Guest(its_lab)


@pytest.fixture
def kernel_guest(kernel_guest_machine):
    """The emulated machine, clean."""
    yield kernel_guest_machine
    kernel_guest_machine.reset()
