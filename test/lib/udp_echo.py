# SPDX-License-Identifier: MIT
"""UDP of every size, there and back: `udp_echo.py serve ADDRESS PORT` returns what it gets,
`udp_echo.py sweep ADDRESS PORT MAX` sends datagrams of 1 to MAX bytes and prints, as JSON, the
sizes that never came back as they were sent."""

import json
import random
import select
import socket
import sys
import time

WINDOW = 32  # datagrams under way at once
ATTEMPTS = 3


def open_socket(address):
    return socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)


def serve(address, port):
    sock = open_socket(address)
    sock.bind((address, port))
    print("ready", flush=True)
    while True:
        data, sender = sock.recvfrom(65536)
        sock.sendto(data, sender)


def sweep(address, port, most):
    sock = open_socket(address)
    sock.connect((address, port))
    source = random.Random(1)
    missing = {size: source.randbytes(size) for size in range(1, most + 1)}
    for _ in range(ATTEMPTS):
        sizes = list(missing)
        for start in range(0, len(sizes), WINDOW):
            batch = sizes[start:start + WINDOW]
            for size in batch:
                sock.send(missing[size])
            deadline = time.monotonic() + 1
            while any(size in missing for size in batch):
                if not select.select([sock], [], [], max(deadline - time.monotonic(), 0))[0]:
                    break
                data = sock.recv(65536)
                if missing.get(len(data)) == data:
                    del missing[len(data)]
        if len(missing) > most / 2:
            break  # nothing gets through: no use in trying on
    print(json.dumps(sorted(missing)))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2], int(sys.argv[3]))
    else:
        sweep(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
