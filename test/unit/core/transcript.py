#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write transcript.h: one whole handshake, a cookie reply, and the first data message each way.

Written from the WireGuard paper and the RFCs alone, without any of the tunnel's code, so that the
vector does not repeat our own mistakes: X25519 and ChaCha20-Poly1305 in plain Python, BLAKE2s from
hashlib.
"""
import hmac
import struct
from hashlib import blake2s

P = 2**255 - 19


def x25519(private, point):
    k = int.from_bytes(private, "little")
    k = (k & ~7 & ((1 << 255) - 1)) | (1 << 254)
    x1 = int.from_bytes(point, "little") & ((1 << 255) - 1)
    x2, z2, x3, z3, swap = 1, 0, x1, 1, 0
    for t in range(254, -1, -1):
        bit = (k >> t) & 1
        if swap ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        da, cb, aa, bb = d * a, c * b, a * a, b * b
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % P, x1 * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


def public(private):
    return x25519(private, b"\x09" + bytes(31))


def chacha20_rounds(key, last):
    """The state before and after the 20 rounds; last is its last four words."""
    def rotate(x, n):
        return ((x << n) | (x >> (32 - n))) & 0xFFFFFFFF

    start = list(struct.unpack("<16I", b"expand 32-byte k" + key + last))
    s = start[:]
    rounds = [(0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
              (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)]
    for a, b, c, d in rounds * 10:
        for x, y, z, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            s[x] = (s[x] + s[y]) & 0xFFFFFFFF
            s[z] = rotate(s[z] ^ s[x], n)
    return start, s


def chacha20_block(key, nonce, counter):
    before, after = chacha20_rounds(key, struct.pack("<I", counter) + nonce)
    return struct.pack("<16I", *[(x + y) & 0xFFFFFFFF for x, y in zip(before, after)])


def aead(key, nonce8, plaintext, aad):
    nonce = bytes(4) + nonce8
    stream = b"".join(chacha20_block(key, nonce, 1 + i) for i in range(len(plaintext) // 64 + 1))
    text = bytes(x ^ y for x, y in zip(plaintext, stream))
    one_time = chacha20_block(key, nonce, 0)
    r = int.from_bytes(one_time[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    padded = b"".join(x + bytes(-len(x) % 16) for x in (aad, text))
    tag = 0
    for block in struct.iter_unpack("16s", padded + struct.pack("<QQ", len(aad), len(text))):
        tag = (tag + int.from_bytes(block[0] + b"\x01", "little")) * r % (2**130 - 5)
    tag += int.from_bytes(one_time[16:32], "little")
    return text + (tag % 2**128).to_bytes(16, "little")


def xaead(key, nonce, plaintext, aad):
    after = chacha20_rounds(key, nonce[:16])[1]
    return aead(struct.pack("<8I", *after[:4], *after[12:]), nonce[16:], plaintext, aad)


def hash_(*parts):
    return blake2s(b"".join(parts)).digest()


def mac(key, message):
    return blake2s(message, key=key, digest_size=16).digest()


def kdf(num, key, data):
    prk = hmac.new(key, data, blake2s).digest()
    out = [b""]
    for i in range(1, num + 1):
        out.append(hmac.new(prk, out[-1] + bytes([i]), blake2s).digest())
    return out[1:]


def with_macs(message, recipient):
    return message + mac(hash_(b"mac1----", recipient), message) + bytes(16)


def transcript():
    v = {name: bytes([first + i for i in range(32)]) for name, first in
         (("initiator_private", 0x00), ("responder_private", 0x20), ("psk", 0x40),
          ("initiator_ephemeral", 0x60), ("responder_ephemeral", 0x80))}
    v["timestamp"] = bytes.fromhex("400000006553f10a1f000000")
    v["packet"] = bytes.fromhex("45000020") + bytes(range(28))  # 32 bytes: no padding
    index_i, index_r = struct.pack("<I", 0x11223344), struct.pack("<I", 0x55667788)
    si, sr = v["initiator_private"], v["responder_private"]
    ei, er = v["initiator_ephemeral"], v["responder_ephemeral"]

    # initiation: e, es, s, ss, {timestamp}
    c = hash_(b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s")
    h = hash_(hash_(c, b"WireGuard v1 zx2c4 Jason@zx2c4.com"), public(sr))
    h = hash_(h, public(ei))
    (c,) = kdf(1, c, public(ei))
    c, k = kdf(2, c, x25519(ei, public(sr)))
    static = aead(k, bytes(8), public(si), h)
    h = hash_(h, static)
    c, k = kdf(2, c, x25519(si, public(sr)))
    timestamp = aead(k, bytes(8), v["timestamp"], h)
    h = hash_(h, timestamp)
    v["initiation"] = with_macs(b"\1\0\0\0" + index_i + public(ei) + static + timestamp, public(sr))

    # response: e, ee, se, psk, {}
    h = hash_(h, public(er))
    (c,) = kdf(1, c, public(er))
    (c,) = kdf(1, c, x25519(er, public(ei)))
    (c,) = kdf(1, c, x25519(er, public(si)))
    c, tau, k = kdf(3, c, v["psk"])
    h = hash_(h, tau)
    v["response"] = with_macs(b"\2\0\0\0" + index_r + index_i + public(er) + aead(k, bytes(8), b"", h), public(si))

    # the cookie an initiation from 192.0.2.1:1001 is answered with
    v["cookie_secret"] = bytes(range(0xA0, 0xC0))
    v["cookie_nonce"] = bytes(range(0xC0, 0xD8))
    v["cookie"] = mac(v["cookie_secret"], bytes([192, 0, 2, 1]) + struct.pack(">H", 1001))
    v["cookie_reply"] = (b"\3\0\0\0" + index_i + v["cookie_nonce"]
                         + xaead(hash_(b"cookie--", public(sr)), v["cookie_nonce"], v["cookie"],
                                 v["initiation"][116:132]))

    # transport data, counter 0
    t1, t2 = kdf(2, c, b"")
    for name, index, key in (("data_to_responder", index_r, t1), ("data_to_initiator", index_i, t2)):
        v[name] = b"\4\0\0\0" + index + bytes(8) + aead(key, bytes(8), v["packet"], b"")
    return v


print("/* SPDX-License-Identifier: MIT\n *\n * A whole handshake with fixed keys; written by transcript.py.\n */\n/* clang-format off */")
for label, value in transcript().items():
    print(f"static const uint8_t {label}[{len(value)}] = {{")
    for at in range(0, len(value), 12):
        print("\t" + " ".join(f"0x{byte:02x}," for byte in value[at:at + 12]))
    print("};")
