"""Secrets that a rule found once are found again, wherever and in whatever form they stand."""

import base64
import hashlib
import random
import string

from hypothesis import given
from hypothesis import strategies as st

from redactors.finding import Confidence, Finding
from redactors.vault import Origin, Vault
from wrapper.gateway.recurring import Recurring

RANDOM = b"vR8kPq2n" + b"Zt6Ls4WdYx"
WORDS = b"blue-" + b"wagon7tree"
TERM = b"Falcon"
RANDOMS = st.builds(
    lambda seed, size: "".join(random.Random(seed).choices(string.ascii_letters + string.digits, k=size)).encode(),  # noqa: S311
    st.integers(0, 2**32),
    st.integers(16, 60),
)
AROUND = st.text("abc 1%\\\"'\n=:é", max_size=20).map(str.encode)


def by_key(value: bytes, kind: str = "PASSWORD", start: int = 0) -> Finding:
    return Finding(start, start + len(value), kind, Confidence.LIKELY, "assigned-password", value)


def standing_alone(data: bytes) -> list[Finding]:
    """Find the term, as a policy's rule does that wants borders around it."""
    at = data.find(TERM)
    return [Finding(at, at + len(TERM), "CODE-NAME", Confidence.CERTAIN, "context:CODE-NAME", TERM)] if at >= 0 else []


class Desk:
    def __init__(self) -> None:
        self.vault = Vault(bytes(32))
        self.changes = 0
        self.recurring = Recurring(self.vault, standing_alone, self.changed)

    def changed(self) -> None:
        self.changes += 1

    def restores(self, value: bytes, kind: str = "PASSWORD", *, joined: bool = False) -> None:
        self.vault.issue(kind, value, Origin.INSIDE)
        self.recurring.restored(value, joined=joined)

    def spans(self, data: bytes) -> list[bytes]:
        return [data[found.start : found.end] for found in self.recurring.find(data)]


def test_what_looks_random_is_found_again_at_once_and_words_once_they_were_restored() -> None:
    desk = Desk()
    assert desk.recurring.learn([by_key(RANDOM), by_key(WORDS)])
    assert desk.spans(b"<" + RANDOM + b"> and " + WORDS) == [RANDOM]
    desk.restores(WORDS)
    assert desk.spans(b"<" + RANDOM + b"> and " + WORDS) == [RANDOM, WORDS]


def test_who_remembers_a_search_hears_of_every_change_and_of_nothing_else() -> None:
    desk = Desk()
    assert desk.recurring.learn([by_key(RANDOM)])
    assert not desk.recurring.learn([by_key(RANDOM), by_key(WORDS)])
    assert desk.changes == 1
    for _ in range(3):
        desk.restores(RANDOM)
    assert desk.changes == 2


def test_what_is_known_otherwise_is_not_learned() -> None:
    desk = Desk()
    for rule in ("known:raw", "fingerprint:a/b.py", "again:base64"):
        assert not desk.recurring.learn([by_key(RANDOM)._replace(rule=rule)])
    assert desk.spans(RANDOM) == []


def test_a_finding_has_the_kind_that_the_rule_gave_and_the_text_that_stands_there() -> None:
    desk = Desk()
    desk.recurring.learn([by_key(RANDOM, "DB-PASSWORD")])
    encoded = base64.b64encode(RANDOM)
    raw, coded = desk.recurring.find(RANDOM + b" . " + encoded)
    assert (raw.kind, raw.value, raw.confidence) == ("DB-PASSWORD", RANDOM, Confidence.CERTAIN)
    assert (coded.kind, coded.value) == ("DB-PASSWORD", (RANDOM + b" . " + encoded)[coded.start : coded.end])
    assert raw.rule == "again:raw"
    desk.restores(RANDOM)
    assert {found.rule for found in desk.recurring.find(RANDOM + b"\\\\" + encoded)} == {"known:raw", "known:base64"}


def test_what_no_rule_has_found_has_the_kind_of_its_placeholder() -> None:
    desk = Desk()
    desk.restores(b"Jane Q. Public", "git user.name")
    [found] = desk.recurring.find(b"by Jane Q. Public")
    assert found.kind == "GIT-USER-NAME"


def test_a_term_is_found_within_words_only_where_it_was_put_into_one() -> None:
    desk = Desk()
    desk.restores(TERM, "CODE-NAME")
    assert desk.spans(b"Falconry and Falcon") == []
    desk.restores(TERM, "CODE-NAME", joined=True)
    assert desk.spans(b"Falconry") == [TERM]


def test_what_was_restored_counts_as_known_whatever_rule_finds_it() -> None:
    desk = Desk()
    desk.restores(WORDS)
    rules = ["assigned-password", "fingerprint:a.py", "identity:home", "known:raw"]
    found = [by_key(RANDOM), *(by_key(WORDS)._replace(rule=rule) for rule in rules)]
    assert [one.rule for one in desk.recurring.marked(found)] == [
        "assigned-password",
        "known:assigned-password",
        "fingerprint:a.py",
        "identity:home",
        "known:raw",
    ]


def test_whoever_invents_secrets_does_not_fill_the_search() -> None:
    desk = Desk()
    values = [hashlib.sha256(b"%d" % number).hexdigest()[:40].encode() for number in range(1_500)]
    desk.recurring.learn(by_key(value) for value in values)
    assert len(desk.vault) == 1_000
    desk.restores(WORDS)
    assert desk.spans(WORDS) == [WORDS]  # what comes back is searched for in any case


@given(RANDOMS, AROUND, AROUND)
def test_what_was_restored_is_found_whatever_stands_around_it(value: bytes, before: bytes, behind: bytes) -> None:
    desk = Desk()
    desk.restores(value)
    assert value in desk.spans(before + value + behind)
