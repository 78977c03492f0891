# SPDX-License-Identifier: MIT
"""One process of a live tunnel, or of a hub, says nonsense to another: all of it ends, and says who
heard it from whom."""

import itertools
import os

import pytest

from hosts import RUN_TIMEOUT
from injection import other_end, speak_as
from machines import Fleet
from processes import Role, Running, children
from tunnels import key

_names = itertools.count()

# Descriptors as in tunnel/roles.h: the listener's, by which it is connected with the speaker.
SOCKETS_OF = {("vault", "monitor"): 3, ("vault", "engine"): 4,
              ("engine", "monitor"): 3, ("engine", "vault"): 4, ("engine", "datapath"): 5,
              ("datapath", "monitor"): 3, ("datapath", "engine"): 4}
SIZES = {("monitor", "vault"): 40, ("engine", "vault"): 1384, ("monitor", "engine"): 52,
         ("datapath", "engine"): 208, ("monitor", "datapath"): 52, ("engine", "datapath"): 208,
         ("vault", "monitor"): 36, ("engine", "monitor"): 4, ("datapath", "monitor"): 4}
WANTED = 6  # the datapath's second socket to the monitor


@pytest.fixture
def running(lab):
    tunnel = Running(lab.host("h"), f"an{os.getpid()}n{next(_names)}")
    tunnel.host.run("wg", "set", tunnel.ifname, "listen-port", 0, "private-key", "/dev/stdin",
                    "peer", key(), "allowed-ips", "10.0.0.0/8", input=key())
    tunnel.host.run("ip", "link", "set", tunnel.ifname, "up")
    return tunnel


def speak(running, speaker, listener, message):
    """Say this to the listener, as the speaker."""
    talker, hearer = running.roles[speaker], running.roles[listener]
    if (speaker, listener) in SOCKETS_OF:
        number = SOCKETS_OF[speaker, listener]
    else:
        number = other_end(running.host, hearer, SOCKETS_OF[listener, speaker], talker)
    speak_as(talker, number, message)


def assert_it_ends(running, listener, speaker):
    assert running.process.wait(RUN_TIMEOUT) == 1
    running.wait_gone(5)
    output = running.process.output()
    prefix = f"adit: {running.ifname}: {listener}: "
    assert (f"{prefix}malformed message from the {speaker}: " in output
            or f"{prefix}request of the {speaker}: " in output), output
    assert output.count("the tunnel ends") == 1, output
    assert "died" not in output, output


@pytest.mark.parametrize("speaker,listener", sorted(SIZES))
def test_nonsense_is_the_end_of_the_tunnel(running, speaker, listener):
    speak(running, speaker, listener, b"\xff" * SIZES[speaker, listener])
    assert_it_ends(running, listener, speaker)


@pytest.mark.parametrize("speaker,listener", sorted(SIZES))
def test_a_message_cut_short_is_the_end_of_the_tunnel(running, speaker, listener):
    speak(running, speaker, listener, b"\0" * (SIZES[speaker, listener] - 1))
    assert_it_ends(running, listener, speaker)


def test_an_address_wanted_that_is_none_is_the_end_of_the_tunnel(running):
    speak_as(running.datapath, WANTED, b"\xff" * 20)
    assert_it_ends(running, "monitor", "datapath")


def test_a_false_answer_of_the_vault_is_the_end_of_the_tunnel(running):
    """The engine hears it when it asks next, and takes it for the answer."""
    speak(running, "vault", "engine", b"\0" * 1384)
    running.host.run("wg", "set", running.ifname, "private-key", "/dev/stdin",
                     "peer", key(), "allowed-ips", "10.1.0.0/16", input=key(), check=False)
    assert_it_ends(running, "engine", "vault")


# Of a hub's door: its sockets to the server and the vault (overlay/door/door.h).
@pytest.mark.parametrize("talker,number,expected", [
    ("adit-door", 3, "server: malformed message from the door: "),
    ("adit-door", 4, "vault: malformed message from the engine: "),
    ("adit-server", 4, "door: malformed message from the hub: ")])
def test_nonsense_is_the_end_of_a_hub(lab, talker, number, expected):
    hub = Fleet(lab).hub().start()
    roles = {Role(pid).proc("comm").read_text().strip(): Role(pid)
             for pid in children(hub.process.pid)}
    speak_as(roles[talker], number, b"x")
    assert hub.process.wait(RUN_TIMEOUT) == 1
    output = hub.process.output()
    assert expected in output, output
    assert "the hub ends" in output, output
    assert not any(role.alive() for role in roles.values())
