"""The policy's tables become rules, with what this machine knows."""

from pathlib import Path

import pytest

from redactors.context import Context, ContextRule
from redactors.finding import Confidence
from redactors.terms import Borders
from wrapper.plan.context import context_rules
from wrapper.plan.identity import remotes, unmatched
from wrapper.policy.model import ContextTable


def repository(folder: Path, config: str) -> Path:
    (folder / ".git").mkdir(parents=True)
    (folder / ".git/HEAD").write_text("ref: refs/heads/main\n")
    (folder / ".git/config").write_text(config)
    return folder


def rules(*tables: ContextTable, user: str = "jdoe", workspace: Path = Path("/nonexistent")) -> tuple[ContextRule, ...]:
    return context_rules(tables, user=user, workspace=workspace)


def test_each_means_becomes_its_rule() -> None:
    found = rules(
        ContextTable(kind="A", terms=("falcon",), borders="word", ignore_case=False, confidence="likely"),
        ContextTable(kind="B", regex="b+", allow=("bb",)),
        ContextTable(builtin="internal-host", hosts=("example.org",)),
    )
    assert found == (
        ContextRule("A", Confidence.LIKELY, ("falcon",), Borders.WORD, ignore_case=False),
        ContextRule("B", regex="b+", allow=("bb",)),
        ContextRule("INTERNAL-HOST", shape="internal-host", hosts=("example.org",)),
    )


@pytest.mark.parametrize("user", ["root", "ubuntu", "Claude", "ab", "1001", ""])
def test_a_user_name_that_says_nothing_is_not_searched_for_and_explain_says_so(user: str) -> None:
    table = ContextTable(builtin="username")
    assert rules(table, user=user) == ()
    assert "username" in unmatched([table], user=user)
    assert unmatched([], user=user) == {}


def test_a_user_name_is_found_in_paths() -> None:
    table = ContextTable(builtin="username")
    assert unmatched([table], user="jdoe") == {}
    found = Context(rules(table)).find(b"/home/jdoe/x jdoe@host jdoes")
    assert [one.value for one in sorted(found)] == [b"jdoe", b"jdoe"]


@pytest.mark.parametrize(
    "url",
    [
        "git@git.example.org:acme/secret.git",
        "https://git.example.org/acme/secret",
        "https://user:pass@git.example.org:8443/acme/secret.git/",
        "ssh://git@git.example.org/acme/secret.git",
    ],
)
def test_a_remote_is_found_however_it_is_written(tmp_path: Path, url: str) -> None:
    workspace = repository(tmp_path, f'[core]\n\tbare = false\n[remote "origin"]\n\turl = {url}\n\tfetch = x\n')
    found = set(remotes(workspace))
    assert {"acme/secret", "git.example.org/acme/secret", "git.example.org:acme/secret"} <= found
    assert not any("pass" in one for one in found)
    [rule] = rules(ContextTable(builtin="git-remote"), workspace=workspace)
    text = b"clone git@git.example.org:acme/secret.git or see acme/secret#12; not acme/secretly"
    values = {one.value for one in Context([rule]).find(text)}
    assert {b"git.example.org:acme/secret", b"acme/secret"} == values


def test_without_a_repository_or_a_remote_there_is_no_rule(tmp_path: Path) -> None:
    table = ContextTable(builtin="git-remote")
    assert rules(table, workspace=tmp_path) == ()
    assert rules(table, workspace=repository(tmp_path / "a", "[core]\n\tbare = false\n")) == ()
    assert rules(table, workspace=repository(tmp_path / "b", "")) == ()
