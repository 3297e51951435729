"""What is found and changed in an index is what the real git says of it afterwards."""

import contextlib
import hashlib
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.repository import fill, git, repository
from wrapper.plan.indexformat import IndexFormatError, extensions, walk
from wrapper.view.gitindex import Entry, find, patched, without_untracked

NAMES = ["a", "b/a", "src/one.py", "src/two.py", "src/deep/er/.env", "ü/ß.txt", "x" * 200, "sp ace\nline", ".env"]
_DEBUG = re.compile(
    rb"(\d+) ([0-9a-f]+) (\d)\t(.*?)\0  ctime: (\d+):(\d+)\n  mtime: (\d+):(\d+)\n  dev: \d+\tino: (\d+)\n"
    rb"  uid: (\d+)\tgid: (\d+)\n  size: (\d+)\tflags: ",
    re.DOTALL,
)


def read(folder: Path) -> bytes:
    return (folder / ".git/index").read_bytes()


def as_git_says(folder: Path) -> dict[tuple[bytes, int], Entry]:
    """Read what `git ls-files` says of each entry; `offset` is left out."""
    found = {}
    for one in _DEBUG.finditer(git(folder, "ls-files", "-z", "--stage", "--debug")):
        mode, object_id, stage, name, *numbers = one.groups()
        c, c_nanos, m, m_nanos, inode, uid, gid, size = map(int, numbers)
        key = name, int(stage)
        found[key] = Entry(
            *key, 0, (c, c_nanos), (m, m_nanos), inode, int(mode, 8), uid, gid, size, bytes.fromhex(object_id.decode())
        )
    return found


def as_found(data: bytes, wanted: Sequence[bytes], id_bytes: int = 20) -> dict[tuple[bytes, int], Entry]:
    return {(e.path, e.stage): replace(e, offset=0) for e in find(data, wanted, object_id_bytes=id_bytes)}


def check(folder: Path) -> None:
    """Let git verify the checksum and all that it can, and refresh the index from what it read."""
    git(folder, "fsck", "--strict", "--no-dangling")
    git(folder, "-c", "index.threads=1", "status", "--porcelain")


@pytest.fixture(params=["2", "3", "4", "2-sha256", "4-sha256"])
def any_version(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, int]:
    version, _, kind = request.param.partition("-")
    folder = repository(tmp_path / "repo", *(["--object-format=sha256"] if kind else []))
    fill(folder, NAMES)
    git(folder, "add", "-A")
    if version == "3":  # written only when an entry needs extended flags
        fill(folder, ["b/later.env"])
        git(folder, "add", "-N", "b/later.env")
    else:
        git(folder, "update-index", "--index-version", version)
    assert read(folder)[7] == int(version)
    return folder, 32 if kind else 20


def test_each_entry_is_found_as_git_describes_it(any_version: tuple[Path, int]) -> None:
    folder, id_bytes = any_version
    told = as_git_says(folder)
    assert len(told) >= len(NAMES)
    assert as_found(read(folder), [name for name, _ in told], id_bytes) == told


def test_a_name_inside_another_name_is_not_found_there(any_version: tuple[Path, int]) -> None:
    folder, id_bytes = any_version
    assert [one.path for one in find(read(folder), [b"env", b"one.py", b"a", b""], object_id_bytes=id_bytes)] == [b"a"]


def test_what_is_changed_is_what_git_reads_and_nothing_else(any_version: tuple[Path, int]) -> None:
    folder, id_bytes = any_version
    before = as_git_says(folder)
    entries = find(read(folder), [b".env", b"src/deep/er/.env"], object_id_bytes=id_bytes)
    changes = [
        (e, replace(e, ctime=(7, 8), mtime=(9, 10), inode=11 + (1 << 40), uid=12, gid=13, size=14)) for e in entries
    ]
    data = patched(read(folder), changes, object_id_bytes=id_bytes)
    assert len(data) == len(read(folder))
    (folder / ".git/index").write_bytes(data)
    wanted = {
        key: replace(e, ctime=(7, 8), mtime=(9, 10), inode=11, uid=12, gid=13, size=14)
        if key[0].endswith(b".env") and key[0] != b"b/later.env"
        else e
        for key, e in before.items()
    }
    assert len(entries) == 2
    assert as_git_says(folder) == wanted
    check(folder)


def test_another_object_id_counts_in_the_next_commit(any_version: tuple[Path, int]) -> None:
    folder, id_bytes = any_version
    git(folder, "commit", "-qm", "x")  # writes the ids of trees into the index
    git(folder, "read-tree", "HEAD")
    assert b"TREE" in [signature for signature, _, _ in _extensions(read(folder), id_bytes)]
    blob = git(folder, "hash-object", "-w", "--stdin", given=b"other").strip().decode()
    (entry,) = find(read(folder), [b"src/deep/er/.env"], object_id_bytes=id_bytes)
    changed = replace(entry, object_id=bytes.fromhex(blob))
    data = patched(read(folder), [(entry, changed)], object_id_bytes=id_bytes)
    assert b"TREE" not in [signature for signature, _, _ in _extensions(data, id_bytes)]
    (folder / ".git/index").write_bytes(data)
    check(folder)
    git(folder, "commit", "-qm", "y")
    assert git(folder, "show", "HEAD:src/deep/er/.env") == b"other"
    assert git(folder, "show", "--format=", "--name-only", "HEAD").split() == [b"src/deep/er/.env"]


def _extensions(data: bytes, id_bytes: int) -> list[tuple[bytes, int, int]]:
    return list(extensions(data, walk(data, id_bytes, ())[1], id_bytes))


def test_all_other_extensions_of_git_stay_and_are_believed(tmp_path: Path) -> None:
    folder = repository(tmp_path / "repo")
    fill(folder, NAMES)
    for key, value in {"index.threads": "2", "core.untrackedCache": "true", "index.recordEndOfIndexEntries": "true",
                       "index.recordOffsetTable": "true"}.items():  # fmt: skip
        git(folder, "config", key, value)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "x")
    git(folder, "config", "core.fsmonitor", "/bin/true")
    git(folder, "update-index", "--fsmonitor")
    git(folder, "update-index", "--force-untracked-cache")
    git(folder, "status")
    data = read(folder)
    there = {signature for signature, _, _ in _extensions(data, 20)}
    assert {b"TREE", b"UNTR", b"FSMN", b"EOIE", b"IEOT"} <= there, there
    (entry,) = find(data, [b".env"])
    blob = git(folder, "hash-object", "-w", "--stdin", given=b"other").strip().decode()
    for changed in (replace(entry, size=5), replace(entry, object_id=bytes.fromhex(blob))):
        out = patched(data, [(entry, changed)])
        (folder / ".git/index").write_bytes(out)
        check(folder)
        assert as_git_says(folder)[b".env", 0].object_id == changed.object_id
        left = {signature for signature, _, _ in _extensions(out, 20)}
        assert left == (there if changed.object_id == entry.object_id else there - {b"TREE", b"EOIE", b"IEOT"})


@pytest.mark.parametrize("kind", ["sha1", "sha256"])
@pytest.mark.parametrize("depth", range(1, 80, 7))  # its path says how long what stands before the flags is
def test_an_untracked_cache_is_made_anew(tmp_path: Path, depth: int, kind: str) -> None:
    folder = repository(tmp_path / ("d" * depth), f"--object-format={kind}")
    fill(folder, ["a", "b/c"])
    git(folder, "config", "core.untrackedCache", "true")
    git(folder, "add", "-A")
    for path in (folder, folder / "b"):
        os.utime(path, (10, 10))
    git(folder, "status")
    git(folder, "status")
    before, id_bytes = read(folder), 20 if kind == "sha1" else 32
    data = without_untracked(before, object_id_bytes=id_bytes)
    assert len(data) == len(before)
    assert data != before
    fill(folder, ["b/new"])
    os.utime(folder / "b", (10, 10))
    for shown, told in ((before, b""), (data, b"?? b/new\n")):
        (folder / ".git/index").write_bytes(shown)
        seen = git(
            folder,
            "-c",
            "core.trustctime=false",
            "status",
            "--porcelain",
            "-unormal",
            extra={"GIT_OPTIONAL_LOCKS": "0"},
        )
        assert b"\n".join(line for line in seen.splitlines(keepends=True) if line.startswith(b"??")) == told
    assert without_untracked(data, object_id_bytes=id_bytes) == data


@pytest.mark.parametrize("id_bytes", [20, 32])
def test_a_checksum_of_zeros_stays_and_any_other_is_made_anew(tmp_path: Path, id_bytes: int) -> None:
    folder = repository(tmp_path / "repo", *(["--object-format=sha256"] if id_bytes == 32 else []))
    fill(folder, NAMES)
    git(folder, "add", "-A")
    data = read(folder)
    (entry,) = find(data, [b".env"], object_id_bytes=id_bytes)
    change = [(entry, replace(entry, size=99))]
    out = patched(data, change, object_id_bytes=id_bytes)
    assert out[-id_bytes:] == hashlib.new("sha1" if id_bytes == 20 else "sha256", out[:-id_bytes]).digest()
    skipped = data[:-id_bytes] + bytes(id_bytes)
    assert patched(skipped, change, object_id_bytes=id_bytes) == out[:-id_bytes] + bytes(id_bytes)


def test_all_stages_of_a_conflict_are_found(tmp_path: Path) -> None:
    folder = repository(tmp_path / "repo")
    ids = [git(folder, "hash-object", "-w", "--stdin", given=b"%d" % n).strip().decode() for n in range(3)]
    rows = "".join(f"100644 {one} {stage}\t.env\n" for stage, one in enumerate(ids, 1))
    git(folder, "update-index", "--index-info", given=rows.encode())
    assert [(one.stage, one.object_id.hex()) for one in find(read(folder), [b".env"])] == list(enumerate(ids, 1))


def test_a_split_index_is_changed_where_it_has_the_entry_itself(tmp_path: Path) -> None:
    folder = repository(tmp_path / "repo")
    fill(folder, NAMES)
    git(folder, "add", "-A")
    git(folder, "update-index", "--split-index")
    fill(folder, ["later.env"])
    git(folder, "add", "-A")
    found = find(read(folder), [b".env", b"later.env"])
    assert [one.path for one in found] == [b"later.env"]
    (folder / ".git/index").write_bytes(patched(read(folder), [(found[0], replace(found[0], size=77))]))
    assert as_git_says(folder)[b"later.env", 0].size == 77
    assert as_git_says(folder)[b".env", 0].size == 4
    check(folder)


def test_a_sparse_index_is_changed_where_it_has_the_entry_itself(tmp_path: Path) -> None:
    folder = repository(tmp_path / "repo")
    fill(folder, ["kept/.env", "left/.env", "top"])
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "x")
    git(folder, "sparse-checkout", "init", "--cone", "--sparse-index")
    git(folder, "sparse-checkout", "set", "kept")
    found = find(read(folder), [b"kept/.env", b"left/.env"])
    assert [one.path for one in found] == [b"kept/.env"]
    (folder / ".git/index").write_bytes(patched(read(folder), [(found[0], replace(found[0], size=77))]))
    assert as_git_says(folder)[b"kept/.env", 0].size == 77
    check(folder)


def test_a_name_longer_than_the_length_field_is_found(tmp_path: Path) -> None:
    folder = repository(tmp_path / "repo")
    long = "/".join(["d" * 240] * 17)[1:]
    assert len(long) == 0xFFF
    blob = git(folder, "hash-object", "-w", "--stdin", given=b"x").decode().strip()
    git(folder, "update-index", "--index-info", given=f"100644 {blob}\t{long}\n100644 {blob}\tz\n".encode())
    assert [one.path for one in find(read(folder), [long.encode(), b"z"])] == [long.encode(), b"z"]


def test_an_entry_that_is_not_where_it_was_found_is_left_alone(tmp_path: Path) -> None:
    folder = repository(tmp_path / "repo")
    fill(folder, ["a", "b"])
    git(folder, "add", "-A")
    entry = find(read(folder), [b"b"])[0]
    with pytest.raises(IndexFormatError):
        patched(read(folder), [(replace(entry, offset=entry.offset - 8), entry)])


@given(data=st.binary(max_size=400), wanted=st.sets(st.binary(max_size=3)))
def test_damaged_indexes_raise_their_own_error_and_nothing_else(data: bytes, wanted: set[bytes]) -> None:
    for head in (b"", b"DIRC\0\0\0\2\0\0\0\2", b"DIRC\0\0\0\3\0\0\0\1", b"DIRC\0\0\0\4\0\0\0\3"):
        with contextlib.suppress(IndexFormatError):
            for one in find(head + data, wanted):
                patched(head + data, [(one, replace(one, object_id=bytes(20)))])
        with contextlib.suppress(IndexFormatError):
            without_untracked(head + data)
    with contextlib.suppress(IndexFormatError):
        without_untracked(b"DIRC\0\0\0\2\0\0\0\0UNTR" + len(data).to_bytes(4, "big") + data + bytes(20))


FILE_NAME = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=12).filter(
    lambda name: name not in {".", ".."} and ".git" not in name.lower() and "git~" not in name.lower()
)
NUMBER = st.integers(0, (1 << 32) - 1)


@settings(max_examples=25, deadline=None)
@given(
    names=st.sets(FILE_NAME, min_size=1, max_size=30),
    version=st.sampled_from(["2", "4"]),
    kind=st.sampled_from(["sha1", "sha256"]),
    numbers=st.tuples(NUMBER, NUMBER, NUMBER, NUMBER, NUMBER, NUMBER),
    content=st.none() | st.binary(max_size=5),
    data=st.data(),
)
def test_any_change_of_any_entry_is_what_git_reads(
    tmp_path_factory: pytest.TempPathFactory,
    names: set[str],
    version: str,
    kind: str,
    numbers: tuple[int, int, int, int, int, int],
    content: bytes | None,
    data: st.DataObject,
) -> None:
    folder = repository(tmp_path_factory.mktemp("any"), f"--object-format={kind}")
    try:
        blob = git(folder, "hash-object", "-w", "--stdin", given=b"x").decode().strip()
        rows = "".join(f"100644 {blob}\tdir/{name}\0" for name in names)
        git(folder, "update-index", "-z", "--index-info", given=rows.encode())
        git(folder, "update-index", "--index-version", version)
        git(folder, "write-tree")
        told, id_bytes = as_git_says(folder), len(blob) // 2
        picked = data.draw(st.sets(st.sampled_from(sorted(name for name, _ in told)), min_size=1))
        other = git(folder, "hash-object", "-w", "--stdin", given=content).strip().decode() if content else blob
        changes = [
            (
                one,
                replace(
                    one, ctime=numbers[:2], mtime=numbers[2:4], inode=numbers[4], size=numbers[5],
                    object_id=bytes.fromhex(other),
                ),
            )
            for one in find(read(folder), picked, object_id_bytes=id_bytes)
        ]  # fmt: skip
        (folder / ".git/index").write_bytes(patched(read(folder), changes, object_id_bytes=id_bytes))
        changed = {(one.path, 0): replace(one, offset=0) for _, one in changes}
        assert changed.keys() == {(name, 0) for name in picked}
        assert as_git_says(folder) == {**told, **changed}
        git(folder, "fsck", "--strict", "--no-dangling")
    finally:
        shutil.rmtree(folder)
