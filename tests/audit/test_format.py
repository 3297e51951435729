import hashlib
import json
import struct

import msgspec
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

_PLAIN = msgspec.structs.replace(_HEADER, recipients=(), key_file="", key_commitment="")


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
    version, length = layout.decode_prefix(data[: layout.PREFIX_SIZE])
    assert layout.decode_header(data[layout.PREFIX_SIZE :], 2) == _HEADER
    assert (version, length) == (2, len(data) - layout.PREFIX_SIZE)


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


@given(st.binary(), st.sampled_from(layout.VERSIONS))
def test_a_header_of_other_bytes_raises_tampered(text: bytes, version: int) -> None:
    with pytest.raises(TamperedError):
        layout.decode_header(text, version)


@pytest.mark.parametrize("session", ["", "../x", "a b", "x\x1b[2J", "a\n", "-x"])
def test_an_id_that_is_no_plain_name_is_refused(session: str) -> None:
    changed = layout.LogHeader(
        **{**{name: getattr(_HEADER, name) for name in _HEADER.__struct_fields__}, "session": session}
    )
    with pytest.raises(AuditError):
        layout.encode_header(changed)


_RULES = [layout.rules(header, version) for header, version in ((_HEADER, 1), (_HEADER, 2), (_PLAIN, 2))]


@given(
    st.tuples(st.integers(0, 1 << 12), st.integers(0, 5), st.integers(0, 4), st.integers(0, 3), st.integers(0, 3)),
    st.integers(0, 3),
    st.integers(0, 3),
    st.sampled_from(_RULES),
)
def test_a_frame_header_is_accepted_only_in_its_place(
    fields: tuple[int, int, int, int, int], epoch: int, sequence: int, rules: layout.Rules
) -> None:
    head = struct.pack(">IBBHQ", *fields)
    try:
        frame = layout.decode_frame_header(head, epoch, sequence, rules)
    except TamperedError:
        return
    assert layout.encode_frame_header(frame.length, frame.kind, epoch, sequence, frame.flags) == head
    assert frame.kind in rules.kinds
    assert frame.flags in (rules.flags if frame.kind == layout.DATA else (0,))


@pytest.mark.parametrize(
    "changes",
    [
        {"recipients": ()},
        {"key_file": ""},
        {"key_commitment": ""},
        {"segment": 2},
        {"previous": "3" * 64},
        {"first": 1},
    ],
)
def test_a_header_that_contradicts_itself_is_refused(changes: dict[str, object]) -> None:
    fields = json.loads(layout.encode_header(_HEADER)[layout.PREFIX_SIZE :])
    with pytest.raises(TamperedError):
        layout.decode_header(json.dumps({**fields, **changes}).encode(), 2)


def test_a_log_of_version_1_has_one_segment_and_recipients() -> None:
    for header in (_PLAIN, msgspec.structs.replace(_HEADER, segment=2, previous="3" * 64, first=9)):
        text = layout.encode_header(header)[layout.PREFIX_SIZE :]
        assert layout.decode_header(text, 2) == header
        with pytest.raises(TamperedError):
            layout.decode_header(text, 1)


@given(st.text(max_size=14))
def test_only_the_name_of_a_segment_has_a_number(name: str) -> None:
    number = layout.segment_number(name)
    assert number == 0 or layout.segment_names(number)[1] == name


@given(st.integers(1, 10**7))
def test_a_segments_name_gives_its_number(number: int) -> None:
    assert layout.segment_number(layout.segment_names(number)[1]) == number


def test_nonces_of_one_log_never_repeat() -> None:
    assert len({layout.nonce(sequence) for sequence in (0, 1, 255, 256, 2**63)}) == 5
