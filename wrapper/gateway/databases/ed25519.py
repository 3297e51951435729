"""MariaDB's `client_ed25519`: a signature as of RFC 8032 with a key made of a password of any length; pure.

Source: MariaDB's documentation of the plugin `ed25519`, its `plugin/auth_ed25519`, and RFC 8032 sections 5.1 and 6,
whose Python this follows. Libraries sign with a seed of 32 bytes; here the seed is the password. Not in constant time:
a password of the user's own service, signed for by the user's own machine.
"""

import hashlib
from typing import Final

_P: Final = 2**255 - 19
_ORDER: Final = 2**252 + 27742317777372353535851937790883648493
_D: Final = -121665 * pow(121666, -1, _P) % _P

_Point = tuple[int, int, int, int]  # extended coordinates: X, Y, Z, T with x = X/Z, y = Y/Z, x*y = T/Z


def sign(password: bytes, nonce: bytes) -> bytes:
    """Sign the server's nonce (32 bytes). Gives the 64 bytes of the signature."""
    digest = hashlib.sha512(password).digest()
    scalar = int.from_bytes(digest[:32], "little") & ((1 << 254) - 8) | (1 << 254)
    public = _packed(_times(scalar, _base()))
    secret = _number(digest[32:], nonce)
    commitment = _packed(_times(secret, _base()))
    challenge = _number(commitment, public, nonce)
    return commitment + ((secret + challenge * scalar) % _ORDER).to_bytes(32, "little")


def _number(*parts: bytes) -> int:
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % _ORDER


def _base() -> _Point:
    x = 15112221349535400772501151409588531511454012693041857206046113283949847762202
    y = 4 * pow(5, -1, _P) % _P
    return x, y, 1, x * y % _P


def _plus(one: _Point, other: _Point) -> _Point:
    a, b = (one[1] - one[0]) * (other[1] - other[0]) % _P, (one[1] + one[0]) * (other[1] + other[0]) % _P
    c, d = 2 * one[3] * other[3] * _D % _P, 2 * one[2] * other[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(scalar: int, point: _Point) -> _Point:
    out = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            out = _plus(out, point)
        point, scalar = _plus(point, point), scalar >> 1
    return out


def _packed(point: _Point) -> bytes:
    inverse = pow(point[2], -1, _P)
    x, y = point[0] * inverse % _P, point[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")
