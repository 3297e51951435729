import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wrapper.audit import bech32, seal
from wrapper.audit.format import NoKeyError
from wrapper.errors import AuditError

_OURS = seal.Identity.generate()
_SEALED = seal.encrypt([_OURS.recipient()], b"thirty-two bytes, as a log key..")


def _age(*arguments: str | Path, data: bytes = b"") -> bytes:
    done = subprocess.run(["age", *arguments], input=data, capture_output=True, check=True, env={"PATH": os.defpath})
    return done.stdout


def _identity_file(folder: Path, identity: seal.Identity) -> Path:
    path = folder / "identity"
    path.write_text(f"{identity.text()}\n")
    return path


@pytest.mark.parametrize("length", [0, 1, 32, 65535, 65536, 65537, 131072, 200000])
def test_the_stock_age_opens_what_is_sealed_here(tmp_path: Path, length: int) -> None:
    plaintext = os.urandom(length)
    sealed = seal.encrypt([seal.Identity.generate().recipient(), _OURS.recipient()], plaintext)
    assert _age("-d", "-i", _identity_file(tmp_path, _OURS), data=sealed) == plaintext


@pytest.mark.parametrize("length", [0, 1, 32, 65535, 65536, 65537, 131072, 200000])
def test_what_the_stock_age_sealed_opens_here(length: int) -> None:
    plaintext = os.urandom(length)
    other = seal.Identity.generate().recipient()
    assert seal.decrypt(_age("-r", other, "-r", _OURS.recipient(), data=plaintext), [_OURS]) == plaintext


def test_keys_of_age_keygen_are_read_and_give_the_same_recipient() -> None:
    made = subprocess.run(["age-keygen"], capture_output=True, text=True, check=True, env={"PATH": os.defpath}).stdout
    private = next(line for line in made.splitlines() if line.startswith("AGE-SECRET-KEY-1"))
    public = next(line for line in made.splitlines() if "public key" in line).rpartition(" ")[2]
    identity = seal.Identity.parse(private)
    assert (identity.text(), identity.recipient()) == (private, public)


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(NoKeyError):
        seal.decrypt(_SEALED, [seal.Identity.generate()])


@settings(max_examples=30)
@given(st.binary(max_size=300), st.integers(1, 4))
def test_each_recipient_opens_it(plaintext: bytes, count: int) -> None:
    identities = [seal.Identity.generate() for _ in range(count)]
    sealed = seal.encrypt([identity.recipient() for identity in identities], plaintext)
    assert all(seal.decrypt(sealed, [identity]) == plaintext for identity in identities)


@pytest.mark.parametrize("place", range(len(_SEALED)))
def test_no_byte_of_a_sealed_file_can_be_changed(place: int) -> None:
    changed = bytearray(_SEALED)
    changed[place] ^= 1 << place % 8
    with pytest.raises(AuditError):
        seal.decrypt(bytes(changed), [_OURS])


@pytest.mark.parametrize("length", range(len(_SEALED)))
def test_a_sealed_file_cut_anywhere_does_not_open(length: int) -> None:
    with pytest.raises(AuditError):
        seal.decrypt(_SEALED[:length], [_OURS])


@given(st.binary(max_size=400))
@example(b"age-encryption.org/v1\n---")
@example(b"age-encryption.org/v1\n-> X25519\n\n--- \n")
def test_any_other_bytes_raise_an_audit_error_and_nothing_else(data: bytes) -> None:
    with pytest.raises(AuditError):
        seal.decrypt(b"age-encryption.org/v1\n" + data, [_OURS])


def test_sealing_to_nobody_is_refused() -> None:
    with pytest.raises(AuditError, match="no recipient"):
        seal.encrypt([], b"x")


def test_a_point_of_low_order_is_no_recipient() -> None:
    with pytest.raises(AuditError, match="not a safe recipient"):
        seal.encrypt([bech32.encode("age", bytes(32))], b"x")


def test_an_identity_does_not_show_its_secret() -> None:
    assert _OURS.secret.hex() not in repr(_OURS)
    assert repr(_OURS.secret) not in repr(_OURS)


def test_a_mistyped_private_key_is_not_quoted() -> None:
    text = _OURS.text()
    wrong = text[:-1] + ("Q" if text[-1] != "Q" else "P")
    with pytest.raises(AuditError) as raised:
        seal.Identity.parse(wrong)
    assert wrong[20:40].lower() not in str(raised.value).lower()


@given(st.binary(max_size=80))
def test_bech32_comes_back_as_it_was(data: bytes) -> None:
    text = bech32.encode("age", data)
    assert bech32.decode(text) == bech32.decode(text.upper()) == ("age", data)


@pytest.mark.parametrize(
    "text", ["A12UEL5L", "an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1tt5tgs"]
)
def test_the_valid_strings_of_bip_173_are_read(text: str) -> None:
    assert bech32.decode(text)[1] == b""


@pytest.mark.parametrize(
    "text", ["", "1", "pzry9x0s0muk", "1pzry9x0s0muk", "x1b4n0q5v", "li1dgmt3", "A1G7SGD8", "A12uEL5L"]
)
def test_the_invalid_strings_of_bip_173_are_refused(text: str) -> None:
    with pytest.raises(AuditError):
        bech32.decode(text)


@given(st.text(max_size=60))
def test_any_text_is_bech32_or_an_audit_error(text: str) -> None:
    try:
        prefix, data = bech32.decode(text)
    except AuditError:
        return
    assert bech32.encode(prefix, data) == text.lower()
