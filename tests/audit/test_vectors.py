"""The vectors in `tests/vectors/audit-v1/`: logs written once, which every later version must read the same way.

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
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from wrapper.audit import reader, seal
from wrapper.audit.format import TamperedError, TruncatedError
from wrapper.errors import AuditError
from wrapper.review.render import json_line

_VECTORS = Path(__file__).parents[1] / "vectors" / "audit-v1"
_EXPECTED = json.loads((_VECTORS / "vectors.json").read_text())
_ERRORS: dict[str, type[AuditError]] = {
    "tampered": TamperedError,
    "truncated": TruncatedError,
    "unreadable": AuditError,
}


def _identity() -> seal.Identity:
    return seal.Identity(hashlib.sha256(_EXPECTED["identity"].encode()).digest())


def _cases(*verdicts: str) -> list[str]:
    return [name for name, case in _EXPECTED["vectors"].items() if case["verdict"] in verdicts]


def _sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _root(leaves: list[bytes]) -> bytes:
    if len(leaves) < 2:
        return leaves[0] if leaves else _sha(b"")
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return _sha(b"\x01" + _root(leaves[:split]) + _root(leaves[split:]))


def read_as_documented(key_file: bytes, log_key: bytes, data: bytes) -> tuple[bool, list[bytes]]:
    """Return whether the log is sealed, and its records; fails an assertion where anything is not as documented."""
    magic, version, length = struct.unpack(">8sHI", data[:14])
    header = json.loads(data[14 : 14 + length])
    assert (magic, version) == (b"SAFEALOG", 1)
    assert header["key_file"] == _sha(key_file).hex()
    assert header["key_commitment"] == _sha(b"safe-agent alog v1 key commitment" + log_key).hex()
    header_hash = previous = _sha(data[: 14 + length])
    chain, verification = log_key, bytes.fromhex(header["verification_key"])
    place, epoch, leaves, records, sealed = 14 + length, 0, [], [], False  # type: ignore[var-annotated]
    while place < len(data):
        head = data[place : place + 16]
        size, kind, flags, modulo, sequence = struct.unpack(">IBBHQ", head)
        body = data[place + 16 : place + 16 + size]
        assert not sealed
        assert (flags, modulo, sequence) == (0, epoch % 65536, len(leaves))
        if kind == 1:
            key = hmac.digest(chain, b"safe-agent alog v1 epoch key", "sha256")
            records.append(AESGCM(key).decrypt(bytes(4) + struct.pack(">Q", sequence), body, head + previous))
        else:
            root, named, signature = body[:32], body[32:64], body[64:]
            assert root == _root(leaves)
            signed = b"safe-agent alog v1 checkpoint\0" + header_hash + head + root + named
            Ed25519PublicKey.from_public_bytes(verification).verify(signature, signed)
            sealed, verification, epoch = kind == 3, named, epoch + 1
            chain = hmac.digest(chain, b"safe-agent alog v1 next epoch", "sha256")
        previous = _sha(b"\x00" + head + body)
        leaves.append(previous)
        place += 16 + size
    return sealed, records


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
    """Read a vector by the second implementation."""
    key_file = _VECTORS / name / "000001.key.age"
    (folder / "identity").write_text(_identity().text() + "\n")
    opened = subprocess.run(
        ["age", "-d", "-i", folder / "identity", key_file], capture_output=True, check=True, env={"PATH": os.defpath}
    )
    return read_as_documented(key_file.read_bytes(), opened.stdout, (_VECTORS / name / "000001.alog").read_bytes())


def _shown(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (_VECTORS / f"{name}.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("name", _cases("sealed", "open"))
def test_a_second_implementation_reads_the_good_vectors(tmp_path: Path, name: str) -> None:
    sealed, records = _opened(tmp_path, name)
    assert sealed == (_EXPECTED["vectors"][name]["verdict"] == "sealed")
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
    case = _EXPECTED["vectors"][name]
    assert reader.verify(_VECTORS / name, _identity()).state is reader.State.SEALED
    lines = []
    with pytest.raises(AuditError) as raised:
        for record in reader.read_records(_VECTORS / name, _identity()):
            lines.append(json_line(*record))
    assert raised.value.what == case["reason"]
    assert lines == (_VECTORS / f"{name}.jsonl").read_text().splitlines()


@pytest.mark.parametrize("name", _cases("sealed", "open"))
def test_the_good_vectors_read_as_they_were_written(name: str) -> None:
    proven = reader.verify(_VECTORS / name, _identity())
    case = _EXPECTED["vectors"][name]
    assert (proven.state.value, proven.frames, proven.records) == (case["verdict"], case["frames"], case["records"])
    lines = [json_line(*record) for record in reader.read_records(_VECTORS / name, _identity())]
    assert lines == (_VECTORS / f"{name}.jsonl").read_text().splitlines()


@pytest.mark.parametrize("name", _cases("tampered", "truncated", "unreadable"))
def test_the_bad_vectors_fail_for_the_stated_reason(name: str) -> None:
    case = _EXPECTED["vectors"][name]
    with pytest.raises(AuditError) as raised:
        reader.verify(_VECTORS / name)
    assert type(raised.value) is _ERRORS[case["verdict"]]
    assert raised.value.what == case["reason"]


def test_every_vector_on_disk_is_tested() -> None:
    on_disk = {path.name for path in _VECTORS.iterdir() if path.is_dir()}
    assert on_disk == set(_EXPECTED["vectors"])
