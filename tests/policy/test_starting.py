"""The files of `safe-agent policy init`: without effect as they are, and every example in them is right."""

import re
from pathlib import Path

import pytest

from tests.policy.writing import NOTHING, policy
from wrapper.errors import PolicyError
from wrapper.policy.parse import parse
from wrapper.policy.schema import Document
from wrapper.policy.starting import PROJECT, USER, write_new


def uncommented(text: str) -> str:
    return re.sub(r"(?m)^# (\[|[a-z_]+ = )", r"\1", text)


@pytest.mark.parametrize("text", [USER, PROJECT])
def test_as_written_it_says_nothing(text: str) -> None:
    assert parse(text.encode(), "f").document == Document(version=1)


@pytest.mark.parametrize("text", [USER, PROJECT])
def test_each_line_is_right_once_its_mark_is_removed(text: str) -> None:
    document = parse(uncommented(text).encode(), "f").document
    assert document.tasks
    assert document.approved.rules
    assert document.context
    assert document.hosts


def test_the_users_file_has_each_table_of_the_way_out_and_the_projects_none_of_its_own() -> None:
    users, projects = (parse(uncommented(text).encode(), "f").document for text in (USER, PROJECT))
    assert users.secrets
    assert users.remotes
    assert users.loopback
    assert (projects.secrets, projects.remotes, projects.loopback) == (None, None, None)


def test_the_users_examples_merge_and_the_projects_need_no_trust() -> None:
    bare = uncommented(USER).replace("version = 1\n", "")
    assert policy(user=bare).upstreams["internal"].requires == ("zero-data-retention",)
    found = policy(bundle=NOTHING, project=uncommented(PROJECT).replace("version = 1\n", ""))
    assert not found.notices
    assert found.tasks


def test_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "new" / "policy.toml"
    write_new(file, "one")
    assert file.stat().st_mode & 0o022 == 0
    with pytest.raises(PolicyError, match="is there already"):
        write_new(file, "two")
    assert file.read_text() == "one"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PolicyError):
        write_new(tmp_path / "link", "x")
    assert not (tmp_path / "elsewhere").exists()
