# SPDX-License-Identifier: MIT
"""Every process of a tunnel, a hub and an agent, as the kernel sees it from outside: who it is, and
what it has left. A process that is not in the table is a failure, and so is a right."""

import contextlib
import os
import pwd
from collections import namedtuple

import pytest

from hosts import Lab, wait_until
from machines import Fleet
from processes import (
    CAP_IPC_LOCK, CAP_KILL, CAP_NET_ADMIN, CAP_SETGID, CAP_SETPCAP, CAP_SETUID, CAP_SYS_CHROOT,
    Role, Running, capabilities, children)

ROOT = (0, 0)
EMPTY, DATABASE = "/run/adit/empty", "/var/lib/adit-hub/db"
LAUNCHING = (CAP_NET_ADMIN | CAP_KILL | CAP_SETUID | CAP_SETGID | CAP_SETPCAP | CAP_SYS_CHROOT
             | CAP_IPC_LOCK)

# caps: permitted and effective. bound: what a program it starts could have. top: how far
# descriptors may go; "held": no further than those it holds; None: no bound of ours. starts:
# processes or threads, as it goes.
Rights = namedtuple("Rights", "user caps bound root top starts locked")


def unprivileged(root=EMPTY, caps=0, top="held", starts=False):
    return Rights("adit", caps, 0, root, top, starts, True)


LAUNCHER = Rights("root", LAUNCHING, LAUNCHING, "/", None, True, True)
RIGHTS = {
    "adit": Rights("root", CAP_KILL, 0, "/", 3, False, False),  # the starter, who has no secrets
    "adit-monitor": Rights("root", CAP_NET_ADMIN, 0, "/", 96, False, True),
    "adit-vault": unprivileged(),
    "adit-engine": unprivileged(),
    "adit-datapath": unprivileged(top=96),
    "adit-hub": LAUNCHER,
    "adit-door": unprivileged(top=7),
    "adit-server": unprivileged(DATABASE, top=65536),
    "adit-agent": LAUNCHER,
    "adit-member": unprivileged("/", CAP_NET_ADMIN, 640, starts=True),  # resolves names in threads
}

TUNNEL = ["adit", "adit/adit-monitor", *(f"adit/adit-monitor/adit-{name}"
                                         for name in ("datapath", "engine", "vault"))]
PROCESSES = {
    "tunnel": TUNNEL,
    "hub": ["adit-hub", *(f"adit-hub/{name}" for name in (
        *TUNNEL, "adit-door", "adit-server", "adit-vault"))],
    "agent": ["adit-agent", *(f"adit-agent/{name}" for name in (*TUNNEL, "adit-member"))],
}


def walk(pid, above=""):
    """A process and all below, by their names from the top."""
    role = Role(pid)
    path = above + role.proc("comm").read_text().strip()
    yield path, role
    for child in children(pid):
        yield from walk(child, f"{path}/")


class Place:
    """A machine on which one of our programs runs, with all its processes."""

    def __init__(self, machine, pid):
        self.machine = machine
        self.found = list(walk(pid))
        self.processes = dict(self.found)


@contextlib.contextmanager
def in_a_group():
    """What is started here has a group to give up."""
    groups = os.getgroups()
    os.setgroups([4])
    try:
        yield
    finally:
        os.setgroups(groups)


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    with Lab(tmp_path_factory.mktemp("confinement")) as lab, in_a_group():
        fleet = Fleet(lab)
        hub, node, other = fleet.hub().start(), fleet.node("robot1").start(), fleet.node("other")
        hub.adit_hub("network", "add", "robots")
        node.join(hub.link("robots"))
        tunnel = Running(other, "adit0").process
        wait_until(lambda: "adit-server" in {path.split("/")[-1] for path, _ in
                                             walk(hub.process.pid)}, 5, "the server runs")
        yield {"tunnel": Place(other, tunnel.pid), "hub": Place(hub, hub.process.pid),
               "agent": Place(node, node.process.pid)}


@pytest.fixture(params=[(place, path) for place, paths in PROCESSES.items() for path in paths],
                ids=lambda param: f"{param[0]}:{param[1]}")
def one(request, places):
    """A process, what it may, and its place."""
    place, path = request.param
    return places[place].processes[path], RIGHTS[path.split("/")[-1]], places[place], path


@pytest.mark.parametrize("place", PROCESSES)
def test_there_are_these_processes_and_no_others(places, place):
    assert sorted(path for path, _ in places[place].found) == sorted(PROCESSES[place])


def test_user(one):
    role, rights, *_ = one
    uid, gid = ROOT
    if rights.user != "root":
        users = {user.pw_name: user[2:4] for user in pwd.getpwall()}
        uid, gid = users.get("adit", users["nobody"])
        assert uid != 0 and gid != 0
    for thread in map(Role.status, role.threads()):
        assert thread["Uid"].split() == [str(uid)] * 4
        assert thread["Gid"].split() == [str(gid)] * 4
        assert thread["Groups"] == ""


def test_capabilities(one):
    role, rights, *_ = one
    for thread in map(Role.status, role.threads()):
        assert capabilities(thread) == {"CapInh": 0, "CapPrm": rights.caps, "CapEff": rights.caps,
                                        "CapAmb": 0, "CapBnd": rights.bound}


def test_no_new_privileges_and_a_filter_of_its_own(one):
    """What a launcher starts from its sandbox has its filter, too, which must not hide that another
    is missing."""
    role, _, _, path = one
    inherits = path.startswith("adit-agent/") or path == "adit-hub/adit-server"
    before = int(Role("self").status().get("Seccomp_filters", 0))
    for thread in map(Role.status, role.threads()):
        assert thread["NoNewPrivs"] == "1"
        assert thread["Seccomp"] == "2"
        if "Seccomp_filters" in thread:  # since Linux 5.9
            assert int(thread["Seccomp_filters"]) == before + (2 if inherits else 1)


def same(path, other):
    return os.path.samestat(os.stat(path), os.stat(other))


def test_directories(one):
    role, rights, place, _ = one
    assert same(role.proc("root/."), place.machine.inside(rights.root))
    if rights.root != "/":
        assert same(role.proc("cwd/."), place.machine.inside(rights.root))
        assert rights.root == DATABASE or os.listdir(role.proc("root")) == []


def test_limits(one):
    role, rights, *_ = one
    limits = role.limits()
    assert limits["core file size"] == ("0", "0")
    if not rights.starts:
        assert limits["processes"] == limits["msgqueue size"] == ("0", "0")
    soft, hard = limits["open files"]
    if rights.top is not None:
        held = max(role.descriptors()) + 1
        assert soft == hard and held <= int(soft) <= (held if rights.top == "held" else rights.top)


def test_threads(one):
    role, _, _, path = one
    workers = min(len(os.sched_getaffinity(0)), 8)
    if not path.endswith("member"):  # who resolves names
        assert len(role.threads()) == (workers if path.endswith("datapath") else 1)


def test_memory_is_locked(one):
    """As far as there may be a secret in it."""
    role, rights, *_ = one
    assert (int(role.status()["VmLck"].split()[0]) > 0) == rights.locked


LOOK = """
import subprocess, sys
def look(pid):
    open(f"/proc/{pid}/environ", "rb").read(1)
with subprocess.Popen(["sleep", "60"]) as own:
    look(own.pid)
    own.kill()
for pid in sys.argv[1:]:
    try:
        look(pid)
    except PermissionError:
        continue
    raise AssertionError(f"looked into {pid}")
"""


def test_not_dumpable(one):
    """The kernel gives the files of such a process to root; and a root who has all capabilities but
    those to look into anybody, and looks into others that are root, cannot look into it."""
    role, _, place, _ = one
    assert os.stat(role.proc("mem")).st_uid == 0
    place.machine.run("setpriv", "--bounding-set", "-sys_ptrace,-perfmon,-sys_admin",
                      "/usr/bin/python3", "-c", LOOK, role.pid)


def test_the_empty_root_is_roots(places):
    for place in places.values():
        info = os.stat(place.machine.inside(EMPTY))
        assert (info.st_uid, info.st_mode & 0o7777) == (0, 0o755)
