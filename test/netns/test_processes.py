# SPDX-License-Identifier: MIT
"""One tunnel is four processes and a starter: what each may and holds, and how they end."""

import base64
import ctypes
import itertools
import os
import re
import select
import signal
import socket
import stat
import subprocess
import sys

import pytest

from hosts import wait_until
from processes import (
    GONE, ROLES, Role, Running, children, family, found_in, session_keys, uapi)
from traffic import ping, ping_until, tcp_both_ways
from tunnels import SOCKETS, AditTunnel, adit_command, key
from x25519 import x25519

CHILDREN = ("vault", "engine", "datapath")
NOBODY = 65534

_names = itertools.count()


def new_name():
    # The sockets of all namespaces share a directory, so the name must be ours alone.
    return f"ap{os.getpid()}n{next(_names)}"


@pytest.fixture
def host(lab):
    return lab.host("h")


@pytest.fixture
def running(host):
    return Running(host, new_name())


def workers():
    """How many the datapath has: one a core, up to 8."""
    return min(len(os.sched_getaffinity(0)), 8)


def datapath_kinds(num, open):
    """Its descriptors: two neighbours, the monitor twice; and for each worker a queue, two sockets
    and what it waits with."""
    return {"socket": 3 + (2 * num if open else 0), "/dev/net/tun": num,
            "anon_inode:[eventfd]": num, "anon_inode:[eventpoll]": num}


def configure(running, num_workers=None):
    """A key, a port and a peer; up."""
    running.host.run("wg", "set", running.ifname, "listen-port", 0, "private-key", "/dev/stdin",
                     "peer", key(), "allowed-ips", "0.0.0.0/0", input=key())
    running.host.run("ip", "link", "set", running.ifname, "up")
    kinds = datapath_kinds(num_workers or workers(), open=True)
    wait_until(lambda: running.datapath.kinds() == kinds, 10, "the UDP sockets are open")


# --- what each process may and holds -------------------------------------------------------------


def test_the_processes_are_those_of_the_architecture(running):
    assert sorted(running.roles) == sorted(ROLES)
    assert children(running.starter.pid) == [running.monitor.pid]
    assert sorted(children(running.monitor.pid)) == sorted(
        running.roles[name].pid for name in CHILDREN)
    for name in CHILDREN:
        assert children(running.roles[name].pid) == []
        words = running.roles[name].proc("cmdline").read_text().split("\0")[:-1]
        assert words == [f"adit-{name}", running.ifname]


@pytest.mark.parametrize("user", (
    "0:0", "0:65534", "65534:0", "65534:", "65534", "65534:65534x", "65534 :65534", "-1:-1",
    "4294967295:4294967295", "65534:4294967295", "4294967296:4294967296", "nobody:nogroup", ""))
def test_roles_become_nobody_who_is_root(host, user):
    """Also not by a number that the kernel takes for another."""
    done = host.run("env", f"ADIT_USER={user}", *adit_command(), "run", new_name(), check=False)
    assert done.code == 1
    assert re.fullmatch("adit: .*ADIT_USER: .*numbers.*: Invalid argument\n", done.err), done.err


def test_a_starter_that_may_end_nobody(host):
    """A container may have been given less than all: what can be done without is."""
    name = new_name()
    running = Running(host, name, ["setpriv", "--bounding-set=-kill", *adit_command(), "run", name])
    configure(running)
    assert running.process.stop() == 0
    wait_until(running.is_gone, 5, "all is gone")


def test_messages_may_grow_a_file_and_nothing_else(host):
    """Where stderr is a file, as in most tests, a role may write to it; else to none."""
    name = new_name()
    running = Running(host, name, [
        "sh", "-c", f"exec {' '.join(adit_command())} run {name} 2>/dev/null"])
    for role in running.roles.values():
        assert role.limits()["file size"] == ("0", "0")


def test_a_role_has_its_descriptors_and_no_others(running):
    configure(running)
    for name in CHILDREN:
        held = running.roles[name].descriptors()
        assert (held[0], held[1], held[2]) == ("/dev/null", "/dev/null", str(running.process.log))
    assert running.vault.kinds() == {"socket": 2}
    assert set(running.vault.descriptors()) == {0, 1, 2, 3, 4}
    assert running.engine.kinds() == {"socket": 3, "anon_inode:[timerfd]": 2}
    running.host.run("ip", "link", "set", running.ifname, "down")
    wait_until(lambda: running.datapath.kinds() == datapath_kinds(workers(), open=False), 10,
               "the UDP sockets are closed")
    for name in CHILDREN:
        mapped = running.roles[name].proc("maps").read_text()
        assert ("memfd:adit-status" in mapped) == (name != "vault")


def test_descriptors_of_the_caller_go_no_further(host):
    read_end, write_end = os.pipe()
    ifname = new_name()
    running = Running(host, ifname, [
        sys.executable, "-c", f"import os; os.dup2(2, 77); "
        f"os.execvp({adit_command()[0]!r}, {[*adit_command(), 'run', ifname]!r})"])
    os.close(read_end)
    os.close(write_end)
    for name in ROLES:
        assert 77 not in running.roles[name].descriptors()


ATTACH = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
for pid in map(int, sys.argv[1:]):
    assert libc.ptrace(16, pid, 0, 0) == -1, f"attached to {pid}"
    assert ctypes.get_errno() == 1
    for name in ("mem", "environ", "maps", "stack"):
        try:
            open(f"/proc/{pid}/{name}", "rb").read(1)
        except PermissionError:
            continue
        raise AssertionError(f"read {name} of {pid}")
    try:
        os.listdir(f"/proc/{pid}/fd")
    except PermissionError:
        continue
    raise AssertionError(f"read fd of {pid}")
"""


def test_the_same_user_cannot_look_into_a_role(running):
    pids = [running.roles[name].pid for name in CHILDREN]
    uid, gid = (running.vault.status()[ids].split()[0] for ids in ("Uid", "Gid"))
    running.host.run("setpriv", "--reuid", uid, "--regid", gid, "--clear-groups",
                     "/usr/bin/python3", "-c", ATTACH, *pids)
    for pid in pids:
        assert os.stat(f"/proc/{pid}/mem").st_uid == 0


# --- where keys are ------------------------------------------------------------------------------

def session_with_psk(lab):
    """Two tunnels with a psk, a session and traffic; each with its processes looked up."""
    left, right = lab.host("a"), lab.host("b")
    lab.link(left, right).address(["10.9.0.1/24"], ["10.9.0.2/24"])
    a = AditTunnel(left, ["10.8.0.1/24"]).start()
    b = AditTunnel(right, ["10.8.0.2/24"]).start()
    psk = key()
    a.add(b, "10.9.0.2:51820", psk)
    b.add(a, "10.9.0.1:51820", psk)
    ping(left, "10.8.0.2", count=5)
    for tunnel in (a, b):
        tunnel.roles = family(tunnel.process.pid)
        tunnel.roles["starter"] = Role(tunnel.process.pid)
        tunnel.psk = psk
    return a, b


@pytest.fixture
def pair(lab):
    return session_with_psk(lab)


def test_keys_are_in_the_vault_alone(pair):
    a, b = pair
    secrets = {"private": base64.b64decode(a.private_key), "psk": base64.b64decode(a.psk)}
    secrets["static-static"] = x25519(secrets["private"], base64.b64decode(b.public_key))
    assert secrets["static-static"] == x25519(
        base64.b64decode(b.private_key), base64.b64decode(a.public_key))

    def only_the_vault_holds(names):
        holders = {name: role.holds(secrets) for name, role in a.roles.items()}
        assert holders.pop("vault") == names
        assert {name: held for name, held in holders.items() if held} == {}

    only_the_vault_holds(set(secrets))
    # In and out again, whole and in error, finished and not: the monitor keeps nothing.
    for verb in ("show", "showconf"):
        config = a.host.run("wg", verb, a.ifname, *(["dump"] if verb == "show" else [])).out
        assert a.private_key in config and a.psk in config
    a.setconf(a.showconf())
    a.host.run(*adit_command(), "syncconf", a.ifname, "/dev/stdin", input=a.showconf())
    private, psk = secrets["private"].hex(), secrets["psk"].hex()
    peer = base64.b64decode(b.public_key).hex()
    request = f"set=1\nprivate_key={private}\npublic_key={peer}\npreshared_key={psk}\n"
    assert uapi(a.ifname, request + "\n") == "errno=0\n\n"
    assert uapi(a.ifname, request + "nonsense=1\n\n") == "errno=-22\n\n"
    assert uapi(a.ifname, request + f"nonsense\nprivate_key={private}\n\n") == "errno=-71\n\n"
    assert uapi(a.ifname, f"set=1\nprivate_key={private}00\n\n") == "errno=-22\n\n"
    assert uapi(a.ifname, request) == ""
    assert uapi(a.ifname, private * 5000) == ""
    assert uapi(a.ifname, request + "x" * 300000) == ""
    uapi(a.ifname, "get=1\n\n" * 3, half_close=False)
    wait_until(lambda: a.roles["monitor"].kinds()["socket"] <= 12, 10, "clients are closed")
    ping_until(a.host, "10.8.0.2", 5)
    only_the_vault_holds(set(secrets))
    # What is removed is gone from the vault as well.
    a.wg_set("peer", b.public_key, "preshared-key", "/dev/null")
    only_the_vault_holds({"private", "static-static"} if a.peers()[b.public_key].handshake
                         else {"private"})
    a.remove(b)
    only_the_vault_holds({"private"})
    a.wg_set("private-key", "/dev/null")
    only_the_vault_holds(set())


def is_hidden(mapping):
    """Whether what is there stays out of core dumps and children."""
    flags = mapping["VmFlags"].split()
    return "dd" in flags and "dc" in flags


def test_memory_that_may_have_keys_is_hidden(pair):
    """Whatever a role can write to alone, also what the heap has grown by; and it is locked, unless
    the machine lets nobody lock what comes later."""
    a, b = pair
    for _ in range(3):  # the heap grows
        uapi(a.ifname, "set=1\n" + "".join(f"public_key={os.urandom(32).hex()}\n"
                                           f"preshared_key={os.urandom(32).hex()}\n"
                                           for _ in range(1000)) + "\n")
    secrets = {
        "vault": {"private": base64.b64decode(a.private_key), "psk": base64.b64decode(a.psk)},
        "datapath": dict(enumerate(session_keys(a.roles["datapath"], b.roles["datapath"])))}
    for name in CHILDREN:
        role = a.roles[name]
        unlimited = role.limits()["locked memory"] == ("unlimited",) * 2
        private = [mapping for mapping in role.mappings() if mapping["access"].startswith("rw-p")]
        assert any("[heap]" in mapping["name"] for mapping in private)
        bare = [mapping for mapping in private if not is_hidden(mapping)]
        assert bare == [], name
        assert not unlimited or all("lo" in mapping["VmFlags"] for mapping in private)
        held = {secret for mapping in private
                for secret in found_in(role.memory(mapping), secrets.get(name, {}))}
        assert held == set(secrets.get(name, {})), name


def test_session_keys_are_in_the_datapath_alone(pair):
    a, b = pair
    datapaths = a.roles["datapath"], b.roles["datapath"]
    keys = session_keys(*datapaths)
    for _ in range(10):
        if keys == (again := session_keys(*datapaths)):
            break
        keys = again  # both have begun a handshake: one of the sessions is about to go
    assert keys, "the session is found"
    secrets = dict(enumerate(keys))
    for tunnel in pair:
        holders = {name: role.holds(secrets) for name, role in tunnel.roles.items()}
        assert holders.pop("datapath") == set(secrets)
        assert {name: held for name, held in holders.items() if held} == {}
    # A deleted peer's keys are gone.
    a.remove(b)
    assert a.roles["datapath"].holds(secrets) == set()


@pytest.mark.parametrize("engage", ("", "always"))
def test_sessions_that_ended_leave_no_keys(lab, monkeypatch, engage):
    """Of three sessions the first is gone; with the interface down, all. Other workers than the
    first wipe their traces within the second in which they park."""
    monkeypatch.setenv("ADIT_ENGAGE", engage)
    a, b = session_with_psk(lab)
    datapath = a.roles["datapath"]
    sessions = []
    for _ in range(3):
        tcp_both_ways(b.host, a.host, "10.8.0.1", seconds=1)
        b.roles = family(b.process.pid)
        sessions.append(dict(enumerate(session_keys(datapath, b.roles["datapath"]))))
        assert sessions[-1] and datapath.holds(sessions[-1]) == set(sessions[-1])
        b.restart()
        ping_until(b.host, "10.8.0.1", 10)
    assert set(sessions[0].values()).isdisjoint(sessions[1].values())
    wait_until(lambda: not datapath.holds(sessions[1]), 5, "the last but one is gone")
    assert datapath.holds(sessions[0]) == set()
    assert datapath.holds(sessions[2]) != set()  # for what may still be under way
    a.host.run("ip", "link", "set", a.ifname, "down")
    wait_until(lambda: not datapath.holds(sessions[2]), 5, "all are gone")


# --- the end -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ("starter",) + ROLES)
def test_the_death_of_one_is_the_end_of_all(host, name):
    for traffic in (False, True, False):
        running = Running(host, new_name())
        if traffic:
            configure(running)
        os.kill(running.everyone()[name].pid, signal.SIGKILL)
        running.wait_gone()
        code, said = running.process.wait(), running.process.output()
        if name == "starter":
            assert code == -signal.SIGKILL
        else:
            assert code > 0
            assert f"the {name} died (signal 9, Killed)" in said
            assert len(said.splitlines()) == 1, said


@pytest.mark.parametrize("sig", (signal.SIGTERM, signal.SIGINT))
@pytest.mark.parametrize("whom", ("starter", "monitor", "everyone"))
def test_a_signal_ends_it_in_good_order(running, sig, whom):
    configure(running)
    if whom == "everyone":  # as a service manager or a terminal does, children first
        for name in (*CHILDREN, "monitor", "starter"):
            os.kill(running.everyone()[name].pid, sig)
    else:
        os.kill(running.everyone()[whom].pid, sig)
    running.wait_gone()
    assert running.process.wait() == 0
    assert running.process.output() == ""


def test_deleting_the_interface_or_the_socket_ends_it(host):
    for _ in range(3):
        running = Running(host, new_name())
        configure(running)
        host.run("ip", "link", "del", running.ifname)
        running.wait_gone()
        assert running.process.wait() == 0, running.process.output()
        assert "the interface was deleted" in running.process.output()
    running = Running(host, new_name())
    running.socket.unlink()
    running.wait_gone()
    assert running.process.wait() == 0
    assert "socket was removed" in running.process.output()


# --- the start -----------------------------------------------------------------------------------


def test_a_second_instance_is_refused(lab, running):
    configure(running)
    before = running.host.run("wg", "showconf", running.ifname).out
    for host in (running.host, lab.host("other")):
        for words in (["run", running.ifname], ["-f", running.ifname], [running.ifname]):
            result = host.run(*adit_command(), *words, check=False)
            assert result.code != 0
            assert "a tunnel of this name is running already" in result.err
            assert running.ifname in result.err and len(result.err.splitlines()) == 1
        assert host is running.host or ifname_of(host) == []
    assert running.host.run("wg", "showconf", running.ifname).out == before
    assert running.interface_exists() and all(
        role.alive() for role in running.everyone().values())


def ifname_of(host):
    return [line.split(":")[1].strip() for line in host.run("ip", "-o", "link").out.splitlines()
            if ": ap" in line]


def test_an_interface_that_exists_is_refused(host):
    ifname = new_name()
    host.run("ip", "link", "add", ifname, "type", "bridge")
    result = host.run(*adit_command(), "run", ifname, check=False)
    assert result.code != 0 and "another interface has it" in result.err
    assert not (SOCKETS / f"{ifname}.sock").exists()
    assert f"{ifname}:" in host.run("ip", "-o", "link").out


@pytest.mark.parametrize("ifname", ("a" * 16, "a/b", "..", ".", "a b", "", "ä", "a:b", "%d"))
def test_a_bad_name_is_refused(host, ifname):
    for words in (["run", ifname], [ifname]):
        result = host.run(*adit_command(), *words, check=False)
        assert result.code != 0 and "cannot be an interface name" in result.err


def test_only_root_may(host):
    for words in (["run", "ap0"], ["ap0"]):
        result = host.run("setpriv", "--reuid", NOBODY, "--clear-groups", *adit_command(), *words,
                          check=False)
        assert result.code != 0 and "only root" in result.err
    result = host.run("setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin",
                      *adit_command(), "run", "ap0", check=False)
    assert result.code != 0 and "Operation not permitted" in result.err


def detached(host, ifname, *env, **options):
    """Run `adit IFNAME`; it must come back, and hold nothing of ours."""
    return subprocess.run(host.argv(["env", *env, *adit_command(), ifname]), capture_output=True,
                          text=True, timeout=5, stdin=subprocess.DEVNULL, **options)


def starter_of(host, ifname):
    for pid in host.pids():
        try:
            name = Role(pid).proc("comm").read_text().strip()
            words = Role(pid).proc("cmdline").read_text().split("\0")
        except GONE:
            continue
        if name == "adit-monitor" and ifname in words:
            return int(Role(pid).status()["PPid"])
    raise AssertionError(f"no starter of {ifname}")


def test_detached_it_returns_when_usable(host):
    for _ in range(3):
        ifname = new_name()
        read_end, write_end = os.pipe()
        done = detached(host, ifname, pass_fds=[write_end])
        os.close(write_end)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert host.run("wg", "set", ifname, "listen-port", 0).code == 0
        assert host.run("ip", "link", "show", ifname).code == 0
        assert select.select([read_end], [], [], 10)[0], "a pipe of the caller is still open"
        os.close(read_end)
        starter = Role(starter_of(host, ifname))
        status = starter.proc("stat").read_text().rpartition(")")[2].split()
        assert int(status[3]) == starter.pid, "a session of its own"
        assert status[4] == "0", "no terminal"
        assert os.readlink(starter.proc("cwd")) == "/"
        os.kill(starter.pid, signal.SIGTERM)
        wait_until(lambda: not starter.alive() and ifname not in ifname_of(host), 10, "it ends")
        assert not (SOCKETS / f"{ifname}.sock").exists()


def test_detached_it_says_why_it_failed(host):
    ifname = new_name()
    host.run("ip", "link", "add", ifname, "type", "bridge")
    done = detached(host, ifname)
    assert done.returncode != 0 and "another interface has it" in done.stderr


def test_the_environment_of_wireguard_go(host):
    name = new_name()
    running = Running(host, name, [*adit_command(), name], ["WG_PROCESS_FOREGROUND=1"])
    running.process.stop()
    for level, loud in (("verbose", True), ("debug", True), ("error", False), ("silent", False),
                        ("", False)):
        running = Running(host, new_name(), env=[f"LOG_LEVEL={level}"])
        uapi(running.ifname, "set=1\nx=1\n\n")
        os.kill(running.vault.pid, signal.SIGKILL)
        running.wait_gone()
        said = running.process.output()
        assert ("offloads" in said) == loud
        assert ("the vault died" in said) == (level != "silent")
        assert level != "silent" or said == ""


def test_log_level_and_detaching(host):
    """As with wireguard-go, stderr stays only for one who wants to read it."""
    name = new_name()
    assert detached(host, name, "LOG_LEVEL=silent").returncode == 0
    os.kill(starter_of(host, name), signal.SIGTERM)


HAND_DOWN = """
import fcntl, os, socket, struct, sys
name, path, *argv = sys.argv[1:]
tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, 0x400454ca, struct.pack("16sH22x", name.encode(), 0x1001))
listener = socket.socket(socket.AF_UNIX)
os.makedirs(os.path.dirname(path), exist_ok=True)
listener.bind(path)
listener.listen()
os.dup2(tun, 40); os.dup2(listener.fileno(), 41)
os.environ.update(WG_TUN_FD="40", WG_UAPI_FD="41")
os.execvp(argv[0], argv)
"""


@pytest.mark.parametrize("words", (["run"], ["-f"]))
def test_descriptors_may_be_handed_down(host, words):
    name = new_name()
    running = Running(host, name, [
        "/usr/bin/python3", "-c", HAND_DOWN, name, SOCKETS / f"{name}.sock", *adit_command(),
        *words, name])
    configure(running, 1)  # there is but one queue
    assert running.vault.descriptors()[0] == "/dev/null"
    assert running.monitor.descriptors()[0] == "/dev/null"
    running.process.stop()
    running.wait_gone()


def test_bad_descriptors_are_refused(host):
    for variable, value in (("WG_TUN_FD", "40"), ("WG_TUN_FD", "0"), ("WG_UAPI_FD", "40"),
                            ("WG_UAPI_FD", "0"), ("WG_TUN_FD", "x"), ("WG_UAPI_FD", "-7")):
        done = host.run("env", f"{variable}={value}", *adit_command(), "run", new_name(),
                        check=False, timeout=5)
        assert done.code != 0 and done.err, variable
        assert variable in done.err, done.err


def test_closed_standard_descriptors_do_no_harm(host):
    name = new_name()
    running = Running(host, name, [
        "sh", "-c", f"exec {' '.join(adit_command())} run {name} <&- >&- 2>&-"])
    configure(running)
    for role in ROLES:
        held = running.roles[role].descriptors()
        assert held[0] == held[1] == held[2] == "/dev/null"
    uapi(name, "set=1\nx=1\n\n" * 10)  # something to complain of
    assert "listen_port=" in uapi(name, "get=1\n\n")
    running.process.stop()
    running.wait_gone()


@pytest.mark.parametrize("abstract", (False, True))
def test_the_service_manager_is_told(host, tmp_path, abstract):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        # an abstract name belongs to a network namespace
        if abstract:
            pytest.importorskip("ctypes")
            libc = ctypes.CDLL(None, use_errno=True)
            ours = os.open("/proc/self/ns/net", os.O_RDONLY)
            theirs = os.open(f"/run/netns/{host.namespace}", os.O_RDONLY)
            assert libc.setns(theirs, 0) == 0
            try:
                listener.close()
                listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                listener.bind("\0adit-test")
            finally:
                assert libc.setns(ours, 0) == 0
                os.close(ours)
                os.close(theirs)
            path = "@adit-test"
        else:
            path = str(tmp_path / "notify")
            listener.bind(path)
        listener.settimeout(5)
        running = Running(host, new_name(), env=[f"NOTIFY_SOCKET={path}"])
        assert listener.recv(100) == b"READY=1"
        listener.settimeout(0.1)
        running.process.stop()
        with pytest.raises(TimeoutError):
            listener.recv(100)  # a failed start is not announced, nor is one announced twice


def test_a_stale_socket_is_replaced(host):
    name = new_name()
    with socket.socket(socket.AF_UNIX) as s:
        SOCKETS.mkdir(exist_ok=True)
        s.bind(str(SOCKETS / f"{name}.sock"))
    running = Running(host, name)
    os.kill(running.starter.pid, signal.SIGSTOP)  # kill all at once: nobody cleans up
    for role in (*CHILDREN, "monitor"):
        os.kill(running.roles[role].pid, signal.SIGSTOP)
    for role in running.everyone().values():
        os.kill(role.pid, signal.SIGKILL)
    wait_until(lambda: not running.interface_exists() and not any(
        role.alive() for role in running.everyone().values()), 5, "all are gone")
    running.process.wait()
    Running(host, name)  # though its socket is there, unless a wg of another test has removed it


def test_the_socket_is_for_root(running):
    folder, file = os.stat(SOCKETS), os.stat(running.socket)
    assert (folder.st_uid, stat.S_IMODE(folder.st_mode)) == (0, 0o755)
    assert (file.st_uid, stat.S_IMODE(file.st_mode)) == (0, 0o700) and stat.S_ISSOCK(file.st_mode)
    done = running.host.run("setpriv", "--reuid", NOBODY, "--clear-groups", "wg", "show",
                            running.ifname, check=False)
    assert done.code != 0


# --- at rest -------------------------------------------------------------------------------------


def test_a_tunnel_is_small(pair):
    """MiB in all five processes, at most what was measured and a quarter. What only start and
    configuration needed is given back; how much of the code around a touch comes with it is up to
    the kernel and to how the file was read."""
    a, b = pair
    tcp_both_ways(a.host, b.host, "10.8.0.2", seconds=1)
    for kind, most in (("Anonymous", 6), ("Rss", 16)):
        wait_until(lambda: sum(role.resident(kind) for role in a.roles.values()) < most, 5,
                   f"{kind}: little memory after load")


@pytest.mark.parametrize("limit", (4 << 20, 1 << 16), ids=("enough for keys", "too low"))
def test_memory_that_may_not_all_be_locked(host, limit):
    """Then what can be written is, or it is said aloud that it is not."""
    name = new_name()
    running = Running(host, name, [
        "prlimit", f"--memlock={limit}:{limit}", "setpriv", "--bounding-set",
        "-sys_resource,-ipc_lock", "--inh-caps", "-sys_resource,-ipc_lock", *adit_command(), "run",
        name])
    complaints = [role for role in ROLES
                  if f"{role}: keys may come to be in swap" in running.process.output()]
    assert ("vault" in complaints) == (limit < 1 << 20)
    if limit < 1 << 20:
        assert set(complaints) == set(ROLES)
    else:
        heap = running.vault.proc("smaps").read_text().split("[heap]")[1]
        assert " lo " in re.search("^VmFlags:(.*)$", heap, re.M)[1]
