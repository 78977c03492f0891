# SPDX-License-Identifier: MIT
"""Two tunnels that have a session, a peer without one each, and nothing to say: nobody wakes up but
for the timers of the protocol, and then not at all. `bench/run --only idle` looks for a minute.

They are on machines of their own, for a monitor wakes when the socket of any other tunnel goes."""

import re
import shutil
import time

import pytest

from machines import Machine
from processes import Role, family
from traffic import ping
from tunnels import AditTunnel, key, public
from watcher import HELD, Watcher

TIMERS = 12  # seconds after which a session that was used has had its keepalive
TIMER_WAKES = 8  # of one process until then: a deadline, a message for it, the packet it causes
QUIET = 2
TRIES = 4


def start(host, address):
    tunnel = AditTunnel(host, [address]).start()
    # A new interface solicits routers, which is traffic.
    host.sysctl(**{f"net__ipv6__conf__{tunnel.ifname}__disable_ipv6": 1})
    tunnel.roles = family(tunnel.process.pid) | {"starter": Role(tunnel.process.pid)}
    return tunnel


def add_silent_peer(tunnel, address):
    tunnel.wg_set("peer", public(key()), "endpoint", f"{address}:9", "allowed-ips", "10.7.0.1")


@pytest.fixture
def pair(lab):
    left, right = (lab.host(name, Machine) for name in ("a", "b"))
    lab.link(left, right).address(["10.9.0.1/24"], ["10.9.0.2/24"])
    tunnels = [start(host, f"10.8.0.{last}/24") for host, last in ((left, 1), (right, 2))]
    for tunnel, other, address in zip(tunnels, reversed(tunnels), ("10.9.0.2", "10.9.0.1")):
        tunnel.add(other, f"{address}:51820")
        add_silent_peer(tunnel, address)
    return tunnels


def switches(pair):
    return {f"{name} of {tunnel.ifname}": role.switches()
            for tunnel in pair for name, role in tunnel.roles.items()}


def woken(pair, before):
    return {who: now - before[who] for who, now in switches(pair).items() if now != before[who]}


def traced(host, pids, seconds, log):
    """System calls that ended meanwhile; None where processes cannot be traced."""
    attach = [word for pid in pids for word in ("-p", pid)]
    tracer = host.popen("strace", "-f", "-o", log, *attach)
    time.sleep(seconds)
    if tracer.poll() is not None:
        return None
    tracer.stop()
    return [line for line in log.read_text().splitlines() if re.search(r"\) += ", line)]


def assert_nobody_wakes(tunnels):
    for _ in range(TRIES):
        before = switches(tunnels)
        time.sleep(QUIET)
        found = woken(tunnels, before)
        if not found:
            return
    raise AssertionError(f"woken within {QUIET} s: {found}")


def test_a_tunnel_without_a_session_sleeps(lab):
    host = lab.host("a", Machine)
    tunnel = start(host, "10.8.0.1/24")
    add_silent_peer(tunnel, "10.9.0.2")
    time.sleep(QUIET)  # it looks at changed routes
    assert_nobody_wakes([tunnel])


def test_a_watcher_costs_nobody_sleep(lab):
    tunnel = start(lab.host("a", Machine), "10.8.0.1/24")
    with Watcher(tunnel) as watcher:
        ping = tunnel.host.popen("ping", "-n", "-c", 1, "10.8.0.2")
        watcher.refuse(watcher.wanted())
        ping.wait()
        time.sleep(HELD + 1)
        assert_nobody_wakes([tunnel])


def test_a_session_at_rest_costs_no_wakeup(pair, tmp_path):
    ping(pair[0].host, "10.8.0.2", count=3)
    time.sleep(1)
    before = switches(pair)
    time.sleep(TIMERS)
    many = {who: num for who, num in woken(pair, before).items()
            if num > TIMER_WAKES and not who.startswith("monitor")}  # it has no timers
    assert not many, "more than the timers of one keepalive need"
    assert_nobody_wakes(pair)
    if not shutil.which("strace"):
        pytest.skip("no strace: that nobody woke up was seen by the counts of task switches alone")
    pids = [role.pid for tunnel in pair for role in tunnel.roles.values()]
    for number in range(TRIES):
        calls = traced(pair[0].host, pids, QUIET, tmp_path / f"strace-{number}")
        if calls is None:
            pytest.skip("ptrace is not possible here: the counts of task switches must do")
        if not calls:
            return
    raise AssertionError("\n".join(calls))
