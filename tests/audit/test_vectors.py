"""The vectors in `tests/vectors/audit-v1/` and `audit-v2/`: logs written once, which every later version must read alike.

`read_as_documented` and `bodies_as_documented` are a second implementation, after `docs/audit-format.md` alone, on the
stock `age` and standard primitives: where it and the vectors agree, the document says enough.
"""

import hashlib
import hmac
import json
import os
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from wrapper.audit import reader, seal
from wrapper.audit.format import NoKeyError, TamperedError, TruncatedError
from wrapper.errors import AuditError
from wrapper.review.render import json_line

_FOLDERS = [Path(__file__).parents[1] / "vectors" / name for name in ("audit-v1", "audit-v2")]
_LISTED = [json.loads((folder / "vectors.json").read_text()) for folder in _FOLDERS]
_EXPECTED = {name: case for listed in _LISTED for name, case in listed["vectors"].items()}
_ERRORS: dict[str, type[AuditError]] = {
    "tampered": TamperedError,
    "truncated": TruncatedError,
    "unreadable": AuditError,
}


def _identity() -> seal.Identity:
    return seal.Identity(hashlib.sha256(_LISTED[0]["identity"].encode()).digest())


def _vector(name: str) -> Path:
    return _FOLDERS[name.startswith("v2")] / name


def _cases(*verdicts: str) -> list[str]:
    return [name for name, case in _EXPECTED.items() if case["verdict"] in verdicts]


def _sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _hmac(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, "sha256")


def _root(leaves: list[bytes]) -> bytes:
    if len(leaves) < 2:
        return leaves[0] if leaves else _sha(b"")
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return _sha(b"\x01" + _root(leaves[:split]) + _root(leaves[split:]))


@dataclass
class Documented:
    """What a reader carries from segment to segment, and what it has found."""

    records: list[bytes] = field(default_factory=list)
    frames: int = 0
    ended: int = 0
    root: str = ""
    verification: bytes = b""


def read_as_documented(found: Documented, key_file: bytes, log_key: bytes, data: bytes) -> None:
    """Read the next segment; fails an assertion where anything is not as documented."""
    magic, version, length = struct.unpack(">8sHI", data[:14])
    header = json.loads(data[14 : 14 + length])
    assert magic == b"SAFEALOG"
    assert header["key_file"] == _sha(key_file).hex()
    assert header["key_commitment"] == _sha(b"safe-agent alog v1 key commitment" + log_key).hex()
    verification = bytes.fromhex(header["verification_key"])
    if version == 2:
        assert (header["previous"], header["first"]) == (found.root, found.frames)
        assert found.verification in (b"", verification)
    header_hash = previous = _sha(data[: 14 + length])
    chain, secret = log_key, _hmac(log_key, b"safe-agent alog v2 epoch secret")
    place, epoch, leaves, ended = 14 + length, 0, [], 0  # type: ignore[var-annotated]
    while place < len(data):
        head = data[place : place + 16]
        size, kind, flags, modulo, sequence = struct.unpack(">IBBHQ", head)
        body = data[place + 16 : place + 16 + size]
        assert not ended
        assert (modulo, sequence) == (epoch % 65536, found.frames)
        if kind == 1:
            key = _hmac(chain, b"safe-agent alog v1 epoch key")
            if version == 2:
                key, secret = (
                    _hmac(secret, b"safe-agent alog v2 record key"),
                    _hmac(secret, b"safe-agent alog v2 next record"),
                )
            record = AESGCM(key).decrypt(bytes(4) + struct.pack(">Q", sequence), body, head + previous)
            assert flags in ((0,) if version == 1 else (0, 1))
            found.records.append(zstandard.decompress(record) if flags else record)
        else:
            root, named, signature = body[:32], body[32:64], body[64:]
            assert (root, flags) == (_root(leaves), 0)
            signed = b"safe-agent alog v1 checkpoint\0" + header_hash + head + root + named
            Ed25519PublicKey.from_public_bytes(verification).verify(signature, signed)
            verification, epoch, ended = named, epoch + 1, 0 if kind == 2 else kind
            chain = _hmac(chain, b"safe-agent alog v1 next epoch")
            secret = _hmac(chain, b"safe-agent alog v2 epoch secret")
        previous = _sha(b"\x00" + head + body)
        leaves.append(previous)
        found.frames += 1
        place += 16 + size
    found.root, found.verification, found.ended = _root(leaves).hex(), verification, ended


def bodies_as_documented(records: list[dict[str, Any]]) -> Iterator[bytes]:
    """Yield the bodies of the requests in full."""
    bodies: dict[int, bytes] = {}
    for record in records:
        if record["type"] == "request":
            body, base = record["body"], bodies.get(record.get("base", 0), b"")
            if record.get("base", 0):
                body = base[: record["prefix"]] + body + base[len(base) - record["suffix"] :]
            bodies[record["number"]] = body
            yield body


def _opened(folder: Path, name: str) -> tuple[bool, list[bytes]]:
    """Read a vector by the second implementation: whether it is sealed, and its records."""
    (folder / "identity").write_text(_identity().text() + "\n")
    found = Documented()
    for log in sorted(_vector(name).glob("*.alog")):
        key_file = log.with_suffix(".key.age")
        opened = subprocess.run(
            ["age", "-d", "-i", folder / "identity", key_file],
            capture_output=True,
            check=True,
            env={"PATH": os.defpath},
        )
        read_as_documented(found, key_file.read_bytes(), opened.stdout, log.read_bytes())
    return found.ended == 3, found.records


def _shown(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in _vector(name).with_suffix(".jsonl").read_text().splitlines()]


@pytest.mark.parametrize("name", _cases("sealed", "open"))
def test_a_second_implementation_reads_the_good_vectors(tmp_path: Path, name: str) -> None:
    sealed, records = _opened(tmp_path, name)
    assert sealed == (_EXPECTED[name]["verdict"] == "sealed")
    expected = _shown(name)
    assert [msgspec.msgpack.decode(record)["type"] for record in records] == [row["type"] for row in expected]
    assert [msgspec.msgpack.decode(record)["at"] for record in records] == [row["at"] for row in expected]


def test_a_second_implementation_puts_bodies_together(tmp_path: Path) -> None:
    _, records = _opened(tmp_path, "v1-wire")
    shown = [row["body"].encode() for row in _shown("v1-wire") if row["type"] == "request"]
    assert list(bodies_as_documented([msgspec.msgpack.decode(record) for record in records])) == shown
    assert sum(map(len, shown)) > 1.5 * sum(map(len, records))


@pytest.mark.parametrize("name", _cases("incomplete"))
def test_a_body_of_which_the_base_is_missing_does_not_hide_what_follows(name: str) -> None:
    case = _EXPECTED[name]
    assert reader.verify(_vector(name), _identity()).state is reader.State.SEALED
    lines = []
    with pytest.raises(AuditError) as raised:
        for record in reader.read_records(_vector(name), _identity()):
            lines.append(json_line(*record))
    assert raised.value.what == case["reason"]
    assert lines == _vector(name).with_suffix(".jsonl").read_text().splitlines()


@pytest.mark.parametrize("name", _cases("sealed", "open"))
def test_the_good_vectors_read_as_they_were_written(name: str) -> None:
    proven = reader.verify(_vector(name), _identity())
    case = _EXPECTED[name]
    assert (proven.state.value, proven.frames, proven.records) == (case["verdict"], case["frames"], case["records"])
    lines = [json_line(*record) for record in reader.read_records(_vector(name), _identity())]
    assert lines == _vector(name).with_suffix(".jsonl").read_text().splitlines()


@pytest.mark.parametrize("name", _cases("tampered", "truncated", "unreadable"))
def test_the_bad_vectors_fail_for_the_stated_reason(name: str) -> None:
    case = _EXPECTED[name]
    with pytest.raises(AuditError) as raised:
        reader.verify(_vector(name))
    assert type(raised.value) is _ERRORS[case["verdict"]]
    assert raised.value.what == case["reason"]


@pytest.mark.parametrize("name", _cases("shredded"))
def test_a_log_without_its_keys_verifies_and_cannot_be_read(name: str) -> None:
    assert reader.verify(_vector(name)).state is reader.State.SEALED
    with pytest.raises(NoKeyError, match="nobody can decrypt"):
        list(reader.read_records(_vector(name), _identity()))


def test_every_vector_on_disk_is_tested() -> None:
    assert {path.name for folder in _FOLDERS for path in folder.iterdir() if path.is_dir()} == set(_EXPECTED)
