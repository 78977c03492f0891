# SPDX-License-Identifier: MIT
"""What a fleet does when processes die, disks fill up and files are damaged."""

import base64
import contextlib
import http.client
import json
import os
import random
import re
import signal
import threading
import time
from pathlib import Path

import pytest

import swarm
from hosts import CommandError, wait_until
from machines import HUB, ApiError, Fleet, UnixConnection

KILLS = 200
SEED = 20261120


@pytest.fixture
def fleet(lab):
    return Fleet(lab)


@pytest.fixture
def robots(fleet):
    """A hub with the network "robots"."""
    hub = fleet.hub().start()
    hub.adit_hub("network", "add", "robots")
    return hub


def joined(fleet, hub, *names, network="robots"):
    link = hub.link(network, "--uses", "100")
    return [fleet.node(name).start().join(link) for name in names]


def membership(node, network="robots"):
    (found,) = [n for n in node.status()["networks"] if n["network"] == network]
    return found


def address(node):
    return membership(node)["addresses"][0]


def streams(*nodes):
    return {membership(node)["hub"]["stream"] for node in nodes}


def wait_back(*nodes, timeout=15):
    wait_until(lambda: streams(*nodes) == {"connected"}, timeout, "the nodes are back")


class Ping:
    """A ping that runs all the while; not one may be lost."""

    def __init__(self, node, destination, interval=0.02):
        self.process = node.popen("ping", "-q", "-i", interval, destination)

    def end(self):
        """How many were sent; all must have been answered but one that was under way."""
        self.process.stop(signal.SIGINT)
        sent, received = map(int, re.search(r"(\d+) packets transmitted, (\d+) received",
                                            self.process.output()).groups())
        assert received >= sent - 1, self.process.output()
        return sent


# --- the hub dies -------------------------------------------------------------------------------


class Worker(threading.Thread):
    """Something done again and again until the end; its failure is the test's."""

    def __init__(self, work):
        super().__init__(daemon=True)
        self.work, self.ends, self.error, self.rounds = work, threading.Event(), None, 0
        self.start()

    def run(self):
        try:
            while not self.ends.is_set():
                self.work(self.rounds)
                self.rounds += 1
        except BaseException as error:
            self.error = error

    def end(self):
        self.ends.set()
        self.join(30)
        assert not self.is_alive(), "it hangs"
        if self.error:
            raise self.error
        return self.rounds


class Admin:
    """Changes one thing again and again. What was acknowledged must be in force, and what was cut
    short is either, at the next look; `acknowledged` is for the audit trail."""

    def __init__(self, hub, path, field, value):
        self.hub, self.path, self.field, self.value = hub, path, field, value
        self.acknowledged = []
        self.api = UnixConnection(hub)
        self.in_force = self.look()

    def ask(self, *request):
        """None when the connection broke."""
        try:
            return self.api.ask(*request)
        except (http.client.HTTPException, OSError):
            self.api.close()
            return None

    def look(self):
        while (found := self.ask("GET", self.path)) is None:
            pass
        return found[self.field]

    def __call__(self, number):
        value = self.value(number)
        answer = self.ask("PATCH", self.path, {self.field: value})
        if answer is not None:
            assert answer[self.field] == value
            self.acknowledged.append(value)
            self.in_force = value
        else:
            now = self.look()
            assert now in (value, self.in_force)
            self.in_force = now


def kill_at_random(hub, times, seed, progress):
    """SIGKILL to the server: one in five while it starts, the others while it works."""
    chance = random.Random(seed)
    last = None
    for _ in range(times):
        server = wait_until(lambda: (now := hub.server()) and now.pid != last and now, 60,
                            "the server is started again", 0.002)
        last, begin = server.pid, progress()
        if chance.random() > 0.2:
            wait_until(lambda: progress() > begin, 60, "something is done again", 0.002)
        time.sleep(chance.uniform(0, 0.06))
        os.kill(server.pid, signal.SIGKILL)


def test_hub_killed_200_times(fleet, robots):
    """No acknowledged change is lost, the audit trail is whole, tunnels never stop."""
    one, other, third = joined(fleet, robots, "robot1", "robot2", "robot3")
    assert one.pings("robot2", wait=8)
    ids = {node["name"]: node["id"] for node in robots.json("node", "list", "robots")["nodes"]}
    link = robots.link("robots", "--uses", "0")
    nodes = "/v1/networks/robots/nodes"
    admins = [
        Admin(robots, f"{nodes}/{ids['robot1']}", "tags", lambda n: [f"round-{n}"]),
        Admin(robots, f"{nodes}/{ids['robot2']}", "name", lambda n: f"arm-{n}"),
        Admin(robots, "/v1/networks/robots", "node_ttl", lambda n: 1000000 + n),
    ]
    enrolled = []

    def enrol(_):
        third.adit("leave", "robots", check=False)
        third.adit("join", link, "--wait", timeout=40)
        enrolled.append(membership(third)["id"])

    ping = Ping(one, address(other))
    workers = [Worker(work) for work in (*admins, enrol)]
    kill_at_random(robots, KILLS, SEED, lambda: sum(worker.rounds for worker in workers))
    for worker in workers:
        assert worker.end() > 3
    wait_back(one, other, third)
    assert ping.end() > 100

    assert robots.adit_hub("audit", "verify").code == 0
    after = [json.loads(line).get("after", {})
             for line in robots.adit_hub("audit", "export").out.splitlines()]
    for admin in admins:
        assert len(admin.acknowledged) > KILLS
        told = [event.get(admin.field) for event in after]
        assert not [value for value in admin.acknowledged if value not in told]
        assert admin.look() == admin.in_force
    assert len(enrolled) > 3
    told = {event.get("id") for event in after}
    assert not set(enrolled) - told
    assert other.pings("robot3", wait=8) and third.pings("robot1", wait=8)


def test_hub_machine_restarts(fleet, robots):
    """All of the hub dies and is started again: nodes come back, their tunnels never stop."""
    one, other = joined(fleet, robots, "robot1", "robot2")
    assert one.pings("robot2", wait=8)
    ping = Ping(one, address(other))
    robots.process.stop(signal.SIGKILL)
    wait_until(lambda: robots.pids() == [robots.holder.pid], 5, "all of it has ended")
    wait_until(lambda: "connected" not in streams(one, other), 10, "the hub is missed")
    robots.start()
    wait_back(one, other, timeout=30)
    assert ping.end() > 50
    (third,) = joined(fleet, robots, "robot3")
    assert third.pings("robot1", wait=8) and one.pings("robot3", wait=8)


def test_damaged_database(robots):
    """The hub does not start, and says why; with the copy it works again."""
    robots.process.stop(signal.SIGTERM)
    database = robots.inside("/var/lib/adit-hub/db/hub.db")
    whole = database.read_bytes()
    chance = random.Random(SEED)
    for damaged in (whole[:len(whole) // 2], whole[:100], chance.randbytes(len(whole)),
                    whole[:4096] + chance.randbytes(len(whole) - 4096), b"not a database",
                    whole[:100] + bytes(len(whole) - 100)):
        database.write_bytes(damaged)
        process = robots.popen(HUB, "run", "--host", robots.address)
        assert process.wait(10) == 1, process.output()
        assert re.search("database.* is damaged|not the database of a hub", process.output()), \
            process.output()
        assert "signal" not in process.output()
    database.write_bytes(whole)
    robots.start()
    assert robots.json("network", "list")["networks"][0]["name"] == "robots"


# --- the hub's disk -----------------------------------------------------------------------------


def refused(hub, status):
    """No change is possible, and each is told so; what can be seen can be seen."""
    api = UnixConnection(hub)
    for request in (("PATCH", "/v1/networks/robots", {"node_ttl": 77}),
                    ("PATCH", "/v1/networks/robots/nodes/robot1", {"tags": ["lost"]}),
                    ("PATCH", "/v1/networks/robots/nodes/robot1", {"name": "lost"}),
                    ("POST", "/v1/networks/robots/keys", {}),
                    ("POST", "/v1/networks", {"name": "lost"}),
                    ("POST", "/v1/networks/robots/nodes/robot1/revoke", {})):
        with pytest.raises(ApiError) as error:
            api.ask(*request)
        assert error.value.status == status, error.value
    return json.loads(error.value.text)["error"]


def look(hub):
    return (hub.json("network", "list"), hub.json("key", "list", "robots"),
            hub.json("audit", "list"),
            [{key: node[key] for key in ("name", "state", "tags")}
             for node in hub.json("node", "list", "robots")["nodes"]])


def test_hub_disk_is_full(fleet, robots):
    """Nothing can be changed, nothing is lost, and nodes stay; then it is mended."""
    one, other = joined(fleet, robots, "robot1", "robot2")
    assert one.pings("robot2", wait=8)
    link = robots.link("robots", "--uses", "0")
    before = look(robots)
    mend = robots.break_disk("full")
    assert "disk is full" in refused(robots, 507)
    result = robots.adit_hub("node", "rename", "robots", "robot1", "lost", check=False)
    assert result.code != 0 and "disk is full" in result.err
    assert look(robots) == before
    late = fleet.node("robot3").start()
    late.adit("join", link, "--timeout", "1", check=False)
    assert streams(one, other) == {"connected"} and one.pings("robot2", wait=8)
    mend()
    robots.adit_hub("node", "rename", "robots", "robot1", "arm")
    late.adit("wait", "joined", "--timeout", "20")
    assert late.pings("arm", wait=8) and one.pings("robot3", wait=8)
    assert robots.adit_hub("audit", "verify").code == 0


def remounted(hub):
    """What undoes it; None: the server was there again before."""
    if server := hub.server():
        os.kill(server.pid, signal.SIGKILL)
    try:
        return hub.break_disk("read-only")
    except CommandError as error:
        if "busy" not in str(error):
            raise
        return None


def test_hub_disk_is_read_only(fleet, robots):
    """The server does not come back before it is mended, and says why; tunnels do not care. (While
    it runs its open files keep the disk from becoming read-only.)"""
    one, other = joined(fleet, robots, "robot1", "robot2")
    assert one.pings("robot2", wait=8)
    before = look(robots)
    ping = Ping(one, address(other))
    mend = wait_until(lambda: remounted(robots), 10, "nothing is open on the disk for a moment")
    wait_until(lambda: "read-only" in robots.process.output(), 5, "it says so")
    time.sleep(1)
    mend()
    wait_back(one, other, timeout=30)
    assert look(robots) == before
    robots.adit_hub("node", "rename", "robots", "robot1", "arm")
    ping.end()


# --- the agent ----------------------------------------------------------------------------------


def known_peers(node):
    try:
        return {peer["name"] for peer in
                json.loads(node.inside("/var/lib/adit/robots.json").read_text())["peers"]}
    except (FileNotFoundError, ValueError):
        return set()


def test_hub_starts_while_its_last_life_ends(robots):
    """Who killed it and starts it again does not have to wait for the old interface to go."""
    robots.process.stop(signal.SIGKILL)
    wait_until(lambda: robots.run("ip", "link", "show", "adit-hub", check=False).code, 10,
               "the tunnel is gone")
    robots.run("ip", "link", "add", "adit-hub", "type", "veth")
    hub = robots.popen(HUB, "run", "--host", robots.address)
    time.sleep(0.5)
    assert hub.poll() is None, hub.output()
    robots.run("ip", "link", "del", "adit-hub")
    robots.process = hub
    wait_until(robots.answers, 10, "the hub answers")


def test_reboot_with_the_hub_down(fleet, robots):
    """Everything of a node dies at once, and the hub is away: it works from its state file."""
    one, other, _ = joined(fleet, robots, "robot1", "robot2", "robot3")
    assert one.pings("robot2", wait=8)
    wait_until(lambda: known_peers(one) == {"robot2"}, 5, "what is known is saved")
    destination = address(other)
    robots.process.stop(signal.SIGKILL)
    one.reboot()
    wait_until(lambda: one.run("ip", "link", "show", "robots", check=False).code, 5,
               "its interface is gone")
    one.start()
    wait_until(lambda: one.run("ping", "-c", "1", "-W", "1", destination, check=False).code == 0,
               10, "the peer that was known answers")
    assert one.pings("robot2", wait=8) and not one.pings("robot3", wait=1)
    assert streams(one) == {"unreachable"}
    assert "unreachable" in one.adit("status").out
    robots.start()
    wait_back(one, timeout=30)


def test_tunnel_that_does_not_answer(fleet, robots):
    """An answer that comes too late, or that was not taken whole, is none to another question: the
    agent makes its tunnel anew, although it was asked for no more than how it is."""
    one, _ = joined(fleet, robots, "robot1", "robot2")
    (monitor,) = [pid for pid in one.pids()
                  if Path(f"/proc/{pid}/comm").read_text() == "adit-monitor\n"]
    os.kill(monitor, signal.SIGSTOP)
    one.adit("status")
    wait_until(lambda: "is made anew" in one.process.output(), 10, "it gives up")
    wait_until(lambda: membership(one)["up"], 20, "there is another")
    assert one.pings("robot2", wait=8)


def test_damaged_state(fleet, robots):
    """What makes no sense is put aside; the node is itself again with its key."""
    one, other = joined(fleet, robots, "robot1", "robot2")
    assert one.pings("robot2", wait=8)
    wait_until(lambda: known_peers(one) == {"robot2"}, 5, "what is known is saved")
    before = membership(one)["id"], address(one), membership(one)["public_key"]
    state = one.inside("/var/lib/adit/robots.json")
    whole = state.read_bytes()
    for damaged in (random.Random(SEED).randbytes(len(whole)), whole[:len(whole) // 2], b"",
                    b"{}", whole.replace(b'"id"', b'"xx"')):
        one.reboot()
        state.write_bytes(damaged)
        one.start()
        one.adit("wait", "joined", "--timeout", "10")
        assert "robots.json is damaged" in one.process.output()
        assert one.inside("/var/lib/adit/robots.json.bad").read_bytes() == damaged
        assert (membership(one)["id"], address(one), membership(one)["public_key"]) == before
        assert one.pings("robot2", wait=6), one.process.output()
    assert len(robots.json("node", "list", "robots")["nodes"]) == 2


@pytest.mark.parametrize("fault, sentence", [("full", "No space left on device"),
                                             ("read-only", "Read-only file system")])
def test_agent_disk(fleet, robots, fault, sentence):
    """What is known cannot be saved: it says so, works from memory, and saves when it can."""
    one, other, third = joined(fleet, robots, "robot1", "robot2", "robot3")
    assert one.pings("robot2", wait=8)
    wait_until(lambda: known_peers(one) == {"robot2"}, 5, "what is known is saved")
    mend = one.break_disk(fault)
    assert one.pings("robot3", wait=8)
    wait_until(lambda: sentence in one.adit("status").out, 5, "the status says so")
    assert sentence in one.process.output()
    assert any(sentence in error for error in membership(one)["errors"])
    one.reboot()  # not even now it loses what it had
    assert known_peers(one) == {"robot2"}
    one.start()
    wait_back(one)
    assert one.pings("robot2", wait=6) and one.pings("robot3", wait=6)
    wait_until(lambda: sentence in one.adit("status").out, 5, "the status says so")
    mend()
    wait_until(lambda: known_peers(one) >= {"robot2", "robot3"}, 20, "it is saved again")
    assert sentence not in one.adit("status").out
    assert not membership(one)["errors"]


# --- races and secrets --------------------------------------------------------------------------


def test_one_time_key_raced_by_100(lab):
    """Exactly one of those who enrol at the same moment wins."""
    hub, nodes = swarm.start(lab, 100, uses=1)
    nodes.say("join 100")
    wait_until(lambda: hub.json("status")["work"]["refusals"] >= 99, 10, "the others are refused")
    work = hub.json("status")["work"]
    assert work["enrolments"] >= 1
    assert len(hub.json("node", "list", "robots")["nodes"]) == 1
    (key,) = hub.json("key", "list", "robots")["keys"]
    assert key["uses"] == key["max_uses"] == 1
    actions = [event["action"] for event in hub.json("audit", "list")["events"]]
    assert actions.count("node.enrol") == 1


def notations(secret):
    """A secret of 32 bytes as it might be written."""
    text = base64.b64encode(secret).decode().rstrip("=")
    yield from (text, base64.urlsafe_b64encode(secret).decode().rstrip("="), secret.hex(),
                secret.hex().upper(), base64.b32encode(secret).decode().rstrip("="))


def stored_keys(*machines):
    for machine in machines:
        for path in machine.inside("/var/lib").rglob("*.key"):
            yield base64.b64decode(path.read_text())


def said(directory, *machines):
    """All logs, and the arguments and environments of all processes that run."""
    for path in directory.glob("process-*.log"):
        yield str(path), path.read_text(errors="replace")
    for pid in {pid for machine in machines for pid in machine.pids()}:
        for name in ("cmdline", "environ"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended
                yield f"{name} of {pid}", Path(f"/proc/{pid}/{name}").read_text(errors="replace")


def test_no_secret_is_said(lab, tmp_path, monkeypatch):
    """Of a run with all kinds of events, at the highest log level."""
    monkeypatch.setenv("LOG_LEVEL", "debug")
    fleet = Fleet(lab)
    hub = fleet.hub().start()
    hub.adit_hub("network", "add", "robots")
    links = [hub.link("robots", "--uses", "3"), hub.link("robots"),
             hub.link("robots", "--needs-approval")]
    one, other, third = (fleet.node(name).start() for name in ("robot1", "robot2", "robot3"))
    machines = hub, one, other, third
    for node in (one, other):
        node.join(links[0])
    assert one.pings("robot2", wait=8)
    hub.adit_hub("key", "revoke", "robots", "2")
    third.adit("join", links[1], "--timeout", "1", check=False)  # is refused
    third.adit("leave", "robots", check=False)
    third.adit("join", links[2], check=False)
    hub.adit_hub("node", "approve", "robots", "robot3")
    third.adit("wait", "joined", "--timeout", "15")
    found = list(said(tmp_path, *machines))
    os.kill(hub.server().pid, signal.SIGKILL)
    os.kill(one.process.pid, signal.SIGHUP)
    one.reboot()
    one.inside("/var/lib/adit/robots.json").write_text("{")
    one.start()
    one.adit("wait", "joined", "--timeout", "15")
    hub.adit_hub("node", "revoke", "robots", "robot2")
    wait_back(one, third)
    found += said(tmp_path, *machines)

    keys = {base64.urlsafe_b64decode(link.split("#")[1] + "==") for link in links}
    assert all(len(key) == 32 for key in keys), "a join key is not what this test takes it for"
    secrets = keys | set(stored_keys(*machines))
    assert len(secrets) == 3 + 2 + 3
    assert any("adit-server" in text for _, text in found)  # it has looked at the right ones
    for where, text in found:
        for secret in secrets:
            assert not [word for word in notations(secret) if word in text], where
