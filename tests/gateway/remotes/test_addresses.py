"""Which repository is meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.remotes.forge import by_https, by_ssh
from wrapper.gateway.remotes.addresses import Asked, command, granted, refused, repository, wanted

RULE = by_ssh("org/repo.git", user="git")


def asks(text: str, host: str = "forge.test", port: int = 0, user: str = "git") -> Asked:
    return Asked(host, port, user, text)


@pytest.mark.parametrize(
    "text",
    ["org/repo.git", "/org/repo.git", "org/repo", "/org/repo", "org/repo/", "org/repo.git/"],
)
def test_a_repository_has_one_name_however_it_is_written(text: str) -> None:
    assert repository(text) == "org/repo"
    found = granted(asks(f"git-upload-pack '{text}'"), [RULE])
    assert found is not None
    assert found.rule is RULE


ODD = [
    "../other.git", "org/../other.git", "./org/repo.git", "org/./repo.git", "org//repo.git", "//org/repo.git",
    "org/repo.git//", "", "/", ".git", "org/.git", "org/..", "-org/repo.git", "org/-repo.git", "org/re po.git",
    "org/repo.git\n", "org/repo.git;id", "org/$(id)", "org/`id`", "org/repo.git%2f", "org\\repo.git", "org/repo.git\0",
    "org/repo.git'x", "org/r*po.git", "org/{repo}.git", "org/repo.git?x", "org/repo.git#x",
]  # fmt: skip


@pytest.mark.parametrize("text", ODD)
def test_a_path_that_is_not_plain_names_nothing(text: str) -> None:
    assert repository(text) == ""
    assert granted(asks(f"git-upload-pack '{text}'"), [RULE]) is None


@given(st.text(max_size=30))
def test_a_name_has_no_dots_to_climb_by_and_is_its_own_name(text: str) -> None:
    name = repository(text)
    assert not name or (not {"", ".", ".."} & set(name.split("/")) and repository(f"/{name}.git") == name)


@pytest.mark.parametrize(
    "text",
    [
        "git-upload-pack org/repo.git", "git-upload-pack 'org/repo.git' 'x'", "git-upload-pack  'org/repo.git'",
        "git-upload-pack 'org/repo.git';id", "git-upload-pack --timeout=1 'org/repo.git'", "git-shell", "id", "",
        "git-upload-archive 'org/repo.git'", "git-lfs-authenticate org/repo.git download", "git-receive-pack\n'o/r'",
        "sh -c \"git-upload-pack 'org/repo.git'\"", "git-upload-pack 'org/repo.git'\n", "GIT-UPLOAD-PACK 'org/repo.git'",
        "git-upload-pack 'org/re'\\''po.git'", "git-upload-pack '--upload-pack=id'", " git-upload-pack 'org/repo.git'",
        "scp -f x", "rsync --server .", "sftp", "git upload-pack 'org/repo.git'", "/usr/bin/git-upload-pack 'org/repo'",
    ],
)  # fmt: skip
def test_nothing_but_gits_two_services_in_gits_own_words_is_granted(text: str) -> None:
    assert granted(asks(text), [RULE]) is None
    assert refused(asks(text), [RULE])


@pytest.mark.parametrize(
    ("asked", "is_rules"),
    [
        (asks("git-upload-pack 'org/repo.git'"), True),
        (asks("git-upload-pack 'org/repo.git'", host="FORGE.test"), True),
        (asks("git-upload-pack 'org/repo.git'", user=""), True),
        (asks("git-upload-pack 'org/repo.git'", port=22), True),
        (asks("git-upload-pack 'org/repo.git'", port=2222), False),
        (asks("git-upload-pack 'org/repo.git'", user="root"), False),
        (asks("git-upload-pack 'org/repo.git'", user="Git"), False),
        (asks("git-upload-pack 'org/repo.git'", host="forge.test.evil.test"), False),
        (asks("git-upload-pack 'org/repo.git'", host="evil.test"), False),
        (asks("git-upload-pack 'org/other.git'"), False),
        (asks("git-upload-pack 'ORG/repo.git'"), False),
        (asks("git-upload-pack 'org/repo.git.git'"), False),
        (asks("git-upload-pack 'org/repo.git/x'"), False),
        (asks("git-upload-pack '~git/org/repo.git'"), False),
    ],
)
def test_host_user_port_and_path_must_be_the_rules(asked: Asked, *, is_rules: bool) -> None:
    assert (granted(asked, [RULE]) is not None) is is_rules


def test_of_a_path_from_home_and_one_from_the_root_each_gets_its_own_rule() -> None:
    home, root = by_ssh("org/repo.git", user="git"), by_ssh("/org/repo.git", user="git")
    for rules in ([home, root], [root, home]):
        for rule in rules:
            found = granted(asks(f"git-upload-pack '{rule.path}'"), rules)
            assert found is not None
            assert found.rule is rule


def test_a_rule_by_https_grants_nothing_by_ssh() -> None:
    assert granted(asks("git-upload-pack '/org/repo.git'"), [by_https()]) is None


def test_a_refusal_names_the_rule_to_add_where_one_would_help() -> None:
    other = asks("git-upload-pack 'org/other.git'")
    assert "git@forge.test:org/other.git (by ssh there are: git@forge.test:org/repo.git)" in refused(other, [RULE])
    assert '[[remotes]] url = "git@forge.test:org/other.git"' in wanted(other)
    assert 'url = "ssh://git@forge.test:222/o/r.git"' in wanted(asks("git-upload-pack '/o/r.git'", port=222))
    assert wanted(asks("id")) == ""
    assert "not possible inside" in refused(asks(""), [RULE])


def test_a_command_is_read_in_gits_words_only() -> None:
    assert command("git-receive-pack 'a/b.git'") == ("git-receive-pack", "a/b.git")
    assert command("git-receive-pack a/b.git") is None
