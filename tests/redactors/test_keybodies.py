"""A part of a private key stands for it only where it differs from other keys of its format."""

import base64
import json
import random
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from redactors.commonplace import WINDOW, windows
from redactors.keybodies import own_parts
from redactors.known import KnownValues
from redactors.pem import body
from redactors.vault import Origin, Vault

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
KINDS: dict[str, Callable[[], PrivateKey]] = {
    "rsa": lambda: rsa.generate_private_key(65537, 1024),  # noqa: S505  (made quickly, protects nothing)
    "ec": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}
PLAIN = NoEncryption()
SEALED = BestAvailableEncryption(b"phrase")
WAYS = [
    (kind, form, protection)
    for kind in KINDS
    for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL, PrivateFormat.OpenSSH)
    for protection in (PLAIN, SEALED)
    if (kind, form) != ("ed25519", PrivateFormat.TraditionalOpenSSL) and (form, protection) != (PrivateFormat.OpenSSH, SEALED)
]  # fmt: skip


def pem(kind: str, form: PrivateFormat, protection: KeySerializationEncryption) -> bytes:
    return KINDS[kind]().private_bytes(Encoding.PEM, form, protection)


def known(value: bytes) -> KnownValues:
    found = KnownValues(Vault(bytes(32)))
    assert found.add("PRIVATE-KEY", value, Origin.OUTSIDE)
    return found


def length(size: int) -> bytes:
    return size.to_bytes(4)


def openpgp_key(seed: int, *, user: bytes, version: bytes = b"") -> bytes:
    """Make a key on Curve25519 with a subkey for exchange, as GnuPG exports it without a passphrase."""
    chance = random.Random(seed)  # noqa: S311  (a fake)

    def key(algorithm: int, curve: str, parameters: bytes) -> bytes:
        head = b"\4" + chance.randbytes(4) + bytes((algorithm,))
        point = length(263)[2:] + b"\x40" + chance.randbytes(32)
        return head + bytes.fromhex(curve) + point + parameters + b"\0" + length(256)[2:] + chance.randbytes(34)

    first = key(22, "092b06010401da470f01", b"")
    second = key(18, "0a2b060104019755010501", bytes.fromhex("03010807"))
    signature = bytes.fromhex("0413160a0038162104") + bytes(40)
    packets = [(5, first), (13, user), (2, signature), (7, second), (2, signature)]
    data = b"".join(bytes((0x80 | tag << 2, len(text))) + text for tag, text in packets)
    text = base64.encodebytes(data).rstrip() + b"\n=" + base64.b64encode(chance.randbytes(3))
    return (b"Version: " + version + b"\n\n" if version else b"") + text


@pytest.mark.parametrize(("kind", "form", "protection"), WAYS)
def test_a_known_key_is_not_found_in_another_of_its_format(
    kind: str, form: PrivateFormat, protection: KeySerializationEncryption
) -> None:
    one, other = pem(kind, form, protection), pem(kind, form, protection)
    for written in (one, body(one), json.dumps(one.decode()).encode()[1:-1], b"".join(body(one).split(b"\n"))):
        values = known(written)
        for text in (other, json.dumps(other.decode()).encode(), b"\n".join(other.split(b"\r\n"))):
            assert values.find(text) == []
        assert windows(written).edges


@pytest.mark.parametrize(("kind", "form", "protection"), WAYS)
def test_any_two_lines_of_a_key_are_found(
    kind: str, form: PrivateFormat, protection: KeySerializationEncryption
) -> None:
    key = body(pem(kind, form, protection)).partition(b"\n\n")[2] or body(pem(kind, form, protection))
    lines = key.splitlines()
    values = known(key)
    for at in range(len(lines) - 1):
        part = b"\n".join(lines[at : at + 2])
        assert values.find(b"x\n" + part + b"\nx") or len(part) < 100, at


@pytest.mark.parametrize("version", [b"", b"GnuPG v2"])
def test_keys_of_one_openpgp_user_are_told_apart(version: bytes) -> None:
    user = b"Some One with a Long Name <someone@mail.example>"
    one, other = (openpgp_key(seed, user=user, version=version) for seed in (1, 2))
    for written in (one, b"".join(one.split(b"\n"))):
        assert known(written).find(b"key:\n" + other) == []
        assert known(written).find(b"key:\n" + one)
        assert windows(written).edges


def test_tokens_with_the_same_header_are_told_apart() -> None:
    chance = random.Random(1)  # noqa: S311

    def part(size: int) -> str:
        return base64.urlsafe_b64encode(chance.randbytes(size)).decode().rstrip("=")

    head = base64.urlsafe_b64encode(b'{"alg":"RSA-OAEP-256","enc":"A256GCM","typ":"JWT"}').decode().rstrip("=")
    for sizes in ((60, 32), (256, 12, 90, 16), (0, 12, 90, 16)):
        one, other = (".".join([head, *map(part, sizes)]).encode() for _ in range(2))
        for before in (b"", b"Bearer "):
            assert known(before + one).find(b"token " + other) == []
            assert known(before + one).find(b"token " + one[-20:])


def test_objects_in_base64_with_the_same_names_are_told_apart() -> None:
    chance = random.Random(1)  # noqa: S311

    def token() -> bytes:
        key = base64.b64encode(chance.randbytes(24)).decode()
        return base64.b64encode(json.dumps({"k": key, "n": "a service account", "id": 1}).encode())

    one, other = token(), token()
    assert known(one).find(other) == []
    assert known(one).find(one[:40])


@given(st.binary(max_size=300))
def test_parts_lie_within_the_value_in_order(data: bytes) -> None:
    for start in (b"", b"\x30\x80", b"openssh-key-v1\0", b"\x95\x03\x98\4", b'{"'):
        value = base64.encodebytes(start + data)
        parts = own_parts(value) or []
        assert all(0 <= first < last <= len(value) for first, last in parts)


@given(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", min_size=16, max_size=400))
def test_windows_of_any_base64_have_their_size(text: str) -> None:
    assert all(end - start == WINDOW for spans in windows(text.encode()) for start, end in spans)


@pytest.mark.parametrize(("kind", "form", "protection"), WAYS)
def test_the_first_lines_of_a_key_are_told_from_another_of_its_format(
    kind: str, form: PrivateFormat, protection: KeySerializationEncryption
) -> None:
    one, other = (body(pem(kind, form, protection)) for _ in range(2))
    first = b"\n".join(one.splitlines()[:5])
    assert known(first).find(other) == []
    assert known(first).find(b"key: " + first)


def test_what_only_begins_like_a_key_is_told_from_another() -> None:
    chance = random.Random(6)  # noqa: S311
    one, other = (base64.b64encode(b"openssh-key-v1\0" + chance.randbytes(300)) for _ in range(2))
    assert known(one).find(other) == []
    assert known(one).find(one[40:60])


def test_fields_within_fields_without_end_are_no_key() -> None:
    assert own_parts(base64.b64encode(b"\x30\x82\xff\xff" * 5000)) is None


def test_a_random_value_that_begins_like_a_key_is_still_found_in_part() -> None:
    chance = random.Random(7)  # noqa: S311
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567abcdefghijklmnopqrstuvwxyz"
    for first in (b"MI", b"MO", b"lQ", b"lF", b"xV", b"ME"):
        for _ in range(300):
            value = first + bytes(chance.choices(alphabet, k=chance.randint(50, 90)))
            assert own_parts(value) is None, value
