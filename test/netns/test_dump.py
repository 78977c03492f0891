# SPDX-License-Identifier: MIT
"""Under load, with handshakes, a debugger dumps the processes of a tunnel, with all memory and all
registers: long-term secrets are in the vault and nowhere else."""

import base64
import contextlib
import operator
import os
import platform
import re
import shutil
import subprocess
import threading

import pytest

from hosts import wait_until
from processes import PAGE, ROLES, family, found_in, session_keys, uapi, written
from traffic import ping
from tunnels import AditTunnel, adit_command, key, public
from x25519 import clamp, x25519

GDB_LIMIT = 120
LOAD_LIMIT = 300  # seconds; the test ends it
HANDSHAKE_INTERVAL_S = 0.1


def raw(text):
    return base64.b64decode(text)


def unclamped_key():
    """A private key that is not in the form in which it is used, as any 32 bytes may be one."""
    secret = bytearray(os.urandom(32))
    secret[0] |= 7
    secret[31] |= 128
    return base64.b64encode(secret).decode()


def dump(role, path):
    """All memory and registers of a process, also what it has excluded from dumps; pages of zeroes
    left out."""
    done = subprocess.run(
        ["gdb", "-nx", "-batch", "-iex", "set auto-solib-add off",
         "-iex", "set auto-load off", "-p", str(role.pid),
         "-ex", "set use-coredump-filter off", "-ex", "set dump-excluded-mappings on",
         "-ex", f"gcore {path}"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=GDB_LIMIT)
    assert "Saved corefile" in done.stdout, done.stdout + done.stderr
    with open(path, "rb") as core:
        data = written(iter(lambda: core.read(PAGE << 8), b""))
    path.unlink()
    return data


def num_vector_notes(data):
    """How many threads' vector registers are in a core file of this machine (NT_X86_XSTATE)."""
    return len(re.findall(rb"\x06\0\0\0....\x02\x02\0\0LINUX\0", data, re.S))


class Handshakes(threading.Thread):
    """A peer that forgets its session and makes a new one, over and over."""

    def __init__(self, tunnel, other, endpoint, psk):
        super().__init__()
        peer = f"public_key={raw(other.public_key).hex()}\n"
        self.ifname = tunnel.ifname
        self.request = (f"set=1\n{peer}remove=true\n{peer}preshared_key={raw(psk).hex()}\n"
                        f"endpoint={endpoint}\npersistent_keepalive_interval=1\n\n")
        self.over = threading.Event()

    def __enter__(self):
        self.start()
        return self

    def run(self):
        while not self.over.wait(HANDSHAKE_INTERVAL_S):
            uapi(self.ifname, self.request)

    def __exit__(self, *_):
        self.over.set()
        self.join()


@contextlib.contextmanager
def load(world):
    """TCP to one peer, handshakes with another."""
    server = world.b.host.popen("iperf3", "-s", "-1", "-B", "10.8.0.2")
    wait_until(lambda: ":5201 " in world.b.host.run("ss", "-Hltn").out, 10, "iperf3 listens")
    client = world.a.host.popen("iperf3", "-c", "10.8.0.2", "-t", LOAD_LIMIT)
    with Handshakes(world.c, world.a, "10.9.1.1:51820", world.psks[1]):
        wait_until(lambda: num_done(world)[0] > 1_000_000, 10, "TCP flows")
        yield
    client.stop()
    server.stop()


def num_done(world):
    """Bytes to the one peer, and from the other, which says little but in handshakes."""
    text = uapi(world.a.ifname, "get=1\n\n")
    peers = {peer[:64]: peer for peer in text.split("public_key=")[1:]}
    return [int(re.search(f"^{field}=(\\d+)$", peers[raw(tunnel.public_key).hex()], re.M)[1])
            for field, tunnel in (("tx_bytes", world.b), ("rx_bytes", world.c))]


class Engaged(AditTunnel):
    """All workers of the datapath are at work, not the first alone."""

    def command(self):
        return ["env", "ADIT_ENGAGE=always", *adit_command(), "run", self.ifname]


class World:
    """The tunnel that is looked at, one that it talks to, one that makes handshakes."""

    def __init__(self, lab):
        here, there, third = lab.host("a"), lab.host("b"), lab.host("c")
        lab.link(here, there).address(["10.9.0.1/24"], ["10.9.0.2/24"])
        lab.link(here, third).address(["10.9.1.1/24"], ["10.9.1.2/24"])
        self.a = Engaged(here, ["10.8.0.1/24"])
        former = self.a.private_key
        self.a.start()
        self.a.private_key = unclamped_key()
        self.a.public_key = public(self.a.private_key)
        self.a.wg_set("private-key", "/dev/stdin", input=self.a.private_key)
        self.b = AditTunnel(there, ["10.8.0.2/24"]).start()
        self.c = AditTunnel(third, ["10.8.0.3/24"]).start()
        self.psks = key(), key()
        self.a.add(self.b, "10.9.0.2:51820", self.psks[0])
        self.a.add(self.c, psk=self.psks[1])
        self.b.add(self.a, "10.9.0.1:51820", self.psks[0])
        self.c.add(self.a, "10.9.1.1:51820", self.psks[1], keepalive=1)
        ping(here, "10.8.0.2")
        ping(third, "10.8.0.1")
        private = raw(self.a.private_key)
        self.secrets = {
            "private": clamp(private), "psk of b": raw(self.psks[0]), "psk of c": raw(self.psks[1]),
            "static-static with b": x25519(private, raw(self.b.public_key)),
            "static-static with c": x25519(private, raw(self.c.public_key))}
        # What was given in, where it differs, and what was there before: not even the vault's.
        self.former = {"former private": raw(former), "private as given": private}
        self.roles = family(self.a.process.pid)


def test_long_term_secrets_are_in_the_vault_alone(lab, tmp_path):
    if not shutil.which("gdb"):
        pytest.skip("no gdb")
    world = World(lab)
    everything = {**world.former, **world.secrets}
    sessions = {f"session key {number}": secret for number, secret in enumerate(session_keys(
        world.roles["datapath"], family(world.b.process.pid)["datapath"]))}
    assert sessions
    public_keys = {"b": raw(world.b.public_key), "c": raw(world.c.public_key)}
    dumps = {}
    with load(world):
        # As they run, when a secret may be there for a moment.
        for name in ("datapath", "engine", "monitor") * 3:
            assert world.roles[name].holds(everything) == set(), name
        for name in ("datapath", "engine", "monitor", "vault"):
            before = num_done(world)
            dumps[name] = dump(world.roles[name], tmp_path / name)
            wait_until(lambda: all(map(operator.lt, before, num_done(world))), 10,
                       "packets and handshakes go on")

    if platform.machine() == "x86_64":
        for name in ROLES:
            assert num_vector_notes(dumps[name]) == len(world.roles[name].threads())
    # The search finds what is there, in each of them, ...
    assert found_in(dumps["vault"], everything) >= set(world.secrets)
    assert found_in(dumps["datapath"], sessions) == set(sessions)
    assert found_in(dumps["engine"], public_keys) == set(public_keys)
    assert found_in(dumps["monitor"], public_keys) == set(public_keys)
    # ... and no secret out of its place.
    assert found_in(dumps["vault"], {"former": world.former["former private"]}) == set()
    for name in ("datapath", "engine", "monitor"):
        assert found_in(dumps[name], everything) == set(), name
    for name in ("engine", "monitor", "vault"):
        assert found_in(dumps[name], sessions) == set(), name
