# SPDX-License-Identifier: MIT
"""A fleet as its people see it: a hub, nodes that join by a link, traffic by name."""

import json
import os
import re
import signal
import time

import pytest

from hosts import wait_until
from machines import ADIT, Fleet


@pytest.fixture
def fleet(lab):
    return Fleet(lab)


@pytest.fixture
def hub(fleet):
    return fleet.hub().start()


@pytest.fixture
def robots(hub):
    """A hub with the network "robots"."""
    hub.adit_hub("network", "add", "robots")
    return hub


def joined(fleet, hub, *names, network="robots", options=()):
    link = hub.link(network, "--uses", "100", *options)
    return [fleet.node(name).start().join(link) for name in names]


def states(hub, network="robots"):
    return {node["name"]: node["state"] for node in hub.json("node", "list", network)["nodes"]}


def membership(node, network="robots"):
    (found,) = [n for n in node.status()["networks"] if n["network"] == network]
    return found


def addresses(node, network="robots"):
    return membership(node, network)["addresses"]


def peers(node, network="robots"):
    return {peer["name"] for peer in membership(node, network)["peers"]}


def stream(node):
    return membership(node)["hub"]["stream"]


def some_time_within(seconds, do, names):
    """Do it once, or again with another node, should the machine have been busy."""
    for name in names:
        took = do(name)
        if took < seconds:
            return
    raise AssertionError(f"it took {took:.1f} s")


def test_join_and_ping(fleet, robots):
    """From the command to the first answer in two seconds; the packets that asked arrive."""
    link = robots.link("robots", "--uses", "4")
    other = fleet.node("robot2").start().join(link)
    met = {"robot2"}

    def join(name):
        one = fleet.node(name).start()
        begin = time.monotonic()
        one.join(link)
        assert one.pings("robot2", wait=8)
        took = time.monotonic() - begin
        met.add(name)
        for address in addresses(other):
            assert one.run("ping", "-c", "1", "-W", "2", address).code == 0
        assert states(robots) == dict.fromkeys(met, "active")
        assert peers(one) == {"robot2"} and peers(other) == met - {"robot2"}
        return took
    some_time_within(2 + 1, join, ("robot1", "robot3", "robot4"))  # 1 for the test's own processes


def test_first_packets_are_delivered(fleet, robots):
    """Nothing is lost while a peer is looked up: of three packets at once all are answered."""
    one, other = joined(fleet, robots, "robot1", "robot2")
    for address in addresses(other):
        out = one.run("ping", "-c", "3", "-i", "0.01", "-W", "3", address, check=False).out
        assert " 0% packet loss" in out


def test_unknown_and_forbidden_destinations_are_refused_at_once(fleet, robots):
    one, other = joined(fleet, robots, "robot1", "robot2")
    network4 = addresses(one)[0].rsplit(".", 1)[0]
    out = one.run("ping", "-c", "1", "-W", "5", network4 + ".200", check=False).out
    assert "Packet filtered" in out or "prohibited" in out
    robots.adit_hub("network", "set", "robots", "--default", "deny")
    out = one.run("ping", "-c", "1", "-W", "5", addresses(other)[0], check=False).out
    assert "Packet filtered" in out or "prohibited" in out


def test_revoked_node_is_cut_off(fleet, robots):
    one, third = joined(fleet, robots, "robot1", "robot3")

    def revoke(name):
        (other,) = joined(fleet, robots, name)
        assert one.pings(name) and third.pings(name)
        address = addresses(other)[0]
        begin = time.monotonic()
        out = robots.adit_hub("node", "revoke", "robots", name, "--with-key").out
        assert "lets nobody in" in out
        wait_until(lambda: name not in peers(one) | peers(third), 10,
                   "its peers have dropped its key")
        took = time.monotonic() - begin
        assert one.run("ping", "-c", "1", "-W", "1", address, check=False).code != 0
        assert one.pings("robot3")
        assert not other.pings("robot1", wait=1)
        return took
    some_time_within(1.5, revoke, ("robot2", "robot4", "robot5"))


def test_approval(fleet, robots):
    link = robots.link("robots", "--needs-approval")
    node = fleet.node("robot1").start()
    assert node.adit("join", link, check=False).code == 3
    (member,) = wait_until(lambda: [n for n in robots.json("node", "list", "robots")["nodes"]
                                    if n["state"] == "pending"], 3, "the node waits")
    assert re.fullmatch(r"[0-9A-Z]{4}-[0-9A-Z]{4}", member["fingerprint"])
    wait_until(lambda: member["fingerprint"] in node.adit("status").out, 3,
               "both sides show the fingerprint")
    robots.adit_hub("node", "approve", "robots", "robot1")
    node.adit("wait", "joined", "--timeout", "15")


def test_one_time_key_has_one_winner(fleet, robots):
    link = robots.link("robots")
    first, second = (fleet.node(name).start() for name in ("robot1", "robot2"))
    first.join(link)
    result = second.adit("join", link, check=False)
    assert result.code != 0
    assert "used" in result.err + result.out
    assert states(robots) == {"robot1": "active"}


def test_taken_name(fleet, robots):
    joined(fleet, robots, "robot1")
    twin = fleet.node("twin")
    twin.run("hostname", "robot1")
    twin.start()
    out = twin.adit("join", robots.link("robots"), "--wait").out
    assert "robot1-2" in out
    assert states(robots).keys() == {"robot1", "robot1-2"}


def test_rejoining_keeps_the_identity(fleet, robots):
    (node,) = joined(fleet, robots, "robot1")
    before = addresses(node), robots.json("node", "show", "robots", "robot1")["id"]
    node.join(robots.link("robots"))
    assert (addresses(node), robots.json("node", "show", "robots", "robot1")["id"]) == before


def test_joining_again_after_removal(fleet, robots):
    (node,) = joined(fleet, robots, "robot1")
    robots.adit_hub("node", "remove", "robots", "robot1")
    wait_until(lambda: membership(node)["state"] == "cut-off", 10, "the node hears of it")
    assert node.adit("wait", "joined", check=False).code == 1
    node.join(robots.link("robots"))
    assert states(robots) == {"robot1": "active"}


def test_leave(fleet, robots):
    one, other = joined(fleet, robots, "robot1", "robot2")
    assert one.pings("robot2")
    other.adit("leave", "robots")
    assert states(robots) == {"robot1": "active"}
    wait_until(lambda: not peers(one), 10, "its peers have dropped its key")
    assert other.status()["networks"] == []
    assert other.run("ip", "link", "show", "robots", check=False).code != 0


def test_leaving_twice(fleet, robots):
    """While the hub is slow; nobody waits for ever, and nobody joins what is being left."""
    (node,) = joined(fleet, robots, "robot1")
    link = robots.link("robots")
    os.kill(robots.server().pid, signal.SIGSTOP)
    first = node.popen(ADIT, "leave", "robots")
    wait_until(lambda: membership(node)["state"] == "leaving", 10, "it is being left")
    for words in (("leave", "robots"), ("join", link)):
        refused = node.run("timeout", "5", ADIT, *words, check=False)
        assert refused.code == 1 and "being left" in refused.err + refused.out
    assert first.wait(5) == 0
    os.kill(robots.server().pid, signal.SIGCONT)


def test_two_networks(fleet, robots):
    """One node in both; those in one cannot reach those in the other."""
    robots.adit_hub("network", "add", "office")
    robot, both = joined(fleet, robots, "robot1", "gateway")
    (desk,) = joined(fleet, robots, "desk", network="office")
    both.join(robots.link("office"))
    assert both.pings("robot1") and both.pings("desk") and robot.pings("gateway")
    assert desk.pings("gateway.office")
    assert not robot.pings("desk", wait=1)
    assert robot.run("ping", "-c", "1", "-W", "1", addresses(desk, "office")[0],
                     check=False).code != 0


def test_interface_of_another_network(fleet, robots):
    """It is refused at once, and nothing is left of it."""
    robots.adit_hub("network", "add", "office")
    (node,) = joined(fleet, robots, "robot1")
    refused = node.adit("join", robots.link("office"), "--wait", "--interface", "robots", check=False)
    assert refused.code == 1 and "--interface" in refused.err + refused.out
    assert [n["network"] for n in node.status()["networks"]] == ["robots"]
    node.join(robots.link("office"), "--interface", "work")


def test_the_hubs_own_host_is_closed(fleet, robots):
    """Its API and ping, but no other service of it."""
    robot, = joined(fleet, robots, "robot1")
    hub = robots.json("network", "show", "robots")["hub_addresses"][0]
    robots.popen("python3", "-m", "http.server", "--bind", "0.0.0.0", "8000")
    wait_until(lambda: robots.run("curl", "-s", "-o", "/dev/null", f"http://{hub}:8000/",
                                  check=False).code == 0, 5, "the service answers its own host")

    def reaches(url):
        return robot.run("curl", "-s", "-m", "2", "-o", "/dev/null", url, check=False).code == 0

    assert reaches(f"http://{hub}:51820/v1/self")
    robot.run("ping", "-c", "1", "-W", "2", hub)
    assert not reaches(f"http://{hub}:8000/")


def test_policy(fleet, robots, tmp_path):
    """Who may reach whom is decided at the hub, and at the destination's ports."""
    robot, = joined(fleet, robots, "robot1", options=("--tag", "robot"))
    laptop, = joined(fleet, robots, "laptop1", options=("--tag", "laptop"))
    policy = tmp_path / "policy"
    policy.write_text("allow tag:laptop -> tag:robot : tcp/8000 icmp\n"
                      "test allow laptop1 -> robot1 : tcp/8000\n"
                      "test deny robot1 -> laptop1 : tcp/22\n")
    robots.adit_hub("network", "set", "robots", "--default", "deny")
    robots.adit_hub("policy", "set", "robots", policy)
    for port in (8000, 8001):
        robot.popen("python3", "-m", "http.server", "--bind", addresses(robot)[0], str(port))
    laptop.popen("python3", "-m", "http.server", "--bind", addresses(laptop)[0], "8000")

    def fetch(node, to, port):
        return node.run("curl", "-s", "-m", "3", "-o", "/dev/null",
                        f"http://{addresses(to)[0]}:{port}/", check=False).code == 0

    wait_until(lambda: fetch(laptop, robot, 8000), 5, "the allowed port answers")
    assert laptop.pings("robot1")
    assert not fetch(laptop, robot, 8001)
    assert not fetch(robot, laptop, 8000)
    assert "line 1" in robots.adit_hub("why", "laptop1", "robot1", "tcp/8000").out
    policy.write_text("test allow robot1 -> laptop1 : tcp/22\n")
    refused = robots.adit_hub("policy", "set", "robots", policy, check=False)
    assert refused.code != 0 and "line 1" in refused.err
    policy.write_text("allow tag:laptop -> tag:robot : tcp/8001\n")
    robots.adit_hub("policy", "set", "robots", policy)
    wait_until(lambda: fetch(laptop, robot, 8001), 10, "the change has come")
    assert not fetch(laptop, robot, 8000)


def test_flushed_filter(fleet, robots):
    """Who flushes the firewall does not open a node to its peers."""
    one, other = joined(fleet, robots, "robot1", "robot2")
    assert one.pings("robot2")
    other.run("nft", "flush", "ruleset")
    wait_until(lambda: "adit-robots" in other.run("nft", "list", "ruleset").out, 10,
               "the rules are back")
    assert "it is back" in other.process.output()
    assert one.pings("robot2")
    other.process.stop(signal.SIGTERM)
    assert "adit-robots" not in other.run("nft", "list", "ruleset").out


def test_hub_restart(fleet, robots):
    """Established tunnels never stop; afterwards everybody is back."""
    one, other = joined(fleet, robots, "robot1", "robot2")
    assert one.pings("robot2")
    ping = one.popen("ping", "-i", "0.05", "-w", "4", addresses(other)[0])
    os.kill(robots.server().pid, signal.SIGKILL)
    ping.wait()
    assert " 0% packet loss" in ping.output()
    third = joined(fleet, robots, "robot3")[0]
    assert third.pings("robot1")
    wait_until(lambda: stream(one) == stream(other) == "connected", 10,
               "the streams are open again")
    assert robots.adit_hub("audit", "verify").code == 0


def test_agent_restart_with_the_hub_down(fleet, robots):
    one, other = joined(fleet, robots, "robot1", "robot2")
    assert one.pings("robot2")
    robots.process.stop(signal.SIGTERM)
    one.process.stop(signal.SIGTERM)
    one.start()
    wait_until(lambda: one.run("ping", "-c", "1", "-W", "1", addresses(other)[0], check=False).code == 0,
               10, "the peer that was known answers")
    assert one.pings("robot2")  # by name, too
    assert stream(one) != "connected"


def test_agent_takes_over_the_files_of_an_earlier_user(fleet, robots):
    """As when it ran before there was a user adit."""
    (node,) = joined(fleet, robots, "robot1")
    before = addresses(node)
    node.process.stop(signal.SIGTERM)
    node.run("chown", "-R", "1234:1234", "/var/lib/adit")
    node.start()
    node.adit("wait", "joined", "--timeout", "5")
    assert addresses(node) == before


def test_unattended_robot(fleet, robots, tmp_path):
    """A file in agent.d is all a robot needs."""
    link = robots.link("robots")
    key, host, network, join_key = re.fullmatch(r"adit://([^@]+)@([^/]+)/(\w+)#(.*)", link).groups()
    (tmp_path / "robots.conf").write_text(
        f"hub = adit://{key}@{host}\nnetwork = {network}\njoin-key = {join_key}\n")
    node = fleet.node("robot1").start("--config-dir", tmp_path)
    node.adit("wait", "joined", "--timeout", "5")
    assert states(robots) == {"robot1": "active"}


def test_audit(fleet, robots):
    joined(fleet, robots, "robot1")
    robots.adit_hub("node", "rename", "robots", "robot1", "arm")
    events = [json.loads(line) for line in robots.adit_hub("audit", "export").out.splitlines()]
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    assert "admin:root" in {event["actor"] for event in events}
    assert any("arm" in json.dumps(event) for event in events)
    assert robots.adit_hub("audit", "verify").code == 0


def test_strangers_hear_nothing(fleet, robots):
    """The enrolment port is silent to whoever does not know the hub's key."""
    stranger = fleet.node("stranger")
    heard = stranger.run("python3", "-c", f"""
import os, socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(0.5)
s.connect(("{robots.address}", 51821))
for size in (0, 1, 4, 148, 400, 424, 1400):
    for kind in (0, 1, 0x41, 0x42, 0x43):
        s.send(bytes([kind, 0, 0, 0])[:size] + os.urandom(max(0, size - 4)))
try:
    print("heard", s.recv(2000))
except TimeoutError:
    print("silent")
""").out
    assert heard.strip() == "silent"


def test_no_secret_in_logs(fleet, robots):
    """Join keys and private keys of a whole run are in nobody's output."""
    link = robots.link("robots")
    node = fleet.node("robot1").start().join(link)
    secrets = [link.split("#")[1]]
    for where, machine in (("/var/lib/adit-hub", robots), ("/var/lib/adit", node)):
        found = machine.run("find", where, "-name", "*.key", "-type", "f").out.split()
        assert found
        secrets += [machine.run("cat", path).out.strip() for path in found]
    for process in (robots.process, node.process):
        assert not [s for s in secrets if s and s in process.output()]
