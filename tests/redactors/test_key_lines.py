"""A private key is masked to its last line, whatever a tool writes before and behind each line; with or without its END."""

import json
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from redactors import Engine, KnownValues, Vault
from redactors.stream import StreamRedactor
from tests.compiled import load

PIECE = 16  # characters of a key that must not be left
WRAPS: dict[str, Callable[[int, str], str]] = {
    "nothing": lambda _, line: line,
    "indentation": lambda _, line: f"    {line}",
    "a diff": lambda _, line: f"+{line}",
    "a quotation": lambda _, line: f"> {line}",
    "a table": lambda _, line: f"| {line} |",
    "numbers and a tab": lambda number, line: f"{number:6}\t{line}",
    "numbers and an arrow": lambda number, line: f"{number:6}→{line}",
    "grep": lambda number, line: f"deploy/key.pem:{number}:{line}",
    "grep's context": lambda number, line: f"deploy/key.pem-{number}-{line}",
    "a comment": lambda _, line: f"# {line}",
    "a block comment": lambda _, line: f" * {line}",
    "blame": lambda number, line: f"^1fe313f (Ann Other 2026-11-22 11:00:00 +0000 {number:3}) {line}",
    "source code": lambda _, line: f'    "{line}\\n" +',
    "colours": lambda _, line: f"\x1b[32m+{line}\x1b[m",
}


@pytest.fixture(scope="module")
def engine() -> Engine:
    vault = Vault(b"k" * 32)
    return load(vault, KnownValues(vault))


def keys() -> dict[str, str]:
    locked: KeySerializationEncryption = BestAvailableEncryption(b"not a password of anybody")
    made: dict[str, tuple[PrivateKeyTypes, PrivateFormat, KeySerializationEncryption]] = {
        "PKCS#1": (rsa.generate_private_key(65537, 2048), PrivateFormat.TraditionalOpenSSL, NoEncryption()),
        "PKCS#8": (ec.generate_private_key(ec.SECP384R1()), PrivateFormat.PKCS8, NoEncryption()),
        "PKCS#8, encrypted": (rsa.generate_private_key(65537, 2048), PrivateFormat.PKCS8, locked),
        "RFC 1421, encrypted": (rsa.generate_private_key(65537, 2048), PrivateFormat.TraditionalOpenSSL, locked),
        "OpenSSH": (ed25519.Ed25519PrivateKey.generate(), PrivateFormat.OpenSSH, NoEncryption()),
    }
    return {name: key.private_bytes(Encoding.PEM, form, lock).decode() for name, (key, form, lock) in made.items()}


def left_of(lines: list[str], shown: bytes) -> list[str]:
    """Give the pieces of a key's body that are still there."""
    body = [line for line in lines[1:-1] if ":" not in line]
    pieces = (line[at : at + PIECE] for line in body for at in range(max(len(line) - PIECE, 0) + 1))
    return [piece for piece in pieces if len(piece) == PIECE and piece.encode() in shown]


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("kind", keys())
def test_nothing_of_a_key_is_left_whatever_stands_around_its_lines(engine: Engine, kind: str, wrap: str) -> None:
    lines = keys()[kind].splitlines()
    wrapped = [WRAPS[wrap](number, line) for number, line in enumerate(lines, 1)]
    text = "\n".join(["before it", *wrapped, "behind it", ""])
    for data in (text, json.dumps({"a": text}), json.dumps({"b": json.dumps([text], ensure_ascii=False)})):
        shown = engine.redact(data.encode()).data
        assert left_of(lines, shown) == []
        assert b"before it" in shown
        assert b"behind it" in shown
        if data is not text:
            json.loads(shown)


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("size", [1, 100, 4096])
def test_nothing_of_a_key_is_shown_in_a_stream(engine: Engine, wrap: str, size: int) -> None:
    lines = keys()["PKCS#1"].splitlines()
    wrapped = [WRAPS[wrap](number, line) for number, line in enumerate(lines, 1)]
    data = "\n".join(["before it", *wrapped, "behind it", ""]).encode()
    assert engine.known is not None
    stream = StreamRedactor(engine.known, engine.vault, engine=engine)
    shown = b"".join(stream.feed(data[at : at + size]) for at in range(0, len(data), size)) + stream.flush()
    assert left_of(lines, shown) == []
    assert b"behind it" in shown


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("missing", ["its END", "its BEGIN"])
def test_a_key_that_was_cut_is_masked_as_far_as_it_goes(engine: Engine, wrap: str, missing: str) -> None:
    lines = keys()["PKCS#1"].splitlines()
    kept = lines[:12] if missing == "its END" else lines[1:12]
    data = "\n".join(WRAPS[wrap](number, line) for number, line in enumerate(kept, 1)).encode()
    body = ["", *(line for line in kept if "-----" not in line), ""]
    assert left_of(body, engine.redact(data).data) == []


@pytest.mark.parametrize("width", [10, 15, 16, 40])
@pytest.mark.parametrize("sign", [" ", "\n"])
@pytest.mark.parametrize("end", [["its END"], []])
def test_a_key_in_short_pieces_is_masked_in_a_stream_too(engine: Engine, width: int, sign: str, end: list[str]) -> None:
    first, *lines, last = keys()["PKCS#1"].splitlines()
    body = "".join(lines)
    pieces = sign.join(body[at : at + width] for at in range(0, len(body), width))
    data = "\n".join((first, pieces, *(last for _ in end), "")).encode()
    assert engine.known is not None
    stream = StreamRedactor(engine.known, engine.vault, engine=engine)
    for shown in (engine.redact(data).data, stream.feed(data) + stream.flush()):
        left = b"".join(shown.split())
        assert left_of(["", body, ""], left) == []
