import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.audit import format as layout
from wrapper.audit.format import TamperedError, TruncatedError
from wrapper.errors import AuditError

_HEADER = layout.LogHeader(
    session="s-1",
    segment=1,
    created=12.5,
    recipients=("age1abc",),
    key_file="0" * 64,
    key_commitment="1" * 64,
    verification_key="2" * 64,
)


def _root(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, as it is written there."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + _root(leaves[:split]) + _root(leaves[split:])).digest()


@given(st.integers(0, 300))
def test_the_growing_tree_has_the_root_that_rfc_6962_defines(count: int) -> None:
    leaves = [layout.leaf_hash(b"h", str(number).encode()) for number in range(count)]
    tree = layout.Tree()
    for leaf in leaves:
        tree.add(leaf)
    assert (tree.size, tree.root()) == (count, _root(leaves))


def test_the_tree_has_the_roots_published_with_certificate_transparency() -> None:
    # the test data of RFC 6962's reference implementation: leaves "" and 00, and their root
    tree = layout.Tree()
    tree.add(layout.leaf_hash(b"", b""))
    first = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"  # pragma: allowlist secret
    assert tree.root().hex() == first
    tree.add(layout.leaf_hash(b"", b"\x00"))
    both = "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"  # pragma: allowlist secret
    assert tree.root().hex() == both


def test_a_header_comes_back_as_it_was() -> None:
    data = layout.encode_header(_HEADER)
    length = layout.decode_prefix(data[: layout.PREFIX_SIZE])
    assert layout.decode_header(data[layout.PREFIX_SIZE :]) == _HEADER
    assert length == len(data) - layout.PREFIX_SIZE


def test_an_unknown_version_is_named() -> None:
    with pytest.raises(AuditError, match="format version 9"):
        layout.decode_prefix(b"SAFEALOG\x00\x09\x00\x00\x00\x10")


def test_another_file_is_not_a_log() -> None:
    with pytest.raises(TamperedError, match="not a safe-agent log"):
        layout.decode_prefix(b"%PDF-1.7 and more"[: layout.PREFIX_SIZE])


@pytest.mark.parametrize("length", range(layout.PREFIX_SIZE))
def test_a_prefix_cut_short_is_truncated(length: int) -> None:
    with pytest.raises(TruncatedError):
        layout.decode_prefix(layout.encode_header(_HEADER)[:length])


@given(st.binary())
def test_a_header_of_other_bytes_raises_tampered(text: bytes) -> None:
    with pytest.raises(TamperedError):
        layout.decode_header(text)


@pytest.mark.parametrize("session", ["", "../x", "a b", "x\x1b[2J", "a\n", "-x"])
def test_an_id_that_is_no_plain_name_is_refused(session: str) -> None:
    changed = layout.LogHeader(
        **{**{name: getattr(_HEADER, name) for name in _HEADER.__struct_fields__}, "session": session}
    )
    with pytest.raises(AuditError):
        layout.encode_header(changed)


@given(st.binary(min_size=16, max_size=16), st.integers(0, 1 << 20), st.integers(0, 1 << 20))
def test_a_frame_header_is_accepted_only_in_its_place(head: bytes, epoch: int, sequence: int) -> None:
    try:
        frame = layout.decode_frame_header(head, epoch, sequence)
    except TamperedError:
        return
    assert layout.encode_frame_header(frame.length, frame.kind, epoch, sequence) == head


def test_epoch_keys_differ_and_do_not_lead_back() -> None:
    ratchet = layout.Ratchet(b"k" * 32)
    keys = [ratchet.next_key() for _ in range(5)]
    later = layout.Ratchet(ratchet._chain)
    assert len({*keys, later.next_key()}) == 6


def test_nonces_of_one_log_never_repeat() -> None:
    assert len({layout.nonce(sequence) for sequence in (0, 1, 255, 256, 2**63)}) == 5
