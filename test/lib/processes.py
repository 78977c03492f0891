# SPDX-License-Identifier: MIT
"""The processes of one tunnel, seen from outside: who they are, what they hold, what is in their
memory."""

import base64
import collections
import ctypes
import os
import pathlib
import re
import socket
import struct

from hosts import RUN_TIMEOUT, wait_until
from tunnels import SOCKETS, adit_command

CAP_KILL, CAP_SETGID, CAP_SETUID, CAP_SETPCAP = 1 << 5, 1 << 6, 1 << 7, 1 << 8
CAP_NET_ADMIN, CAP_IPC_LOCK, CAP_SYS_CHROOT = 1 << 12, 1 << 14, 1 << 18
ROLES = ("monitor", "vault", "engine", "datapath")
PAGE = os.sysconf("SC_PAGE_SIZE")

# What reading below /proc says of a process that ended: before the file was opened, or after.
GONE = (FileNotFoundError, ProcessLookupError)


class Role:
    """One process."""

    def __init__(self, pid):
        self.pid = pid

    def proc(self, name):
        return pathlib.Path(f"/proc/{self.pid}/{name}")

    def alive(self):
        """Whether it still runs; a zombie does not."""
        try:
            return self.proc("stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
        except GONE:
            return False

    def status(self):
        lines = self.proc("status").read_text().splitlines()
        return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}

    def limits(self):
        """Name -> (soft, hard), as the kernel writes them."""
        lines = self.proc("limits").read_text().splitlines()[1:]
        return {match[1]: (match[2], match[3]) for match in
                (re.match(r"Max (.*?)  +(\S+) +(\S+)", line) for line in lines)}

    def mappings(self):
        """What smaps says of each mapping, with its bounds, access and name."""
        found = []
        for line in self.proc("smaps").read_text().splitlines():
            key, _, value = line.partition(":")
            if match := re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)", line):
                found.append({"start": int(match[1], 16), "end": int(match[2], 16),
                              "access": match[3], "name": match[4]})
            else:
                found[-1][key] = value.strip()
        return found

    def memory(self, mapping):
        with open(self.proc("mem"), "rb", 0) as mem:
            return os.pread(mem.fileno(), mapping["end"] - mapping["start"], mapping["start"])

    def threads(self):
        return [Role(f"{self.pid}/task/{thread.name}") for thread in self.proc("task").iterdir()]

    def switches(self):
        """How often it has been scheduled away: waking up costs at least one."""
        status = self.status()
        return int(status["voluntary_ctxt_switches"]) + int(status["nonvoluntary_ctxt_switches"])

    def resident(self, kind="Rss"):
        """MiB of its pages that are in memory, those shared with others too; "Anonymous": that it
        has written."""
        (line,) = re.findall(rf"^{kind}: +(\d+) kB$", self.proc("smaps_rollup").read_text(), re.M)
        return int(line) / 1024

    def descriptors(self):
        """Number -> what it is: a path, or "socket" or another kind without its number."""
        found = {}
        for entry in self.proc("fd").iterdir():
            try:
                found[int(entry.name)] = re.sub(r":\[\d+\]$", "", os.readlink(entry))
            except GONE:
                pass  # closed since
        return found

    def kinds(self):
        return collections.Counter(
            kind for fd, kind in self.descriptors().items() if fd > 2)

    def pages(self, access_wanted="r"):
        """Runs of memory that are in RAM, as bytes; of all that can be read or as said."""
        with open(self.proc("mem"), "rb", 0) as mem, open(self.proc("pagemap"), "rb", 0) as map_:
            for line in self.proc("maps").read_text().splitlines():
                bounds, access, *_ = line.split()
                if not access.startswith(access_wanted) or "[v" in line:
                    continue
                first, end = (int(bound, 16) // PAGE for bound in bounds.split("-"))
                yield from self._runs(mem, map_, first, end)

    @staticmethod
    def _runs(mem, map_, first, end):
        entries = os.pread(map_.fileno(), 8 * (end - first), 8 * first)
        present = [entry >> 62 != 0 for (entry,) in struct.iter_unpack("Q", entries)]
        at = 0
        while at < len(present):
            length = 0
            while at + length < len(present) and present[at + length]:
                length += 1
            if length:
                yield os.pread(mem.fileno(), length * PAGE, (first + at) * PAGE)
            at += length + 1

    def holds(self, secrets):
        """The names of those secrets of which a piece is in this process's memory."""
        return found_in(written(self.pages()), secrets)


def session_keys(one, other):
    """The keys that two datapaths have between them: those which one holds in this order and the
    other in the opposite."""
    def neighbours(role):
        for run in role.pages("rw-p"):
            for at in range(0, len(run) - 63, 8):
                pair = run[at:at + 32], run[at + 32:at + 64]
                if min(map(len, map(set, pair))) >= 20:  # random
                    yield pair

    reversed_pairs = {(b, a) for a, b in neighbours(other)}
    return {key for pair in neighbours(one) if pair in reversed_pairs for key in pair}


def written(runs):
    """Those pages of some memory that are not all zero."""
    zeroes = bytes(PAGE)
    pages = (run[at:at + PAGE] for run in runs for at in range(0, len(run), PAGE))
    return b"".join(page for page in pages if page != zeroes)


def found_in(data, secrets):
    """The names of those secrets of which a piece, in any notation, is in there."""
    return {name for name, secret in secrets.items()
            if any(_memmem(data, len(data), piece, len(piece)) for piece in pieces(secret))}


_memmem = ctypes.CDLL(None).memmem  # faster than `in` by far
_memmem.restype = ctypes.c_void_p
_memmem.argtypes = [ctypes.c_char_p, ctypes.c_size_t] * 2


def pieces(secret):
    """A key may lie about whole or as what fits in a register, and in three notations."""
    text, base = secret.hex().encode(), base64.b64encode(secret)
    yield from (secret[at:at + 8] for at in range(0, len(secret), 8))
    yield from (text[at:at + 16] for at in range(0, len(text), 16))
    yield from (text[at:at + 16].upper() for at in range(0, len(text), 16))
    yield from (base[at:at + 12] for at in range(0, 36, 12))


def uapi(ifname, text, half_close=True):
    """Say something to a tunnel's socket and give all that comes back."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(RUN_TIMEOUT)
        s.connect(str(SOCKETS / f"{ifname}.sock"))
        try:
            s.sendall(text.encode())
            if half_close:
                s.shutdown(socket.SHUT_WR)
                return b"".join(iter(lambda: s.recv(65536), b"")).decode()
        except (BrokenPipeError, ConnectionResetError):
            pass  # it does not listen to what cannot become a request
        return ""


class Running:
    """`adit run` in a host, with its processes looked up."""

    def __init__(self, host, ifname, argv=None, env=()):
        self.host, self.ifname = host, ifname
        self.socket = SOCKETS / f"{ifname}.sock"
        argv = argv or [*adit_command(), "run", ifname]
        self.process = host.popen("env", *env, *argv)
        wait_until(self.usable, 10, f"{ifname} is up")
        self.look()

    def usable(self):
        assert self.process.poll() is None, self.process.output()
        return (self.host.run("wg", "show", self.ifname, check=False).code == 0
                and len(family(self.process.pid)) == 4)

    def look(self):
        self.starter = Role(self.process.pid)
        self.roles = family(self.process.pid)
        for name, role in self.roles.items():
            setattr(self, name, role)

    def everyone(self):
        return {"starter": self.starter, **self.roles}

    def interface_exists(self):
        return self.host.run("ip", "link", "show", self.ifname, check=False).code == 0

    def is_gone(self):
        return (not any(role.alive() for role in self.everyone().values())
                and not self.socket.exists() and not self.interface_exists())

    def wait_gone(self, timeout=10):
        wait_until(self.is_gone, timeout, f"nothing is left of {self.ifname}", 0.01)


def capabilities(status):
    """The five sets of a process, as numbers."""
    return {key: int(status[key], 16) for key in ("CapInh", "CapPrm", "CapEff", "CapAmb", "CapBnd")}


def children(pid):
    try:
        return [int(child) for child in
                pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except GONE:
        return []


def family(starter_pid):
    """The roles below a starter, by name."""
    pids = children(starter_pid)
    pids += [child for pid in pids for child in children(pid)]
    found = {}
    for pid in pids:
        try:
            name = pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
        except GONE:
            continue
        if name.startswith("adit-"):
            found[name.removeprefix("adit-")] = Role(pid)
    return found
