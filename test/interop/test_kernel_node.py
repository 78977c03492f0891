# SPDX-License-Identifier: MIT
"""A node whose data path is the kernel's WireGuard, in a fleet of others."""

import json

import pytest

from hosts import REPO, wait_until
from machines import ADIT, AGENT, Fleet

STATE = "/run/adit-state"


class KernelNode:
    """The emulated machine as a node. Its disk is read-only: the state is in memory."""

    def __init__(self, guest):
        self.guest = guest
        self.process = guest.popen(AGENT, "--tunnel-program", REPO / "build" / "adit-kernel",
                                   "--state", STATE)
        wait_until(lambda: guest.run(ADIT, "status", check=False).code == 0, 20,
                   "the agent answers")

    def stop(self):
        assert self.process.poll() is None, self.process.output()
        self.process.stop()
        print(self.process.output(), self.guest.run("dmesg").out[-3000:])
        self.guest.run("rm", "-rf", STATE)
        assert "adit" not in self.guest.run("nft", "list", "ruleset").out
        assert self.guest.run("ip", "link", "show", "robots", check=False).code != 0

    def membership(self):
        (found,) = json.loads(self.guest.run(ADIT, "status", "--json").out)["networks"]
        return found

    def ping(self, destination, count=1):
        return self.guest.run("ping", "-c", count, "-i", "0.2", "-W", "5", destination,
                              check=False).out


@pytest.fixture
def fleet(lab):
    return Fleet(lab)


@pytest.fixture
def robots(fleet):
    hub = fleet.hub().start()
    hub.adit_hub("network", "add", "robots")
    return hub


@pytest.fixture
def node(fleet, robots, kernel_guest):
    fleet.add(kernel_guest)
    it = KernelNode(kernel_guest)
    kernel_guest.run(ADIT, "join", robots.link("robots"), "--name", "arm", "--wait")
    yield it
    it.stop()


def addresses(machine):
    (found,) = machine.status()["networks"]
    return found["addresses"]


def test_kernel_node(fleet, robots, node):
    """It joins, finds and is found, loses no packet that asked, and is cut off when revoked."""
    guest = node.guest
    link = robots.link("robots", "--uses", "3")
    other, third, late = (fleet.node(name).start().join(link)
                          for name in ("robot1", "robot2", "robot3"))
    assert "wireguard" in guest.run("ip", "-d", "link", "show", "robots").out
    # Packets that ask for a peer arrive, in both directions and families.
    assert " 0% packet loss" in node.ping(addresses(other)[0], 3)
    assert " 0% packet loss" in node.ping(addresses(third)[1], 3)
    assert guest.run(ADIT, "ping", "-c", "1", "-W", "5", "robot1", check=False).code == 0
    assert late.pings("arm", wait=6)
    assert {peer["name"] for peer in node.membership()["peers"]} == {"robot1", "robot2", "robot3"}
    # Who does not exist is refused at once.
    nobody = addresses(other)[0].rsplit(".", 1)[0] + ".200"
    out = node.ping(nobody)
    assert "filtered" in out or "prohibited" in out.lower()
    # A peer that is revoked is forgotten; then the node itself.
    robots.adit_hub("node", "revoke", "robots", "robot1")
    wait_until(lambda: "robot1" not in {p["name"] for p in node.membership()["peers"]}, 5,
               "its key is dropped")
    peers = guest.run("wg", "show", "robots", "peers").out.split()
    assert len(peers) == 3  # two nodes and the hub
    assert third.pings("arm", wait=6)
    robots.adit_hub("node", "revoke", "robots", "arm")
    wait_until(lambda: not third.pings("arm", wait=1), 10, "it is cut off")
    wait_until(lambda: node.membership()["state"] == "cut-off", 10, "it has been told")


def test_kernel_node_is_filtered(fleet, robots, node):
    """The policy holds at its ports, too."""
    robots.adit_hub("network", "set", "robots", "--default", "deny")
    other = fleet.node("robot1").start().join(robots.link("robots"))
    assert not other.pings("arm", wait=1)
    out = node.ping(addresses(other)[0])
    assert "filtered" in out or "prohibited" in out.lower()
