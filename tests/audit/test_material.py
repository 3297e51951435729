import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.audit.recording import Home, warned
from wrapper.audit import events
from wrapper.audit import format as layout
from wrapper.audit.material import proof_material
from wrapper.audit.writer import Limits, SessionWriter
from wrapper.errors import AuditError


def _tree(leaves: list[bytes]) -> bytes:
    tree = layout.Tree()
    for leaf in leaves:
        tree.add(leaf)
    return tree.root()


def _written(user: Home, count: int, limits: Limits) -> None:
    writer = SessionWriter(user.directory(), user.keys.load_recipients(), limits=limits)
    for number in range(count):
        writer.append(events.encode(warned(f"record {number}")))
        if number % 3 == 0:
            writer.sync()
    writer.close()


def test_a_records_key_opens_it_in_whatever_segment_it_stands(user: Home) -> None:
    _written(user, 60, Limits(size=3_000))
    found = 0
    for sequence in range(200):
        try:
            material = proof_material(user.directory(), user.keys.load_identity(), sequence)
        except AuditError as error:
            assert "is a signature" in error.what or "no record" in error.what
            continue
        nonce = layout.nonce(sequence)
        record = AESGCM(material.record_key).decrypt(nonce, material.body, material.head + material.previous)
        assert msgspec.msgpack.decode(record)["text"] == f"record {found}"
        assert layout.leaf_hash(material.head, material.body) in material.leaves
        _, covering = material.checkpoints[-1]
        assert covering[:32] == _tree(material.leaves[:-1])
        header = layout.decode_header(material.header[layout.PREFIX_SIZE :], layout.VERSION)
        assert header.session == "s-1"
        assert (len(material.leaves) + header.first) > sequence
        found += 1
    assert found == 60


def test_a_record_that_no_signature_covers_is_refused(user: Home) -> None:
    writer = SessionWriter(user.directory(), user.keys.load_recipients())
    writer.append(events.encode(warned("x")))
    writer._segment.flush()
    with pytest.raises(AuditError, match="not signed yet"):
        proof_material(user.directory(), user.keys.load_identity(), 0)
    writer.close()
