# SPDX-License-Identifier: MIT
"""A WireGuard peer that does as it is told: small, slow, and free to misbehave.

X25519 (RFC 7748), (X)ChaCha20-Poly1305 (RFC 8439) and the handshake of the WireGuard paper in plain
Python. Not constant time, not for secrets.
"""

import hashlib
import hmac
import os
import struct
import time

CONSTRUCTION = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"
IDENTIFIER = b"WireGuard v1 zx2c4 Jason@zx2c4.com"
PRIME = 2**255 - 19
INITIATION, RESPONSE, COOKIE_REPLY, DATA = range(1, 5)
LENGTHS = {INITIATION: 148, RESPONSE: 92, COOKIE_REPLY: 64}


def x25519(scalar, point=bytes([9]) + bytes(31)):
    k = int.from_bytes(scalar, "little") & ~(7 | 1 << 255) | 1 << 254
    x1 = int.from_bytes(point, "little") % 2**255
    x2, z2, x3, z3, swapped = 1, 0, x1, 1, 0
    for t in range(254, -1, -1):
        bit = k >> t & 1
        if bit != swapped:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swapped = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a % PRIME, b * b % PRIME, d * a % PRIME, c * b % PRIME
        x3, z3 = pow(da + cb, 2, PRIME), x1 * pow(da - cb, 2, PRIME) % PRIME
        e = aa - bb
        x2, z2 = aa * bb % PRIME, e * (aa + 121665 * e) % PRIME
    if swapped:
        x2, z2 = x3, z3
    return (x2 * pow(z2, PRIME - 2, PRIME) % PRIME).to_bytes(32, "little")


def _quarter(s, a, b, c, d):
    for x, y, z, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        s[x] = s[x] + s[y] & 0xffffffff
        v = s[z] ^ s[x]
        s[z] = (v << turn | v >> 32 - turn) & 0xffffffff


def _chacha_rounds(key, nonce):
    """State before and after; nonce: the counter and the nonce proper, 16 bytes."""
    start = struct.unpack("<16I", b"expand 32-byte k" + key + nonce)
    s = list(start)
    for _ in range(10):
        for column in range(4):
            _quarter(s, column, column + 4, column + 8, column + 12)
        for row in range(4):
            _quarter(s, row, (row + 1) % 4 + 4, (row + 2) % 4 + 8, (row + 3) % 4 + 12)
    return start, s


def _chacha_block(key, counter, nonce):
    start, end = _chacha_rounds(key, struct.pack("<I", counter) + nonce)
    return struct.pack("<16I", *((x + y) & 0xffffffff for x, y in zip(start, end)))


def _chacha(key, nonce, data):
    stream = b"".join(_chacha_block(key, 1 + i, nonce) for i in range((len(data) + 63) // 64))
    return bytes(x ^ y for x, y in zip(data, stream))


def _tag(key, nonce, aad, sealed):
    block = _chacha_block(key, 0, nonce)
    r = int.from_bytes(block[:16], "little") & 0x0ffffffc0ffffffc0ffffffc0fffffff
    data = (aad + bytes(-len(aad) % 16) + sealed + bytes(-len(sealed) % 16) +
            struct.pack("<QQ", len(aad), len(sealed)))
    a = 0
    for i in range(0, len(data), 16):
        a = (a + int.from_bytes(data[i:i + 16] + b"\1", "little")) * r % (2**130 - 5)
    return ((a + int.from_bytes(block[16:32], "little")) % 2**128).to_bytes(16, "little")


def _open(key, nonce, sealed, aad):
    if _tag(key, nonce, aad, sealed[:-16]) != sealed[-16:]:
        raise ValueError("not authentic")
    return _chacha(key, nonce, sealed[:-16])


def seal(key, counter, plain, aad=b""):
    nonce = bytes(4) + struct.pack("<Q", counter)
    sealed = _chacha(key, nonce, plain)
    return sealed + _tag(key, nonce, aad, sealed)


def open_sealed(key, counter, sealed, aad=b""):
    return _open(key, bytes(4) + struct.pack("<Q", counter), sealed, aad)


def open_extended(key, nonce, sealed, aad=b""):
    """XChaCha20-Poly1305, for cookie replies."""
    _, end = _chacha_rounds(key, nonce[:16])
    return _open(struct.pack("<8I", *end[:4], *end[12:]), bytes(4) + nonce[16:], sealed, aad)


def blake2s(*parts):
    return hashlib.blake2s(b"".join(parts)).digest()


def mac(key, data):
    return hashlib.blake2s(data, key=key, digest_size=16).digest()


def kdf(n, chaining_key, data):
    secret = hmac.digest(chaining_key, data, hashlib.blake2s)
    out, last = [], b""
    for i in range(1, n + 1):
        last = hmac.digest(secret, last + bytes([i]), hashlib.blake2s)
        out.append(last)
    return out


def with_mac1(message, public_key):
    """A message of type 1 or 2 whose macs are replaced: mac1 right for the owner of the key."""
    body = message[:-32]
    return body + mac(blake2s(b"mac1----", public_key), body) + bytes(16)


def open_cookie(reply, message, public_key):
    """The cookie that the owner of the key gives in reply to this message of ours."""
    assert reply[:4] == struct.pack("<I", COOKIE_REPLY) and reply[4:8] == message[4:8]
    return open_extended(blake2s(b"cookie--", public_key), reply[8:32], reply[32:],
                         message[-32:-16])


def with_mac2(message, cookie):
    return message[:-16] + mac(cookie, message[:-16])


def tai64n(now):
    return struct.pack(">QI", 2**62 + 10 + int(now), int(now % 1 * 10**9))


class Initiator:
    """One handshake begun by us, and the session it gives."""

    def __init__(self, private_key, responder_public, index=None, psk=bytes(32)):
        self.private_key, self.responder, self.psk = private_key, responder_public, psk
        self.public_key = x25519(private_key)
        self.index = int.from_bytes(os.urandom(4), "little") if index is None else index
        self.ephemeral = os.urandom(32)
        self.counter = 0

    def initiation(self, now=None):
        public = x25519(self.ephemeral)
        ck = blake2s(CONSTRUCTION)
        h = blake2s(blake2s(ck, IDENTIFIER), self.responder)
        h = blake2s(h, public)
        [ck] = kdf(1, ck, public)
        ck, key = kdf(2, ck, x25519(self.ephemeral, self.responder))
        static = seal(key, 0, self.public_key, h)
        h = blake2s(h, static)
        ck, key = kdf(2, ck, x25519(self.private_key, self.responder))
        stamp = seal(key, 0, tai64n(time.time() if now is None else now), h)
        self._ck, self._h = ck, blake2s(h, stamp)
        return with_mac1(struct.pack("<II", INITIATION, self.index) + public + static + stamp +
                         bytes(32), self.responder)

    def consume(self, response):
        kind, self.remote_index, index = struct.unpack_from("<III", response)
        assert (kind, index, len(response)) == (RESPONSE, self.index, LENGTHS[RESPONSE])
        public, nothing = response[12:44], response[44:60]
        h = blake2s(self._h, public)
        [ck] = kdf(1, self._ck, public)
        [ck] = kdf(1, ck, x25519(self.ephemeral, public))
        [ck] = kdf(1, ck, x25519(self.private_key, public))
        ck, tau, key = kdf(3, ck, self.psk)
        h = blake2s(h, tau)
        open_sealed(key, 0, nothing, h)
        self.sending, self.receiving = kdf(2, ck, b"")

    def data(self, inner=b"", counter=None):
        """Any bytes as a data message; without a counter the next one."""
        if counter is None:
            counter = self.counter
            self.counter += 1
        return (struct.pack("<IIQ", DATA, self.remote_index, counter) +
                seal(self.sending, counter, inner))

    def open(self, message):
        kind, index, counter = struct.unpack_from("<IIQ", message)
        assert (kind, index) == (DATA, self.index)
        return open_sealed(self.receiving, counter, message[16:])


class ScriptedPeer:
    """A peer on a socket: handshakes as initiator, then sends and receives what the test likes."""

    def __init__(self, sock, private_key, responder_public, endpoint):
        self.sock, self.endpoint = sock, endpoint
        self.private_key, self.responder = private_key, responder_public
        self.session = None

    def connect(self, timeout=5):
        """Complete a handshake, and confirm it by a keepalive."""
        session = Initiator(self.private_key, self.responder)
        self.sock.settimeout(timeout)
        self.send_raw(session.initiation())
        while self.session is not session:
            message = self.sock.recv(65536)
            if message[:4] == struct.pack("<I", RESPONSE):
                session.consume(message)
                self.session = session
        self.send()
        return self

    def send_raw(self, message):
        self.sock.sendto(message, self.endpoint)

    def send(self, inner=b"", counter=None):
        self.send_raw(self.session.data(inner, counter))

    def receive(self, timeout=2):
        """The next non-empty inner packet with its padding; None when there is none in time."""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            self.sock.settimeout(left)
            try:
                message = self.sock.recv(65536)
            except TimeoutError:
                return None
            if message[:8] == struct.pack("<II", DATA, self.session.index):
                inner = self.session.open(message)
                if inner:
                    return inner
        return None

