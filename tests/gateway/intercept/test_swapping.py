"""Placeholders become values in the places that a rule allows, and nothing else changes."""

import base64
import json
from urllib.parse import parse_qsl, quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.intercept.exchanges import Pieces, asked, binding, cut, read
from wrapper.gateway.intercept.bindings import Binding
from wrapper.gateway.intercept.swapping import Swaps, swapped_body, swapped_head, swapped_stream
from wrapper.gateway.refusal import RefusedError

P = b"MASKED-GITHUB-TOKEN-7F3K9Q2X"
PREFIXED = b"ghp_" + P
OTHER = b"MASKED-OTHER-00000001"
V = b"ghp_" + b"Aa0" * 12
ODD = b'p&=%+ "\\\xc3\xa9\n#'
EVERYWHERE = ("header:authorization", "header:x-key", "basic", "query:key", "body")


def heads(target: str, *headers: tuple[bytes, bytes], bound: tuple[Binding, ...]) -> tuple[str, list[bytes], Swaps]:
    head, swaps = swapped_head(asked(target, *headers), bound)
    return head.target, [value for _, value in head.headers], swaps


@pytest.mark.parametrize("scheme", [b"", b"Bearer ", b"token ", b"token=", b"GitHub-Bearer x,"])
@pytest.mark.parametrize("placeholder", [P, PREFIXED])
def test_a_header_that_the_rule_names_gets_the_value(scheme: bytes, placeholder: bytes) -> None:
    _, values, swaps = heads(
        "/", (b"authorization", scheme + placeholder), bound=(binding(PREFIXED, V, "header:authorization"),)
    )
    assert values == [scheme + V]
    assert swaps == Swaps(used=("github",))


def test_basic_authentication_is_undone_and_made_again() -> None:
    bound = (binding(PREFIXED, V, "basic"),)
    for account, real in (
        (b"x-access-token:" + PREFIXED, b"x-access-token:" + V), (P + b":x-oauth-basic", V + b":x-oauth-basic"),
        (P + b":", V + b":"), (b":" + P, b":" + V),
    ):  # fmt: skip
        _, [value], swaps = heads("/", (b"authorization", b"Basic " + base64.b64encode(account)), bound=bound)
        assert base64.b64decode(value.removeprefix(b"Basic ")) == real
        assert swaps.used == ("github",)


@pytest.mark.parametrize("account", [b"user:x" + P, b"user:" + P + b"-", b"a" + P + b":x", b"user:pass"])
def test_an_account_that_only_holds_a_placeholder_stays(account: bytes) -> None:
    header = b"Basic " + base64.b64encode(account)
    assert heads("/", (b"authorization", header), bound=(binding(P, V, "basic", "header:authorization"),))[1] == [
        header
    ]


def test_a_basic_header_that_is_the_placeholder_itself_is_a_header() -> None:
    _, values, _ = heads("/", (b"authorization", b"Basic " + P), bound=(binding(P, b"dTpw", "header:authorization"),))
    assert values == [b"Basic dTpw"]


@pytest.mark.parametrize("value", [b"a\r\nx-evil: 1", b"a\n", b"\0", b"\x7f"])
def test_a_value_that_would_end_its_header_is_refused(value: bytes) -> None:
    with pytest.raises(RefusedError, match="github") as refused:
        heads("/", (b"authorization", P), bound=(binding(P, value, "header:authorization"),))
    assert value.decode() not in str(refused.value)


def test_a_parameter_that_the_rule_names_gets_the_value_and_no_other_byte_changes() -> None:
    bound = (binding(PREFIXED, ODD, "query:key"),)
    escaped = "".join(f"%{byte:02x}" for byte in P)
    for written in (P.decode(), PREFIXED.decode(), escaped, P.decode().replace("-", "%2D")):
        target, _, swaps = heads(f"/a%2fb?x=%zz&Key={written}&key=b.{written}.c&&y", bound=bound)
        assert target == f"/a%2fb?x=%zz&Key={quote(ODD, safe='')}&key=b.{quote(ODD, safe='')}.c&&y"
        assert swaps == Swaps(used=("github",))


def test_a_swapped_query_reads_as_the_value() -> None:
    target, _, _ = heads(f"/?key={P.decode()}&b=1", bound=(binding(P, ODD, "query:key"),))
    assert parse_qsl(target[2:]) == [("key", ODD.decode()), ("b", "1")]


def test_each_secret_goes_to_its_own_places() -> None:
    bound = (binding(P, b"one", "header:x-key"), binding(OTHER, b"two", "query:key", name="other"))
    both = P.decode() + "." + OTHER.decode()
    target, values, swaps = heads(f"/?key={both}", (b"x-key", both.encode()), bound=bound)
    assert target == f"/?key={P.decode()}.two"
    assert values == [b"one." + OTHER]
    assert set(swaps.used) == {"github", "other"}
    assert set(swaps.stayed) == {P.decode(), OTHER.decode()}


def test_of_two_rules_for_one_value_each_allows_its_place() -> None:
    bound = (binding(P, V, "header:x-key", name="a"), binding(P, V, "body", name="b"))
    assert heads("/", (b"x-key", P), bound=bound)[1:] == ([V], Swaps(("a",)))
    assert swapped_body(P, None, bound) == (V, Swaps(("b",)))


def test_crumbs_of_a_cookie_get_the_value_where_the_rule_names_cookies() -> None:
    crumbs = ((b"cookie", b"a=1"), (b"cookie", b"session=" + P))
    assert heads("/", *crumbs, bound=(binding(P, V, "header:cookie"),))[1] == [b"a=1", b"session=" + V]
    assert heads("/", *crumbs, bound=(binding(P, V, "header:authorization"),))[1] == [b"a=1", b"session=" + P]


WHOLE = [P + b"X", P + b"x", P + b"1", P + b"-ABCDEFGH", b"MASKED-A-" + P[7:], P[:-1], P.lower(), P[1:]]


@pytest.mark.parametrize("text", WHOLE)
def test_only_a_whole_placeholder_is_one(text: bytes) -> None:
    bound = (binding(P, V, *EVERYWHERE),)
    assert swapped_body(text, None, bound) == (text, Swaps())
    assert heads("/", (b"x-key", text), bound=bound)[1] == [text]


def test_a_head_without_bindings_or_placeholders_is_the_same() -> None:
    head = asked(f"/?key={P.decode()}", (b"authorization", P))
    assert swapped_head(head, ()) == (head, Swaps())
    bare = asked("/?key=1", (b"authorization", b"Basic !!"))
    assert swapped_head(bare, (binding(P, V, *EVERYWHERE),)) == (bare, Swaps())


def test_what_was_swapped_in_is_not_searched_again() -> None:
    bound = (binding(P, b"<" + OTHER + b">", *EVERYWHERE), binding(OTHER, V, *EVERYWHERE, name="other"))
    assert heads("/", (b"x-key", P), bound=bound)[1] == [b"<" + OTHER + b">"]
    assert swapped_body(P, None, bound)[0] == b"<" + OTHER + b">"


# Bodies.


def test_a_value_is_escaped_as_the_body_needs_it() -> None:
    bound = (binding(P, ODD, "body"),)
    document, _ = swapped_body(
        json.dumps({"token": P.decode(), "é": 1}).encode(), b"application/json; charset=utf-8", bound
    )
    assert json.loads(document)["token"] == ODD.decode()
    form, _ = swapped_body(
        b"a=%20&token=" + P.replace(b"-", b"%2d") + b"&b=+", b"application/x-www-form-urlencoded", bound
    )
    assert form == b"a=%20&token=" + quote(ODD, safe="").encode() + b"&b=+"
    part = b'--x\r\ncontent-disposition: form-data; name="t"\r\n\r\n' + P + b"\r\n--x--"
    assert swapped_body(part, b"multipart/form-data; boundary=x", bound)[0] == part.replace(P, ODD)


def test_a_value_that_is_no_text_does_not_go_into_json() -> None:
    with pytest.raises(RefusedError):
        swapped_body(b'"' + P + b'"', b"application/json", (binding(P, b"\xff", "body"),))


def test_a_body_that_the_rule_does_not_name_stays_and_is_told() -> None:
    assert swapped_body(P, None, (binding(P, V, "basic"),)) == (P, Swaps(stayed=(P.decode(),)))


def test_a_stream_that_no_rule_names_is_given_back() -> None:
    body = Pieces([P], len(P))
    assert swapped_stream(body, None, (binding(P, V, "basic"),), lambda _: None) is body


TYPES = st.sampled_from([b"application/json", b"application/x-www-form-urlencoded", b"text/plain", None])
BITS = st.sampled_from(
    [P, PREFIXED, OTHER, b"gh_" + OTHER, b"x_" + OTHER, b"ghp_", b"g", b"x_", b"MASKED-", b"MASK", b"%", b"%4", b"%2D",
     P.replace(b"-", b"%2d"), b"-", b"A", b"a", b" ", b"\n", b"&", b"=", b'"', b"7F3K9Q2X", b"\xc3\xa9", *WHOLE]
)  # fmt: skip
BOUND = (
    binding(PREFIXED, V, "body"),
    binding(b"x_" + OTHER, b"2", "body", name="2"),
    binding(b"MASKED-A-7F3K9Q2X", b"3", "basic"),
)


@given(st.lists(BITS, max_size=14), st.lists(st.integers(1, 60), min_size=1), TYPES)
def test_any_chunking_of_any_body_is_swapped_the_same(bits: list[bytes], sizes: list[int], media: bytes | None) -> None:
    text = b"".join(bits)
    told: list[Swaps] = []
    body = swapped_stream(Pieces(cut(text, sizes), len(text)), media, BOUND, told.append)
    whole, swaps = swapped_body(text, media, BOUND)
    assert body.length is None
    assert read(body) == whole
    assert told == [swaps]


@given(st.lists(st.sampled_from([P, PREFIXED, b" ", b"x=", b"\n", b","]), max_size=10))
def test_no_byte_but_those_of_placeholders_changes(bits: list[bytes]) -> None:
    spaced = b" ".join(bits)
    assert swapped_body(spaced, None, BOUND)[0] == spaced.replace(PREFIXED, P).replace(P, V)


@given(st.binary(max_size=80), st.lists(st.integers(1, 9), min_size=1))
def test_a_body_without_placeholders_passes_byte_for_byte(data: bytes, sizes: list[int]) -> None:
    assert (
        read(swapped_stream(Pieces(cut(data, sizes)), b"application/x-www-form-urlencoded", BOUND, lambda _: None))
        == data
    )


def test_trailers_pass_as_they_are() -> None:
    body = swapped_stream(Pieces([P], None, ((b"x-sum", P),)), None, BOUND, lambda _: None)
    read(body)
    assert body.trailers == ((b"x-sum", P),)
