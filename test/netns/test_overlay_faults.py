# SPDX-License-Identifier: MIT
"""What a fleet does when processes die, disks fill up and files are damaged."""

import http.client
import json
import os
import random
import re
import signal
import threading
import time

import pytest

from hosts import wait_until
from machines import ApiError, Fleet, UnixConnection

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
    assert one.pings("robot2")
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
    assert other.pings("robot3") and third.pings("robot1")
