"""What everybody may read is no secret, and what a generator made is one."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors import filters
from redactors.fillers import is_filler
from redactors.rules.catalogue import expand
from tests.redactors.drawing import BASE62, drawn

WORDS = tuple(
    """
    account address application array background builder button cache callback channel client collection
    column component connection container context controller counter customer database decoder default descriptor
    dialog directory document element encoder endpoint engine environment error event exception factory
    field filter folder format function gateway generator group handler header helper identifier
    image index input instance interface item iterator label language layer layout length
    library listener loader location manager mapping marker matcher member message method middleware
    model module monitor name network node notification number object observer operation option
    order output package page parameter parser password path pattern payload permission pipeline
    plugin pointer policy pool position prefix process processor product profile project property
    provider proxy query queue random reader record reference registry release report repository
    request resource response result role route router schema scope screen script search
    section segment select sender serializer server service session setting shape signal source
    stack state status storage store stream string structure style subject subscription summary
    symbol system table target task template test text thread timeout title token
    tracker transaction transform tree trigger tuple type update upload user utility validator
    value variable vector version view virtual visitor warning widget window worker wrapper
    writer zone
    """.split()  # noqa: SIM905  (a list of so many words is hard to read)
)
words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5)


@given(words, st.sampled_from(["snake", "kebab", "dotted", "camel", "pascal", "upper", "spaced"]))
def test_no_words_in_any_writing_are_a_secret(parts: list[str], writing: str) -> None:
    text = {
        "snake": "_".join(parts),
        "kebab": "-".join(parts),
        "dotted": ".".join(parts),
        "camel": parts[0] + "".join(part.title() for part in parts[1:]),
        "pascal": "".join(part.title() for part in parts),
        "upper": "_".join(parts).upper(),
        "spaced": " ".join(parts),
    }[writing].encode()
    assert not filters.can_be_secret(text)


@given(words, st.sampled_from(["_", "-", ".", " "]))
def test_no_words_are_a_password(parts: list[str], joint: str) -> None:
    titles = [part.title() for part in parts]
    for text in (joint.join(parts), joint.join(titles), "".join(titles)):
        assert not filters.can_be_password(text.encode())


def test_a_word_with_a_rare_pair_said_again_is_no_password() -> None:
    assert not filters.can_be_password(b"ProxyProxyProxy")


@pytest.mark.parametrize("value", [b"qzvkxwtbnj", b"RkjxqNoIsvQtqw", b"xq" * 3 + b"vkzjbd"])
def test_letters_that_nobody_can_spell_may_be_a_password(value: bytes) -> None:
    assert filters.can_be_password(value)


@pytest.mark.parametrize("size", [24, 32, 40, 64])
def test_of_a_thousand_values_that_a_generator_drew_hardly_one_is_missed(size: int) -> None:
    values = [drawn(BASE62, size, seed) for seed in range(1000)]
    assert sum(not filters.can_be_secret(value) for value in values) <= 5
    assert sum(filters.is_example(value) or is_filler(value) for value in values) <= 2


@pytest.mark.parametrize(
    "value",
    [
        b"your-api-key-here",
        b"xxxxxxxxxxxxxxxxxxxx",
        b"changeme",
        b"<token>",
        b"${TOKEN}",
        b"AAAAAAAAAAAAAAAAAAAAAAAA",
        b"abababababababab",
        b"live_000000000000000000000000",
        b"MASKED-GITHUB-TOKEN-0123ABCD",
    ],
)
def test_what_documentation_writes_in_the_place_of_a_value_is_an_example(value: bytes) -> None:
    assert filters.is_example(value)


@pytest.mark.parametrize(
    "value",
    [
        b"abcdefghijklmnopqrstuvwxyz123456",
        b"1234567890abcdef1234567890abcdef",
        b"a1b2c3d4e5f6g7h8i9j0",
        b"Aa1Bb2Cc3Dd4Ee5Ff6Gg7H",
    ],
)
def test_characters_in_a_row_are_filler_but_no_example(value: bytes) -> None:
    assert is_filler(value)
    assert not filters.is_example(value)


@pytest.mark.parametrize(
    "value",
    [
        b"3fa85f64-5717-4562-b3fc-2c963f66afa6",
        b"sk_0b9b5db6-fabc-49d0-b68f-13343bb4f70",
        b"12345:Avrlk5adalxsldxjwnv1ksdkxz722u5lydi",
        b"/run/secrets/token1",
        b"os.environ.get",
        b"https://a.test/b1c2d3",
        b"//a.test/html/rfc6749#section-12.2",
        b":py:data:`x509`",
        b"pk_" + b"live_" + b"0q" * 12,
        b"SB-Mid-client-" + b"0q" * 8,
        b"2024-11-21T10:00:00",
        b"v1.2.3-rc4",
        b"{{ secrets.TOKEN }}",
        b"sha256:" + b"0f" * 32,
    ],
)
def test_what_only_its_key_makes_suspicious_is_plain(value: bytes) -> None:
    assert filters.is_plain(value)


def test_a_row_of_underscores_within_a_token_is_no_placeholder() -> None:
    assert not filters.is_example(b"HRKU-" + b"AAk3_____w4_hLr" + b"AymQ8vT2x")
    assert filters.is_example(b"key_______")
    assert filters.is_example(b"-_____-")


@pytest.mark.parametrize(
    "value",
    [
        b"jjwt-jackson-0.11.2",
        b"left_pad@1.3.0",
        b"worker_01hx5c9k2f3b7d8e9g0hjkmnpq",
        b"run_step_01HX5C9K2F3B7D8E9G0HJKMNPQ",
        b"cmp2-qat-1208358310",
        b"build-agent-0042",
        b"key_KH1V87o2X2GW",
        b"cus_9s6XKzkNRiz8i3",
    ],
)
def test_the_name_of_a_thing_is_no_generated_key(value: bytes) -> None:
    assert not filters.can_be_secret(value)


@pytest.mark.parametrize(
    "value",
    [
        b"sk_01hx5c9k2f3b7d8e9g0hjkmnpq",
        b"worker_91hx5c9k2f3b7d8e9g0hjkmnpq",
        b"sk_KH1V87o2X2GW",
        b"rk_KH1V87o2X2GW",
        b"key_KH1V87o2X2GWq7Lp",
    ],
)
def test_what_says_that_it_is_a_secret_may_be_one(value: bytes) -> None:
    assert filters.can_be_secret(value)


@pytest.mark.parametrize("word", ["xxxx", "EXAMPLE", "changeMe", "Redacted", "placeholder", "replacewith", "dummy"])
def test_a_word_of_documentation_is_seen_with_marks_around_it_and_without(word: str) -> None:
    for mark in ("", "-"):
        assert filters.is_example(f"q7{mark}{word}{mark}w9".encode())


def test_a_secret_glued_to_a_placeholder_is_no_example() -> None:
    for glued in ("masked-" + expand("{base62:24}-{base62:8}"), "MASKED-KEY-0123ABCD" + expand("{base62:20}")):
        assert not filters.is_example(glued.encode())


@given(st.binary(min_size=1, max_size=64), st.floats(0, 6))
def test_a_bound_of_entropy_is_kept(value: bytes, bound: float) -> None:
    exact = filters.entropy(value)
    if abs(exact - bound) > 1e-9:
        assert filters.has_entropy(value, bound) == (exact > bound)


@given(st.binary(max_size=9), st.sampled_from([b"aaaaaa", b"abababab", b"abcabcabc"]), st.binary(max_size=3))
def test_what_stands_there_again_and_again_is_an_example_whatever_is_around(
    before: bytes, run: bytes, after: bytes
) -> None:
    assert filters.is_example(before + run + after)


@pytest.mark.parametrize("value", [b"gzcSjWVsplWyQTxV", b"a1", b"yqDVtkqPECriaLRi"])
def test_letters_in_both_cases_or_with_digits_are_mixed(value: bytes) -> None:
    assert filters.is_mixed(value)


@given(words)
def test_names_in_camel_case_are_not_mixed(parts: list[str]) -> None:
    assert not filters.is_mixed((parts[0] + "".join(part.title() for part in parts[1:])).encode())


@given(st.binary(max_size=300))
def test_any_bytes_can_be_judged(value: bytes) -> None:
    for ask in (filters.is_example, is_filler, filters.is_plain, filters.is_mixed, filters.can_be_secret):
        assert ask(value) in {True, False}


@pytest.mark.parametrize(
    "value", [b"gss_krb5_rfc1964_keydata", b"PKCS8_PRIV_KEY_INFO", b"Ed25519PublicKey", b"userToken2"]
)
def test_names_of_source_code_are_identifiers(value: bytes) -> None:
    assert filters.is_identifier(value)


def test_letters_that_change_case_at_every_second_place_are_no_identifier() -> None:
    assert not filters.is_identifier(b"WroqqsLqYXBygWdRmoFyEJUh")


@pytest.mark.parametrize("value", [b"gR7$n8aB5k*h0f", b"kX9!50DjqG*nLq", b"a$G8pSH4%7J5"])
def test_a_password_with_a_dollar_sign_is_no_template(value: bytes) -> None:
    assert not filters.is_template(value)


@pytest.mark.parametrize("value", [b"-$NAME-", b"pre-$someName-x", b"a$(cmd)b", b"x-$user_name", b"$n8aB5k"])
def test_text_that_something_is_put_into_is_a_template(value: bytes) -> None:
    assert filters.is_template(value)


@given(st.text(string.ascii_letters + string.digits + "!@#$%^&*(-_=+)", min_size=50, max_size=50))
def test_what_is_dense_has_characters_of_all_kinds(value: str) -> None:
    if filters.is_dense(value.encode()):
        assert any(one.islower() for one in value)
        assert any(one.isupper() for one in value)
        assert any(one.isdigit() for one in value)
        assert any(not one.isalnum() for one in value)


@pytest.mark.parametrize("value", [b"load(first, Second2)[0]", b"<div class='Row2 wide'>", b"std::vector<Item3>&", b""])
def test_code_and_markup_are_not_dense(value: bytes) -> None:
    assert not filters.is_dense(value)


@pytest.mark.parametrize(
    "value",
    [b"asn1Spec=_PKCS8_SPEC", b"ssl_version=ssl.PROTOCOL_SSLv23", b"urn:uuid:0b1c2d3e", b"T1552.004",
     b"us-east-1:012345678901:secret:Name7"],
)  # fmt: skip
def test_what_code_and_lists_hold_behind_a_telling_name_is_plain(value: bytes) -> None:
    assert filters.is_plain(value)


@pytest.mark.parametrize("value", [b"tr0ub4dor=Horse7", b"hunter2=Horse9", b"k9.55x.77q", b"us-east-1:kX92mmQ"])
def test_a_password_with_the_marks_of_code_is_not_plain(value: bytes) -> None:
    assert not filters.is_plain(value)


@pytest.mark.parametrize("value", [b"K7-uzLq9!x", b"Tr9#pQ2vLm", b"aB3dEfGh9k"])
def test_three_kinds_of_characters_in_no_words_are_strong(value: bytes) -> None:
    assert filters.is_strong(value)


@pytest.mark.parametrize(
    "value",
    [
        b"src/App1.test",
        b"TestParse::Case1",
        b"base64-encoded",
        b"127.0.0.1:8080",
        b"app1.Test.js",
        b"abcdefgh",
        b"Ab-cdEf!",
    ],
)
def test_paths_tests_hosts_and_words_are_not_strong(value: bytes) -> None:
    assert not filters.is_strong(value)


@pytest.mark.parametrize("value", [b"XXH3_kSecret", b"kXxh3Secrets", b"rsa_2048_key", b"my_2nd_token"])
def test_a_name_that_ends_with_what_it_holds_is_named_so(value: bytes) -> None:
    assert filters.is_named_so(value)


@pytest.mark.parametrize("value", [b"secret_H9ZGTfAERfN5W0AX", b"Tr0ub4dorkey", b"9f8e7d6c5b_key!", b"key"])
def test_a_token_that_begins_with_what_it_is_is_not_named_so(value: bytes) -> None:
    assert not filters.is_named_so(value)


@pytest.mark.parametrize(
    "value", [b"_mm512_loadu_si512", b"math.MaxInt32-16", b"KeySpec.RSA_2048:", b"npm-11.19.1.tgz", b"v1.0-rc.1"]
)
def test_names_sums_packages_and_versions_are_no_secret(value: bytes) -> None:
    assert filters.is_plain(value) or filters.is_identifier(value)


def test_a_token_that_begins_as_a_version_does_is_no_version() -> None:
    assert not filters.is_plain(expand("v1.0-{hex:64}").encode())


@pytest.mark.parametrize("alphabet", [string.ascii_lowercase + string.digits, string.ascii_uppercase + string.digits])
def test_values_of_one_case_are_as_random_as_they_can_be(alphabet: str) -> None:
    values = [drawn(alphabet, 40, seed) for seed in range(1000)]
    assert sum(map(filters.is_random, values)) > 970


def test_a_long_value_of_a_manual_says_so_in_capitals() -> None:
    long = expand("{base64:400}")
    assert filters.can_be_secret(long.encode())
    assert not filters.can_be_secret((long[:99] + "EXAMPLE" + long[99:]).encode())
