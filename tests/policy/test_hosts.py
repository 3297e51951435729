"""Host patterns: no pattern lets more through than it says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.policy.globs import Pattern
from wrapper.policy.hosts import HostMatcher, problem

ALLOW, DENY = 0, 1


def hit(pattern: str, subject: str, number: int = ALLOW) -> bool:
    return HostMatcher([Pattern(pattern, number, 0)], 2).best(subject) is not None


@pytest.mark.parametrize(
    ("pattern", "subject"),
    [
        ("example.org", "example.org:443"),
        ("example.org", "example.org:80"),
        ("Example.ORG", "eXample.org:443"),
        ("example.org", "example.org.:443"),
        ("*.example.org", "a.example.org:443"),
        ("*.example.org", "a.b.example.org:443"),
        ("example.org:8443", "example.org:8443"),
        ("*", "anything.example:443"),
        ("*:22", "anything.example:22"),
    ],
)
def test_a_host_matches(pattern: str, subject: str) -> None:
    assert hit(pattern, subject)


@pytest.mark.parametrize(
    ("pattern", "subject"),
    [
        ("example.org", "example.org:22"),
        ("example.org", "evil-example.org:443"),
        ("example.org", "example.org.evil.test:443"),
        ("example.org", "a.example.org:443"),
        ("*.example.org", "example.org:443"),
        ("*.example.org", "xexample.org:443"),
        ("example.org:8443", "example.org:443"),
        ("*", "127.0.0.1:443"),
        ("*", "::1:443"),
        ("*", "[::1]:443"),
        ("*", "2130706433:443"),
        ("*", "0x7f.1:443"),
        ("*", "0x7f000001:443"),
        ("*", "evil.test\x00.example.org:443"),
        ("*.example.org", "evil.test\x00.example.org:443"),
        ("*.example.org", "evil.test/.example.org:443"),
        ("*.example.org", "evil.test#.example.org:443"),
        ("*.example.org", "user@a.example.org:443"),
        ("*.example.org", ".example.org:443"),
        ("*.example.org", "a..example.org:443"),
        ("*", ":443"),
        ("*", "a" * 254 + ":443"),
        ("*", "exаmple.org:443"),  # noqa: RUF001 - a Cyrillic letter is the point
    ],
)
def test_a_host_does_not_match(pattern: str, subject: str) -> None:
    assert not hit(pattern, subject)


def test_a_deny_without_a_port_means_every_port() -> None:
    assert hit("example.org", "example.org:22", DENY)
    assert hit("*", "example.org:5432", DENY)
    assert not hit("example.org:443", "example.org:22", DENY)


@given(host=st.text(max_size=40), port=st.integers(0, 65535))
def test_no_text_makes_it_fail_and_odd_ones_never_match(host: str, port: int) -> None:
    matched = hit("*.example.org", f"{host}:{port}")
    assert not matched or host.lower().removesuffix(".").endswith(".example.org")


@pytest.mark.parametrize(
    "text",
    [
        "https://example.org",
        "example.org/path",
        "git*hub.com",
        "a.*.org",
        "*example.org",
        "**",
        "127.0.0.1",
        "::1",
        "example.org:0",
        "example.org:65536",
        "example.org:x",
        "example.org:",
        "",
        "exämple.org",
        "user@example.org",
    ],
)
def test_a_pattern_that_is_no_host_is_a_problem(text: str) -> None:
    assert problem(text)


@pytest.mark.parametrize("text", ["example.org", "*.example.org", "*", "*:22", "xn--exmple-cua.org", "a_b.test:8080"])
def test_a_good_pattern_is_no_problem(text: str) -> None:
    assert problem(text) == ""
