# SPDX-License-Identifier: MIT
"""Sockets inside a host's namespace, a tap on a wire, and packets made by hand."""

import ctypes
import os
import socket
import struct
import threading
import time

ETH_P_ALL = 3
SO_RCVBUFFORCE = 33
CLONE_NEWNET = 0x40000000
IPV6_CHECKSUM = 7

_libc = ctypes.CDLL(None, use_errno=True)


def inside(host, function):
    """What function gives when called in the namespace of a host (by a thread that visits it)."""
    result = []

    def visit():
        fd = os.open(f"/run/netns/{host.namespace}", os.O_RDONLY)
        try:
            if _libc.setns(fd, CLONE_NEWNET) < 0:
                raise OSError(ctypes.get_errno(), "setns")
            result.append(function())
        except BaseException as error:
            result.append(error)
        finally:
            os.close(fd)

    thread = threading.Thread(target=visit)
    thread.start()
    thread.join()
    if isinstance(result[0], BaseException):
        raise result[0]
    return result[0]


def udp(host, address="", port=0, version=4):
    """A UDP socket of a host."""
    def make():
        sock = socket.socket(socket.AF_INET6 if version == 6 else socket.AF_INET,
                             socket.SOCK_DGRAM)
        if version == 6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
        sock.bind((address, port))
        return sock
    return inside(host, make)


class Forger:
    """Sends UDP datagrams from any address and port of a host, one in use as well."""

    def __init__(self, host, address, port):
        self.port = port
        self.version = 6 if ":" in address else 4

        def make():
            family = socket.AF_INET6 if self.version == 6 else socket.AF_INET
            sock = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_UDP)
            if self.version == 6:
                sock.setsockopt(socket.IPPROTO_IPV6, IPV6_CHECKSUM, 6)
            sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1)
            sock.bind((address, 0))
            return sock
        self._sock = inside(host, make)

    def sendto(self, payload, endpoint):
        header = struct.pack(">HHHH", self.port, endpoint[1], 8 + len(payload), 0)
        self._sock.sendto(header + payload, (endpoint[0], 0))


class Datagram:
    """A UDP datagram or other IP packet seen on a wire."""

    def __init__(self, packet):
        self.packet = packet
        self.version = packet[0] >> 4
        if self.version == 4:
            self.tos, self.protocol, header = packet[1], packet[9], (packet[0] & 15) * 4
            self.is_fragment = bool(packet[6] & 0x3f or packet[7])
            self.dont_fragment = bool(packet[6] & 0x40)
            self.source = socket.inet_ntop(socket.AF_INET, packet[12:16])
            self.destination = socket.inet_ntop(socket.AF_INET, packet[16:20])
        else:
            self.tos, self.protocol, header = (packet[0] << 4 | packet[1] >> 4) & 255, packet[6], 40
            self.is_fragment = self.protocol == socket.IPPROTO_FRAGMENT
            self.source = socket.inet_ntop(socket.AF_INET6, packet[8:24])
            self.destination = socket.inet_ntop(socket.AF_INET6, packet[24:40])
        self.rest = packet[header:]
        if self.protocol == socket.IPPROTO_UDP and len(self.rest) >= 8:
            self.source_port, self.destination_port = struct.unpack_from(">HH", self.rest)
            self.payload = self.rest[8:]
        else:
            self.source_port = self.destination_port = None
            self.payload = b""


class Tap:
    """Collects every IP packet of a device, in the order seen."""

    def __init__(self, host, dev):
        def make():
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
            sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 26)
            sock.bind((dev, ETH_P_ALL))
            sock.setblocking(False)
            return sock
        self._sock = inside(host, make)

    def take(self):
        """What has been seen since it was last asked."""
        seen = []
        while True:
            try:
                packet, address = self._sock.recvfrom(65536)
            except BlockingIOError:
                return seen
            if len(packet) >= 20 and packet[0] >> 4 in (4, 6) and address[1] in (0x0800, 0x86dd):
                seen.append(Datagram(packet))

    def wait(self, wanted, timeout=3):
        """The first packet for which wanted() holds; None when none comes in time."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            for datagram in self.take():
                if wanted(datagram):
                    return datagram
            time.sleep(0.01)
        return None


def checksum(data):
    total = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff


def ip_packet(source, destination, protocol, payload, tos=0):
    if ":" not in source:
        header = struct.pack(">BBHHHBBH4s4s", 0x45, tos, 20 + len(payload), 0, 0, 64, protocol, 0,
                             socket.inet_aton(source), socket.inet_aton(destination))
        return header[:10] + struct.pack(">H", checksum(header)) + header[12:] + payload
    return struct.pack(">IHBB16s16s", 6 << 28 | tos << 20, len(payload), protocol, 64,
                       socket.inet_pton(socket.AF_INET6, source),
                       socket.inet_pton(socket.AF_INET6, destination)) + payload


def udp_packet(source, destination, payload=b"hello", tos=0, ports=(4000, 4001)):
    """A whole IP packet; without a checksum over IPv4."""
    length = 8 + len(payload)
    header = struct.pack(">HHHH", *ports, length, 0)
    if ":" in source:
        pseudo = (socket.inet_pton(socket.AF_INET6, source) +
                  socket.inet_pton(socket.AF_INET6, destination) + struct.pack(">II", length, 17))
        header = header[:6] + struct.pack(">H", checksum(pseudo + header + payload) or 0xffff)
    return ip_packet(source, destination, socket.IPPROTO_UDP, header + payload, tos)
