"""The demonstration must fail where a promise is broken: each break is made by hand here."""

import base64
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from wrapper.demo import story
from wrapper.demo.judgement import checks, rows
from wrapper.demo.leaks import forms, found
from wrapper.demo.performance import Performance
from wrapper.demo.project import Project, dotenv
from wrapper.demo.stage import Verdict

PLANTED = {
    "database password": "d4tabase-Passw0rd-4711",
    "GitHub token": "gh" + "p_" + "abcdEFGH0123456789",
    "Stripe key": "sk" + "_live_" + "abcdEFGH0123456789",
    "session secret": "s3ssion-Secret-000001",
    "AWS key id": "AK" + "IA0123456789ABCDEF",
    "AWS secret key": "aws-Secret-0123456789",
    "SSH key": "ssh-Key-0123456789-abcdef",
}
ENVIRON = {"DATABASE_URL": "postgres://app@db/app"}
PROJECT = Project(Path("/nonexistent"), PLANTED, ENVIRON)
STORY = story.asks(PROJECT, "claude", story.fetching({"curl": True}))
GOOD = Performance(
    client="claude",
    version="1",
    code=0,
    story=STORY,
    saw=dict.fromkeys(story.numbers(STORY), "MASKED-SECRET-01234567"),
    left=dict.fromkeys(story.numbers(STORY), "MASKED-SECRET-01234567"),
    received=(b"GET / HTTP/1.1",),
    size=14,
    screen=b"done",
    log=b"[]",
    refused=frozenset({story.HOST}),
    verdict=Verdict("s", "sealed", 3, decrypted=True),
    dotenv=dotenv(PLANTED, debug="false"),
)


def test_all_holds_where_nothing_is_broken() -> None:
    assert [check.name for check in checks(PROJECT, GOOD) if not check.ok] == []


KEY = PLANTED["Stripe key"]


@pytest.mark.parametrize(
    ("broken", "name"),
    [
        (replace(GOOD, code=1), "played"),
        (replace(GOOD, saw={}), "played"),
        (replace(GOOD, left={}), "played"),
        (replace(GOOD, received=(b"x", KEY.encode())), "provider"),
        (replace(GOOD, received=(KEY[7:].encode(),)), "provider"),
        (replace(GOOD, received=(KEY[::-1].encode(),)), "provider"),
        (replace(GOOD, saw={**GOOD.saw, 0: f"GITHUB_TOKEN={PLANTED['GitHub token']}"}), "inside"),
        (replace(GOOD, screen=PLANTED["SSH key"].encode()), "screen"),
        (replace(GOOD, refused=frozenset()), "network"),
        (replace(GOOD, dotenv=dotenv(PLANTED)), "file"),
        (replace(GOOD, dotenv=GOOD.dotenv.replace(KEY, "MASKED-STRIPE-KEY-01234567")), "file"),
        (replace(GOOD, verdict=replace(GOOD.verdict, state="open")), "log"),
        (replace(GOOD, log=KEY.encode()), "log-content"),
    ],
)
def test_each_broken_promise_fails_its_check_and_no_other(broken: Performance, name: str) -> None:
    assert [check.name for check in checks(PROJECT, broken) if not check.ok] == [name]


def test_what_stands_in_git_history_may_be_seen_inside_and_must_not_leave() -> None:
    last = max(story.numbers(STORY))
    seen = replace(GOOD, saw={**GOOD.saw, last: KEY})
    assert all(check.ok for check in checks(PROJECT, seen))
    assert list(rows(seen))[-1].saw == KEY


def test_an_ask_without_an_answer_is_shown_so() -> None:
    assert next(iter(rows(replace(GOOD, saw={})))).saw == "(no answer)"


@pytest.mark.parametrize(
    "disguise",
    [
        bytes,
        lambda value: value[7:],
        lambda value: value[:-7],
        lambda value: value[::-1],
        lambda value: value.hex().encode(),
        lambda value: value.hex().upper().encode(),
        base64.b64encode,
        lambda value: base64.b64encode(b"a" + value + b"b"),
        lambda value: base64.urlsafe_b64encode(b"ab" + value + b"cd"),
    ],
)
def test_a_secret_is_found_in_each_disguise(disguise: Callable[[bytes], bytes]) -> None:
    value = bytes(range(0xE0, 0x100)) + b"~~~???>>>"
    text = "".join(chr(33 + byte % 90) for byte in value).encode()
    assert found({"it": text.decode()}, [b"before " + disguise(text) + b" after"]) == ("it",)


def test_forms_are_never_so_short_that_chance_finds_them() -> None:
    assert all(len(form) >= 8 for form in forms(b"0123456789"))
