"""What is refused in `[[secrets]]`, `[[hosts]]`, `[[remotes]]`, `[[loopback]]`, with line and hint, never with a value."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.policy.writing import layer, policy, refused
from wrapper.errors import PolicyError
from wrapper.policy.model import Layer

SECRET = '[[secrets]]\nname = "a"\nfrom = "env:A"\nhosts = ["api.test"]\n'
TOKEN = "ghp_" + "aB3dE5fG7h" * 4


def secret(line: str, *, name: str = "a", source: str = "env:A", hosts: str = '["api.test"]') -> str:
    return f'[[secrets]]\nname = "{name}"\nfrom = "{source}"\nhosts = {hosts}\n{line}\n'


def test_every_key_may_be_said() -> None:
    document = layer(
        Layer.USER,
        SECRET + 'where = ["header:X-Key", "query:key", "body", "basic"]\nvariables = ["A", "B"]\nprefix = "ghp_"\n'
        'username = "x-access-token"\n'
        '[[hosts]]\nhosts = ["*", "h.test:8443"]\ninspect = "flag"\nallow = ["GET /a/**"]\nfound = "redact"\n'
        "send_bytes = 1\nreceive_bytes = 0\nconnections = 4\nidle_seconds = 30\n"
        '[[remotes]]\nurl = "git@h.test:a/b"\npush = ["agent/*"]\n'
        '[[loopback]]\nport = 5432\nprotocol = "redis"\nfrom = "file:~/x"\n[[loopback]]\nport = 5433\n'
        '[network]\nunknown = "ask"\nwait_seconds = 5\n',
    ).source.document
    assert (len(document.secrets or ()), len(document.hosts or ()), len(document.loopback or ())) == (1, 1, 2)


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        (secret("", name="A b"), 3, "not a secret's name"),
        (secret("", source=TOKEN), 4, "never the value itself"),
        (secret("", source=f"env:{TOKEN}"), 4, "no variable"),
        (secret("", hosts="[]"), 5, "1 to 200 entries"),
        (secret("", hosts='["*"]'), 5, "every host"),
        (secret("", hosts='["*:8443"]'), 5, "every host"),
        (secret("", hosts='["*.org"]'), 5, "top-level domain"),
        (secret("", hosts='["a.test", "b.test:80"]'), 5, "plain http"),
        (secret("", hosts='["https://a.test/"]'), 5, "a URL"),
        (secret("", hosts='["10.0.0.1"]'), 5, "not a host name"),
        (secret("", hosts='["!a.test"]'), 5, "takes back"),
        (secret('where = ["cookie"]'), 6, "no place"),
        (secret('where = ["header:Host"]'), 6, "how a request is read"),
        (secret("where = []"), 6, "work nowhere"),
        (secret('variables = ["A", "B-C"]'), 6, "no variable"),
        (secret(f'prefix = "{TOKEN}"'), 6, "what such values begin with"),
        (secret('prefix = "x-MASKED-"'), 6, "what such values begin with"),
        (secret('username = "a:b"'), 6, "without `:`"),
        (secret(f'form = "{TOKEN}"'), 6, "unknown key `secrets.form`"),
        (secret("where = 3"), 6, "`secrets.where`"),
        ("[[secrets]]\nname = 'a'\nhosts = ['a.test']", 2, "required field `from`"),
        (SECRET + secret("", name="a", source="env:B"), 7, "stands in `secrets` twice"),
        (secret('variables = ["A", "LD_PRELOAD"]'), 2, "without the real `LD_PRELOAD`"),
        (secret("", source="env:PATH"), 2, "without the real `PATH`"),
        (SECRET + secret("", name="b"), 6, "`A` is set by a secret above"),
        ('[[hosts]]\nhosts = ["a.test"]\ninspect = "yse"', 4, '`inspect` cannot be "yse"'),
        ('[[hosts]]\nhosts = ["a.test"]\nfound = "block"', 4, '`found` cannot be "block"'),
        ('[[hosts]]\nhosts = ["a.test"]\nallow = ["GET /a", "get /b"]', 4, "begins with no method"),
        ('[[hosts]]\nhosts = ["!a.test"]', 3, "takes back"),
        ('[[hosts]]\nhosts = ["a.test"]\nsend_bytes = -1', 4, "number from 0"),
        ('[[hosts]]\nhosts = ["a.test"]\nconnections = 0', 4, "number from 1"),
        ('[[hosts]]\nhosts = ["a.test"]\nidle_seconds = nan', 4, "number from 1"),
        ('[[hosts]]\ninspect = "yes"', 2, "required field `hosts`"),
        ('[[remotes]]\nurl = "http://h.test/a/b"', 3, "plain http"),
        (f'[[remotes]]\nurl = "https://x:{TOKEN}@h.test/a/b"', 3, "user or a password"),
        ('[[remotes]]\nurl = "git@h.test:a/b"\npush = ["agent/*", "refs/heads/x"]', 4, "whole ref"),
        ('[[remotes]]\nurl = "git@h.test:a/b"\n[[remotes]]\nurl = "ssh://git@h.test/A/b.git"', 5, "repository stands"),
        ("[[loopback]]\nport = 0", 3, "not a port"),
        ('[[loopback]]\nport = 1\nprotocol = "postgres"', 4, "no protocol"),
        ('[[loopback]]\nport = 1\nfrom = "env:A"', 4, "nobody knows where a password goes"),
        (f'[[loopback]]\nport = 1\nprotocol = "redis"\nfrom = "{TOKEN}"', 5, "never the value itself"),
        ("[[loopback]]\nport = 1\n[[loopback]]\nport = 1", 5, "port stands in `loopback` twice"),
        ('[network]\nunknown = "allow"', 3, '`network.unknown` cannot be "allow"'),
        ("[network]\nwait_seconds = 0", 3, "number from 1"),
        ("[network]\nwait_seconds = 86400", 3, "number from 1 to 3600"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_no_value(text: str, line: int, what: str) -> None:
    error = refused(text)
    assert str(error).startswith(f"policy.toml:{line}: ")
    assert what in str(error)
    assert TOKEN not in f"{error} {error.hint}"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('[[loopback]]\nport = 1\nprotocol = "postgres"', 'did you mean "postgresql"?'),
        ('[[hosts]]\nhosts = ["a.test"]\ninspect = "yse"', 'did you mean "yes"?'),
        (secret("variable = []"), "did you mean `secrets.variables`?"),
        ('[secrets]\nname = "a"', "write `[[secrets]]`"),
        ("[network]\nallow = {a = 1}", "see `docs/policy.md` for what each key takes"),
        ("[[secret]]", "did you mean `secrets`?"),
        ("[[remote]]", "did you mean `remotes`?"),
        ("[network]\nunknwon = 1", "did you mean `network.unknown`?"),
    ],
)
def test_the_nearest_key_or_word_is_named(text: str, hint: str) -> None:
    assert refused(text).hint == hint


def test_one_repository_may_be_reached_by_ssh_and_by_https() -> None:
    text = '[[remotes]]\nurl = "git@h.test:a/b"\n[[remotes]]\nurl = "https://h.test/a/b.git"'
    assert len(layer(Layer.USER, text).source.document.remotes or ()) == 2


def test_a_secret_that_sets_no_variable_is_in_nobodys_way() -> None:
    text = SECRET + secret("variables = []", name="b")
    assert len(layer(Layer.USER, text).source.document.secrets or ()) == 2


TEXT = st.text("ae:/*.~#@ GET-env1\n'[]%?!\\", max_size=12)


def mostly(*good: str) -> st.SearchStrategy[str]:
    return st.integers(0, 15).flatmap(lambda number: st.sampled_from(good) if number else TEXT)


def lists(*good: str) -> st.SearchStrategy[list[str]]:
    return st.lists(mostly(*good), min_size=1, max_size=3)


SOURCES = mostly("env:A", "file:~/x#a.b", "cmd:a 'b'", "keyring:a/b")
TABLES = st.fixed_dictionaries(
    {},
    optional={
        "secrets": st.fixed_dictionaries(
            {"name": mostly("a", "b-1"), "from": SOURCES, "hosts": lists("api.test", "*.a.test:8443")},
            optional={
                "where": lists("body", "basic", "header:X-Key", "query:k"),
                "variables": lists("A", "B"),
                "prefix": mostly("", "ghp_"),
                "username": mostly("sam"),
            },
        ),
        "hosts": st.fixed_dictionaries(
            {"hosts": lists("*", "api.test", "*.test:1")},
            optional={
                "allow": lists("GET /a/**", "* /"),
                "found": mostly("stop", "record"),
                "send_bytes": st.integers(-1, 9),
            },
        ),
        "remotes": st.fixed_dictionaries(
            {"url": mostly("git@h.test:a/b", "https://h.test/a")}, optional={"push": lists("agent/*", "x")}
        ),
        "loopback": st.fixed_dictionaries(
            {"port": st.integers(0, 70000)}, optional={"protocol": mostly("redis", "mysql"), "from": SOURCES}
        ),
    },
)


@given(TABLES)
def test_whatever_a_file_says_is_taken_whole_or_refused_with_its_line(tables: dict[str, dict[str, object]]) -> None:
    rows = {
        key: "".join(f"{name} = {json.dumps(said)}\n" for name, said in table.items()) for key, table in tables.items()
    }
    text = "".join(f"[[{key}]]\n{row}" for key, row in rows.items())
    try:
        found = policy(user=text)
    except PolicyError as error:
        assert str(error).startswith("user.toml:")
        return
    assert len(found.egress.secrets) == ("secrets" in tables)
    assert found.digest == policy(user=text).digest
    for host in ("api.test", "h.test"):
        found.egress.terms(host, 443).allows("GET", "/a/b%2Fc")
