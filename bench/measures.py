# SPDX-License-Identifier: MIT
"""The measurements. Each is given the bench and a subject, and yields (row, value); `table` in
run says what the rows are called. What a subject cannot be asked (the wire has no handshakes) yields
nothing."""

import base64
import functools
import itertools
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

import hosts
import wireguard
from hosts import wait_until
from subjects import STRANGER, WIRE
from tunnels import key

HERE = pathlib.Path(__file__).resolve().parent
PINGS = 2000
FIRST_PINGS = 20
# Keeps clear of the responder's limit of initiations per peer, and of coarse time stamps.
REHANDSHAKE_PAUSE = 0.06
HANDSHAKES = 1000
WINDOW = 32
CHANGES = 9
LONG = 900  # seconds after which even 100,000 peers must be loaded
SETTLED = 0.02  # processor seconds per second of a tunnel at rest
UDP_HEADERS = 28
CLOSED_PORT = 9  # nobody listens there
IDLE_BEFORE, IDLE = 40, 60  # seconds: until all timers of the protocol but one are over; looked at
MTU_STEP = 16  # the padding of data messages

_ports = itertools.count(5201)


class Failed(Exception):
    """One measurement gave no result; the others go on."""


class Transfer:
    """iperf3 from left to right over a subject, in the background."""

    def __init__(self, subject, seconds, *options, address=None):
        both, port = subject.hosts, next(_ports)
        address = address or subject.address
        self.seconds = seconds
        self._server = both.right.popen("iperf3", "-s", "-1", "-p", port, "-B", address)
        wait_until(lambda: f":{port} " in both.right.run("ss", "-Hltn").out, 10, "iperf3 listens")
        self._client = both.left.popen("iperf3", "-J", "-c", address, "-p", port, "-t", seconds,
                                       *options)

    def finish(self):
        try:
            self._client.wait(self.seconds + 20)
            output = self._client.output()  # the report, and warnings around it
            report, _ = json.JSONDecoder().raw_decode(output[output.find("{"):])
            if "error" in report:
                raise Failed(f"iperf3: {report['error']}")
            return report
        except (TimeoutError, subprocess.TimeoutExpired, ValueError) as error:
            raise Failed(f"iperf3: {error}") from error
        finally:
            self._client.stop()
            self._server.stop()


class Processor:
    """Processor time of a subject's processes, and of the machine, since it was made."""

    def __init__(self, subject):
        self._subject = subject
        self._begin = self._now()

    def _now(self):
        return {**dict(zip(("left", "right"), self._subject.cpu())), **self._subject.hosts.cpu()}

    def used(self):
        return {who: now - self._begin[who] for who, now in self._now().items()}


def tcp(bench, subject, name, *options):
    processor = Processor(subject)
    end = Transfer(subject, bench.seconds, *options).finish()["end"]
    received = end["sum_received"]
    yield f"{name} rate", received["bits_per_second"] / 1e9
    for who, seconds in processor.used().items():
        yield f"{name} {who}", seconds / (received["bytes"] / 1e9)


def udp(bench, subject, name, size, rate):
    """`rate` in packets per second; 0 is as fast as iperf3 can."""
    fits = -(size + UDP_HEADERS) // MTU_STEP * -MTU_STEP
    if fits > bench.mtu:
        subject.set_mtu(fits)
    try:
        processor = Processor(subject)
        end = Transfer(subject, bench.seconds, "-u", "-l", size, "-b",
                       rate * size * 8).finish()["end"]["streams"][0]["udp"]
        used = processor.used()
    finally:
        if fits > bench.mtu:
            subject.set_mtu(bench.mtu)
    received = end["packets"] - end["lost_packets"]
    if received <= 0:
        raise Failed("nothing arrived")
    if rate == 0:
        yield f"{name} rate", received / end["seconds"] / 1e3
        return
    yield f"{name} loss", 100 * end["lost_packets"] / end["packets"]
    for who in used.keys() - {"machine"}:  # iperf3 spins while it waits to send
        yield f"{name} {who}", used[who] * 1e6 / received


def _flood(subject, *limit, address=None):
    out = subject.hosts.left.run("ping", "-f", "-q", *limit, address or subject.address,
                                 timeout=LONG, check=False).out
    found = re.search(r"= [\d.]+/([\d.]+)/", out)
    if not found:
        raise Failed(f"ping: {out.strip()}")
    return float(found[1]) * 1000


def ping(_bench, subject):
    yield "ping", _flood(subject, "-c", PINGS, "-w", 30)


def ping_under_load(bench, subject):
    load = Transfer(subject, bench.seconds + 2)
    try:
        time.sleep(1)
        yield "pingload", _flood(subject, "-w", bench.seconds)
    finally:
        load.finish()


def first_ping(_bench, subject):
    """A peer that was removed and added again has no session."""
    if not subject.is_tunnel:
        return
    left, right = subject.left, subject.right
    times = []
    for _ in range(FIRST_PINGS):
        left.remove(right)
        time.sleep(REHANDSHAKE_PAUSE)
        left.add(right, f"{WIRE[1]}:{right.port}")
        out = left.host.run("ping", "-n", "-c", 1, "-W", 1, subject.address, check=False).out
        times += [float(took) * 1000 for took in re.findall(r"time=([\d.]+) ms", out)]
    if times:
        yield "first", sorted(times)[len(times) // 2]
    yield "first lost", FIRST_PINGS - len(times)


def memory(bench, subject):
    """The larger of the two sides."""
    if not subject.is_tunnel:
        return
    pair = subject.fresh_pair()
    try:
        def look(when):
            for kind, value in zip(("rss", "pss"), map(max, *(each.memory() for each in pair))):
                yield f"memory {when} {kind}", value

        time.sleep(1)
        yield from look("idle")
        load = Transfer(subject, bench.seconds, "-P", 8,
                        address=pair[1].addresses[0].split("/")[0])
        try:
            time.sleep(bench.seconds * 0.8)
            yield from look("load")
        finally:
            load.finish()
        time.sleep(1)
        yield from look("after")
    finally:
        for tunnel in pair:
            tunnel.stop()


@functools.cache
def _configuration(directory, port, count):
    """A file with so many peers, each with one allowed IP."""
    path = pathlib.Path(directory) / f"{count}-peers-{port}.conf"
    with open(path, "w") as file:
        file.write(f"[Interface]\nPrivateKey = {key()}\nListenPort = {port}\n")
        for number in range(count):
            address = f"10.{100 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"
            public_key = base64.b64encode(os.urandom(31) + bytes(1)).decode()
            file.write(f"[Peer]\nPublicKey = {public_key}\nAllowedIPs = {address}/32\n")
    return path


def _seconds(function, *args, **settings):
    """How long a call takes."""
    begin = time.monotonic()
    function(*args, **settings)
    return time.monotonic() - begin


def _settle(tunnel):
    """Wait until it has done what it put off, and a second at least."""
    before = tunnel.cpu()
    for _ in range(LONG):
        time.sleep(1)
        now = tunnel.cpu()
        if now - before < SETTLED:
            return
        before = now
    raise Failed(f"{tunnel.argv[0]} never comes to rest")


def peers(bench, subject, count):
    """One tunnel with many peers that have no sessions."""
    if not subject.is_tunnel:
        return
    tunnel = subject.fresh_tunnel()
    try:
        path = _configuration(bench.directory, tunnel.port, count)
        time.sleep(0.5)
        _, before = tunnel.memory()
        processor = tunnel.cpu()
        yield f"peers {count} load", _seconds(tunnel.host.run, "wg", "setconf", tunnel.ifname,
                                              path, timeout=LONG)
        _settle(tunnel)
        yield f"peers {count} cpu", tunnel.cpu() - processor
        loaded = tunnel.host.run("wg", "show", tunnel.ifname, "peers", timeout=LONG).out.split()
        if len(loaded) != count:
            raise Failed(f"{len(loaded)} peers instead of {count}")
        rss, pss = tunnel.memory()
        yield f"peers {count} rss", rss
        yield f"peers {count} pss", pss
        yield f"peers {count} each", (pss - before) * 1024 / count
        yield f"peers {count} show", _seconds(tunnel.host.run, "wg", "show", tunnel.ifname, "dump",
                                              timeout=LONG)
        yield f"peers {count} change", 1e3 * statistics.median(
            _seconds(tunnel.wg_set, "peer", loaded[count // 2], "persistent-keepalive", number % 2)
            for number in range(CHANGES))
    finally:
        tunnel.stop()


def crowd(bench, subject, count):
    """A pair of tunnels alone, and when the receiving one has so many more peers."""
    if not subject.is_tunnel:
        return
    pair = subject.fresh_pair()
    address = pair[1].addresses[0].split("/")[0]

    def look():
        end = Transfer(subject, bench.seconds, address=address).finish()["end"]
        return end["sum_received"]["bits_per_second"], _flood(subject, "-c", PINGS, "-w", 30,
                                                              address=address)

    try:
        rate, trip = look()
        more = _configuration(bench.directory, pair[1].port, count).read_text().split("[Peer]", 1)
        pair[1].host.run("wg", "addconf", pair[1].ifname, "/dev/stdin", input="[Peer]" + more[1],
                         timeout=LONG)
        _settle(pair[1])
        crowded_rate, crowded_trip = look()
        yield f"crowd {count} tcp", 100 * crowded_rate / rate
        yield f"crowd {count} ping", 100 * crowded_trip / trip
    finally:
        for tunnel in pair:
            tunnel.stop()


def flood(bench, subject, rate):
    """TCP through the tunnel while a third host sends initiations from everywhere to the receiving
    side: first to a port nobody listens at, because sending and dropping them costs as well."""
    if not subject.is_tunnel:
        return
    right = subject.right

    def transfer(*target):
        stranger = subject.hosts.stranger().popen(
            hosts.REPO / "build" / "bench" / "flood", STRANGER[1], target[0], rate,
            bench.seconds + 2, *target[1:]) if target else None
        try:
            end = Transfer(subject, bench.seconds).finish()["end"]
            return end["sum_received"]["bits_per_second"] / 1e9
        finally:
            if stranger:
                stranger.wait()

    yield "flood none", transfer()
    closed = transfer(CLOSED_PORT)
    yield "flood closed", closed
    yield "flood junk", 100 * transfer(right.port) / closed
    yield "flood mac1", 100 * transfer(right.port, right.public_key) / closed


def idle(_bench, subject):
    """How often the processes of a pair that has a session are woken while nobody sends."""
    if not subject.is_tunnel:
        return
    pair = subject.fresh_pair()
    try:
        for tunnel in pair:  # a new interface solicits routers, which is traffic
            tunnel.host.sysctl(**{f"net__ipv6__conf__{tunnel.ifname}__disable_ipv6": 1})
        time.sleep(IDLE_BEFORE)
        before = sum(tunnel.switches() for tunnel in pair)
        time.sleep(IDLE)
        yield "idle", sum(tunnel.switches() for tunnel in pair) - before
    finally:
        for tunnel in pair:
            tunnel.stop()


class Initiators:
    """Peers whose initiations cost little to make: they share an ephemeral key, and what depends
    on static keys alone is remembered. To the responder they are like any others."""

    def __init__(self, responder_private):
        wireguard.x25519 = functools.cache(wireguard.x25519)
        self.responder = wireguard.x25519(responder_private)
        ephemeral = os.urandom(32)
        self.all = [wireguard.Initiator(os.urandom(32), self.responder, index)
                    for index in range(HANDSHAKES)]
        for each in self.all:
            each.ephemeral = ephemeral

    def initiations(self, now):
        return "".join(each.initiation(now).hex() + "\n" for each in self.all)

    def peers(self):
        return "".join(f"[Peer]\nPublicKey = {base64.b64encode(each.public_key).decode()}\n"
                       for each in self.all)


@functools.cache
def _initiators(private_key):
    return Initiators(base64.b64decode(private_key))


_responder_key = functools.cache(key)


def handshakes(_bench, subject):
    """Initiations of as many peers, each of which must be answered. All have had a handshake
    before: what depends on static keys alone is known, as it is in most handshakes."""
    if not subject.is_tunnel:
        return
    initiators, now = _initiators(_responder_key()), time.time()
    first, second = initiators.initiations(now), initiators.initiations(now + 1)
    tunnel = subject.fresh_tunnel()

    def send(messages):
        return json.loads(subject.hosts.right.run(
            sys.executable, HERE / "initiator.py", WIRE[0], tunnel.port, WINDOW,
            input=messages).out)

    try:
        tunnel.setconf(f"[Interface]\nPrivateKey = {_responder_key()}\n"
                       f"ListenPort = {tunnel.port}\n" + initiators.peers())
        time.sleep(0.5)
        send(first)
        time.sleep(0.1)
        before = tunnel.cpu()
        report = send(second)
        used = tunnel.cpu() - before
    finally:
        tunnel.stop()
    answered = report["kinds"].get(str(wireguard.RESPONSE), 0)
    yield "handshakes unanswered", HANDSHAKES - answered
    if not answered:
        raise Failed(f"no initiation was answered, but {report['kinds']}")
    yield "handshakes core", answered / used
    yield "handshakes rate", answered / report["seconds"]
