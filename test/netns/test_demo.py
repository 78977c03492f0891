# SPDX-License-Identifier: MIT
"""The demos work, and leave nothing behind: not when it succeeds, not when it is interrupted."""

import os
import pathlib
import signal
import subprocess
import time

import pytest

from hosts import REPO
from tunnels import SOCKETS, adit_command

DEMO = REPO / "test" / "netns" / "demo"
DEMO_TUNNEL = REPO / "test" / "netns" / "demo-tunnel"


def heed_interruptions():
    """A shell that finds SIGINT ignored, as in a background job, cannot trap it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def demo():
    """A way to start the demo; afterwards nothing of it may be left."""
    started = []

    def start(program):
        # In a session of its own, for the terminal's Ctrl-C goes to all of its processes.
        process = subprocess.Popen([program], env={**os.environ, "ADIT": adit_command()[0]},
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                   start_new_session=True, preexec_fn=heed_interruptions)
        started.append(process)
        return process

    yield start
    for process in started:
        assert process.poll() is not None
        assert [n for n in os.listdir("/run/netns") if n.startswith(f"adit-demo-{process.pid}")] == []
        assert list(SOCKETS.glob(f"adit{process.pid}?.sock")) == []
        assert [pid for pid in pathlib.Path("/proc").glob("[0-9]*")
                if f"adit{process.pid}" in command_line(pid)] == []


def command_line(pid):
    try:
        return (pid / "cmdline").read_text(errors="replace")
    except OSError:
        return ""


def test_demo(demo):
    process = demo(DEMO)
    output, _ = process.communicate(timeout=90)
    assert process.returncode == 0, output
    assert output.count(" 0% packet loss") >= 5
    assert "revoked" in output and "bits/sec" in output


def test_demo_tunnel(demo):
    process = demo(DEMO_TUNNEL)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert output.count("0% packet loss") == 2
    assert output.count("bit/s") == 2 and " 0 Mbit/s" not in output
    assert output.count("latest handshake") == 2


@pytest.mark.parametrize("interruption", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("program, heading", [
    (DEMO_TUNNEL, "A tunnel on each"), (DEMO_TUNNEL, "TCP through"),
    (DEMO, "The hub starts"), (DEMO, "robot2 was stolen")])
def test_interrupted_demo(demo, program, heading, interruption):
    process = demo(program)
    for line in process.stdout:
        if heading in line:
            break
    time.sleep(0.2)
    os.killpg(process.pid, interruption)
    process.communicate(timeout=20)
    assert process.returncode == 128 + interruption
