import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wrapper.audit import bech32, seal
from wrapper.audit.age import header
from wrapper.audit.age.faults import HeaderError
from wrapper.audit.age.header import Stanza
from wrapper.audit.age.hybrid import HybridIdentity
from wrapper.audit.age.kinds import kind, public_half
from wrapper.audit.format import NoKeyError
from wrapper.errors import AuditError

_OURS = HybridIdentity.generate()
_SEALED = seal.encrypt([_OURS.recipient()], b"content")


@settings(max_examples=20)
@given(st.binary(max_size=300))
def test_a_hybrid_key_opens_what_is_sealed_to_it(content: bytes) -> None:
    other = seal.Identity.generate()
    sealed = seal.encrypt([other.recipient(), _OURS.recipient()], content)
    assert seal.decrypt(sealed, [_OURS]) == seal.decrypt(sealed, [other]) == content


def test_another_hybrid_key_does_not_open_it() -> None:
    with pytest.raises(NoKeyError):
        seal.decrypt(_SEALED, [HybridIdentity.generate()])


def test_a_hybrid_key_is_read_as_it_was_written() -> None:
    assert HybridIdentity.parse(_OURS.text()) == _OURS
    assert HybridIdentity.parse(_OURS.text().lower()).recipient() == _OURS.recipient()
    assert (str(kind(_OURS.recipient())), len(public_half(_OURS.recipient()))) == ("hybrid", 1216)
    assert _OURS.secret.hex() not in repr(_OURS)


def test_a_classical_key_is_no_hybrid_key_and_the_other_way_round() -> None:
    with pytest.raises(AuditError):
        HybridIdentity.parse(seal.Identity.generate().text())
    with pytest.raises(AuditError):
        seal.Identity.parse(_OURS.text())


def test_a_recipient_with_a_point_of_low_order_or_no_key_at_all_is_not_sealed_to() -> None:
    public = public_half(_OURS.recipient())
    for broken in (public[:1184] + bytes(32), b"\xff" * 1184 + public[1184:]):
        with pytest.raises(AuditError, match="not a safe recipient"):
            seal.encrypt([bech32.encode("age1pq", broken)], b"x")
    with pytest.raises(AuditError, match="not an age recipient"):
        seal.encrypt([bech32.encode("age1pq", public[:-1])], b"x")


def test_an_encapsulated_key_with_a_point_of_low_order_is_damage_and_not_another_key() -> None:
    (stanza,) = header.parse(_SEALED).stanzas
    encapsulated = header.decode64(stanza.arguments[1])
    broken = Stanza((stanza.type, header.encode64(encapsulated[:-32] + bytes(32))), stanza.body)
    with pytest.raises(HeaderError, match="low order"):
        _OURS.unwrap([broken])
