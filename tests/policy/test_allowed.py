"""The text of allowed.toml: hosts are added and taken off, remarks stay, and nothing else may stand there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.errors import PolicyError
from wrapper.policy.allowed import checked, with_host, without_host
from wrapper.policy.parse import parse

FIRST = with_host("", "api.test", "2026-01-02, by sam")
HOSTS = st.sampled_from(["a.test", "b.test", "*.c.test", "d.test:8443", "E.test"])


def hosts(text: str) -> list[str]:
    return list(checked(parse(text.encode(), "allowed.toml")).document.network.allow or ())


def test_the_first_host_makes_the_file() -> None:
    assert hosts(FIRST) == ["api.test"]
    assert '  "api.test",  # 2026-01-02, by sam\n' in FIRST
    assert FIRST.startswith("# ")


def test_others_stand_below_it_and_keep_their_remarks() -> None:
    text = with_host(with_host(FIRST, "*.B.test:8443", ""), "c.test", "later")
    assert hosts(text) == ["api.test", "*.b.test:8443", "c.test"]
    assert "# 2026-01-02, by sam" in text
    assert hosts(with_host(text, "API.test", "again")) == hosts(text)
    assert '"api.test",  # again' in with_host(text, "API.test", "again")


def test_a_host_is_taken_off_by_whatever_case() -> None:
    text = with_host(FIRST, "b.test", "")
    assert hosts(without_host(text, "API.test")) == ["b.test"]
    assert hosts(without_host(FIRST, "api.test")) == []
    assert without_host(text, "never.test") == text
    assert without_host("", "api.test") == ""


def test_a_remark_stays_on_its_line() -> None:
    text = with_host("", "a.test", 'x\n]\ndeny = ["*"]\x1b[2J # y')
    assert hosts(text) == ["a.test"]
    assert "\x1b" not in text
    assert hosts(with_host(text, "b.test", "")) == ["a.test", "b.test"]


@pytest.mark.parametrize(
    "host", ["", "!a.test", 'a.test"', "https://a.test", "10.0.0.1", "a.test:0", "a b", "a.test\n"]
)
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(PolicyError) as caught:
        with_host(FIRST, host, "")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ['version = 1\n[network]\ndeny = ["*"]', "version = 1\nrun.allow_degraded = ['view']", "version = 2", "[network"],
)
def test_a_text_that_says_more_is_refused_and_not_written_over(text: str) -> None:
    with pytest.raises(PolicyError, match=r"^/x/allowed\.toml"):
        with_host(text, "a.test", "", "/x/allowed.toml")
    with pytest.raises(PolicyError, match=r"^/x/allowed\.toml"):
        without_host(text, "a.test", "/x/allowed.toml")


def test_a_file_written_by_hand_is_understood() -> None:
    text = 'version=1\nnetwork.allow = ["a.test", "b.test"] # mine\n'
    assert hosts(with_host(text, "c.test", "")) == ["a.test", "b.test", "c.test"]


@given(st.lists(st.tuples(st.booleans(), HOSTS, st.text(max_size=8)), max_size=8))
def test_the_file_holds_what_was_added_last_and_not_taken_off(steps: list[tuple[bool, str, str]]) -> None:
    text, known = "", dict[str, None]()
    for adding, host, remark in steps:
        text = with_host(text, host, remark) if adding else without_host(text, host)
        known = {**known, host.lower(): None} if adding else {one: None for one in known if one != host.lower()}
    assert (hosts(text) if text else []) == list(known)
