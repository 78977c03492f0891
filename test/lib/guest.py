# SPDX-License-Identifier: MIT
"""A host with the Linux kernel's WireGuard: Debian's cloud kernel in an emulated machine.

QEMU boots it with an initramfs made here (busybox and the few modules needed) and the root of
the machine we run on, shared read-only by virtiofs: the guest has every program that we have.
Commands go over virtio-serial ports, one shell at each; scripts and their input reach the guest
as files, since it sees our file system. Its network card is a tap device in a namespace of its
own, where a bridge joins it to the wires of the test.
"""

import glob
import itertools
import lzma
import os
import pathlib
import platform
import queue
import shlex
import shutil
import socket
import stat
import subprocess
import time

from hosts import RUN_TIMEOUT, Host, Result

PORTS = 6
BOOT_TIMEOUT = 90
MODULES = ("virtio_pci", "virtio_console", "virtiofs", "virtio_net", "wireguard",
           # what the overlay asks of nftables
           "nf_tables", "nft_ct", "nft_queue", "nft_reject_inet", "nfnetlink_queue",
           "nf_conntrack")
VIRTIOFSD = ("/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd")

INIT = """#!/bin/busybox sh
bb=/bin/busybox
$bb mkdir -p /proc /sys /host
$bb mount -t proc proc /proc
for module in /modules/*; do $bb insmod $module; done
$bb mount -t virtiofs -o ro host /host || exec $bb poweroff -f
$bb mount -t proc proc /host/proc
$bb mount -t sysfs sys /host/sys
$bb mount -t devtmpfs dev /host/dev
$bb ln -s /proc/self/fd /host/dev/fd
$bb ln -s /proc/self/fd/0 /host/dev/stdin
$bb mount -t tmpfs run /host/run
$bb mkdir -p /host/run/wireguard
$bb cp $bb /host/run/busybox
exec $bb chroot /host /run/busybox sh @DIRECTORY@/serve
"""

# One shell a port: a line names a script; back go its exit code and the size of its output, then
# the output itself. Busybox lies in memory: a program from the shared root takes ten times as long
# to start.
SERVE = """
bb=/run/busybox
export TMPDIR=/run PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/run
cd /
serve() {
    exec <>/dev/vport$1 >&0
    echo ready
    while read -r n; do
        $bb setsid $bb sh @DIRECTORY@/$n.sh <@DIRECTORY@/$n.in >/run/$n.out 2>/run/$n.err
        echo $? $($bb stat -c %s /run/$n.out /run/$n.err)
        $bb cat /run/$n.out /run/$n.err
        $bb rm -f /run/$n.*
    done
}
for port in /sys/class/virtio-ports/vport*; do
    serve ${port##*/vport} &
done
while :; do wait; $bb sleep 1; done
"""


def missing():
    """Why there can be no kernel guest on this machine; None when there can."""
    if platform.machine() != "x86_64":
        return f"the guest is x86-64, this machine {platform.machine()}"
    if not shutil.which("qemu-system-x86_64"):
        return "qemu-system-x86_64 is missing (./setup check)"
    if not _virtiofsd():
        return "virtiofsd is missing (./setup check)"
    if not os.path.exists("/bin/busybox"):
        return "busybox-static is missing (./setup check)"
    if not _kernels():
        return "linux-image-cloud-amd64 is missing (./setup check)"
    if not os.path.exists("/dev/net/tun"):
        return "/dev/net/tun is missing"
    return None


def _virtiofsd():
    return next((path for path in VIRTIOFSD if os.access(path, os.X_OK)), None)


def _kernels():
    """Versions of the cloud kernels installed, oldest first."""
    found = [path.removeprefix("/boot/vmlinuz-") for path in glob.glob("/boot/vmlinuz-*cloud*")]
    key = lambda text: [int(part) if part.isdigit() else 0
                        for part in text.replace("-", ".").split(".")]
    return sorted((v for v in found if os.path.isdir(f"/lib/modules/{v}")), key=key)


def _module_files(version):
    """The modules' files in the order of loading, without doubles."""
    files = {}
    for module in MODULES:
        out = subprocess.run(["modprobe", "-S", version, "--show-depends", module],
                             check=True, capture_output=True, text=True,
                             env={"PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}).stdout
        for line in out.splitlines():
            if line.startswith("insmod "):
                files[line.split()[1]] = None
    return list(files)


def _cpio(entries):
    """A newc archive of (name, mode, content)."""
    out = bytearray()
    for inode, (name, mode, content) in enumerate([*entries, ("TRAILER!!!", 0, b"")], 1):
        fields = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
        out += b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
        out += bytes(-len(out) % 4) + content
        out += bytes(-len(out) % 4)
    return bytes(out)


def _initramfs(version, directory):
    entries = [(name, stat.S_IFDIR | 0o755, b"") for name in ("bin", "modules")]
    entries.append(("bin/busybox", stat.S_IFREG | 0o755, pathlib.Path("/bin/busybox").read_bytes()))
    entries.append(("init", stat.S_IFREG | 0o755,
                    INIT.replace("@DIRECTORY@", str(directory)).encode()))
    for number, path in enumerate(_module_files(version)):
        content = pathlib.Path(path).read_bytes()
        if path.endswith(".xz"):
            content = lzma.decompress(content)
        entries.append((f"modules/{number:03}.ko", stat.S_IFREG | 0o644, content))
    return _cpio(entries)


class GuestProcess:
    """A command in the background of the guest; it occupies one port until it ends."""

    def __init__(self, guest, argv):
        self.guest, self.argv = guest, argv
        self._port = guest.ports.get(timeout=RUN_TIMEOUT)
        self._number = guest.send(self._port, argv)
        self._result = None

    def poll(self):
        return self.wait(0) if self._result is None else self._result.code

    def wait(self, timeout=RUN_TIMEOUT):
        if self._result is None:
            self._result = self._port.receive(self.argv, timeout)
            if self._result is None:
                if timeout == 0:
                    return None
                raise TimeoutError(f"{' '.join(map(str, self.argv))} in the guest")
            self.guest.ports.put(self._port)
        return self._result.code

    def stop(self, sig="TERM"):
        if self.poll() is None:
            self.guest.run("/run/busybox", "sh", "-c",
                           f"kill -s {sig} -$(cat /run/{self._number}.pid)", check=False)
        return self.wait()

    def output(self):
        return self._result.out + self._result.err


class Port:
    def __init__(self, sock):
        self._sock = sock
        self._pending = b""

    def send(self, line):
        self._sock.sendall(line.encode() + b"\n")

    def line(self, timeout):
        deadline = time.monotonic() + timeout
        while b"\n" not in self._pending:
            if not self._fill(deadline):
                return None
        line, self._pending = self._pending.split(b"\n", 1)
        return line.decode()

    def receive(self, argv, timeout):
        line = self.line(timeout)
        if line is None:
            return None
        code, out_size, err_size = map(int, line.split())
        deadline = time.monotonic() + RUN_TIMEOUT
        while len(self._pending) < out_size + err_size:
            if not self._fill(deadline):
                raise TimeoutError("the guest stopped in the middle of its output")
        text, self._pending = (self._pending[:out_size + err_size],
                               self._pending[out_size + err_size:])
        return Result(argv, code, text[:out_size].decode(errors="replace"),
                      text[out_size:].decode(errors="replace"))

    def _fill(self, deadline):
        self._sock.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            data = self._sock.recv(65536)
        except (TimeoutError, BlockingIOError):
            return False
        if not data:
            raise ConnectionError("the guest is gone")
        self._pending += data
        return True


class Guest(Host):
    """The emulated machine, with the interface of a Host. One wire at a time: its eth0."""

    kind = "guest"

    def __init__(self, lab, name="guest"):
        self.lab, self.name = lab, name
        self.directory = pathlib.Path(lab.directory)
        self.console = self.directory / "console"
        self._serial = itertools.count()
        self._processes = []
        self.ports = queue.Queue()
        self._outside = Host(lab, name)  # the namespace with the tap device and the bridge
        lab.on_close(self._outside.close)
        for argv in (("tuntap", "add", "tap0", "mode", "tap", "vnet_hdr"),
                     ("link", "add", "br0", "type", "bridge"),
                     ("link", "set", "tap0", "master", "br0", "up"), ("link", "set", "br0", "up")):
            self._outside.run("ip", *argv)
        self._boot()
        self.prepare()

    def _boot(self):
        version = _kernels()[-1]
        (self.directory / "initramfs").write_bytes(_initramfs(version, self.directory))
        (self.directory / "serve").write_text(SERVE.replace("@DIRECTORY@", str(self.directory)))

        pairs = [socket.socketpair() for _ in range(PORTS)]
        ports = ["-device", "virtio-serial-pci,max_ports=%d" % (PORTS + 1)]
        for number, (_, theirs) in enumerate(pairs):
            ports += ["-chardev", f"socket,id=port{number},fd={theirs.fileno()}",
                      "-device", f"virtserialport,chardev=port{number},nr={number + 1}"]

        shares = self._share()
        # hpet: the kernel measures the TSC once, and on a loaded machine its clock may then run twice
        # as fast.
        argv = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none",
                "-machine", "q35,memory-backend=memory", "-accel", "tcg", "-cpu", "max",
                "-smp", "1", "-m", "512",
                "-object", "memory-backend-memfd,id=memory,size=512M,share=on",
                "-kernel", f"/boot/vmlinuz-{version}",
                "-initrd", str(self.directory / "initramfs"),
                "-append", "console=ttyS0 panic=-1 mitigations=off nokaslr rdinit=/init "
                           "net.ifnames=0 random.trust_cpu=1 no_timer_check tsc=reliable "
                           "clocksource=hpet",
                "-no-reboot", "-serial", f"file:{self.console}",
                "-chardev", f"socket,id=share,fd={shares.fileno()}",
                "-device", "vhost-user-fs-pci,chardev=share,tag=host",
                "-netdev", "tap,id=net,ifname=tap0,script=no,downscript=no",
                "-device", "virtio-net-pci,netdev=net,mac=52:54:00:ad:17:01,romfile=", *ports]
        log = open(self.directory / "qemu.log", "wb")
        self._qemu = subprocess.Popen(
            self._outside.argv(argv), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            pass_fds=[theirs.fileno() for _, theirs in pairs] + [shares.fileno()])
        self.lab.on_close(self._end)
        for _, theirs in pairs:
            theirs.close()
        shares.close()

        deadline = time.monotonic() + BOOT_TIMEOUT
        for ours, _ in pairs:
            port = Port(ours)
            try:
                ready = port.line(max(deadline - time.monotonic(), 0.001))
            except OSError:
                ready = None
            if ready != "ready":
                raise AssertionError(f"the guest did not boot\n{self._logs()}")
            self.ports.put(port)

    def _share(self):
        """Start virtiofsd on our root, which it sees read-only; the other end is for QEMU."""
        ours = socket.socket(socket.AF_UNIX)
        path = str(self.directory / "virtiofs")
        ours.bind(path)
        ours.listen(1)
        program = _virtiofsd()
        if program.startswith("/usr/libexec"):  # the Rust program of Debian 13
            options = ["--shared-dir=/", "--sandbox=chroot", "--cache=always",
                       f"--fd={ours.fileno()}", "--log-level=error"]
        else:
            options = ["-o", "source=/", "-o", "sandbox=chroot", "-o", "cache=always",
                       f"--fd={ours.fileno()}", "-o", "log_level=err", "-f"]
        log = open(self.directory / "virtiofsd.log", "wb")
        self._virtiofsd = subprocess.Popen(
            ["unshare", "--mount", "--propagation=private", "sh", "-c",
             "mount -o remount,bind,ro / && exec \"$@\"", "sh", program, *options],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[ours.fileno()])
        ours.close()
        theirs = socket.socket(socket.AF_UNIX)
        theirs.connect(path)
        return theirs

    def _end(self):
        for process in (self._qemu, self._virtiofsd):
            process.terminate()
        for process in (self._qemu, self._virtiofsd):
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _logs(self):
        return "\n".join(path.read_text(errors="replace")[-4000:]
                         for path in (self.console, self.directory / "qemu.log",
                                      self.directory / "virtiofsd.log") if path.exists())

    # Commands

    def send(self, port, argv, input=None, timeout=None):
        number = next(self._serial)
        # With its path, or busybox would take its own program of that name.
        program = shutil.which(argv[0]) or argv[0]
        limit = ("/run/busybox", "timeout", timeout) if timeout else ()
        command = " ".join(shlex.quote(str(arg)) for arg in (*limit, program, *argv[1:]))
        (self.directory / f"{number}.sh").write_text(f"echo $$ >/run/{number}.pid\n"
                                                     f"exec {command}\n")
        (self.directory / f"{number}.in").write_text(input or "")
        port.send(str(number))
        return number

    def run(self, *argv, input=None, check=True, timeout=RUN_TIMEOUT):
        port = self.ports.get(timeout=RUN_TIMEOUT)
        self.send(port, argv, input, timeout)
        result = port.receive(argv, timeout + RUN_TIMEOUT)
        if result is None:
            raise TimeoutError(f"no answer from the guest\n{self._logs()}")
        self.ports.put(port)
        return result.check() if check else result

    def popen(self, *argv):
        process = GuestProcess(self, argv)
        self._processes.append(process)
        return process

    def reset(self):
        """As it was after boot: no processes, no WireGuard interfaces, no addresses."""
        while self._processes:
            self._processes.pop().stop("KILL")
        for line in self.run("ip", "-o", "link", "show", "type", "wireguard").out.splitlines():
            self.run("ip", "link", "del", line.split(": ")[1])
        self.detach("eth0")

    # Wires

    def attach(self):
        return self._outside.namespace, "wire0"

    def attached(self, dev):
        self._outside.run("ip", "link", "set", dev, "master", "br0", "up")
        self.run("ip", "link", "set", "eth0", "up")
        return "eth0"

    def detach(self, dev):
        self._outside.run("ip", "link", "del", "wire0", check=False)
        self.ip_batch("address flush dev eth0", "link set eth0 down")

    def close(self):
        pass  # the lab that made it ends it
