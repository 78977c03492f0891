# SPDX-License-Identifier: MIT
"""X25519 in plain Python, to know what no process but the vault may hold."""

P25519 = 2**255 - 19


def clamp(scalar):
    """The form in which any 32 bytes are used as a private key."""
    return (int.from_bytes(scalar, "little") & ~7 & (2**254 - 1) | 2**254).to_bytes(32, "little")


def x25519(scalar, point):
    """RFC 7748's ladder."""
    k = int.from_bytes(clamp(scalar), "little")
    x1 = int.from_bytes(point, "little") & (2**255 - 1)
    x2, z2, x3, z3 = 1, 0, x1, 1
    for bit in reversed(range(255)):
        swap = k >> bit & 1
        if swap:
            x2, z2, x3, z3 = x3, z3, x2, z2
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        da, cb = d * a % P25519, c * b % P25519
        x3, z3 = (da + cb)**2 % P25519, x1 * (da - cb)**2 % P25519
        aa, bb = a * a % P25519, b * b % P25519
        x2, z2 = aa * bb % P25519, (aa - bb) * (aa + 121665 * (aa - bb)) % P25519
        if swap:
            x2, z2, x3, z3 = x3, z3, x2, z2
    return (x2 * pow(z2, P25519 - 2, P25519) % P25519).to_bytes(32, "little")
