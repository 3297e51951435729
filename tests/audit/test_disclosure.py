import base64
import hashlib
import json
import struct
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from tests.audit.recording import Home, ended, home, start_event, warned
from wrapper.audit import disclosure, entries, events, reader
from wrapper.audit import format as layout
from wrapper.audit.disclosure import Disclosure, disclose, encode, prove
from wrapper.audit.evidence import evidence
from wrapper.audit.format import TamperedError
from wrapper.audit.ledger import Ledger
from wrapper.audit.material import proof_material
from wrapper.audit.writer import Limits, SessionWriter
from wrapper.errors import AuditError


def _log(user: Home, records: int = 12, *, of_segment: int = 1 << 30) -> Path:
    """Write a session, three records under each signature, and one that is large enough to be compressed."""
    limits = Limits(size=of_segment, seconds=1e9)
    writer = SessionWriter(user.directory(), user.keys.load_recipients(), clock=lambda: 1_000.0, limits=limits)
    written = [
        start_event(),
        *(warned(f"number {number}") for number in range(records)),
        warned("wide " * 400),
        ended(),
    ]
    for number, event in enumerate(written):
        writer.append(events.encode(event))
        if number % 3 == 2:
            writer.sync()
    writer.close()
    return user.directory()


def _disclosed(user: Home, sequence: int, *, ledger: bool = False) -> Disclosure:
    material = proof_material(user.directory(), user.keys.load_identity(), sequence)
    return disclose(material, evidence(user.state / "ledger", material.header) if ledger else None)


def _in_ledger(user: Home) -> None:
    """Let a ledger know the session, among others."""
    header = proof_material(user.directory(), user.keys.load_identity(), 0).header
    ledger = Ledger(user.state / "ledger", clock=lambda: 990.0)
    for session, digest in (("s-0", "00" * 32), ("s-1", layout.header_hash(header).hex()), ("s-2", "11" * 32)):
        ledger.append(entries.Opened(at=999.0, session=session, segment=1, header=digest))


def _independent(data: bytes) -> bytes:
    """Check a file by docs/disclosure.md alone, and return the record. Raises whatever; compression is left out."""
    file = json.loads(data)
    raw, frame, previous, opening = (base64.b64decode(file[name]) for name in ("header", "frame", "previous", "key"))
    path, before_path = ([base64.b64decode(step) for step in file[name]] for name in ("path", "previous_path"))
    signatures = [base64.b64decode(text) for text in file["checkpoints"]]
    magic, version, length = struct.unpack(">8sHI", raw[:14])
    assert (magic, version, length) == (b"SAFEALOG", 2, len(raw) - 14)
    header, digest = json.loads(raw[14:]), hashlib.sha256(raw).digest()
    key, first = bytes.fromhex(header["verification_key"]), header["first"]
    before, covering, root = first - 1, first - 1, b""
    for epoch, signed in enumerate(signatures):
        size, kind, flags, of_epoch, sequence = struct.unpack(">IBBHQ", signed[:16])
        assert (size, flags, of_epoch, len(signed)) == (128, 0, epoch & 0xFFFF, 144)
        assert kind == 2 or (kind in (3, 4) and epoch == len(signatures) - 1)
        assert sequence > covering
        message = b"safe-agent alog v1 checkpoint\0" + digest + signed[:16] + signed[16:80]
        Ed25519PublicKey.from_public_bytes(key).verify(signed[80:], message)
        before, covering, root, key = covering, sequence, signed[16:48], signed[48:80]
        assert (kind == 3) == (key == bytes(32))
    size, kind, flags, of_epoch, number = struct.unpack(">IBBHQ", frame[:16])
    assert (size, kind, flags, of_epoch) == (len(frame) - 16, 1, 0, len(signatures) - 1 & 0xFFFF)
    assert before < number < covering
    index, leaves = number - first, covering - first
    assert _root(hashlib.sha256(b"\0" + frame).digest(), index, leaves, path) == root
    if index:
        assert _root(previous, index - 1, leaves, before_path) == root
    else:
        assert (previous, before_path) == (digest, [])
    return AESGCM(opening).decrypt(number.to_bytes(12, "big"), frame[16:], frame[:16] + previous)


def _root(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """Walk down as RFC 6962 splits, and up again with the path."""
    if size == 1:
        assert not path
        return leaf
    half = 1 << (size - 1).bit_length() - 1
    if index < half:
        return hashlib.sha256(b"\1" + _root(leaf, index, half, path[:-1]) + path[-1]).digest()
    return hashlib.sha256(b"\1" + path[-1] + _root(leaf, index - half, size - half, path[:-1])).digest()


@pytest.mark.parametrize("of_segment", [1 << 30, 1500])
def test_every_record_proves_as_what_the_log_holds(user: Home, of_segment: int) -> None:
    directory = _log(user, of_segment=of_segment)
    segments = set()
    for record in reader.read_records(directory, user.keys.load_identity()):
        proven = prove(encode(_disclosed(user, record.sequence)))
        assert (proven.session, proven.sequence, proven.event) == ("s-1", record.sequence, record.event)
        segments.add(proven.segment)
    assert len(segments) > 1 or of_segment > 1500


@pytest.mark.parametrize("of_segment", [1 << 30, 1500])
def test_an_independent_checker_agrees(user: Home, of_segment: int) -> None:
    directory = _log(user, of_segment=of_segment)
    for record in reader.read_records(directory, user.keys.load_identity()):
        disclosure = _disclosed(user, record.sequence)
        if disclosure.frame[5] == 0:  # not compressed
            assert _independent(encode(disclosure)) == events.encode(record.event)


def test_a_signature_and_what_is_not_there_cannot_be_disclosed(user: Home) -> None:
    _log(user)
    with pytest.raises(AuditError, match="frame 3 is a signature"):
        _disclosed(user, 3)
    with pytest.raises(AuditError, match="no record 99"):
        _disclosed(user, 99)


def test_with_a_ledger_it_proves_that_the_session_was_known_when_it_began(user: Home) -> None:
    _log(user)
    _in_ledger(user)
    proven = prove(encode(_disclosed(user, 5, ledger=True)))
    assert proven.ledger is not None
    assert proven.ledger.at == 999.0
    assert proven.ledger.key == (user.state / "ledger" / "note.pub").read_text().strip()


def test_a_ledger_that_does_not_know_the_session_gives_no_evidence(user: Home) -> None:
    _log(user)
    Ledger(user.state / "ledger").append(entries.Opened(at=1.0, session="s-1", segment=1, header="22" * 32))
    with pytest.raises(AuditError, match="no entry for this log"):
        _disclosed(user, 5, ledger=True)


def test_the_ledgers_word_for_another_log_is_refused(user: Home) -> None:
    _log(user)
    _in_ledger(user)
    known = _disclosed(user, 5, ledger=True)
    (user.state / "sessions" / "s-1").rename(user.state / "sessions" / "s-9")
    for path in (user.state / "sessions" / "s-9").iterdir():
        path.unlink()
    (user.state / "sessions" / "s-9").rmdir()
    _log(user)
    with pytest.raises(TamperedError, match="about another log"):
        prove(encode(msgspec.structs.replace(_disclosed(user, 5), ledger=known.ledger)))


def _is_refused(data: bytes) -> bool:
    try:
        prove(data)
    except AuditError:
        return True
    return False


def test_no_bit_of_a_file_can_be_flipped(user: Home) -> None:
    _log(user)
    _in_ledger(user)
    data = bytearray(encode(_disclosed(user, 5, ledger=True)))
    assert not _is_refused(bytes(data))
    for place in range(len(data) * 8):
        data[place // 8] ^= 1 << place % 8
        assert _is_refused(bytes(data)), f"bit {place % 8} of byte {place // 8}"
        data[place // 8] ^= 1 << place % 8


def test_no_file_that_was_cut_or_goes_on_is_accepted(user: Home) -> None:
    _log(user)
    data = encode(_disclosed(user, 5))
    assert all(_is_refused(data[:size]) for size in range(len(data)))
    assert _is_refused(data + b"\n")
    assert _is_refused(json.dumps(json.loads(data)).encode())


def test_nothing_of_another_record_fits(user: Home) -> None:
    """Each part is put in the place of the same part of another record, in the same epoch, another one, another log."""
    _log(user)
    whole = _disclosed(user, 5)
    others = [_disclosed(user, sequence) for sequence in (0, 4, 6, 9)]
    for other in others:
        for name in ("header", "frame", "previous", "key", "path", "previous_path", "checkpoints"):
            changed = msgspec.structs.replace(whole, **{name: getattr(other, name)})
            assert changed == whole or _is_refused(encode(changed)), name


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Disclosure:
    user = home(tmp_path_factory.mktemp("user"))
    _log(user)
    return _disclosed(user, 9)


_PARTS = ("header", "frame", "previous", "key")
_LISTS = ("path", "previous_path", "checkpoints")


@given(name=st.sampled_from(_PARTS), data=st.data())
def test_no_part_can_be_changed(whole: Disclosure, name: str, data: st.DataObject) -> None:
    part: bytes = getattr(whole, name)
    start = data.draw(st.integers(0, len(part)))
    end = data.draw(st.integers(start, len(part)))
    changed = part[:start] + data.draw(st.binary(max_size=40)) + part[end:]
    assert changed == part or _is_refused(encode(msgspec.structs.replace(whole, **{name: changed})))


@given(name=st.sampled_from(_LISTS), data=st.data())
def test_no_list_can_be_changed(whole: Disclosure, name: str, data: st.DataObject) -> None:
    part: list[bytes] = getattr(whole, name)
    pool = st.sampled_from([*part, b"", bytes(32), bytes(144)]) | st.binary(min_size=32, max_size=32)
    changed = data.draw(st.lists(pool, max_size=6) | st.permutations(part))
    assert changed == part or _is_refused(encode(msgspec.structs.replace(whole, **{name: changed})))


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_whatever_is_no_disclosure_is_refused(data: bytes) -> None:
    assert _is_refused(data)


def test_a_log_of_version_1_is_refused_by_who_makes_it_and_by_who_checks_it(whole: Disclosure, tmp_path: Path) -> None:
    vectors = Path(__file__).parent.parent / "vectors" / "audit-v1"
    session = next(path.parent for path in vectors.rglob("000001.alog"))
    identity = home(tmp_path).keys.load_identity()
    with pytest.raises(AuditError, match="version 1 has one key for many records"):
        proof_material(session, identity, 0)
    header = whole.header[:9] + b"\x01" + whole.header[10:]
    with pytest.raises(AuditError, match="version 1 has one key for many records"):
        prove(encode(msgspec.structs.replace(whole, header=header)))


def test_a_record_that_claims_to_unpack_to_gigabytes_is_refused(whole: Disclosure) -> None:
    data = encode(msgspec.structs.replace(whole, frame=whole.frame[:5] + b"\x01" + whole.frame[6:]))
    assert _is_refused(data)


def test_a_file_that_is_too_long_and_a_header_of_another_length_than_it_says_are_refused(
    whole: Disclosure, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TamperedError, match="the log's header is not as long as it says"):
        prove(encode(msgspec.structs.replace(whole, header=whole.header + b" ")))
    monkeypatch.setattr(disclosure, "_MAX_FILE", len(encode(whole)) - 1)
    with pytest.raises(AuditError, match="too large"):
        disclosure.decode(encode(whole))


def test_the_file_has_no_random_part(user: Home) -> None:
    _log(user)
    assert encode(_disclosed(user, 5)) == encode(_disclosed(user, 5))
