"""What the layers' secrets, hosts, remotes and services add up to, and who may say them."""

import pytest

from tests.policy.writing import policy
from wrapper.policy.egress import Source, Where
from wrapper.policy.model import Layer, Policy

GITHUB = '[[secrets]]\nname = "github"\nfrom = "env:GITHUB_TOKEN"\nhosts = ["api.test"]\n'
REMOTE = '[[remotes]]\nurl = "{}"\npush = ["{}"]\n'


def told(found: Policy) -> list[tuple[str, str]]:
    return [(notice.key, notice.why) for notice in found.notices]


def values(found: Policy, key: str) -> list[str]:
    return [row.value for row in found.settings() if row.key == key]


def test_a_secret_has_its_defaults() -> None:
    [secret] = policy(user=GITHUB).egress.secrets
    assert secret.source == Source("env", "GITHUB_TOKEN")
    assert secret.where == (Where("header", "authorization"), Where("basic"))
    assert (secret.variables, secret.prefix, secret.username) == (("GITHUB_TOKEN",), None, "")
    assert str(secret.rule) == 'secret "github" (user, user.toml:2)'
    [secret] = policy(user=GITHUB.replace("env:GITHUB_TOKEN", "cmd:pass show x") + 'prefix = ""\n').egress.secrets
    assert (secret.variables, secret.prefix) == ((), "")
    [secret] = policy(user=GITHUB + "variables = []").egress.secrets
    assert secret.variables == ()


def test_a_host_of_a_secret_is_allowed_by_it_until_a_rule_denies_it() -> None:
    assert str(policy(user=GITHUB).host("api.test", 443).rule) == 'secret "github" (user, user.toml:2)'
    by_both = policy(user=GITHUB + '[network]\nallow = ["api.test"]')
    assert str(by_both.host("api.test", 443).rule) == 'allow "api.test" (user, user.toml:7)'
    deny = '[network]\ndeny = ["api.test"]'
    for denying in (
        policy(user=GITHUB + deny),
        policy(user=GITHUB, organisation=deny),
        policy(user=GITHUB, project=deny),
    ):
        denied = denying.host("api.test", 443)
        assert (denied.action, denied.rule is not None) == ("deny", True)
    assert policy(user=GITHUB).host("other.test", 443).action == "deny"


def test_the_organisations_secret_and_its_variables_are_not_the_users_to_name_anew() -> None:
    own = GITHUB.replace("api.test", "evil.test")
    found = policy(organisation=GITHUB, user=own)
    assert [one.hosts for one in found.egress.secrets] == [("api.test",)]
    assert told(found) == [("secrets github", "would replace the organisation's secret")]
    found = policy(organisation=GITHUB, user=own.replace('name = "github"', 'name = "mine"'))
    assert [one.name for one in found.egress.secrets] == ["github"]
    assert told(found) == [("secrets mine", "would set a variable that the organisation's secret sets")]
    beside = own.replace('name = "github"', 'name = "mine"').replace("GITHUB_TOKEN", "MY_TOKEN")
    assert [one.name for one in policy(organisation=GITHUB, user=beside).egress.secrets] == ["github", "mine"]


def test_hosts_of_all_layers_add_up() -> None:
    table = '[[hosts]]\nhosts = ["api.test"]\n'
    found = policy(
        organisation=table + 'found = "stop"\nsend_bytes = 100\n',
        user=table + 'found = "record"\nsend_bytes = 1000\nallow = ["GET /**"]\n',
        project=table + 'inspect = "yes"\nallow = ["* /a/**"]\nconnections = 9\n',
    )
    there = found.egress.terms("api.test", 443)
    assert (there.found, there.send_bytes, there.inspect, there.connections) == ("stop", 100, "yes", 9)
    assert there.allows("GET", "/a/b")
    assert not there.allows("POST", "/a/b")
    assert not there.allows("GET", "/b")
    assert found.notices == ()
    assert found.host("api.test", 443).action == "deny"  # none of them opens it


def test_what_a_trusted_project_says_of_hosts_is_as_the_users() -> None:
    table = '[[hosts]]\nhosts = ["api.test"]\nfound = "record"\nconnections = 500\n'
    there = policy(project=table, trusted=True).egress.terms("api.test", 443)
    assert (there.found, there.connections) == ("record", 500)


def test_a_host_that_only_its_remotes_open_is_open_for_their_paths() -> None:
    remotes = REMOTE.format("https://git.test/Lab/app.git", "agent/*") + REMOTE.format("https://git.test/lab/lib", "x")
    found = policy(user=remotes)
    assert str(found.host("git.test", 443).rule).startswith('remote "https://git.test/Lab/app.git"')
    there = found.egress.terms("git.test", 443)
    for path in ("/Lab/app.git/info/refs?service=git-upload-pack", "/Lab/app/git-receive-pack", "/lab/lib.git/x"):
        assert there.allows("POST", path)
    for path in (
        "/",
        "/Lab/app.git",
        "/Lab/application/x",
        "/evil/app.git/info/refs",
        "/api/v3/gists",
        "/Lab/app/../x",
    ):
        assert not there.allows("POST", path)
    for opened in (
        '[network]\nallow = ["git.test"]',
        '[network]\ninternal = ["git.test"]',
        GITHUB.replace("api", "git"),
    ):
        assert policy(user=remotes + opened).egress.terms("git.test", 443).allows("POST", "/api/v3/gists")


def test_a_remote_is_the_organisations_as_soon_as_it_names_it_by_whatever_url() -> None:
    named = REMOTE.format("https://git.test/lab/app.git", "agent/*")
    found = policy(organisation=named, user=REMOTE.format("git@git.test:Lab/App", "*"))
    assert [(one.url, one.push) for one in found.egress.remotes] == [("https://git.test/lab/app.git", ("agent/*",))]
    assert told(found) == [("remotes git.test/lab/app", "is a repository that the organisation's policy names")]


@pytest.mark.parametrize(
    ("url", "denied"),
    [
        ("git@git.test:a/b", ["git.test"]),
        ("git.test:a/b", ["*"]),
        ("ssh://git@git.test:2222/a/b", ["git.test:2222"]),
    ],
)
def test_a_remote_by_ssh_at_a_denied_host_is_not_taken(url: str, denied: list[str]) -> None:
    remote = REMOTE.format(url, "x")
    assert len(policy(user=remote, organisation='[network]\ndeny = ["git.test:1"]').egress.remotes) == 1
    found = policy(user=remote, organisation=f"[network]\ndeny = {denied}")
    assert found.egress.remotes == ()
    assert told(found)[0][1].startswith("is denied: deny ")


def test_a_remote_by_https_at_a_denied_host_opens_nothing() -> None:
    found = policy(user=REMOTE.format("https://git.test/a/b", "x"), organisation='[network]\ndeny = ["git.test"]')
    assert found.host("git.test", 443).action == "deny"
    assert not found.egress.terms("git.test", 443).allows("GET", "/c/d")


def test_services_keep_to_the_organisations_list_and_names() -> None:
    service = '[[loopback]]\nport = 5432\nprotocol = "postgresql"\nfrom = "env:{}"\n'
    found = policy(organisation=service.format("A"), user=service.format("B"))
    assert [one.source for one in found.egress.loopback] == [Source("env", "A")]
    assert told(found) == [("loopback 5432", "is a service that the organisation's policy names")]
    none = policy(organisation="[network]\nloopback = [6379]", user=service.format("B"))
    assert none.egress.loopback == ()
    assert told(none) == [("loopback 5432", "goes beyond the organisation's list")]
    assert policy(organisation="[network]\nloopback = [5432]", user=service.format("B")).egress.ports == (5432,)


def test_a_port_that_is_a_service_is_no_bare_port_besides() -> None:
    found = policy(user="[network]\nloopback = [5432, 8000]\n[[loopback]]\nport = 5432")
    assert (found.loopback, found.egress.ports) == ((8000,), (5432,))


@pytest.mark.parametrize(
    ("organisation", "user", "unknown"),
    [(None, "ask", "ask"), ("wait", "ask", "wait"), ("wait", "deny", "deny"), ("deny", "wait", "deny")],
)
def test_what_becomes_of_unknown_hosts_has_the_organisations_as_a_floor(
    organisation: str | None, user: str, unknown: str
) -> None:
    floor = f'[network]\nunknown = "{organisation}"' if organisation else None
    found = policy(organisation=floor, user=f'[network]\nunknown = "{user}"\nwait_seconds = 9')
    assert (found.egress.unknown, found.egress.wait_seconds) == (unknown, 9)
    assert [key for key, _ in told(found)] == (["network.unknown"] if unknown != user else [])


def test_every_table_is_shown_whole_and_no_value_is() -> None:
    found = policy(
        user=GITHUB + 'prefix = ""\nvariables = []\nwhere = ["body"]\nusername = "x"\n'
        '[[hosts]]\nhosts = ["a.test", "b.test"]\nallow = []\nsend_bytes = 0\nidle_seconds = 30\n'
        '[[hosts]]\nhosts = ["c.test"]\n'
        + REMOTE.format("git@h.test:a/b", "agent/*")
        + '[[loopback]]\nport = 5432\nprotocol = "redis"\nfrom = "file:~/x#a.b"\n'
    )
    said = 'from = "env:GITHUB_TOKEN", hosts = ["api.test"], where = ["body"], variables = [], prefix = ""'
    assert values(found, "secrets") == [f'github: {said}, username = "x"']
    assert values(found, "hosts") == ["a.test, b.test, allow = [], send_bytes = 0, idle_seconds = 30.0"]
    assert values(found, "remotes") == ['git@h.test:a/b, push = ["agent/*"]']
    assert values(found, "loopback") == ['5432, protocol = "redis", from = "file:~/x#a.b"']


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (GITHUB, GITHUB.replace("env:", "file:/")),
        (GITHUB, GITHUB + "variables = []"),
        (GITHUB, GITHUB + 'prefix = ""'),
        (GITHUB, GITHUB.replace("api", "evil")),
        ('[[hosts]]\nhosts = ["a.test"]\nallow = []', '[[hosts]]\nhosts = ["a.test"]\nconnections = 1'),
        (REMOTE.format("git@h.test:a/b", "x"), REMOTE.format("git@h.test:a/b", "y")),
        ("[[loopback]]\nport = 1", "[[loopback]]\nport = 2"),
        ("[network]\nwait_seconds = 1", "[network]\nwait_seconds = 2"),
    ],
)
def test_the_digest_tells_any_two_of_them_apart(one: str, other: str) -> None:
    assert policy(user=one).digest == policy(user=one).digest
    assert policy(user=one).digest != policy(user=other).digest


def test_a_row_names_the_line_of_its_table() -> None:
    rows = {row.key: (row.rule.layer, row.rule.line) for row in policy(user="\n" + GITHUB).settings()}
    assert rows["secrets"] == (Layer.USER, 3)
