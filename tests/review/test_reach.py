"""What `explain HOST` says is what the session does: reached or not, how, what is used, asked and sent there."""

import pytest

from tests.policy.writing import policy
from wrapper.plan.launch import Usable
from wrapper.review.reach import Reach, details, reach

USER = """
[network]
allow = ["open.test", "both.test", "flagged.test"]
deny = ["closed.test"]
loopback = [6000]
[[secrets]]
name = "token"
from = "env:TOKEN"
hosts = ["api.test", "both.test"]
variables = ["TOKEN", "OTHER"]
[[hosts]]
hosts = ["api.test"]
allow = ["GET /a/**", "POST /b"]
found = "record"
send_bytes = 1000
connections = 4
[[hosts]]
hosts = ["both.test"]
allow = []
idle_seconds = 30
[[hosts]]
hosts = ["flagged.test"]
inspect = "flag"
receive_bytes = 5
[[remotes]]
url = "https://git.test/a/b.git"
push = ["agent/*", "fix"]
[[remotes]]
url = "git@ssh.test:a/b"
[[loopback]]
port = 5432
protocol = "postgresql"
from = "env:DATABASE_URL"
"""
POLICY = policy(user=USER)


def asked(host: str, port: int = 443) -> Reach:
    return reach(host, port, POLICY)


@pytest.mark.parametrize(
    ("host", "port", "action", "way"),
    [
        ("api.test", 443, "allow", "intercepted"),
        ("API.test", 443, "allow", "intercepted"),
        ("api.test", 80, "deny", "refused"),
        ("both.test", 80, "deny", "refused"),
        ("both.test", 443, "allow", "intercepted"),
        ("open.test", 443, "allow", "tunnelled"),
        ("open.test", 80, "allow", "tunnelled"),
        ("open.test", 8443, "deny", "refused"),
        ("closed.test", 443, "deny", "refused"),
        ("flagged.test", 443, "allow", "tunnelled"),
        ("git.test", 443, "allow", "intercepted"),
        ("ssh.test", 443, "deny", "refused"),
        ("never.test", 443, "deny", "refused"),
        ("127.0.0.1", 5432, "allow", "service"),
        ("localhost", 6000, "allow", "service"),
        ("localhost", 443, "deny", "refused"),
        ("Localhost.", 6000, "allow", "service"),
        ("10.0.0.1", 443, "deny", "refused"),
    ],
)
def test_a_host_is_reached_or_not_and_by_this_way(host: str, port: int, action: str, way: str) -> None:
    found = asked(host, port)
    assert (found.action, found.there.way) == (action, way)
    assert found.rule
    if host.lower() not in ("127.0.0.1", "localhost", "localhost.") and port != 80:
        assert found.action == POLICY.host(host, port).action
        assert (way == "intercepted") == (found.action == "allow" and POLICY.egress.terms(host, port).intercepts)


def test_below_the_answer_stands_all_that_holds_there() -> None:
    assert list(details(asked("api.test").there)) == [
        'secret    token: env:TOKEN in header:authorization, basic; inside: TOKEN, OTHER  [secret "token" (user, user.toml:7)]',
        'requests  GET /a/**, POST /b  [hosts "api.test" (user, user.toml:12)]',
        "found     a secret in a request leaves, and is recorded",
        "bounds    1000 bytes sent, 4 connections at the same time, 600 s without a byte",
    ]
    both = list(details(asked("both.test").there))
    assert 'requests  none  [hosts "both.test" (user, user.toml:18)]' in both
    assert "found     a request with a secret in it is refused" in both
    requests, *_, remote = details(asked("git.test").there)
    assert requests.startswith("requests  * /a/b/**, * /a/b.git/**  [remote ")
    assert remote.startswith("remote    https://git.test/a/b.git: fetch, push to agent/*, fix  [")
    assert [line.partition("  [")[0] for line in details(asked("ssh.test").there)] == [
        "remote    git@ssh.test:a/b: fetch, no push"
    ]
    assert list(details(asked("flagged.test").there)) == [
        "bounds    5 bytes received, 128 connections at the same time, 600 s without a byte"
    ]


@pytest.mark.parametrize("host", ["open.test", "closed.test", "never.test"])
def test_of_a_host_about_which_nothing_is_said_there_is_one_line(host: str) -> None:
    assert list(details(asked(host).there)) == []


def test_a_secret_that_was_not_found_is_told() -> None:
    usable = Usable("token", "env:TOKEN", ("api.test",), (), (), "", "the variable TOKEN is not set", "rule")
    line = next(details(reach("api.test", 443, POLICY, [usable]).there))
    assert "does not work: the variable TOKEN is not set" in line


@pytest.mark.parametrize(
    ("unknown", "way", "said"),
    [
        ("deny", "refused", ""),
        ("wait", "held", "at a terminal: held for 7 s, until `safe-agent allow never.test:8443` in another one"),
        (
            "ask",
            "asked",
            "at a terminal: you are asked, and it is held for 7 s, or until `safe-agent allow never.test:8443` in another one",
        ),
    ],
)
def test_of_an_unknown_host_it_says_what_becomes_of_the_connection(unknown: str, way: str, said: str) -> None:
    rules = policy(user=f'[network]\nunknown = "{unknown}"\nwait_seconds = 7\ndeny = ["closed.test"]')
    found = reach("never.test", 8443, rules)
    assert (found.action, found.there.way, found.said) == ("deny", way, said)
    assert reach("closed.test", 443, rules).there.way == "refused"  # whoever denied it need not be asked


def test_of_a_host_where_a_client_logs_in_it_says_for_what_it_is_open() -> None:
    logins = policy().with_login_hosts({"login.test": ("POST /v1/oauth/token",)}, "claude")
    found = reach("login.test", 443, logins)
    assert (found.action, found.rule) == ("allow", 'login "login.test" (bundled, claude)')
    assert next(details(found.there)) == f"requests  POST /v1/oauth/token  [{found.rule}]"


def test_a_service_says_where_its_password_comes_from() -> None:
    assert asked("localhost", 5432).said == "this machine's, by postgresql, with the password of env:DATABASE_URL"
    assert asked("localhost", 6000).rule == 'loopback "6000" (user, user.toml:6)'


def test_what_no_rule_can_name_is_not_waited_for() -> None:
    """No `safe-agent allow` would let it in: a number is no host."""
    waiting = policy(user='[network]\nunknown = "wait"\n')
    assert reach("never.test", 443, waiting).there.way == "held"  # the control
    for host, port in (("10.0.0.1", 443), ("0x7f.1", 443), ("never.test", 0), ("never.test", 70000)):
        found = reach(host, port, waiting)
        assert (found.action, found.said, found.there.way) == ("deny", "", "refused")


def test_plain_http_is_refused_where_the_hosts_https_is_intercepted_whatever_opens_it() -> None:
    """As the proxy does: it asks how the host's port 443 is served."""
    there = policy(
        user='[network]\nallow = ["one.test"]\n[[hosts]]\nhosts = ["one.test:443"]\ninspect = "yes"\n'
        '[[remotes]]\nurl = "https://git.test/a/b.git"\n'
    )
    for host in ("one.test", "git.test"):
        assert "no plain http" in reach(host, 80, there).rule
