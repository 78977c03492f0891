# SPDX-License-Identifier: MIT
"""What a change costs: it grows with the nodes concerned, and not with those there are. Counted by
the hub itself, so that a busy machine makes no difference."""

import pytest

import swarm
from machines import UnixConnection

PEERS = 4  # that each node asks for
NODES = "/v1/networks/robots/nodes"


class Fleet:
    """A swarm that has joined and whose nodes are linked."""

    def __init__(self, lab, num):
        self.hub, self.nodes = swarm.start(lab, num)
        self.nodes.ask("join 64")
        self.admin = UnixConnection(self.hub)

    def connect(self):
        self.nodes.ask(f"connect {PEERS} 16")
        self.nodes.ask("record")

    def counters(self):
        status = self.admin.ask("GET", "/v1/status")
        return status["work"]["links"], status["streams"]["lines"]

    def cost(self, *request):
        """Of a request: links looked at, lines sent, nodes told of a peer (one a line)."""
        links, lines = self.counters()
        self.admin.ask(*request)
        told = []
        while (line := self.nodes.hear(0.1)) is not None:
            told.append(line["node"])
        after = self.counters()
        return after[0] - links, after[1] - lines, told


@pytest.mark.parametrize("num", [40, 200])
def test_change_costs_what_it_concerns(lab, num):
    fleet = Fleet(lab, num)
    links, lines, _ = fleet.cost("PATCH", f"{NODES}/node-1", {"tags": ["alone"]})
    assert (links, lines) == (0, 1)  # itself
    fleet.connect()
    total = 0
    numbers = range(0, num, num // 10)
    for number in numbers:
        links, lines, told = fleet.cost("PATCH", f"{NODES}/node-{number}", {"tags": ["changed"]})
        # By its tags a node may send something else to its peers, and they to it: each pair is
        # looked at once and both are told.
        others = set(told) - {number}
        assert links == len(others) == told.count(number) >= PEERS / 2
        assert len(told) == 2 * links and lines == 2 * links + 1
        assert fleet.cost("PATCH", f"{NODES}/node-{number}", {"name": f"arm-{number}"})[0] == links
        total += links
    # Each node has asked for PEERS others, and was asked for by as many on average.
    assert total / len(numbers) < 4 * PEERS
    assert fleet.cost("POST", "/v1/networks/robots/keys", {}) == (0, 0, [])
    links, lines, told = fleet.cost("POST", f"{NODES}/arm-0/revoke")
    assert 0 < links < 4 * PEERS and lines == links + 1 and not told  # they forget it
