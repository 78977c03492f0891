# SPDX-License-Identifier: MIT
"""Memory runs out, once, at places of each process of hub and agent (test/lib/shortage.py).

Each run is the life of a small fleet: a network, two nodes that join it by a name which has to be
resolved, and meet; changes at the hub. Who gets no memory does all of it, what failed when it is
tried again; or ends and says what memory was missing for. Then all is started again with what is on
the disks: whatever was acknowledged is there.

Here it is some of the places; EVERY_PLACE=1 tries all of them, which takes most of an hour.
"""

import concurrent.futures
import contextlib
import functools
import json
import re

import pytest

from drills import BUILD, build
from hosts import Lab, wait_until
from machines import ADIT, AGENT, HUB, Fleet
from shortage import KILLED, LIMIT, Attempt, Walk

# Every so many of the places in its start, which are libcrypto's and libseccomp's mostly; of those
# behind it.
STRIDES = {"member": (361, 131), "server": (211, 71), "door": (491, 131), "agent": (17, 11),
           "hub": (361, 131), "vault": (491, 131)}
HEAD = 2
HUB_ROLES = ("hub", "server", "door", "vault")
AT_ONCE = len(STRIDES)  # fleets; they wait much
NAME = "hub.example"
NETWORK = "robots"
POLICY = """group crew = tag:lidar node:robot2
allow crew -> *
test allow tag:lidar -> node:robot2 : tcp/22
"""

MISSING = re.compile(r"^adit\S*: .*(Cannot allocate memory|out of memory|not enough memory)", re.M)
# These end a process that gets no memory, or crash it; the first says so, in its own words.
BRITTLE = ("libnftables", "libnftnl", "libmnl", "libcurl")
SAID = re.compile(r"^\w+\.c:\d+: .*(Cannot allocate memory|Memory allocation failure)$", re.M)
# The programs go on without their unprivileged half, but not with this test.
GONE = re.compile(r"^adit-hub: the \w+ (ended|died)|^adit-agent: the agent (ended|died|does not run)", re.M)


class Rig:
    """A hub and two nodes; what runs there ends with each attempt, and what it knew."""

    def __init__(self, lab):
        fleet = Fleet(lab)
        self.hub = fleet.hub()
        self.nodes = [fleet.node(name) for name in ("robot1", "robot2")]
        for node in self.nodes:
            node.inside("/run/hosts").write_text(f"{self.hub.address} {NAME}\n")
            node.run("mount", "--bind", "/run/hosts", "/etc/hosts")

    def start(self, machine, *prefix):
        """Its program, without a prefix that of the ordinary build."""
        program = HUB if machine is self.hub else AGENT
        options = ("run", "--host", NAME) if machine is self.hub else ()
        machine.process = machine.popen(*prefix, BUILD / program.name if prefix else program,
                                        *options)
        return machine.process

    def machines(self):
        return [each for each in (self.hub, *self.nodes) if hasattr(each, "process")]

    def end(self, is_brittle=lambda machine: False):
        """All that runs ends, in good order, and nothing is left."""
        for machine in reversed(self.machines()):
            running = machine.process.poll() is None
            code = machine.process.stop()
            assert is_brittle(machine) or (
                code == 0 or not running) and not KILLED.search(machine.process.output()), \
                f"{machine.name}: {machine.process.output()}"
            wait_until(lambda: machine.pids() == [machine.holder.pid], 5, "all have ended")
            left = machine.run("sh", "-c", "ls /run/adit /run/wireguard /sys/class/net "
                                           "2>/dev/null || true").out
            # the socket of a program that fails stays; it makes way for that of the next
            assert not re.search(r"adit-hub|robots" + r"|\.sock" * (code == 0), left), left
            del machine.process

    def forget(self):
        for machine in (self.hub, *self.nodes):
            machine.run("sh", "-c", "rm -rf /var/lib/* /run/adit")


class Life(Attempt):
    """A fleet's, one process of which is refused memory."""

    def __init__(self, rig, role, place):
        super().__init__(role, place)
        self.rig, self.hub, self.nodes = rig, rig.hub, rig.nodes
        self.drilled = rig.hub if role in HUB_ROLES else rig.nodes[0]
        self.process = None
        self.has_network = False
        self.key = None    # its id
        self.policy = ""   # None: either that or POLICY
        self.members = {}  # node -> who it is, once it was told
        self.tags = {}     # node -> those it was given

    def has_ended(self):
        return self.process.poll() is not None or GONE.search(self.said()) is not None

    def start(self, machine, is_up):
        """Of the three programs one is told to refuse itself memory."""
        if machine is not self.drilled:
            self.rig.start(machine)
            wait_until(is_up, LIMIT, f"{machine.name} answers", 0.01)
            return
        self.process = self.rig.start(machine, *self.prefix)
        self.await_start(is_up)

    def serves(self):
        return self.hub.run(HUB, "status", check=False).code == 0

    def answers(self, node):
        return lambda: node.run("timeout", "1", ADIT, "status", check=False).code == 0

    # What is done

    def does(self, *words, **settings):
        return lambda: self.hub.run(HUB, *words, check=False, **settings).code == 0

    def add_network(self):
        """What was cut short may have been done."""
        result = self.hub.run(HUB, "network", "add", NETWORK, check=False)
        self.has_network = result.code == 0 or f"there is a network {NETWORK} already" in result.err
        return self.has_network

    def make_link(self):
        result = self.hub.run(HUB, "key", "create", NETWORK, "--uses", "0", "--json", check=False)
        if result.code == 0:
            key = json.loads(result.out)
            self.key, self.link = key["id"], key["link"]
        return result.code == 0

    def set_policy(self):
        self.policy = None
        done = self.does("policy", "set", NETWORK, "-", input=POLICY)()
        if done:
            self.policy = POLICY
        return done

    def identity(self, node):
        """Number and key, once it has joined."""
        result = node.run("timeout", "10", ADIT, "status", "--json", check=False)
        for network in json.loads(result.out)["networks"] if result.code == 0 else []:
            if network["state"] == "active":
                return network["id"], network["public_key"]
        return None

    def joins(self, node):
        def join():
            node.run(ADIT, "join", self.link, "--wait", "--timeout", "3", check=False)
            found = self.identity(node)
            if found:
                self.members[node] = found
            return found
        return join

    def tags_it(self, node, *tags):
        def tag():
            self.tags[node] = None  # what is cut short is either
            done = self.does("node", "tag", NETWORK, node.name, *tags)()
            if done:
                self.tags[node] = list(tags)
            return done
        return tag

    def left(self, node):
        def leave():
            self.members.pop(node, None)  # cut short it is either, too
            self.tags[node] = None
            node.run("timeout", LIMIT, ADIT, "leave", NETWORK, check=False)
            return "no network" in node.run("timeout", "10", ADIT, "status", check=False).out
        return leave

    def meet(self, one, other):
        return lambda: one.pings(other.name, wait=4)

    def work(self):
        one, two = self.nodes
        self.start(self.hub, self.serves)
        self.step("a network", self.add_network)
        self.step("a link", self.make_link)
        for node in self.nodes:
            self.start(node, self.answers(node))
            self.step(f"{node.name} joins", self.joins(node))
        self.step("they meet", self.meet(one, two))
        if self.started_without:
            self.change(one, two)

    def change(self, one, two):
        self.step("tags", self.tags_it(one, "lidar", "left"))
        self.step("tags of who stays", self.tags_it(two, "right"))
        self.step("a policy", self.set_policy)
        self.step("they still meet", self.meet(two, one))
        self.step("nodes", self.does("node", "list", NETWORK))
        self.step("the record", self.does("audit", "verify"))
        self.step("one leaves", self.left(one))
        self.step("and comes back", self.joins(one))
        self.step("they meet again", self.meet(two, one))

    # What is left

    def is_brittle(self):
        return self.was_hit() and (self.whom().startswith(BRITTLE) or SAID.search(self.said()))

    def is_fragile(self):
        return super().is_fragile() or self.is_brittle()

    def judge(self):
        fragile = self.is_fragile()
        assert fragile or MISSING.search(self.said()), self.said()
        code = self.process.wait(5) if ": the hub ends" in self.said() else self.process.poll()
        assert code is None or code > 0 or fragile, (code, self.said())

    def clear(self):
        try:
            self.rig.end(lambda machine: machine is self.drilled and
                         self.was_hit() and self.is_fragile())
            if self.was_hit():
                self.restart()
                self.rig.end()
        finally:
            self.rig.forget()

    def restart(self):
        """All that was acknowledged is on the disks."""
        self.rig.start(self.hub)
        wait_until(self.serves, LIMIT, "a hub with memory starts", 0.01)
        assert self.does("audit", "verify")()
        if self.has_network:
            assert self.does("network", "show", NETWORK)()
            text = self.hub.json("policy", "show", NETWORK)["text"]
            assert text == self.policy or self.policy is None and text in ("", POLICY), text
        if self.key:
            keys = self.hub.json("key", "list", NETWORK)["keys"]
            assert self.key in [key["id"] for key in keys], keys
        for node, identity in self.members.items():
            self.rig.start(node)
            wait_until(self.answers(node), LIMIT, f"{node.name} starts with memory", 0.01)
            assert self.identity(node) == identity, node.process.output()
            shown = self.hub.run(HUB, "node", "show", NETWORK, node.name, "--json")
            assert json.loads(shown.out)["id"] == identity[0]
            found = json.loads(shown.out)["tags"]
            wanted = self.tags.get(node, [])
            assert wanted is None or sorted(found) == sorted(wanted), found


@pytest.fixture
def rigs(tmp_path):
    build("adit", "adit-hub", "adit-agent")
    with contextlib.ExitStack() as stack:
        yield [Rig(stack.enter_context(Lab(tmp_path))) for _ in STRIDES]


def test_places(rigs):
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        walks = [pool.submit(Walk(functools.partial(Life, rig), role, *strides, head=HEAD).run)
                 for rig, (role, strides) in zip(rigs, STRIDES.items())]
    for walk in [each.result() for each in walks]:
        print(walk)
        assert walk.tried > 5
