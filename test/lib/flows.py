#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Numbered datagrams of many flows, and whether each flow keeps its order.

    flows.py receive ADDRESS... PORT     until a signal; then prints, by sender, [arrived, late]
    flows.py send ADDRESS... PORT FLOWS SECONDS
"""

import json
import select
import signal
import socket
import struct
import sys
import time

BUFFER = 4 << 20
BURST = 16


def bound(address, port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, 33, BUFFER)  # SO_RCVBUFFORCE
    sock.bind((address, port))
    return sock


def receive(addresses, port):
    flows = {}

    def report(*_):
        print(json.dumps({f"{host}:{source}": flow[1:] for (host, source), flow in flows.items()}))
        sys.exit(0)

    signal.signal(signal.SIGTERM, report)
    sockets = [bound(address, port) for address in addresses]
    while True:
        for sock in select.select(sockets, [], [])[0]:
            data, sender = sock.recvfrom(2048)
            number, = struct.unpack_from("!I", data)
            flow = flows.setdefault(sender, [-1, 0, 0])  # the last number, arrived, late
            flow[1] += 1
            flow[2] += number <= flow[0]
            flow[0] = max(flow[0], number)


def send(addresses, port, num_flows, seconds):
    flows = []
    for address in addresses:
        for _ in range(num_flows):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.connect((address, port))
            flows.append(sock)
    end = time.monotonic() + seconds
    number = 0
    while time.monotonic() < end:
        for _ in range(BURST):
            for sock in flows:
                try:
                    sock.send(struct.pack("!I60x", number))
                except OSError:  # no peer at this moment
                    pass
            number += 1
        time.sleep(0.001)


if __name__ == "__main__":
    if sys.argv[1] == "receive":
        receive(sys.argv[2:-1], int(sys.argv[-1]))
    else:
        send(sys.argv[2:-3], *map(int, sys.argv[-3:]))
