"""What policy's values about the way out decide: hosts, requests, branches, and what adds up."""

import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.policy.writing import policy
from wrapper.policy.egress import IDLE_SECONDS, MOST_CONNECTIONS, Egress, HostRule, Request, Terms, readings
from wrapper.policy.egressforms import request
from wrapper.policy.model import Layer, Rule

RULE = Rule("x", "hosts", Layer.USER, "user.toml", 1)


def terms(*requests: str) -> Terms:
    rule = HostRule(hosts=("a.test",), rule=RULE, allow=tuple(map(request, requests)))
    return Egress(hosts=(rule,)).terms("a.test", 443)


def host_rule(*, added: bool = False, **said: Any) -> HostRule:
    return HostRule(hosts=("a.test",), rule=RULE, added=added, **said)


@pytest.mark.parametrize(
    ("pattern", "taken", "left"),
    [
        ("/repos/**", "/repos/a /repos/a/b/c /repos/", "/repos /repositories/a /x/repos/a /Repos/a"),
        ("/repos/*/issues", "/repos/a/issues /repos//issues", "/repos/a/b/issues /repos/a/issues/ /repos/a/issuesx"),
        ("/**", "/ /a /a/b", ""),
        ("/**/comments", "/comments /a/comments /a/b/comments", "/a/commentsx /a/xcomments /comments/a"),
        ("/a/**/b/**/c", "/a/b/c /a/x/b/y/c /a/b/b/c/c", "/a/c /a/b /a/xb/c /a/b/cx"),
        ("/a/**/b*/c/**", "/a/b1/c/d /a/b1/x/b2/c/d", "/a/b1/c /a/b1/xc/d"),
        ("/v*/x*y*z", "/v1/xyz /v/x1y2z /v1/xyyzz", "/v1/xzy /v1/x/yz /v1/xyza"),
        ("/a.b", "/a.b", "/axb"),
        ("/a[b]?", "/a[b]?", "/ab"),
        ("/", "/", "/a"),
    ],
)
def test_a_pattern_takes_these_paths_and_no_others(pattern: str, taken: str, left: str) -> None:
    one = Request("GET", pattern)
    assert [path for path in taken.split() if not one.covers("GET", path)] == []
    assert [path for path in left.split() if one.covers("GET", path)] == []


def test_a_method_is_that_method_and_a_star_is_any() -> None:
    assert Request("GET", "/a").covers("GET", "/a")
    assert not Request("GET", "/a").covers("HEAD", "/a")
    assert not Request("GET", "/a").covers("get", "/a")
    assert Request("*", "/a").covers("PURGE", "/a")


def fits(pattern: list[str], path: list[str]) -> bool:
    """The same by the definition, slowly: `**` is any number of segments, at the end at least one."""
    if not pattern:
        return not path
    if pattern[0] == "**":
        least = 1 if len(pattern) == 1 else 0
        return any(fits(pattern[1:], path[skipped:]) for skipped in range(least, len(path) + 1))
    return bool(path) and star_fits(pattern[0], path[0]) and fits(pattern[1:], path[1:])


def star_fits(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(star_fits(pattern[1:], text[skipped:]) for skipped in range(len(text) + 1))
    return text[:1] == pattern[0] and star_fits(pattern[1:], text[1:])


SEGMENTS = st.lists(st.sampled_from(["**", "*", "a", "b", "a*", "*a*b", "ab", ""]), min_size=1, max_size=6)
PATHS = st.lists(st.sampled_from(["a", "b", "ab", "aab", "ba", "", "a\nb"]), min_size=1, max_size=7)


@given(SEGMENTS, PATHS)
def test_the_regex_of_a_pattern_says_what_its_definition_does(pattern: list[str], path: list[str]) -> None:
    said = Request("*", "/" + "/".join(pattern)).covers("GET", "/" + "/".join(path))
    assert said == fits(pattern, path)


@pytest.mark.parametrize("pattern", ["/**/*a*a*a*a*a*a*a*a*b", "/" + "**/" * 40 + "x", "/**/a/**/a/**/a/**/a/**/b"])
def test_no_pattern_makes_a_path_expensive(pattern: str) -> None:
    """A hostile pattern and a hostile path: what grows exponentially would not come back before the session ends."""
    one = request(f"GET {pattern}")
    start = time.process_time()
    assert not one.covers("GET", "/a" * 2000 + "/" + "a" * 4000 + "/c")
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ("target", "paths"),
    [
        ("/a/b?x=/../c", ("/a/b",)),
        ("/a%20b", ("/a b",)),
        ("/%C3%A4", ("/ä",)),
        ("/a%2Fb", ("/a%2Fb", "/a/b")),
        ("/a%2fb//c", ("/a%2fb//c", "/a/b//c", "/a%2fb/c", "/a/b/c")),
        ("/a;v=1/b;c", ("/a;v=1/b;c", "/a/b")),
        ("/a%3b/b", ("/a;/b", "/a/b")),
        ("/a%252Fb", ("/a%2Fb", "/a/b")),
        ("//a", ("//a", "/a")),
        ("/a/%zz", ("/a/%zz",)),
        ("/a#b", ("/a",)),
        ("/.a/b..", ("/.a/b..", "/.a/b")),
        ("/a%20/b.", ("/a /b.", "/a/b")),
        ("/a%3Fb", ("/a?b",)),
        ("/", ("/",)),
    ],
)
def test_a_target_is_read_in_every_way_that_servers_do(target: str, paths: tuple[str, ...]) -> None:
    assert readings(target) == paths


@pytest.mark.parametrize(
    "target",
    [
        "",
        "*",
        "a/b",
        "https://a.test/x",
        "/a/../b",
        "/a/./b",
        "/..",
        "/a/%2e%2e/b",
        "/a/.%2E/b",
        "/a/..%2fb",
        "/a/%2e",
        "/a/..;/b",
        "/a/..;x=1/b",
        "/a/..\\b",
        "/a%5cb",
        "/a%00b",
        "/a%0ab",
        "/a\x7f",
        "/a/%ff",
        "/a/%252e%252e/b",
        "/a/%255c",
    ],
)
def test_a_target_that_is_written_to_be_misread_has_no_reading(target: str) -> None:
    assert readings(target) == ()
    assert not terms("* /**").allows("GET", target)
    assert Egress().terms("a.test", 443).allows("GET", target)  # where nothing is asked, nothing is judged


@pytest.mark.parametrize("piece", [".", " ", "/", ";", "%2F", "%41", "./", ". a", "/;", "%25"])
def test_no_target_makes_its_reading_expensive(piece: str) -> None:
    """Steps that grow with the square of a long target would hold up all connections."""
    start = time.process_time()
    readings("/" + piece * 100_000 + "x")
    assert time.process_time() - start < 5


@given(st.text("/.%2eEfF5cC;ab\\?", max_size=30))
def test_no_target_has_a_reading_that_climbs(target: str) -> None:
    for path in readings("/" + target):
        assert not re.search(r"(?:^|/)\.\.?(?:[/;]|$)", path)
        assert "\\" not in path
        assert path.startswith("/")


def test_an_encoded_slash_is_allowed_only_where_it_is_in_both_readings() -> None:
    gitlab = "/projects/lab%2Fapp/issues"
    assert not terms("GET /projects/*/issues").allows("GET", gitlab)
    assert not terms("GET /projects/*/*/issues").allows("GET", gitlab)
    assert terms("GET /projects/*/issues", "GET /projects/*/*/issues").allows("GET", gitlab)
    assert not terms("GET /public/*").allows("GET", "/public/x%2fprivate")


def test_a_parameter_of_a_segment_takes_nobody_round_a_list() -> None:
    assert not terms("GET /pub*/**").allows("GET", "/pub/../admin;x/y")
    assert not terms("GET /a;*/b").allows("GET", "/a;x/b")
    assert terms("GET /a/b", "GET /a;*/b").allows("GET", "/a;x/b")


def test_every_list_must_have_a_request_and_an_empty_one_has_none() -> None:
    both = Egress(
        hosts=(
            host_rule(allow=(Request("GET", "/a/**"), Request("POST", "/a/**"))),
            host_rule(allow=(Request("GET", "/**"),)),
        )
    )
    there = both.terms("a.test", 443)
    assert there.allows("GET", "/a/b")
    assert not there.allows("POST", "/a/b")
    assert not there.allows("GET", "/b")
    none = Egress(hosts=(host_rule(allow=()),)).terms("a.test", 443)
    assert none.intercepts
    assert not none.allows("GET", "/")
    assert terms().intercepts


def test_the_strictest_word_and_the_smallest_number_hold() -> None:
    rules = (
        host_rule(found="record", inspect="no", send_bytes=100, connections=500, idle_seconds=30.0),
        host_rule(found="redact", inspect="flag", send_bytes=0, receive_bytes=7, connections=300),
    )
    there = Egress(hosts=rules).terms("a.test", 443)
    assert (there.found, there.inspect) == ("redact", "flag")
    assert (there.send_bytes, there.receive_bytes, there.connections, there.idle_seconds) == (100, 7, 300, 30.0)
    assert not there.intercepts


def test_where_nothing_is_said_the_defaults_hold() -> None:
    there = Egress().terms("a.test", 443)
    assert (there.found, there.inspect, there.send_bytes, there.receive_bytes) == ("stop", "no", 0, 0)
    assert (there.connections, there.idle_seconds) == (MOST_CONNECTIONS, IDLE_SECONDS)
    assert not there.intercepts
    assert not Egress().intercepts


SAID = st.fixed_dictionaries(
    {},
    optional={
        "found": st.sampled_from(["record", "redact", "stop"]),
        "inspect": st.sampled_from(["no", "flag", "yes"]),
        "send_bytes": st.integers(0, 5),
        "receive_bytes": st.integers(0, 5),
        "connections": st.integers(1, 300),
        "idle_seconds": st.floats(1, 1000),
    },
)


@given(st.lists(SAID, max_size=3), st.lists(SAID, max_size=3))
def test_what_is_added_never_loosens(trusted: list[dict[str, Any]], added: list[dict[str, Any]]) -> None:
    rules = tuple(host_rule(**said) for said in trusted)
    before = Egress(hosts=rules).terms("a.test", 443)
    after = Egress(hosts=(*rules, *(host_rule(added=True, **said) for said in added))).terms("a.test", 443)
    assert ["record", "redact", "stop"].index(after.found) >= ["record", "redact", "stop"].index(before.found)
    assert ["no", "flag", "yes"].index(after.inspect) >= ["no", "flag", "yes"].index(before.inspect)
    for key in ("send_bytes", "receive_bytes"):
        assert (getattr(after, key) or 99) <= (getattr(before, key) or 99)
    assert after.connections <= before.connections
    assert after.idle_seconds <= before.idle_seconds


@pytest.mark.parametrize(
    ("host", "port", "secrets", "remotes"),
    [
        ("api.test", 443, 1, 0),
        ("API.Test.", 443, 1, 0),
        ("api.test", 8443, 0, 0),
        ("b.c.wild.test", 8443, 1, 0),
        ("wild.test", 8443, 0, 0),
        ("notapi.test", 443, 0, 0),
        ("GIT.test", 443, 0, 1),
        ("git.test.", 443, 0, 1),
        ("git.test", 22, 0, 0),
        ("port.test", 8443, 0, 1),
        ("port.test", 443, 0, 0),
        ("ssh.test", 443, 0, 0),
        ("127.0.0.1", 443, 0, 0),
    ],
)
def test_case_and_a_final_dot_of_a_host_do_not_count_and_its_port_does(
    host: str, port: int, secrets: int, remotes: int
) -> None:
    found = policy(
        user='[[secrets]]\nname = "a"\nfrom = "env:A"\nhosts = ["Api.test", "*.wild.test:8443"]\n'
        '[[remotes]]\nurl = "https://Git.test/a/b.git"\n[[remotes]]\nurl = "https://port.test:8443/a/b"\n'
        '[[remotes]]\nurl = "git@ssh.test:a/b.git"\n'
    ).egress
    there = found.terms(host, port)
    assert (len(there.secrets), len(there.remotes)) == (secrets, remotes)
    assert there.intercepts == bool(secrets or remotes)
    assert (found.opens(host, port) is not None) == there.intercepts


def test_all_that_may_be_intercepted_is_named_by_its_patterns() -> None:
    found = policy(
        user='[[secrets]]\nname = "a"\nfrom = "env:A"\nhosts = ["api.test", "*.wild.test:8443"]\n'
        '[[hosts]]\nhosts = ["listed.test", "api.test"]\nallow = []\n'
        '[[hosts]]\nhosts = ["seen.test"]\ninspect = "yes"\n'
        '[[hosts]]\nhosts = ["flagged.test"]\ninspect = "flag"\nfound = "record"\n'
        '[[remotes]]\nurl = "https://git.test/a/b"\n[[remotes]]\nurl = "git@ssh.test:a/b"\n'
    ).egress
    named = {pattern.partition(":")[0] for pattern in found.intercepted}
    assert named == {"api.test", "*.wild.test", "listed.test", "seen.test", "git.test"}
    assert len(set(found.intercepted)) == len(found.intercepted)
    assert found.intercepts
    assert found.by_ssh
    assert [one.by_git for one in found.secrets] == [True]
    assert not policy(user='[[hosts]]\nhosts = ["a.test"]\ninspect = "flag"').egress.intercepts


def test_nothing_is_opened_over_plain_http() -> None:
    found = policy(user='[[secrets]]\nname = "a"\nfrom = "env:A"\nhosts = ["api.test"]')
    assert found.host("api.test", 443).action == "allow"
    assert found.host("api.test", 80).action == "deny"
    assert found.egress.terms("api.test", 80).intercepts  # so that whoever opened it otherwise does not tunnel it


@pytest.mark.parametrize(
    ("ref", "may"),
    [
        ("refs/heads/agent/x", True),
        ("refs/heads/agent/x/y", True),
        ("refs/heads/agent", False),
        ("refs/heads/agents/x", False),
        ("refs/heads/Agent/x", False),
        ("refs/heads/main", False),
        ("refs/heads/fix-1", True),
        ("refs/heads/x/fix-1", False),
        ("refs/tags/agent/x", False),
        ("agent/x", False),
        ("refs/heads/", False),
        ("refs/heads/refs/heads/agent/x", False),
        ("refs/for/agent/x", False),
        ("HEAD", False),
    ],
)
def test_a_branch_is_pushed_only_where_a_pattern_is_its_whole_name(ref: str, *, may: bool) -> None:
    [remote] = policy(user='[[remotes]]\nurl = "git@h.test:a/b"\npush = ["agent/*", "fix-?"]').egress.remotes
    assert remote.may_push(ref) is may


def test_without_push_nothing_is_pushed() -> None:
    [remote] = policy(user='[[remotes]]\nurl = "git@h.test:a/b"').egress.remotes
    assert not remote.may_push("refs/heads/main")


def test_a_login_is_reached_and_bounded_and_whoever_denies_its_host_denies_it() -> None:
    logins = {"login.test": ("POST /v1/oauth/token",)}
    found = policy().with_login_hosts({}, "claude").with_login_hosts(logins, "claude")
    assert str(found.host("login.test", 443).rule) == 'login "login.test" (bundled, claude)'
    there = found.egress.terms("login.test", 443)
    assert there.intercepts
    assert there.allows("POST", "/v1/oauth/token")
    assert not there.allows("POST", "/v1/messages")
    assert there.found == "record"
    assert found.digest == policy().digest
    denied = policy(user='[network]\ndeny = ["*"]\n[[hosts]]\nhosts = ["*"]\nfound = "stop"')
    stricter = denied.with_login_hosts(logins, "claude")
    assert stricter.host("login.test", 443).action == "deny"
    assert stricter.egress.terms("login.test", 443).found == "stop"
