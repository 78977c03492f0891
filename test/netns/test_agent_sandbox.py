# SPDX-License-Identifier: MIT
"""The agent finds its hub by name from within its sandbox."""

import os
import re
import shutil

import pytest

from hosts import wait_until
from machines import ADIT, Fleet
from processes import Role, children

SOMEBODY = 12345
NAME_SERVER = """
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 53))
while True:
    question, peer = s.recvfrom(512)
    end = question.index(0, 12) + 5
    has = question[12:end - 4] == b"\\3hub\\7example\\0" and question[end - 3] == 1
    answer = b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\1\\0\\4" + socket.inet_aton("ADDRESS") if has else b""
    code = 0x8180 if b"\\7example" in question else 0x8183
    s.sendto(question[:2] + struct.pack("!5H", code, 1, bool(answer), 0, 0) + question[12:end]
             + answer, peer)
"""


@pytest.fixture
def fleet(lab):
    return Fleet(lab)


def agent_of(launcher):
    """The agent's process, below its launcher."""
    def look():
        found = [pid for pid in children(launcher.pid) if Role(pid).proc("comm").read_text()
                 == "adit-member\n"]
        return Role(found[0]) if found else None
    return wait_until(look, 5, "the agent runs")


def resolves_at(node, address):
    settings = f"nameserver {address}\noptions timeout:1 attempts:1\n"
    node.inside("/run/resolv.conf").write_text(settings)
    node.run("sh", "-c", 'mount --bind /run/resolv.conf "$(realpath /etc/resolv.conf)"')


def hub_with_robots(fleet):
    hub = fleet.hub().start()
    hub.adit_hub("network", "add", "robots")
    return hub


def serve_names(hub):
    hub.popen("python3", "-c", NAME_SERVER.replace("ADDRESS", hub.address))


def join_link(hub, host):
    return re.sub("@[^/]+/", f"@{host}/", hub.link("robots"))


@pytest.mark.parametrize("source", ("files", "dns"))
def test_a_hub_by_name(fleet, source):
    hub = hub_with_robots(fleet)
    node = fleet.node("robot1")
    if source == "dns":
        serve_names(hub)
        resolves_at(node, hub.address)
    else:
        node.inside("/run/hosts").write_text(f"{hub.address} hub.example\n")
        node.run("mount", "--bind", "/run/hosts", "/etc/hosts")
    node.start()
    agent = agent_of(node.process).pid
    node.join(join_link(hub, "hub.example"))
    assert agent_of(node.process).pid == agent


@pytest.mark.parametrize("server", ("answers", "is silent"))
def test_a_name_that_nobody_has(fleet, server):
    hub = hub_with_robots(fleet)
    node = fleet.node("robot1")
    if server == "answers":
        serve_names(hub)
    resolves_at(node, hub.address)
    node.start()
    agent = agent_of(node.process).pid
    node.adit("join", join_link(hub, "nobody.invalid"), check=False)
    wait_until(lambda: "nobody.invalid: " in node.process.output(), 20, "it says that in words")
    assert agent_of(node.process).pid == agent
    node.join(hub.link("robots"))


def test_a_program_where_root_is_not_let_in_later(fleet, tmp_path):
    """As when it was built in the home directory of somebody: the launcher has lost the right to go
    there when it starts a tunnel."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(ADIT, home)
    hub, node = hub_with_robots(fleet), fleet.node("robot1")
    os.chown(home, SOMEBODY, SOMEBODY)
    home.chmod(0o700)
    node.start("--tunnel-program", home / "adit")
    node.join(hub.link("robots"))
    assert node.run("ip", "link", "show", "robots").code == 0
