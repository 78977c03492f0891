#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Enrolment once more, by other means: prints the hashes that test_enrol.c expects.

Shares nothing with src/ but the layout; needs Python's cryptography.
"""

import hashlib
import hmac
import struct

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

NAME = b"Adit enrol v1 Noise_IK_25519_ChaChaPoly_BLAKE2s"


def blake(data):
    return hashlib.blake2s(data).digest()


def mac(key, data):
    return hashlib.blake2s(data, key=key, digest_size=16).digest()


def public(private):
    return private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def dh(private, point):
    return private.exchange(X25519PublicKey.from_public_bytes(point))


class State:
    def __init__(self, hub):
        self.ck = self.h = blake(NAME)
        self.mix_hash(hub)

    def mix_hash(self, data):
        self.h = blake(self.h + data)

    def mix_key(self, secret):
        def hm(key, data):
            return hmac.new(key, data, hashlib.blake2s).digest()

        temp = hm(self.ck, secret)
        self.ck = hm(temp, b"\1")
        self.k = hm(temp, self.ck + b"\2")

    def seal(self, data):
        sealed = ChaCha20Poly1305(self.k).encrypt(bytes(12), data, self.h)
        self.mix_hash(sealed)
        return sealed


def macs(message, key):
    message += mac(blake(b"mac1----" + key), message)
    return message + bytes(16)


def private(byte):
    return X25519PrivateKey.from_private_bytes(bytes([byte]) * 32)


def main():
    hub, node, e1, e2 = (private(byte) for byte in (1, 2, 3, 4))
    state = State(public(hub))
    state.mix_hash(public(e1))
    state.mix_key(dh(e1, public(hub)))
    static = state.seal(public(node))
    state.mix_key(dh(node, public(hub)))
    request = struct.pack("<II32s16s64s32s104x", 1, 0, bytes([5]) * 32, b"robots", b"robot-1", b"0.1.0")
    request = struct.pack("<II", 0x41, 0x03030303) + public(e1) + static + state.seal(request)
    request = macs(request, public(hub))

    def prefix(family, cidr, *address):
        return struct.pack("<HBx16s", family, cidr, bytes(address))

    answer = struct.pack("<IIIHH32s64s", 1, 1, 7, 51820, 51820, bytes([6]) * 32, b"robot-1")
    answer += prefix(2, 16, 100, 64, 0, 7) + prefix(10, 64, 0xfd, *[0] * 14, 7)
    answer += prefix(2, 32, 100, 64, 0, 1) + prefix(10, 128, 0xfd, *[0] * 14, 1) + bytes(64)
    state.mix_hash(public(e2))
    state.mix_key(dh(e2, public(e1)))
    state.mix_key(dh(e2, public(node)))
    response = struct.pack("<II", 0x42, 0x03030303) + public(e2) + bytes([4]) * 48
    response = macs(response + state.seal(answer), public(node))
    for message in request, response:
        print(len(message), ", ".join(f"0x{byte:02x}" for byte in blake(message)))


main()
