"""What the inside gets of a provider's answers to a login, and what leaves of its requests."""

import asyncio
import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors import KnownValues, Origin, Vault
from tests.gateway.intercept import desk as judges
from tests.gateway.intercept.desk import HOST as JUDGED
from tests.machine import fake
from tests.test_tokens import jwt
from wrapper.agents.client import Credential, LoginFile, Renewal
from wrapper.gateway.destination import Destination
from wrapper.gateway.intercept.bindings import Bindings
from wrapper.gateway.intercept.capturing import LoginCapture
from wrapper.gateway.intercept.exchange import Answer, AnswerHead, Request, RequestHead
from wrapper.gateway.intercept.pieces import Whole
from wrapper.gateway.intercept.swapping import swapped_body, swapped_head
from wrapper.gateway.refusal import RefusedError

HOST, CLIENT = "auth.example", "client-1"
TOKEN = RequestHead("POST", HOST, "/oauth/token", ())
PROFILE = RequestHead("GET", HOST, "/api/profile?x=1", ())


@dataclass
class Desk:
    """A capture with a vault, bindings and a login file of its own."""

    file: Path | None = None
    vault: Vault = field(default_factory=lambda: Vault(bytes(32)))
    bindings: Bindings = field(default_factory=Bindings)

    def __post_init__(self) -> None:
        known = KnownValues(self.vault)

        def issue(kind: str, value: bytes) -> str:
            known.add(kind, value, Origin.OUTSIDE)
            return self.vault.issue(kind, value, Origin.OUTSIDE)

        self.capture = LoginCapture("it", (HOST,), CLIENT, "LOGIN", issue, self.bindings.add, self.current)

    def current(self) -> Credential | None:
        if self.file is None:
            return None
        token = json.loads(self.file.read_text())["refresh"]
        body = json.dumps({"grant_type": "refresh_token", "refresh_token": token}).encode()
        login = LoginFile(self.file, lambda _mask: b"", renewed, renewal=Renewal("https://x", body))
        return Credential("it", {}, (), login=login)

    def shown(self, answer: object, *, status: int = 200, head: RequestHead = TOKEN) -> Any:
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        return json.loads(self.capture.answered(head, status, body))


def renewed(answer: bytes, _now: float) -> bytes:
    return json.dumps({"refresh": json.loads(answer)["refresh_token"]}).encode()


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def kept(tmp_path: Path) -> Desk:
    """With a login that stands already."""
    file = tmp_path / "login.json"
    file.write_text(json.dumps({"refresh": fake("rt_", 40)}))
    return Desk(file)


def refreshing(token: str, client: str = CLIENT) -> bytes:
    return json.dumps({"grant_type": "refresh_token", "refresh_token": token, "client_id": client}).encode()


def refresh_of(kept: Desk) -> str:
    assert kept.file is not None
    return str(json.loads(kept.file.read_text())["refresh"])


def test_tokens_become_placeholders_and_all_else_stays_byte_for_byte(desk: Desk) -> None:
    access, refresh = fake("at-", 40), fake("rt-", 40)
    uuid = "11111111-2222-3333-4444-555555555555"
    before = (
        '{ "access_token" : "%s",\n "expires_in":3600.0, "token_type": "Bearer", "n": 1e3, "scope":"a:b c:d",'
        '"account":{"uuid":"' + uuid + '","e":"d\\u00e9v@x"}, "refresh_token":"%s"}'
    )
    shown = desk.capture.answered(TOKEN, 200, (before % (access, refresh)).encode()).decode()
    issued = {one.value.decode(): one.placeholder for one in desk.vault.issued()}
    assert shown == before % (issued[access], issued[refresh])


def test_of_a_jwt_the_claims_stay_readable_and_what_is_written_back_is_the_token(desk: Desk) -> None:
    token = jwt({"alg": "RS256"}, {"email": "dev@example.com"}, fake("", 80))
    shown = desk.shown({"id_token": token})["id_token"]
    assert shown.rpartition(".")[0] == token.rpartition(".")[0]
    assert token.rpartition(".")[2] not in shown
    assert desk.vault.restore_in_file(shown.encode()) == token.encode()


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda token: {"data": {"nested": [{"raw_key": token}]}},
        lambda token: {"unheard_of": token},
        lambda token: {"message": f"your token is {token}, keep it"},
        lambda token: {token: "as a name"},
        lambda token: f'{{"access_token": "{token}", "access_token": "short"}}'.encode(),
        lambda token: json.dumps({"access_token": token}).replace("a", "\\u0061").encode(),
        lambda token: [token],
        lambda token: {"error": "x", "hint": token},
    ],
)
def test_no_field_is_a_way_in(desk: Desk, wrapped: Callable[[str], object]) -> None:
    token = fake("A1-", 60)
    answer = wrapped(token)
    shown = desk.capture.answered(TOKEN, 400, answer if isinstance(answer, bytes) else json.dumps(answer).encode())
    assert token not in json.dumps(json.loads(shown))
    assert token.encode() not in shown
    assert b"MASKED-LOGIN-" in shown


def test_what_a_profile_says_of_the_user_is_shown(desk: Desk) -> None:
    told = {
        "account": {
            "uuid": "11111111-2222-3333-4444-555555555555",
            "email": "dev@example.com",
            "created": "2026-01-01",
        },
        "organization": {"rate_limit_tier": "default_claude_max_20x", "name": "Example", "type": None, "has": True},
        "links": ["https://console.example/settings/organization/billing"],
    }
    assert desk.shown(told, head=PROFILE) == told


@pytest.mark.parametrize("body", [b"<html>", b"access_token=x&refresh_token=y", gzip.compress(b"{}"), b"[" * 100_000])
def test_an_answer_that_cannot_be_read_is_not_passed_on(desk: Desk, body: bytes) -> None:
    with pytest.raises(RefusedError):
        desk.capture.answered(TOKEN, 200, body)
    assert desk.capture.answered(TOKEN, 503, body) == b""
    assert desk.capture.answered(TOKEN, 307, body) == b""


def test_a_placeholder_works_at_the_hosts_that_gave_it_in_a_body_and_as_a_bearer(desk: Desk) -> None:
    token = fake("at-", 40)
    shown = desk.shown({"access_token": token})["access_token"].encode()
    here = desk.bindings.at(HOST, 443)
    head = RequestHead(
        "GET", HOST, f"/x?token={shown.decode()}", ((b"authorization", b"Bearer " + shown), (b"x", shown))
    )
    swapped, _ = swapped_head(head, here)
    assert swapped.get(b"authorization") == b"Bearer " + token.encode()
    assert swapped.get(b"x") == shown
    assert swapped.target == head.target
    assert swapped_body(b'{"token":"%b"}' % shown, b"application/json", here)[0] == f'{{"token":"{token}"}}'.encode()
    assert desk.bindings.at("other.example", 443) == ()
    assert desk.bindings.at(HOST, 8443) == ()


def test_a_token_exchange_gets_the_whole_jwt_back(desk: Desk) -> None:
    token = jwt({"alg": "RS256"}, {"email": "dev@example.com"}, fake("", 80))
    shown = desk.shown({"id_token": token})["id_token"]
    form = f"grant_type=x&subject_token={shown}&client_id=c".encode()
    sent, _ = swapped_body(form, b"application/x-www-form-urlencoded", desk.bindings.at(HOST, 443))
    assert sent == f"grant_type=x&subject_token={token}&client_id=c".encode()


def test_it_wants_all_that_goes_to_its_hosts_and_nothing_else(desk: Desk) -> None:
    assert desk.capture.wants(PROFILE, Destination(HOST, 443))
    assert not desk.capture.wants(TOKEN, Destination(HOST, 80))
    assert not desk.capture.wants(TOKEN, Destination("other.example", 443))


def test_a_refresh_of_the_inside_is_in_the_file_before_the_inside_hears_of_it(kept: Desk) -> None:
    kept.capture.learn([refresh_of(kept).encode()])
    body = refreshing(refresh_of(kept))
    assert kept.capture.asked(TOKEN, body) == body
    new = fake("rt_", 40)
    shown = kept.shown({"access_token": fake("at_", 40), "refresh_token": new})
    assert shown["refresh_token"].startswith("MASKED-LOGIN-")
    assert refresh_of(kept) == new


def test_a_refresh_token_that_another_session_has_used_up_is_replaced_by_its_newest(kept: Desk) -> None:
    old, new = refresh_of(kept), fake("rt_", 30) + "+/="
    kept.capture.learn([])
    assert kept.file is not None
    kept.file.write_text(json.dumps({"refresh": new}))
    assert kept.capture.asked(TOKEN, refreshing(old)) == refreshing(new)
    form = f"client_id={CLIENT}&grant_type=refresh_token&refresh_token={old}".encode()
    assert kept.capture.asked(TOKEN, form).endswith(b"%2B%2F%3D")


def test_a_refresh_that_is_none_of_this_login_is_sent_as_it_is_and_changes_no_file(kept: Desk) -> None:
    before = refresh_of(kept)
    for body in (
        refreshing(fake("rt_", 40)),
        refreshing(before, client="another"),
        b'{"grant_type":"authorization_code","client_id":"client-1","code":"x"}',
        b"\xff",
        b"[]",
    ):
        assert kept.capture.asked(TOKEN, body) == body
        kept.capture.answered(TOKEN, 200, b'{"refresh_token":"%b"}' % fake("rt_", 40).encode())
        assert refresh_of(kept) == before


@pytest.mark.parametrize("answer", [b'{"error":"invalid_grant"}', b"[]", b'{"access_token":"x"}', b""])
def test_an_answer_that_grants_nothing_leaves_the_file_alone(kept: Desk, answer: bytes) -> None:
    before = refresh_of(kept)
    kept.capture.learn([])
    kept.capture.asked(TOKEN, refreshing(before))
    kept.capture.answered(TOKEN, 200, answer)
    assert refresh_of(kept) == before


def test_only_what_renews_waits_for_its_turn(desk: Desk) -> None:
    async def alone(head: RequestHead) -> bool:
        async with desk.capture.turn(head, Destination(HOST, 443)):
            return bool(taken)

    taken: list[str] = []

    class Turn:
        async def __aenter__(self) -> None:
            taken.append("turn")

        async def __aexit__(self, *_error: object) -> None:
            pass

    desk.capture.own_turn = Turn
    assert not asyncio.run(alone(PROFILE))
    assert asyncio.run(alone(TOKEN))


def test_what_else_is_asked_meanwhile_does_not_make_a_renewal_forgotten(kept: Desk) -> None:
    """Promise 3: while the provider takes its time, the inside asks for the profile."""
    new = fake("rt_", 40)
    kept.capture.learn([])
    kept.capture.asked(TOKEN, refreshing(refresh_of(kept)))
    kept.capture.asked(PROFILE, b"")
    kept.capture.answered(PROFILE, 200, b"{}")
    kept.capture.answered(TOKEN, 200, json.dumps({"access_token": fake("at_"), "refresh_token": new}).encode())
    assert refresh_of(kept) == new


def test_a_renewal_comes_to_its_end_though_the_inside_hangs_up(kept: Desk) -> None:
    """Promise 3: the provider has taken the old token back by then, and the bare client would have no login any more."""
    new = fake("rt_", 40)
    kept.capture.hosts = (JUDGED.host,)
    kept.capture.learn([])
    judging = judges.Desk(captures=[kept.capture])

    async def hang_up() -> None:
        reached, answering = asyncio.Event(), asyncio.Event()

        async def send(_request: Request) -> Answer:
            reached.set()
            await answering.wait()
            said = json.dumps({"access_token": fake("at_"), "refresh_token": new}).encode()
            return Answer(AnswerHead(200, ((b"content-type", b"application/json"),)), Whole(said))

        body = Whole(refreshing(refresh_of(kept)))
        head = RequestHead("POST", JUDGED.host, "/oauth/token", ((b"content-type", b"application/json"),))
        asking = asyncio.ensure_future(judging.judge.handler(JUDGED)(Request(head, body), send))
        await reached.wait()
        for _ in range(3):  # the stream, then its connection, then the session
            asking.cancel()
            await asyncio.sleep(0)
        answering.set()
        with pytest.raises(asyncio.CancelledError):
            await asking

    judges.run(hang_up())
    judging.close()
    assert refresh_of(kept) == new


@given(
    told=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=50),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=20), inner, max_size=3),
        max_leaves=10,
    )
)
def test_any_answer_stays_json_and_what_was_masked_comes_back(told: object) -> None:
    desk = Desk()
    body = json.dumps(told).encode()
    shown = desk.capture.answered(PROFILE, 200, body)
    json.loads(shown)
    assert json.loads(desk.vault.restore_in_file(shown)) == told or b"\\" in body
