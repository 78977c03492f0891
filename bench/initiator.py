# SPDX-License-Identifier: MIT
"""Handshake initiations, sent as fast as they are answered: `initiator.py ADDRESS PORT WINDOW`
reads them from standard input, a line of hexadecimal digits each, keeps WINDOW of them under way,
and prints as JSON what came back (message types and how often) and how many seconds it took.

The window keeps the responder's queue so short that nobody considers itself under load."""

import collections
import json
import socket
import sys
import time

PATIENCE = 0.5  # seconds without an answer after which no more will come


def main(address, port, window):
    messages = [bytes.fromhex(line) for line in sys.stdin]
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((address, port))
    sock.settimeout(PATIENCE)
    sent, kinds = 0, collections.Counter()
    begin = last = time.monotonic()
    while sum(kinds.values()) < len(messages):
        while sent < len(messages) and sent - sum(kinds.values()) < window:
            sock.send(messages[sent])
            sent += 1
        try:
            kinds[sock.recv(65536)[0]] += 1
        except TimeoutError:
            break
        last = time.monotonic()
    print(json.dumps({"kinds": kinds, "seconds": last - begin}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
