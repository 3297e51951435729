"""A checksum or a structure tells a token from what only looks like one."""

import base64
import binascii
import hashlib
import json
import time
import zlib
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors.checks import CHECKS, aws_account
from redactors.finding import Confidence
from redactors.rules.catalogue import expand

CERTAIN, LIKELY = Confidence.CERTAIN, Confidence.LIKELY


def encoded(text: str) -> bytes:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=")


@given(st.sampled_from(sorted(CHECKS)), st.binary(max_size=200))
def test_every_check_answers_for_any_bytes(name: str, value: bytes) -> None:
    assert CHECKS[name](value) in {CERTAIN, LIKELY, None}


def test_a_checksum_makes_a_token_certain_and_a_wrong_one_only_likely() -> None:
    good = expand(["gh", "p_{base62:30}{crc32}"]).encode()
    wrong = good[:-1] + (b"a" if good[-1:] != b"a" else b"b")
    assert CHECKS["crc32-base62"](good) is CERTAIN
    assert CHECKS["crc32-base62"](wrong) is LIKELY


@given(st.binary(min_size=32, max_size=32), st.integers(0, 57))
def test_the_checksum_of_a_seed_of_nats_makes_it_certain(seed: bytes, at: int) -> None:
    data = bytes((18 << 3 | 20 >> 2, 20 << 6 & 255)) + seed  # five bits each: `S`, then `U` for a user
    good = base64.b32encode(data + binascii.crc_hqx(data, 0).to_bytes(2, "little")).rstrip(b"=")
    assert good[:2] == b"SU"
    assert CHECKS["nkey-seed"](good) is CERTAIN
    other = b"A" if good[at : at + 1] != b"A" else b"Q"  # they differ in a bit that counts at any place
    assert CHECKS["nkey-seed"](good[:at] + other + good[at + 1 :]) is LIKELY


@pytest.mark.parametrize("pair", [b"user:pass", b"my_username:my_password", b"a:changeit"])
def test_what_every_example_encodes_is_no_basic_credential(pair: bytes) -> None:
    assert CHECKS["basic"](base64.b64encode(pair)) is None
    assert CHECKS["basic"](base64.b64encode(pair + b"12")) is CERTAIN


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3))
def test_a_jwt_names_its_algorithm(claims: dict[str, str]) -> None:
    payload, signature = encoded(json.dumps(claims)), b"." + b"s" * 43
    header = json.dumps({**claims, "alg": "HS256"})
    assert CHECKS["jwt"](encoded(header) + b"." + payload + signature) is CERTAIN
    assert CHECKS["jwt"](encoded(header) + b"." + payload + b".") is LIKELY
    assert CHECKS["jwt"](encoded('{"typ": "x"}') + b"." + payload + signature) is None


@pytest.mark.parametrize("left", [b"", b".", b".SflKx", b".qtzwbn", b".signature"])
def test_a_token_that_was_cut_in_its_signature_or_before_it_is_likely(left: bytes) -> None:
    token = encoded('{"alg":"HS256"}') + b"." + encoded('{"sub":"me"}')
    assert CHECKS["jwt"](token + left) is LIKELY


def test_the_last_part_of_a_slack_token_is_the_secret_one() -> None:
    numbers = "-511111111-31111111111-3111111111111"
    assert CHECKS["slack"](f"xoxa-2{numbers}-{expand('{hex:18}')}".encode()) is CERTAIN
    assert CHECKS["slack"](f"xoxp{numbers}-".encode()) is None
    assert CHECKS["slack"](f"xoxp{numbers}-xxxxxxxxxxxxxxxxxx".encode()) is None


def test_a_fine_grained_token_has_parts_of_22_and_59_characters() -> None:
    assert CHECKS["github-pat"](("github" + expand("_pat_{base62:22}_{base62:59}")).encode()) is CERTAIN
    assert CHECKS["github-pat"](("github" + expand("_pat_{base62:82}")).encode()) is LIKELY


@pytest.mark.parametrize("value", [b"AKIAIOSFODNN7EXAMPLE", b"AKIA1111111111111111"])
def test_a_key_id_of_documentation_is_none(value: bytes) -> None:
    assert CHECKS["aws-key-id"](value) is None


def test_a_key_id_of_aws_is_base32() -> None:
    assert CHECKS["aws-key-id"](expand(["AK", "IA{base32:16}"]).encode()) is CERTAIN
    assert CHECKS["aws-key-id"](expand(["AK", "IA0189{base32:12}"]).encode()) is LIKELY


def key_id(prefix: str, account: int, generation: int = 1) -> bytes:
    number = generation << 79 | account << 39 | 0x5A5A5A5A5A
    return prefix.encode() + base64.b32encode(number.to_bytes(10, "big"))


@given(st.integers(0, 999_999_999_999), st.sampled_from(["AK" + "IA", "AS" + "IA"]))
def test_a_key_id_tells_its_account(account: int, prefix: str) -> None:
    assert aws_account(key_id(prefix, account)) == account


def test_the_account_of_a_published_key_id_is_the_published_one() -> None:
    assert aws_account(b"AS" + b"IAY34FZKBOKMUTVV7A") == 609629065308


def test_key_ids_of_the_old_generation_and_of_other_kinds_tell_no_account() -> None:
    assert aws_account(key_id("AK" + "IA", 609629065308, generation=0)) is None
    assert aws_account(key_id("AR" + "OA", 609629065308)) is None
    assert aws_account(b"AK" + b"IA0189") is None


def test_a_key_id_whose_account_has_thirteen_digits_is_only_likely() -> None:
    assert CHECKS["aws-key-id"](key_id("AK" + "IA", 609629065308)) is CERTAIN
    assert CHECKS["aws-key-id"](key_id("AK" + "IA", 1_000_000_000_000)) is LIKELY
    assert CHECKS["aws-key-id"](key_id("AK" + "IA", 1_000_000_000_000, generation=0)) is CERTAIN


def routable(payload: bytes) -> bytes:
    checked = b"gl" + b"pat-" + payload + b"." + base36(len(payload), 2)
    return checked + base36(zlib.crc32(checked), 7)


def base36(number: int, size: int) -> bytes:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits.rjust(size, "0").encode()


@given(st.text("abcXYZ019_-", min_size=27, max_size=60))
def test_the_checksum_of_a_routable_token_makes_it_certain(payload: str) -> None:
    token = routable(payload.encode())
    assert CHECKS["gitlab"](token) is CERTAIN
    assert CHECKS["gitlab"](token[:-1] + (b"0" if token[-1:] != b"0" else b"1")) is LIKELY
    assert CHECKS["gitlab"](token.partition(b".")[0]) is CERTAIN


def test_a_key_of_stripe_has_24_characters_or_begins_with_its_account() -> None:
    for prefix in ("sk" + "_live_", "sk" + "_test_", "rk" + "_live_"):
        assert CHECKS["stripe"]((prefix + expand("{base62:24}")).encode()) is CERTAIN
        assert CHECKS["stripe"]((prefix + "51" + expand("{base62:97}")).encode()) is CERTAIN
        assert CHECKS["stripe"]((prefix + expand("{base62:30}")).encode()) is LIKELY


def test_a_token_of_discord_begins_with_the_number_of_a_user() -> None:
    rest = expand(".{base62:6}.{base62:38}").encode()
    assert CHECKS["discord"](encoded("968909167625934689") + rest) is CERTAIN
    assert CHECKS["discord"](encoded("8000000000000000000") + rest) is LIKELY, "made after 2039"
    assert CHECKS["discord"](encoded("0a8909167625934689") + rest) is LIKELY
    assert CHECKS["discord"](b"MTIz" * 6 + b"9" * 300 + rest) is LIKELY


def block(content: bytes, end: str = "\n", header: str = "") -> bytes:
    text = base64.b64encode(content).decode()
    return (header + end.join(text[at : at + 64] for at in range(0, len(text), 64))).encode()


NOISE = base64.b64decode(expand("{base64:400}"))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\\n", "\\\\r\\\\n"])
@pytest.mark.parametrize(
    "start",
    [
        b"\x30\x82\x04\xa4\x02\x01\x00\x02\x82\x01\x01\x00",
        b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70",
        b"\x30\x81\xec\x30\x57\x06\x09",
        b"\x30\x81\xf2\x06\x06\x67\x81\x05",
        b"openssh-key-v1\0\0\0\0\x04none",
        b"\x3f\x6f\xf9\xeb\0\0",
        b'{"kdf":{"name":"scrypt"',
        b"\x95\x03\x98\x04",
        b"\xc5\x03\x98\x04",
    ],
    ids=["pkcs1", "ed25519", "encrypted pkcs8", "tpm", "openssh", "ssh2", "cosign", "old pgp", "new pgp"],
)
def test_a_block_that_begins_as_a_key_does_is_certain(start: bytes, end: str) -> None:
    assert CHECKS["pem"](block(start + NOISE, end)) is CERTAIN
    assert CHECKS["pem"](block(start + NOISE, end, header=f"Version: GnuPG v2{end}{end}")) is CERTAIN


def test_a_block_that_begins_otherwise_is_certain_if_it_is_as_long_and_random_as_a_key() -> None:
    assert CHECKS["pem"](block(b"\x01\x02" + NOISE)) is CERTAIN
    assert CHECKS["pem"](block(b"\x01\x02" + NOISE[:40])) is LIKELY
    assert CHECKS["pem"](block(b"\x30\x82\x04\xa4\x0c\x01" + NOISE[:40])) is LIKELY, "no key begins with a text"
    assert CHECKS["pem"](block(b"\x30\xff" + NOISE[:40])) is LIKELY


def test_what_an_old_header_calls_encrypted_has_no_structure_and_is_certain() -> None:
    header = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0F0F\n\n"
    assert CHECKS["pem"](block(b"\x01\x02" + NOISE, header=header)) is CERTAIN


def test_a_token_may_stand_as_the_user_of_basic() -> None:
    alone = base64.b64encode(b"browser:")
    assert CHECKS["bare-secret"](alone) is None, "nothing else would find it"
    assert CHECKS["header"](alone) is LIKELY


def test_a_line_of_grep_behind_a_files_name_is_no_value() -> None:
    assert CHECKS["bare-secret"](b"15:import") is None
    assert CHECKS["bare-secret"](b"1507:x9Kd83kfD93kd") is None
    assert CHECKS["bare-password"](b"15:import") is None


def test_maven_writes_encrypted_passwords_in_braces() -> None:
    assert CHECKS["password-xml"](expand("{base64:40}").join("{}").encode()) is LIKELY
    assert CHECKS["password-xml"](b"${env.PASSWORD}") is None


def test_a_password_in_braces_may_hold_any_mark() -> None:
    assert CHECKS["odbc-password"](b"x}}y;9$Q") is LIKELY
    assert CHECKS["odbc-password"](b"XXXXXXXX") is None


@pytest.mark.parametrize("name", ["admin123", "secret99", "postgres12"])
def test_a_stock_word_with_a_number_may_be_a_real_password(name: str) -> None:
    assert CHECKS["url-password"](name.encode()) is LIKELY
    assert CHECKS["url-password"](name.rstrip("0123456789").encode()) is None


def test_what_stands_where_other_things_stand_too_must_be_strong() -> None:
    assert CHECKS["strong-password"](b"K7-uzLq9!x") is LIKELY
    assert CHECKS["strong-password"](b"src/App1.test") is None
    assert CHECKS["strong-password"](b"required") is None


def base58(data: bytes) -> bytes:
    """Spell bytes in Base58Check, without the zeros in front that no key has."""
    number = int.from_bytes(data + hashlib.sha256(hashlib.sha256(data).digest()).digest()[:4], "big")
    digits = b""
    while number:
        number, digit = divmod(number, 58)
        digits = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"[digit : digit + 1] + digits
    return digits


@given(st.binary(min_size=32, max_size=32), st.sampled_from((0x80, 0xEF, 0xB0, 0x9E, 0xCC)), st.integers(0, 50))
def test_only_its_checksum_makes_a_key_of_a_wallet(key: bytes, version: int, at: int) -> None:
    for good in (base58(bytes((version,)) + key), base58(bytes((version,)) + key + b"\1")):
        assert CHECKS["wif"](good) is CERTAIN
        wrong = good[:at] + (b"2" if good[at : at + 1] != b"2" else b"3") + good[at + 1 :]
        assert CHECKS["wif"](wrong) is None
        assert CHECKS["wif"](good + b"0") is None, "no digit of base58"


@given(st.binary(min_size=65, max_size=65))
def test_an_extended_key_without_its_checksum_is_only_likely(rest: bytes) -> None:
    good = base58(bytes.fromhex("0488ade4") + bytes(9) + rest)
    assert CHECKS["base58check"](good) is CERTAIN
    assert CHECKS["base58check"](good[:-1] + (b"2" if good[-1:] != b"2" else b"3")) is LIKELY


def test_an_answer_of_sasl_holds_a_user_and_a_password() -> None:
    assert CHECKS["sasl-plain"](base64.b64encode(b"\0me\0pw")) is CERTAIN
    assert CHECKS["sasl-plain"](base64.b64encode(b"role\0me\0pw")) is CERTAIN
    assert CHECKS["sasl-plain"](base64.b64encode(b"user=me\1auth=Bearer abc\1\1")) is CERTAIN
    for other in (b"me:pw", b"\0me\0", b"\0\0pw", b"a\0b", b"\0a\0b\0c"):
        assert CHECKS["sasl-plain"](base64.b64encode(other)) is None


def test_what_stands_farther_from_its_key_is_a_strong_password_or_a_random_key() -> None:
    assert CHECKS["strong-secret"](b"K7-uzLq9!x") is LIKELY
    assert CHECKS["strong-secret"](expand("{hex:48}").encode()) is LIKELY
    assert CHECKS["strong-secret"](b"some-name-of-code") is None
    assert CHECKS["strong-secret"](b"default_value2") is None


def deflated(text: bytes) -> bytes:
    return zlib.compress(text, wbits=-zlib.MAX_WBITS)


RESPONSE = (
    b'<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_8e8d"><saml:Assertion/></samlp:Response>'
)


def test_a_message_of_saml_is_xml_perhaps_deflated_and_quoted() -> None:
    for message in (RESPONSE, deflated(RESPONSE)):
        written = base64.b64encode(message)
        for one in (written, quote(written, safe="").encode(), written.rstrip(b"="), written[:80]):
            assert CHECKS["saml"](one) is CERTAIN
    assert CHECKS["saml"](base64.b64encode(RESPONSE.replace(b"Response", b"AuthnRequest"))) is None, "no secret yet"
    for other in (b"A" * 80, base64.b64encode(b"no markup at all, only a text of some length"), b"not=base64"):
        assert CHECKS["saml"](other) is None


def test_a_message_of_saml_is_inflated_only_so_far() -> None:
    bomb = base64.b64encode(deflated(b"<a>" + b" " * 50_000_000))
    started = time.process_time()
    assert CHECKS["saml"](bomb) is CERTAIN
    assert time.process_time() - started < 1


def test_a_passphrase_is_judged_by_its_words() -> None:
    assert CHECKS["passphrase"](b"orbit velvet cactus lantern") is LIKELY
    assert CHECKS["passphrase"](b"must be at least 8 letters") is None
