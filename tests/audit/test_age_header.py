"""Headers of age files as an attacker would write them: never anything but an AuditError."""

import base64
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wrapper.audit import seal
from wrapper.audit.age import armor, header, payload
from wrapper.audit.age.faults import ArmorError, HeaderError, PayloadError
from wrapper.audit.age.header import Stanza
from wrapper.audit.age.hybrid import HybridIdentity
from wrapper.audit.age.kinds import kind
from wrapper.audit.age.passphrase import Passphrase
from wrapper.audit.format import NoKeyError
from wrapper.errors import AuditError

_X25519 = seal.Identity.generate()
_HYBRID = HybridIdentity.generate()
_BOTH: list[seal.Opener] = [_X25519, _HYBRID]
_CONTENT = b"thirty-two bytes, as a log key.."
_SEALED = seal.encrypt([_X25519.recipient(), _HYBRID.recipient()], _CONTENT)
_PROTECTED = seal.protect(Passphrase("words", work=1), _CONTENT)
_END = header.parse(_SEALED).end

_arguments = st.lists(st.binary(min_size=1, max_size=20).map(base64.b16encode), min_size=1, max_size=4).map(tuple)
_stanzas = st.lists(st.builds(Stanza, _arguments, st.binary(max_size=200)), min_size=1, max_size=4)


@given(_stanzas, st.binary(min_size=32, max_size=32))
def test_a_header_is_read_as_it_was_written(stanzas: list[Stanza], mac: bytes) -> None:
    written = header.write(stanzas)
    parsed = header.parse(written + b" " + header.encode64(mac) + b"\nrest")
    assert parsed == (tuple(stanzas), written, mac, len(written) + 45)


@given(_stanzas, st.binary(max_size=20))
def test_stanzas_of_unknown_types_are_skipped(stanzas: list[Stanza], content: bytes) -> None:
    file_key = os.urandom(16)
    ours = header.parse(seal.encrypt([_X25519.recipient()], b"")).stanzas
    assert _X25519.unwrap([*stanzas, *ours, *stanzas]) == _X25519.unwrap(ours)
    assert _HYBRID.unwrap([*stanzas, *ours]) is None
    assert Passphrase("words").unwrap([*stanzas, *ours]) is None
    assert b"".join(payload.opened(file_key, payload.seal(file_key, content))) == content


@settings(max_examples=300)
@given(st.data())
def test_a_header_changed_anywhere_raises_an_audit_error_and_nothing_else(data: st.DataObject) -> None:
    file = data.draw(st.sampled_from([_SEALED, _PROTECTED]))
    start = data.draw(st.integers(0, min(_END, len(file))))
    stop = data.draw(st.integers(start, min(start + 80, len(file))))
    piece = data.draw(
        st.one_of(st.binary(max_size=8), st.sampled_from([b"\n", b"-> X25519 ", b"-> scrypt ", b"---", b" "]))
    )
    changed = file[:start] + piece + file[stop:]
    if changed == file:
        return
    with pytest.raises(AuditError):
        seal.decrypt(changed, [*_BOTH, Passphrase("words")])


@pytest.mark.parametrize("place", range(0, _END, 7))
def test_no_byte_of_a_header_with_a_hybrid_recipient_can_be_changed(place: int) -> None:
    changed = bytearray(_SEALED)
    changed[place] ^= 1 << place % 8
    for identity in _BOTH:
        with pytest.raises(AuditError):
            seal.decrypt(bytes(changed), [identity])


@given(st.lists(st.sampled_from([b"X25519", b"mlkem768x25519", b"scrypt", b"!", b"18", b"a" * 43, b"b" * 1494]), min_size=1, max_size=4), st.binary(max_size=40))  # fmt: skip
def test_malformed_recipients_of_our_own_kinds_raise_an_audit_error_and_nothing_else(
    arguments: list[bytes], body: bytes
) -> None:
    file = header.write([Stanza(tuple(arguments), body)]) + b" " + header.encode64(bytes(32)) + b"\n" + bytes(48)
    with pytest.raises(AuditError):
        seal.decrypt(file, [*_BOTH, Passphrase("words")])


@pytest.mark.parametrize("work", [b"0", b"023", b"23", b"64", b"-1", b"+5", b"1e1", b"99999999999", b""])
def test_a_passphrase_may_not_ask_for_more_work_than_a_reader_has(work: bytes) -> None:
    stanza = Stanza((b"scrypt", header.encode64(bytes(16)), work), bytes(32))
    with pytest.raises(HeaderError):
        Passphrase("words").unwrap([stanza])


def test_a_passphrase_beside_other_recipients_is_refused() -> None:
    first, second = (header.parse(one).stanzas for one in (_SEALED, _PROTECTED))
    file = header.write([*first, *second]) + b" " + header.encode64(bytes(32)) + b"\n" + bytes(48)
    with pytest.raises(HeaderError, match="beside other recipients"):
        seal.decrypt(file, _BOTH)


def test_a_passphrase_opens_what_it_protects_and_another_one_does_not() -> None:
    assert seal.decrypt(_PROTECTED, [Passphrase("words")]) == _CONTENT
    with pytest.raises(NoKeyError):
        seal.decrypt(_PROTECTED, [Passphrase("other words")])
    assert "words" not in repr(Passphrase("words"))


@pytest.mark.parametrize("length", [0, 1, 65535, 65536, 65537, 131072, 131073])
def test_a_payload_cut_at_a_border_of_chunks_gives_out_what_is_good_and_fails(length: int) -> None:
    content, key = os.urandom(length), os.urandom(16)
    sealed = payload.seal(key, content)
    assert b"".join(payload.opened(key, sealed)) == content
    given_out: list[bytes] = []
    with pytest.raises(PayloadError):
        given_out += payload.opened(key, sealed + b"x")
    assert content.startswith(b"".join(given_out))
    if length > 65536:
        chunks = payload.opened(key, sealed[: 16 + 65552])
        assert next(chunks) == content[:65536]
        with pytest.raises(PayloadError):
            next(chunks)


def _armored(data: bytes) -> bytes:
    text = base64.b64encode(data)
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return b"\n".join([b"-----BEGIN AGE ENCRYPTED FILE-----", *lines, b"-----END AGE ENCRYPTED FILE-----\n"])


@given(st.binary(max_size=300), st.text(" \t\r\n", max_size=5), st.sampled_from([b"\n", b"\r\n"]))
def test_armored_text_is_read_with_either_line_end_and_space_around_it(data: bytes, space: str, end: bytes) -> None:
    text = _armored(data)
    assert armor.decode(space.encode() + text.replace(b"\n", end) + space.encode()) == data
    assert armor.is_armored(space.encode() + text)


@given(st.binary(max_size=100), st.data())
def test_armored_text_changed_anywhere_is_refused_or_holds_something_else(data: bytes, drawn: st.DataObject) -> None:
    text = _armored(data).rstrip()
    place = drawn.draw(st.integers(0, len(text) - 1))
    changed = text[:place] + drawn.draw(st.binary(max_size=3)) + text[place + 1 :]
    try:
        decoded = armor.decode(changed)
    except ArmorError:
        return
    assert _armored(decoded).rstrip() == changed.strip().replace(b"\r\n", b"\n")


@given(st.text(max_size=60))
def test_any_text_is_a_recipient_or_an_audit_error(text: str) -> None:
    for recipient in (text, f"age1{text}", f"age1pq1{text}"):
        try:
            found = kind(recipient)
        except AuditError:
            continue
        assert str(found)


@pytest.mark.parametrize("identity", [_X25519, _HYBRID], ids=["x25519", "hybrid"])
def test_a_private_key_given_for_a_recipient_is_refused_and_never_quoted(
    identity: seal.Identity | HybridIdentity,
) -> None:
    for text in (identity.text(), identity.text().lower(), f" {identity.text()}x"):
        with pytest.raises(AuditError, match="private key") as raised:
            seal.encrypt([text], b"x")
        assert text[20:40] not in str(raised.value) + raised.value.hint
