"""How texts about the way out are read; what is refused is told without the text where it may be a secret."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.plan.trust import Trust
from wrapper.policy.egress import Request, Source, Where
from wrapper.policy.egressforms import Remote, branch_problem, is_sessions, remote, request, source, where


@pytest.mark.parametrize(
    ("text", "kind", "rest"),
    [
        ("env:GITHUB_TOKEN", "env", "GITHUB_TOKEN"),
        ("env:TF_VAR_databaseAdminPassword2", "env", "TF_VAR_databaseAdminPassword2"),
        ("file:~/.config/x/token", "file", "~/.config/x/token"),
        ("file:/run/secrets/db#auth.0.token", "file", "/run/secrets/db#auth.0.token"),
        ("cmd:pass show 'work/api key'", "cmd", "pass show 'work/api key'"),
        ("cmd: op read op://v/i/f ", "cmd", "op read op://v/i/f"),
        ("keyring:https://h.test/api/sam", "keyring", "https://h.test/api/sam"),
    ],
)
def test_a_source_is_a_kind_and_its_place(text: str, kind: str, rest: str) -> None:
    assert source(text) == Source(kind, rest)


TOKEN = "ghp_" + "aB3dE5fG7h" * 4


@pytest.mark.parametrize(
    "text",
    [
        TOKEN,
        f"env:{TOKEN}",
        f"ENV:{TOKEN}",
        f"env:A={TOKEN}",
        f"file:{TOKEN}",
        f"file:/x#{TOKEN}..",
        f"keyring:{TOKEN}",
        f"cmd:echo '{TOKEN}",
        f"{TOKEN}:{TOKEN}",
        f"cmd:\n{TOKEN}",
    ],
)
def test_a_token_in_place_of_a_source_is_refused_and_never_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="`from`") as caught:
        source(text)
    assert TOKEN not in "".join(caught.value.args)


@pytest.mark.parametrize(
    "text",
    ["", "env:", "env:A-B", "env:1A", "env: A", "file:x", "file:~x/y", "file:./x", "file:/x/", "file:/x/../y"]
    + ["file:/x#", "file:/x#a..b", "cmd:", "cmd:  ", "cmd:a\nb", "keyring:x", "keyring:/x", "keyring:x/", "vault:x"],
)  # fmt: skip
def test_a_source_that_leads_nowhere_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="`from`"):
        source(text)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("header:X-Api-Key", Where("header", "x-api-key")),
        ("basic", Where("basic")),
        ("query:apiKey", Where("query", "apikey")),
        ("body", Where("body")),
    ],
)
def test_a_place_is_read(text: str, read: Where) -> None:
    assert where(text) == read


@pytest.mark.parametrize(
    "text",
    ["", "header", "header:", "header:a b", "header:a:b", "basic:x", "body:", "query", "query:", "query:a b", "cookie"]
    + ["Header:x", "header:Host", "header:content-length", "header:Transfer-Encoding", "header:connection"],
)  # fmt: skip
def test_what_is_no_place_or_would_move_a_request_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="`where`"):
        where(text)


def test_a_request_is_a_method_and_a_path() -> None:
    assert request("GET /repos/**") == Request("GET", "/repos/**")
    assert request("* /a*/b") == Request("*", "/a*/b")
    assert request("PROPFIND /") == Request("PROPFIND", "/")


@pytest.mark.parametrize(
    "text",
    ["", "GET", "/a", "get /a", "GET a", "GET  /a", "GET /a b", "GET /a?x=1", "GET /a#b", "GET /a%2Fb", "GET /a/../b"]
    + ["GET /./a", "GET /a**", "GET /a/**b", "G*T /a", "GET /a\x07", "GET https://h.test/a", "GET /***"],
)  # fmt: skip
def test_what_is_no_request_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="`allow`"):
        request(text)


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("git@github.com:Org/repo.git", Remote("github.com/org/repo", "github.com", 0, "Org/repo.git", "git@github.com")),
        ("work:repo", Remote("work/repo", "work", 0, "repo", "work")),
        ("h.test:/srv/git/a.git", Remote("h.test/srv/git/a", "h.test", 0, "/srv/git/a.git", "h.test")),
        ("ssh://git@H.test:2222/a/b.git/", Remote("h.test/a/b", "h.test", 2222, "/a/b.git", "git@h.test")),
        ("ssh://h.test/~sam/b.git", Remote("h.test/~sam/b", "h.test", 0, "~sam/b.git", "h.test")),
        ("git@h.test:@scope/b", Remote("h.test/@scope/b", "h.test", 0, "@scope/b", "git@h.test")),
        ("https://h.test/a/b.git", Remote("h.test/a/b", "h.test", 0, "/a/b.git", "")),
        ("HTTPS://h.test:8443/~sam/b", Remote("h.test/~sam/b", "h.test", 8443, "/~sam/b", "")),
    ],
)  # fmt: skip
def test_a_repository_is_read(url: str, read: Remote) -> None:
    assert remote(url) == read


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://h.test/a/b", "plain http"),
        (f"https://sam:{TOKEN}@h.test/a/b", "a user or a password"),
        (f"https://{TOKEN}@h.test/a/b", "a user or a password"),
        (f"ssh://git:{TOKEN}@h.test/a", "no repository"),
        ("git://h.test/a/b", "no repository"),
        ("file:///a/b", "no repository"),
        ("/srv/a", "no repository"),
        ("../a", "no repository"),
        ("ext::sh -c id", "no repository"),
        ("https://h.test", "no repository"),
        ("https://h.test/", "no repository"),
        ("git@h.test:", "no repository"),
        ("git@*.test:a/b", "is a pattern|host"),
        ("https://10.0.0.1/a/b", "not a host name"),
        ("git@-oProxyCommand=x:a/b", "host"),
        ("-oProxyCommand=x@h.test:a", "a user"),
        ("git@h.test:-x", "a path"),
        ("git@h.test:a/../b", "a path"),
        ("git@h.test:a b", "a path"),
        ("git@h.test:a//b", "a path"),
        ("git@h.test:a/-b", "a path"),
        ("git@h.test:a'b", "a path"),
        ("git@h.test:$(id)", "a path"),
        ("https://h.test/a?x=1", "a path"),
        ("https://h.test:99999/a/b", "a port"),
    ],
)
def test_what_is_no_repository_is_refused_without_its_password(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        remote(url)
    assert TOKEN not in "".join(caught.value.args)


@given(st.text("git@h.tes:/a-~$;' \n%", max_size=25))
def test_no_repository_holds_what_a_shell_or_an_option_would_be(url: str) -> None:
    try:
        read = remote(url)
    except ValueError:
        return
    for part in (read.host, read.ssh, read.path):
        assert not part.startswith("-")
        assert not set(part) & set("$;' \n%")


@pytest.mark.parametrize("text", ["agent/*", "*", "fix-?", "release-[0-9]", "a/b/c"])
def test_a_pattern_over_branches(text: str) -> None:
    assert branch_problem(text) == ""


@pytest.mark.parametrize(
    "text",
    ["", "refs/heads/x", "!main", "a..b", "a b", "a~1", "a:b", "-x", "/x", "x/", "x.lock", "a//b", "a@{1}", "a/.b"]
    + ["x[", "{a,b}", "a\\b", "a\x07"],
)  # fmt: skip
def test_what_no_branch_can_be_named_is_refused(text: str) -> None:
    assert branch_problem(text)


def test_what_a_session_sets_for_itself_is_no_place_for_a_secret() -> None:
    trust = Trust("", (), "", b"", java=True, place="").variables({})
    proxies = ("HTTPS_PROXY", "https_proxy", "no_proxy", "GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_0", "npm_config_proxy")
    for name in (*trust, *proxies, "GIT_SSH_COMMAND", "GIT_SSH_VARIANT", "GIT_CONFIG", "SAFE_AGENT", "LC_ALL", "HOME"):
        assert is_sessions(name), name
    for name in ("GH_TOKEN", "AWS_SECRET_ACCESS_KEY", "HOME_TOKEN", "MY_PATH", "SSL_KEY", "npm_config__authToken"):
        assert not is_sessions(name), name
