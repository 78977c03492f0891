# SPDX-License-Identifier: MIT
"""Traffic between two hosts, and whether it arrives."""

import itertools
import json
import pathlib
import sys

from hosts import wait_until

HERE = pathlib.Path(__file__).resolve().parent
IP_UDP_HEADERS = {4: 28, 6: 48}

_ports = itertools.count(5300)


def version(address):
    return 6 if ":" in address else 4


def ping(host, address, count=2, timeout=2, size=56):
    """Every ping must be answered, the first within `timeout` seconds."""
    host.run("ping", "-n", "-q", "-c", count, "-i", "0.05", "-W", timeout, "-w",
             timeout + count, "-s", size, address)


def answers(host, address, timeout=1):
    """Whether one ping is answered."""
    return host.run("ping", "-n", "-q", "-c", 1, "-W", timeout, address, check=False).code == 0


def ping_until(host, address, timeout):
    """Ping until the first answer."""
    wait_until(lambda: answers(host, address), timeout, f"{address} answers {host.name}")


def count(host, *rules):
    """Count what comes to a host or leaves it."""
    chains = (f"chain {hook} {{ type filter hook {hook} priority raw;\n" + "\n".join(rules) + "\n}"
              for hook in ("prerouting", "output"))
    host.run("nft", "-f", "-", input="table inet seen {\n" + "\n".join(chains) + "\n}\n")


def counted(host):
    """Packets by rule, those that came first."""
    out = json.loads(host.run("nft", "-j", "list", "table", "inet", "seen").out)
    return [part["counter"]["packets"] for each in out["nftables"] if "rule" in each
            for part in each["rule"]["expr"] if "counter" in part]


class Tcp:
    """A TCP transfer by iperf3, in the background; `reverse` lets the server send."""

    def __init__(self, client, server, address, seconds=2, reverse=False):
        port = next(_ports)
        self.seconds = seconds
        self._server = server.popen("iperf3", "-s", "-1", "-p", port, "-B", address)
        wait_until(lambda: f":{port} " in server.run("ss", "-Hltn").out, 10, "iperf3 listens")
        self._client = client.popen("iperf3", "-c", address, "-p", port, "-t", seconds, "-J",
                                    *(["-R"] if reverse else []))

    def stop(self):
        """Before its time."""
        self._client.stop()
        self._server.stop()

    def finish(self):
        """Wait for the end; give the report, after a check that the last second moved data."""
        code = self._client.wait(self.seconds + 20)
        output = self._client.output()
        self._server.stop()
        assert code == 0, f"iperf3: {output}"
        report = json.loads(output)
        assert "error" not in report, report["error"]
        sums = [interval["sum"] for interval in report["intervals"]]
        late = sum(each["bytes"] for each in sums if each["end"] > self.seconds - 0.5)
        assert late > 0, f"TCP stalled: {[each['bytes'] for each in sums]}"
        assert report["end"]["sum_received"]["bytes"] > 100_000, "hardly any TCP data"
        return report


def tcp_both_ways(client, server, address, seconds=2):
    for reverse in (False, True):
        Tcp(client, server, address, seconds, reverse).finish()


def udp_sweep(client, server, address, mtu):
    """Datagrams of 1 byte to what the MTU holds, there and back."""
    port = next(_ports)
    echo = server.popen(sys.executable, HERE / "udp_echo.py", "serve", address, port)
    try:
        wait_until(lambda: f":{port} " in server.run("ss", "-Hlun").out, 10, "the echo listens")
        most = mtu - IP_UDP_HEADERS[version(address)]
        out = client.run(sys.executable, HERE / "udp_echo.py", "sweep", address, port, most,
                         timeout=60).out
        assert json.loads(out) == [], "sizes that were lost or came back changed"
    finally:
        echo.stop()
