"""Checksums and structure that issuers build into their secrets.

A check looks at the secret's bytes and answers how sure a match is, or None if it cannot be one. Where an issuer's
checksum fails, the value is still LIKELY: a mistyped or made-up key is worth hiding, it is only not certain.
"""

import base64
import binascii
import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType

from redactors import filters
from redactors.finding import Confidence

Check = Callable[[bytes], Confidence | None]

_BASE62 = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CRC_DIGITS = 6  # 62**6 > 2**32: GitHub and npm end their tokens with the CRC-32 in six base62 digits
_PEM_LEAST = 40
_BASE64 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")


def crc32_base62(value: bytes) -> Confidence:
    """GitHub and npm tokens: prefix, `_`, entropy, then CRC-32 of the entropy in base62 (GitHub blog, 2021-04-05)."""
    body = value.rpartition(b"_")[2]
    crc = zlib.crc32(body[:-_CRC_DIGITS])
    digits = bytearray()
    for _ in range(_CRC_DIGITS):
        crc, digit = divmod(crc, 62)
        digits.append(_BASE62[digit])
    return Confidence.CERTAIN if bytes(digits[::-1]) == body[-_CRC_DIGITS:] else Confidence.LIKELY


def jwt(value: bytes) -> Confidence | None:
    """JSON Web Token: its first part is a base64url JSON object that names `alg` (RFC 7515, 4.1.1)."""
    header = _decoded(value.partition(b".")[0])
    if header is None or not header.startswith(b"{") or b'"alg"' not in header:
        return None
    return Confidence.CERTAIN


def aws_key_id(value: bytes) -> Confidence | None:
    """AWS access key id: base32 after a four-letter prefix; AWS's own documentation ends its keys with EXAMPLE."""
    body = value[4:]
    if body.endswith(b"EXAMPLE") or body.isdigit() or len(set(body)) < 5:
        return None
    try:
        base64.b32decode(body)
    except binascii.Error:
        return Confidence.LIKELY
    return Confidence.CERTAIN


def pem(value: bytes) -> Confidence | None:
    """Body of a private key block: base64 lines (RFC 7468), perhaps after headers (RFC 1421)."""
    flat = value.translate(None, b" \t\r\n\\")
    if len(flat) < _PEM_LEAST or len(set(flat)) < 12 or b"..." in flat:
        return None
    return Confidence.CERTAIN


def encoded_json(value: bytes) -> Confidence | None:
    """Tokens whose part after the prefix is base64 of a JSON object (Grafana, Sentry, 1Password)."""
    start = value.find(b"eyJ")
    decoded = _decoded(value[start:].partition(b"_")[0]) if start >= 0 else None
    return Confidence.CERTAIN if decoded is not None and decoded.startswith(b'{"') else Confidence.LIKELY


def basic_credentials(value: bytes) -> Confidence | None:
    """HTTP Basic: base64 of `user:password` (RFC 7617)."""
    decoded = _decoded(value)
    if decoded is None:
        return None
    user, colon, password = decoded.partition(b":")
    good = colon and password and all(32 <= byte < 127 for byte in decoded) and user != password
    return Confidence.CERTAIN if good else None


def mixed(value: bytes) -> Confidence | None:
    """Random letters and digits: at least one digit and one letter, or upper and lower case."""
    digit = any(48 <= byte < 58 for byte in value)
    letter = any(65 <= byte < 91 or 97 <= byte < 123 for byte in value)
    return Confidence.CERTAIN if digit and letter else None


def password(value: bytes) -> Confidence | None:
    """Judge a password after a key that says so, in quotes: not a word, not code, not a template."""
    return Confidence.LIKELY if filters.can_be_password(value) else None


def bare_password(value: bytes) -> Confidence | None:
    """Judge the same without quotes, where identifiers of source code stand too."""
    return Confidence.LIKELY if filters.can_be_password(value) and not filters.is_identifier(value) else None


def secret(value: bytes) -> Confidence | None:
    """Judge a key or token after a name that says so: random enough to be one."""
    return Confidence.LIKELY if filters.can_be_secret(value) else None


def shaped(value: bytes) -> Confidence | None:
    """Judge a value of an issuer's shape after the issuer's name: a UUID, or letters and digits, no words."""
    fits = filters.has_letter_and_digit(value) and not filters.is_wordy(value)
    return Confidence.LIKELY if filters.is_uuid(value) or fits else None


def bare_secret(value: bytes) -> Confidence | None:
    """Judge the same without quotes, where identifiers of source code stand too."""
    return Confidence.LIKELY if filters.can_be_secret(value) and not filters.is_identifier(value) else None


def key(value: bytes) -> Confidence | None:
    """Judge a value after a name that may also be a dictionary's key: no digest, very random."""
    fits = filters.can_be_secret(value) and filters.is_random(value) and not filters.is_hex_digest(value)
    return Confidence.LIKELY if fits and not filters.is_identifier(value) else None


def header(value: bytes) -> Confidence | None:
    """Credentials in a header: Basic decodes, a UUID is a token here, else as random as any token."""
    if basic_credentials(value) or filters.is_uuid(value):
        return Confidence.LIKELY
    return bare_secret(value)


def url_password(value: bytes) -> Confidence | None:
    """Password of a URL: anything but a word that every example uses, or a template."""
    if filters.is_stock_password(value) or filters.is_template(value):
        return None
    return Confidence.CERTAIN if len(value) >= 6 else Confidence.LIKELY


def _decoded(text: bytes) -> bytes | None:
    standard = text.replace(b"-", b"+").replace(b"_", b"/").rstrip(b"=")
    standard = standard[: len(standard) - (len(standard) % 4 == 1)]
    if not _BASE64.issuperset(standard):
        return None
    try:
        return base64.b64decode(standard + b"=" * (-len(standard) % 4))
    except binascii.Error:
        return None


CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "crc32-base62": crc32_base62,
        "jwt": jwt,
        "aws-key-id": aws_key_id,
        "pem": pem,
        "encoded-json": encoded_json,
        "basic": basic_credentials,
        "mixed": mixed,
        "password": password,
        "bare-password": bare_password,
        "secret": secret,
        "shaped": shaped,
        "bare-secret": bare_secret,
        "key": key,
        "header": header,
        "url-password": url_password,
    }
)
"""The checks that a rule may name."""
