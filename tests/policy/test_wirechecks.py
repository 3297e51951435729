"""Mistakes in what is said about requests are errors with file, line and the nearest known thing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.policy.writing import refused
from wrapper.errors import PolicyError
from wrapper.policy.parse import parse
from wrapper.policy.wirechecks import is_internal

TASK = '[[tasks]]\nname = "a"\naction = "deny"\n'
SEARCH = TASK + 'patterns = ["x"]\n'
RULE = '[[approved.rules]]\naction = "deny"\n'
SERVER = '[upstreams.a]\nkind = "openai"\nurl = "https://a.test"\n'


@pytest.mark.parametrize(
    ("text", "line", "what", "hint"),
    [
        ("[wire]\nmonitr = []\n", 3, "unknown key `wire.monitr`", "`wire.monitor`"),
        ('[wire]\nblock = [\n "A",\n "password",\n]\n', 5, '`wire.block`: "password" is no pattern for kinds', ""),
        ('[wire]\nredact = ["[A"]\n', 3, "has a `[` without its `]`", ""),
        ('[wire]\nredact = [""]\n', 3, "is empty", ""),
        ("[wire]\nbudget = -1\n", 3, "`wire.budget` is a number of values", ""),
        ('[wire]\nbudget = "9"\n', 3, "`wire.budget`: expected `int", "docs/policy.md"),
        ('[identity]\nmask = ["Home"]\n', 3, '"Home" is no pattern for a field', ""),
        ('[files.send]\nask = ["../x"]\n', 3, '`files.send.ask`: "../x" has a `.` or `..`', ""),
        ('[files.send]\nnevr = ["x"]\n', 3, "unknown key `files.send.nevr`", "`files.send.never`"),
        (TASK, 2, "this task has no `patterns`", "(?i)"),
        ('[[tasks]]\nname = "a"\npatterns = ["x"]\n', 2, "missing required field `action`", "docs/policy.md"),
        (SEARCH + 'pattern = ["x"]\n', 6, "unknown key `tasks.pattern`", "`tasks.patterns`"),
        (SEARCH + SEARCH, 7, 'the task "a" stands here twice', ""),
        ('[[tasks]]\nname = "A b"\naction = "deny"\npatterns = ["x"]\n', 3, "not a task's name", ""),
        (
            '[[tasks]]\nname = "a"\naction = "denny"\npatterns = ["x"]\n',
            4,
            "no action of a task",
            'did you mean "deny"?',
        ),
        ('[[tasks]]\nname = "a"\naction = "block"\npatterns = ["x"]\n', 4, "no action of a task", "warn, reason, deny"),
        ('[[tasks]]\nname = "a"\naction = "off"\npatterns = ["x"]\n', 5, "says nothing in a task", ""),
        (TASK + 'patterns = [\n "x",\n "(",\n]\n', 7, "not a valid regex", ""),
        (TASK + 'patterns = ["x*"]\n', 5, "matches nothing at all", ""),
        (TASK + 'patterns = ["(?=x)|"]\n', 5, "matches nothing at all", ""),
        (TASK + 'patterns = [""]\n', 5, "1 to 1000 characters", ""),
        (TASK + f'patterns = ["{"x" * 1001}"]\n', 5, "1 to 1000 characters", ""),
        (TASK + 'patterns = ["x(?:a+)+y"]\n', 5, "has a repetition within a repetition", "[^.]{0,60}"),
        (SEARCH + 'message = "a\\nb"\n', 6, "one line", ""),
        (SEARCH + 'agents = ["claud"]\n', 6, '"claud" is no agent', 'did you mean "claude"?'),
        (SEARCH + 'models = ["a{b,c}"]\n', 6, "braces", ""),
        (SEARCH + 'models = ["!a"]\n', 6, 'nothing stands before "!a"', '["*", "!a"]'),
        (SEARCH + 'workspaces = ["work/x"]\n', 6, '"work/x" is no absolute path', '"~/"'),
        (SEARCH + 'workspaces = ["/a/../b"]\n', 6, "has a `.` or `..`", ""),
        (SEARCH + 'remotes = ["git@github.com:lab/x.git"]\n', 6, "is an address", '"github.com/lab/x"'),
        (SEARCH + 'remotes = ["https://github.com/lab/*"]\n', 6, "is an address", '"github.com/lab/*"'),
        (SEARCH + 'remotes = ["github.com/lab/x.git"]\n', 6, "ends in `.git`", '"github.com/lab/x"'),
        ('[approved]\ndefault = "route"\n', 3, '`approved.default` is "allow" or "deny", not "route"', ""),
        ('[approved]\ndefalt = "deny"\n', 3, "unknown key `approved.defalt`", "`approved.default`"),
        ('[[approved.rules]]\naction = "alow"\n', 3, "no action of a rule", 'did you mean "allow"?'),
        (RULE + 'model = ["x"]\n', 4, "unknown key `approved.rules.model`", "`approved.rules.models`"),
        (RULE + 'upstream = "x"\n', 4, 'where the action is "deny"', '"route"'),
        ('[[approved.rules]]\naction = "route"\n', 2, "names no `upstream`", "[upstreams]"),
        (RULE + "reason = 5\n", 4, "expected `str`", "docs/policy.md"),
        ("[upstreams.a]\nknd = 'x'\n", 3, "unknown key `upstreams.a.knd`", "`upstreams.NAME.kind`"),
        (SERVER + '[upstreams.b]\nkind = "openai"\nurl = 5\n', 7, "expected `str`", "docs/policy.md"),
        ('[upstreams.a]\nkind = "opnai"\nurl = "https://a.test"\n', 3, "no kind of upstream", 'did you mean "openai"?'),
        ('[upstreams.a]\nurl = "https://a.test"\n', 2, '"" is no kind of upstream', "anthropic, openai"),
        ('[upstreams.A]\nkind = "openai"\nurl = "https://a.test"\n', 2, '"A" is not a name for an upstream', ""),
        ('[upstreams.a]\nkind = "openai"\n', 2, "not an address", "https://HOST"),
        ('[upstreams.a]\nkind = "openai"\nurl = "https://u:p@a.test"\n', 4, "not an address", ""),
        ('[upstreams.a]\nkind = "openai"\nurl = "https://a.test/?x"\n', 4, "not an address", ""),
        ('[upstreams.a]\nkind = "openai"\nurl = "http://a.test"\n', 4, "plain http", "https"),
        ('[upstreams.a]\nkind = "openai"\nurl = "http://8.8.8.8:80"\n', 4, "plain http", "https"),
        ('[upstreams.a]\nkind = "openai"\nurl = "http://127.0.0.1.evil.test"\n', 4, "plain http", ""),
        (SERVER + 'key = "sk-1"\n', 5, "not the name of a variable", "never the key itself"),
        (SERVER + 'key = "OPENAI_API_KEY"\n', 5, "the provider's key", "own key"),
        (SERVER + 'requires = ["a",\n "Zero retention"]\n', 6, "not the name of a requirement", "zero-data-retention"),
        ('[upstreams.openai]\nurl = "https://a.test"\n', 3, "the client's own", "`upstream.openai`"),
        ('[upstreams.openai]\nkey = "A"\n', 3, "the client's own", ""),
        ('[upstreams.openai]\nkind = "anthropic"\n', 3, 'the kind of `openai` is "openai"', ""),
    ],
)
def test_a_mistake_is_named_with_its_line(text: str, line: int, what: str, hint: str) -> None:
    error = refused(text)
    assert error.what.startswith(f"policy.toml:{line}: "), error.what
    assert what in error.what
    assert hint in error.hint


@pytest.mark.parametrize(
    "text",
    [
        '[wire]\nmonitor = ["EMAIL"]\nredact = ["*", "!X-?"]\nblock = ["*PRIVATE-KEY", "[A-C]-KEY"]\nbudget = 5\n',
        '[identity]\npass = ["*"]\nmask = ["git-*"]\ndrop = ["device-id", "!home"]\n',
        SEARCH + 'agents = ["*", "!codex"]\nworkspaces = ["~/x/**", "/y", "**/z", "*"]\nremotes = ["git.a.test/**"]\n',
        '[[tasks]]\nname = "a"\naction = "off"\n',
        '[upstreams.anthropic]\nrequires = ["zero-data-retention"]\n[upstreams.openai]\nkind = "openai"\n',
        SERVER + 'key = "INTERNAL_KEY"\nrequires = ["a"]\n',
        '[upstreams.a]\nkind = "openai"\nurl = "http://llm.internal:8080/v1"\n',
        '[upstreams.a]\nkind = "openai"\nurl = "http://[::1]:8080/v1"\n',
        '[[context]]\nbuiltin = "internal-host"\nhosts = ["corp.a.test"]\n[upstreams.a]\nkind = "openai"\nurl = "http://llm.corp.a.test"\n',
    ],
)
def test_what_is_right_is_taken(text: str) -> None:
    parse(f"version = 1\n{text}".encode(), "policy.toml")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("localhost", True),
        ("[::1]", True),
        ("10.1.2.3", True),
        ("192.168.1.1", True),
        ("[fd00::1]", True),
        ("llm", True),
        ("llm.internal", True),
        ("LLM.Corp.", True),
        ("0." + "0.0.0", False),
        ("1.1.1.1", False),
        ("[2606:4700::1111]", False),
        ("999.1.1.1", False),
        ("example.org", False),
        ("internal.example.org", False),
        ("local.evil.test", False),
    ],
)
def test_internal_is_what_cannot_be_public(host: str, *, expected: bool) -> None:
    assert is_internal(host) is expected


def test_a_domain_that_policy_calls_internal_is_so_with_its_hosts_and_no_lookalike() -> None:
    hosts = ("corp.a.test",)
    assert [is_internal(name, hosts) for name in ("corp.a.test", "x.corp.a.test", "xcorp.a.test", "a.test")] == [
        True,
        True,
        False,
        False,
    ]


TABLES = ("[wire]", "[identity]", "[files.send]", "[[tasks]]", "[approved]", "[[approved.rules]]", "[upstreams.a]")
KEYS = ("monitor", "budget", "mask", "never", "name", "action", "patterns", "workspaces", "remotes", "models", "url")
VALUES = st.one_of(
    st.text(st.characters(exclude_categories=["C"], exclude_characters='"\\'), max_size=12).map(lambda t: f'"{t}"'),
    st.integers().map(str),
    st.lists(st.text("a*/!.~[]()@:+", max_size=6).map(lambda t: f'"{t}"'), max_size=3).map(
        lambda v: f"[{', '.join(v)}]"
    ),
)


@given(table=st.sampled_from(TABLES), rows=st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4))
def test_any_table_is_taken_or_refused_with_the_files_name_and_a_line(table: str, rows: dict[str, str]) -> None:
    text = "\n".join(["version = 1", table, *(f"{key} = {value}" for key, value in rows.items())])
    try:
        parse(text.encode(), "policy.toml")
    except PolicyError as error:
        line = error.what.removeprefix("policy.toml:").partition(":")[0]
        assert 1 <= int(line) <= text.count("\n") + 1
        assert error.what.isprintable()
