import json
from base64 import b64encode
from urllib.parse import quote

import pytest

from redactors import KnownValues, Origin, Vault
from tests.gateway.wire import MASKING_KEY, engine, forge_token
from wrapper.gateway.outgoing import Outgoing, recorded, redact_request

SECRET = b"correct horse/battery&staple"
TOKEN = forge_token("Zk3vQ8sLw0pXr5Ty7Nb2Mc9Dd4Ff6G")
HOST = [(b"Host", b"inside")]


class Desk:
    """An engine that knows one value, and what it makes of requests."""

    def __init__(self) -> None:
        self.vault = Vault(MASKING_KEY)
        self.known = KnownValues(self.vault)
        assert self.known.add("PASSWORD", SECRET, Origin.OUTSIDE)
        self.placeholder = self.vault.issue("PASSWORD", SECRET, Origin.OUTSIDE)
        self.engine = engine(self.vault, self.known)

    def out(self, target: bytes = b"/", headers: list[tuple[bytes, bytes]] = HOST, body: bytes = b"") -> Outgoing:
        return redact_request(target, headers, body, self.engine)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_bytes_outside_the_replaced_spans_stay_as_they_were(desk: Desk) -> None:
    body = b'{ "b" : 1.50,\t"a":"\\u00e9 %s", "b": 2 }\n' % SECRET
    assert desk.out(body=body).body == body.replace(SECRET, desk.placeholder.encode())


def test_a_clean_request_leaves_as_it_came(desk: Desk) -> None:
    target = b"/v1/messages?beta=true&x=%C3%A9+y"
    headers = [(b"anthropic-version", b"2023-06-01"), (b"X-Request-Id", b"0193d5c2-aa11-7f00-b2f1-2f39a1f4d0aa")]
    out = desk.out(target, headers, b'{"model":"m"}')
    assert out.target == target.decode()
    assert out.headers == (("anthropic-version", "2023-06-01"), ("X-Request-Id", headers[1][1].decode()))
    assert (out.body, out.masked) == (b'{"model":"m"}', ())


@pytest.mark.parametrize(
    "written",
    [
        quote(SECRET, safe="").encode(),
        quote(quote(SECRET, safe=""), safe="").encode(),
        b"".join(b"%%%02x" % byte for byte in SECRET),
        quote(SECRET, safe="").replace("%20", "+").encode(),
        b"co%72rect%20horse%2fbattery%26staple",
        b64encode(SECRET),
        SECRET.hex().encode(),
    ],
)
def test_a_secret_in_the_target_is_replaced_however_it_is_written(desk: Desk, written: bytes) -> None:
    out = desk.out(b"/v1/files/" + written + b"/x?q=" + written + b"&z=1")
    assert out.target.count(desk.placeholder) == 2
    assert out.target.endswith("&z=1")
    assert "horse" not in out.target
    assert {note.where for note in out.masked} == {" url"}


def test_an_issuers_token_hidden_by_percent_encoding_is_replaced(desk: Desk) -> None:
    out = desk.out(b"/x?t=" + TOKEN.replace(b"_", b"%5F"))
    assert "MASKED-" in out.target
    assert TOKEN[4:].decode() not in out.target


def test_a_secret_in_a_header_is_replaced_and_one_in_its_name_drops_it(desk: Desk) -> None:
    out = desk.out(headers=[(b"X-Note", b"it is " + SECRET), (TOKEN, b"1"), (b"X-Other", b"2")])
    assert out.headers == (("X-Note", f"it is {desk.placeholder}"), ("X-Other", "2"))
    assert {note.where for note in out.masked} == {" header x-note", " header"}


def test_headers_of_this_hop_and_credentials_do_not_go_on(desk: Desk) -> None:
    names = [
        "Connection", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Proxy-Connection", "Host",
        "Content-Length", "Content-Encoding", "Accept-Encoding", "Expect", "X-Api-Key", "Authorization",
        "Proxy-Authorization", "Api-Key", "X-Hop",
    ]  # fmt: skip
    headers = [(name.encode(), b"X-Hop" if name == "Connection" else b"v") for name in names]
    assert desk.out(headers=[*headers, (b"X-Kept", b"1")]).headers == (("X-Kept", "1"),)


def test_the_log_holds_no_credential_header() -> None:
    headers = [("X-Api-Key", "k"), ("AUTHORIZATION", "k"), ("Cookie", "k"), ("Set-Cookie", "k"), ("X-Kept", "1")]
    assert recorded(headers) == {"x-kept": "1"}


def test_json_is_read_as_json_whatever_its_type_says(desk: Desk) -> None:
    body = json.dumps({"a": SECRET.decode(), "n": 1}).encode()
    out = desk.out(headers=[(b"Content-Type", b"image/png")], body=body)
    assert json.loads(out.body) == {"a": desk.placeholder, "n": 1}


@pytest.mark.parametrize("body", [b'{"a": "%s', b"\xff\xfe%s", b"[" * 100_000 + b"%s", b'{"thinking": "%s'])
def test_what_says_json_and_is_none_is_searched_as_bytes(desk: Desk, body: bytes) -> None:
    out = desk.out(headers=[(b"Content-Type", b"application/json")], body=body.replace(b"%s", SECRET + b" " + TOKEN))
    assert SECRET not in out.body
    assert TOKEN not in out.body


def test_one_note_stands_for_all_places_of_one_value(desk: Desk) -> None:
    [note] = desk.out(body=b"text " + SECRET + b" and " + SECRET).masked
    assert (note.kind, note.placeholder, note.where, note.times) == ("PASSWORD", desk.placeholder, "@5", 2)
