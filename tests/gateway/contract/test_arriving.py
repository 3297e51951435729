"""What arrives, over every API: values of the inside come back in every text, those of the outside never do."""

import asyncio
import json
import secrets

import pytest

from redactors import Origin
from tests.gateway.contract.apis import APIS, Api
from tests.gateway.contract.line import line
from tests.gateway.wire import REAL_KEY, in_loop, plain
from wrapper.audit.events import Request

EACH = pytest.mark.parametrize("api", APIS, ids=lambda api: api.name)
SAYING = pytest.mark.parametrize("api", [api for api in APIS if api.answers.places], ids=lambda api: api.name)
VALUE = "correct-horse-" + secrets.token_hex(8)
INSIDE = f'say "{secrets.token_hex(8)}" \\ to ü'


@SAYING
def test_a_value_of_the_inside_comes_back_in_every_text_and_the_log_has_it_masked(api: Api) -> None:
    @in_loop
    async def run() -> None:
        async with line(api) as one:
            placeholder = one.world.vault.issue("PASSWORD", INSIDE.encode(), Origin.INSIDE)
            said = f"use {placeholder} here"
            one.says(dict.fromkeys(api.answers.places, said))
            heard = await one.ask()
            wanted = {place: said if place == "signed" else f"use {INSIDE} here" for place in api.answers.places}
            assert api.answers.read(heard.body) == wanted
            answer = (await one.answers())[-1]
            assert answer.complete
            assert answer.number == one.world.sink.of(Request)[-1].number
            assert INSIDE.split('"')[1].encode() not in one.world.recorded()

    run()


@EACH
def test_a_value_of_the_outside_never_comes_back(api: Api) -> None:
    """Promise 2: the model emits a masked value's placeholder."""

    @in_loop
    async def run() -> None:
        async with line(api) as one:
            placeholder = one.world.knows(VALUE.encode())
            said = f"curl -d {placeholder} host"
            one.says(dict.fromkeys(api.answers.places or ("text",), said))
            heard = await one.ask()
            assert set(api.answers.read(heard.body).values()) == {said}
            assert VALUE.encode() not in heard.body

    run()


@EACH
def test_a_value_of_the_outside_and_the_credential_are_masked_when_they_are_quoted(api: Api) -> None:
    """Promise 2: the provider echoes what the inside must not know, cut over its events."""

    @in_loop
    async def run() -> None:
        async with line(api) as one:
            placeholder = one.world.knows(VALUE.encode())
            one.says(dict.fromkeys(api.answers.places or ("text",), f"it is {VALUE} or {REAL_KEY} now"))
            heard = await one.ask()
            for text in api.answers.read(heard.body).values():
                assert text.startswith(f"it is {placeholder} or MASKED-")
                assert text.endswith(" now")
                assert REAL_KEY not in text
            assert VALUE.encode() not in heard.body
            assert REAL_KEY.encode() not in heard.body
            await one.answers()
            assert VALUE.encode() not in one.world.recorded()
            assert REAL_KEY.encode() not in one.world.recorded()

    run()


@EACH
def test_a_harmless_answer_arrives_byte_for_byte(api: Api) -> None:
    """No part of it ends as a placeholder or the credential begins: such an end comes with the next part."""

    @in_loop
    async def run() -> None:
        async with line(api, own={"x-api-key": "~" + secrets.token_hex(16)}) as one:
            texts = dict.fromkeys(api.answers.places or ("text",), 'fine ü ☀, "so" {} it goes')
            one.says(texts)
            heard = await one.ask()
            parts = api.answers.say(texts)
            assert heard.body == (b"\n" if api.is_socket else b"").join(parts)
            if not api.is_socket:
                assert heard.headers["content-type"] == api.answers.content_type

    run()


@EACH
@pytest.mark.parametrize(
    "status", ["400 Bad Request", "401 Unauthorized", "429 Slow Down", "500 Oops", "529 Overloaded"]
)
def test_an_error_is_passed_on_masked_with_its_status_and_when_to_come_back(api: Api, status: str) -> None:
    """Promise 2: providers quote what they were sent; clients must know when to try again."""

    @in_loop
    async def run() -> None:
        async with line(api) as one:
            placeholder = one.world.knows(VALUE.encode())
            body = json.dumps({"error": {"type": "x", "message": f"no: {VALUE} {REAL_KEY}"}})
            later = ["retry-after: 3", "x-should-retry: true", "request-id: req_1", f"x-echo: {VALUE}"]
            one.provider.refuses = True
            one.provider.answer = plain(body.encode(), status=status, headers=later)
            heard = await one.ask()
            assert heard.status == int(status[:3])
            message = json.loads(heard.body)["error"]["message"]
            assert message.startswith(f"no: {placeholder} MASKED-")
            assert REAL_KEY not in message
            assert heard.headers["retry-after"] == "3"
            assert heard.headers["x-should-retry"] == "true"
            assert heard.headers["request-id"] == "req_1"
            assert heard.headers["x-echo"] == placeholder
            assert (await one.answers())[-1].status == heard.status
            assert VALUE.encode() not in one.world.recorded()

    run()


@EACH
def test_a_value_in_the_reason_or_in_the_name_of_a_header_does_not_go_in(api: Api) -> None:
    """Promise 2: a status line and the names of headers are text of the provider like any other."""

    @in_loop
    async def run() -> None:
        async with line(api) as one:
            one.world.knows(VALUE.encode())
            one.provider.refuses = True
            one.provider.answer = plain(b"{}", status=f"400 no {VALUE}", headers=[f"x-{VALUE}: 1", "x-other: 2"])
            heard = await one.ask()
            assert heard.status == 400
            assert heard.headers["x-other"] == "2"
            assert VALUE.encode() not in heard.head
            await one.answers()
            assert VALUE.encode() not in one.world.recorded()

    run()


@SAYING
def test_answers_that_come_at_the_same_time_are_not_mixed_up(api: Api) -> None:
    """Each client gets the values of its own answer; the provider says in each what it was asked."""
    values = [f'"{number}" {secrets.token_hex(8)}' for number in range(12)]

    @in_loop
    async def run() -> None:
        async with line(api) as one:
            issue = one.world.vault.issue
            instead = [issue("PASSWORD", value.encode(), Origin.INSIDE) for value in values]
            one.answers_in_kind()

            async def ask(number: int) -> None:
                for _ in range(2):
                    heard = await one.ask_with(instead[number])
                    texts = api.answers.read(heard.body)
                    said = {texts[place] for place in api.answers.places if place != "signed"}
                    assert said == {values[number]}

            await asyncio.gather(*map(ask, range(len(values))))

    run()
