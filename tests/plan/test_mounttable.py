from hypothesis import given
from hypothesis import strategies as st

from wrapper.plan.freezing import freezing_rule, frozen_below, named_folders, with_frozen
from wrapper.plan.mounts import Mount
from wrapper.plan.mounttable import Mounted, Mounts, read_table
from wrapper.policy.model import Kind, Layer, Rule, Ruleset

_TABLE = rb"""21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 21 8:2 / /mnt/datasets rw,noatime shared:2 master:1 - ext4 /dev/sdb1 rw
31 21 0:40 / /mnt/share rw - nfs4 fileserver:/export/corpora rw,vers=4.2
40 21 8:1 /pool/sets /work/project/sets rw - ext4 /dev/sda1 rw
41 21 8:2 /images /work/project/deep/images rw - ext4 /dev/sdb1 rw
42 21 0:40 /english /work/project/with\040blank rw - nfs4 fileserver:/export/corpora rw
43 21 0:51 / /work/project/build rw - tmpfs tmpfs rw
44 41 0:52 / /work/project/deep/images/cache rw - tmpfs tmpfs rw
"""
_MOUNTS = Mounts(read_table(_TABLE))


def _rules(*patterns: str) -> Ruleset:
    rules = tuple(Rule(one, "frozen_mounts", Layer.USER, "policy.toml", 3) for one in patterns)
    return Ruleset(Kind.NAME, ("", "frozen_mounts"), "", rules)


def _frozen(folder: str, *patterns: str) -> list[str]:
    return list(frozen_below(folder, _MOUNTS, _rules(*patterns)))


def test_the_table_is_read_with_its_escapes_and_optional_fields() -> None:
    table = read_table(_TABLE)
    assert len(table) == 8
    assert table[1] == Mounted("/mnt/datasets", "/", "8:2", "/dev/sdb1")
    assert table[5] == Mounted("/work/project/with blank", "/english", "0:40", "fileserver:/export/corpora")


@given(st.binary(max_size=300))
def test_whatever_stands_in_the_table_it_is_read(data: bytes) -> None:
    for one in read_table(data + b"\n" + _TABLE)[-8:]:
        assert one.place.startswith("/")


def test_a_mount_is_known_by_its_place_by_where_it_came_from_and_by_its_source() -> None:
    assert _frozen("/work/project", "/mnt/datasets/**") == ["/work/project/deep/images"]
    assert _frozen("/work/project", "/mnt/datasets") == ["/work/project/deep/images"]
    assert _frozen("/work/project", "/pool/**") == ["/work/project/sets"]
    assert _frozen("/work/project", "fileserver:/export/*") == ["/work/project/with blank"]
    assert _frozen("/work/project", "/dev/sdb1") == ["/work/project/deep/images"]
    assert _frozen("/work/project", "/work/project/build") == ["/work/project/build"]
    assert _frozen("/work/project", "/mnt/data/**") == []


def test_a_workspace_on_such_a_mount_is_frozen_as_a_whole() -> None:
    for folder in ("/mnt/datasets", "/mnt/datasets/images/english", "/work/project/deep/images/a"):
        assert _frozen(folder, "/mnt/datasets/**") == [folder]
    assert _frozen("/mnt/datasetsish", "/mnt/datasets/**") == []


def test_another_mount_of_the_same_device_is_not_meant_where_it_shows_something_else() -> None:
    assert _frozen("/work/project", "/mnt/datasets/texts/**") == []
    assert _frozen("/work/project", "/mnt/datasets/images/**") == ["/work/project/deep/images"]


def test_a_rule_counts_where_it_is_not_taken_back() -> None:
    rule = freezing_rule("/mnt/datasets/x", _MOUNTS, _rules("/mnt/datasets/**"))
    assert rule is not None
    assert str(rule) == 'frozen_mounts "/mnt/datasets/**" (user, policy.toml:3)'
    assert freezing_rule("/mnt/datasets/x", _MOUNTS, _rules("/mnt/datasets/**", "!/mnt/datasets/**")) is None


def test_what_would_be_bound_writable_is_read_only_and_so_are_the_parts_of_it() -> None:
    planned = [
        Mount("read-write", "/home/a/pool", "/mnt/datasets/pool", "policy"),
        Mount("read-write", "/home/a/all", "/mnt", "policy"),
        Mount("read-write", "/work/project", "/work/project", "the workspace"),
        Mount("read-only", "/usr", "/usr", "system"),
    ]
    made = list(with_frozen(planned, _MOUNTS, _rules("/mnt/datasets/**"), served=["/work/project"]))
    assert [(one.kind, one.target, one.source) for one in made] == [
        ("read-only", "/home/a/pool", "/mnt/datasets/pool"),
        ("read-write", "/home/a/all", "/mnt"),
        ("read-only", "/home/a/all/datasets", "/mnt/datasets"),
        ("read-write", "/work/project", "/work/project"),
        ("read-only", "/usr", "/usr"),
    ]
    assert "frozen_mounts" in made[0].reason


def test_a_pattern_may_be_written_by_a_link() -> None:
    assert set(named_folders(_rules("/data/sets/**", "/data/a*", "fileserver:/x", "/one/two/"))) == {
        "/data/sets", "/data", "/one/two",
    }  # fmt: skip
    table = read_table(_TABLE)
    for mounts, found in ((Mounts(table), False), (Mounts(table, [("/x", "/a"), ("/data/sets", "/pool")]), True)):
        rule = freezing_rule("/work/project/sets/one", mounts, _rules("/data/sets/**"))
        assert (rule is not None) is found
