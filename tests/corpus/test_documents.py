"""Pieces and documents of files, trees, data sets, repositories and stores: each once, or why it was not read."""

import gzip
import json
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.repository import git, repository, said
from wrapper.corpus import listing, opening, reading
from wrapper.corpus.documents import Piece, pieces, read
from wrapper.corpus.listing import history
from wrapper.corpus.policy import CorpusPolicy
from wrapper.corpus.policyfile import built_in, parse
from wrapper.corpus.resuming import tasks
from wrapper.errors import ProvenanceError

POLICY = built_in()


def with_policy(text: str) -> CorpusPolicy:
    return parse(f"version = 1\n{text}".encode(), "f")


def documents(*sources: Path | str, policy: CorpusPolicy = POLICY) -> list[dict[str, Any]]:
    """All rows; each piece travels as it does to a worker."""
    found = []
    for piece in pieces([str(source) for source in sources], policy):
        sent = msgspec.msgpack.decode(msgspec.msgpack.encode(piece), type=Piece)
        for batch in read(sent, policy):
            found += batch.to_pylist()
    return found


def by_id(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    assert len({row["id"] for row in rows}) == len(rows)
    return {row["id"]: row["fault"] or row["text"] for row in rows}


def test_a_tree_gives_each_file_once_and_says_of_everything_else_why_it_was_not_read(tmp_path: Path) -> None:
    tree, outside = tmp_path / "tree", tmp_path / "outside.txt"
    (tree / "deep" / "er").mkdir(parents=True)
    outside.write_text("secret of another folder")
    (tree / "a.py").write_text("a")
    (tree / "deep" / "b.txt").write_text("b")
    (tree / "deep" / "er" / "empty").write_text("")
    (tree / "inside").symlink_to("deep/b.txt")
    (tree / "loop").symlink_to(".")
    (tree / "out").symlink_to(outside)
    (tree / "out.jsonl").symlink_to(outside)
    (tree / "nowhere").symlink_to("not-there")
    os.mkfifo(tree / "pipe")
    odd = os.fsencode(tree) + b"/odd\xff\n\x1b[31mname"
    Path(os.fsdecode(odd)).write_text("odd")
    found = by_id(documents(tree))
    leads_out = "is a link that leads out of what was named, or nowhere"
    assert found == {
        "a.py": b"a",
        "deep/b.txt": b"b",
        "deep/er/empty": b"",
        "odd\\xff\n\x1b[31mname": b"odd",
        "out": leads_out,
        f"{tree}/out.jsonl": f"{leads_out}; rows behind this are not read",
        "nowhere": leads_out,
        "pipe": "cannot be read: is no plain file",
    }


def test_a_link_that_was_named_itself_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real.txt").write_text("text")
    (tmp_path / "link").symlink_to("real.txt")
    [row] = documents(tmp_path / "link")
    assert (row["text"], row["source"], row["row"]) == (b"text", str(tmp_path / "link"), 0)


def test_patterns_choose_files_and_what_is_excluded_is_not_entered(tmp_path: Path) -> None:
    for name in ("a.py", "b.txt", "gen/c.py", "gen/keep.py", "lib/d.py", "lib/rows.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text('{"text": "x"}')
    policy = with_policy('[paths]\ninclude = ["*.py", "*.jsonl"]\nexclude = ["gen/", "!keep.py", "lib/d.py"]')
    assert {Path(row["source"]).name for row in documents(tmp_path, policy=policy)} == {"a.py", "keep.py", "rows.jsonl"}


def test_data_sets_in_a_tree_are_rows_and_keep_their_places(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    lines = "".join(json.dumps({"id": f"r{number}", "text": f"text {number}"}) + "\n" for number in range(5))
    (tmp_path / "d" / "x.json.gz").write_bytes(gzip.compress(lines.encode()))
    (tmp_path / "d" / "note.md").write_text("note")
    rows = documents(tmp_path)
    assert {row["id"] for row in rows} == {"d/note.md", *(f"r{number}" for number in range(5))}
    assert [row["row"] for row in rows if row["source"].endswith(".gz")] == [1, 2, 3, 4, 5]


@pytest.fixture
def lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of lines that is cut; one of them is longer than a piece and than a document that comes whole."""
    monkeypatch.setattr(listing, "_LINES_BYTES", 10_000)
    monkeypatch.setattr(opening, "_CHUNK", 1000)
    path = tmp_path / "lines.jsonl"
    rows = [{"text": f"{number} " * (30_000 if number == 40 else number)} for number in range(300)]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def test_a_large_file_of_lines_is_read_in_pieces_and_gives_what_it_gives_whole(
    lines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = with_policy("[limits]\npart_bytes = 65536\n")
    found = list(pieces([str(lines)], policy))
    assert len(found) > 10
    assert sum(piece.size for piece in found) == lines.stat().st_size
    assert len({tasks(found)[place].part for place in range(len(found))}) == len(found)
    cut = documents(lines, policy=policy)
    monkeypatch.setattr(listing, "_LINES_BYTES", 1 << 30)
    assert len(list(pieces([str(lines)], policy))) == 1
    assert cut == documents(lines, policy=policy)
    assert any(row["more"] for row in cut)


def test_packed_lines_are_not_cut(lines: Path) -> None:
    packed = lines.with_suffix(".jsonl.gz")
    packed.write_bytes(gzip.compress(lines.read_bytes(), compresslevel=0))
    assert len(list(pieces([str(packed)], POLICY))) == 1
    assert [row["text"] for row in documents(packed)] == [row["text"] for row in documents(lines)]


@pytest.mark.parametrize("change", ["longer", "shorter", "another", "gone"])
def test_a_file_that_changed_after_it_was_cut_is_told_and_no_half_line_is_read(change: str, lines: Path) -> None:
    found = list(pieces([str(lines)], POLICY))
    if change == "longer":
        with lines.open("a") as file:
            file.write('{"text": "more"}\n')
    elif change == "shorter":
        os.truncate(lines, lines.stat().st_size // 2)
    elif change == "another":
        os.utime(lines, ns=(0, 0))
    else:
        lines.unlink()
    for piece in found:
        [row] = [row for batch in read(piece, POLICY) for row in batch.to_pylist()]
        assert (row["row"], row["text"]) == (piece.first + 1, None)
        assert ("cannot be read: No such file" if change == "gone" else "has changed since it was listed") in row[
            "fault"
        ]


def test_a_file_that_loses_its_end_while_it_is_read_is_told(lines: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    piece = list(pieces([str(lines)], POLICY))[-2]
    monkeypatch.setattr(reading, "_must_be_as_listed", lambda *_: os.truncate(lines, piece.start + 5000))
    *_, row = [row for batch in read(piece, POLICY) for row in batch.to_pylist()]
    assert "is shorter than it was; rows behind this are not read" in row["fault"]


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    path = tmp_path / "t.parquet"
    table = pa.table({
        "id": pa.array([11, 12, None, 14, 15, 16]),
        "text": pa.array(["a", None, "c", "", None, "f"]),
        "more": pa.array(["A", "B", None, None, None, "F"]),
        "chat": pa.array([[{"role": "u", "content": "hi"}], None, [], None, None, [{"role": "x", "content": "yo"}]]),
        "image": pa.array([b"\0\1"] * 6, pa.binary()),
    })  # fmt: skip
    pq.write_table(table, path, row_group_size=4)
    return path


@pytest.mark.parametrize(
    ("columns", "texts"),
    [
        ('["text"]', [b"a", "has no text in `text`", b"c", b"", "has no text in `text`", b"f"]),
        ('["text", "more"]', [b"a\nA", b"B", b"c", b"", "has no text in `text` or `more`", b"f\nF"]),
        ('["chat.content"]', [b"hi", *["has no text in `chat.content`"] * 4, b"yo"]),
        ('["*"]', [one + b"\0\1" for one in (b"a\nA\nu\nhi\n", b"B\n", b"c\n", b"\n", b"", b"f\nF\nx\nyo\n")]),
        ('["image"]', [b"\0\1"] * 6),
        ('["id"]', ["`id` is no text"] * 2 + ["has no text in `id`"] + ["`id` is no text"] * 3),
        ('["none"]', ["has no text in `none`"] * 6),
    ],
)
def test_parquet_gives_the_columns_that_the_policy_names(parquet: Path, columns: str, texts: list[Any]) -> None:
    rows = documents(parquet, policy=with_policy(f"[columns]\ntext = {columns}"))
    assert [row["fault"] or row["text"] for row in rows] == texts
    assert [row["row"] for row in rows] == list(range(6))
    assert [row["id"] for row in rows][:2] == (
        ["11", "12"] if columns != '["none"]' else [f"{parquet}:0", f"{parquet}:1"]
    )


def test_damaged_parquet_is_told_group_by_group_and_what_is_no_parquet_at_once(parquet: Path, tmp_path: Path) -> None:
    content = bytearray(parquet.read_bytes())
    place = pq.ParquetFile(parquet).metadata.row_group(0).column(1).data_page_offset
    content[place : place + 24] = os.urandom(24)
    (tmp_path / "damaged.parquet").write_bytes(content)
    (tmp_path / "cut.parquet").write_bytes(content[: len(content) // 2])
    rows = documents(tmp_path / "damaged.parquet", policy=with_policy('[columns]\ntext = ["text"]'))
    assert "4 rows from here on are not read" in rows[0]["fault"]
    assert [row["text"] for row in rows[1:]] == [None, b"f"]
    [cut] = documents(tmp_path / "cut.parquet")
    assert "is no Parquet file" in cut["fault"]


def test_parquet_that_unpacks_without_end_is_given_up_after_some_megabytes(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["x" * 1_000_000] * 75}), tmp_path / "bomb.parquet")
    rows = documents(tmp_path / "bomb.parquet")
    assert "unpacks to more than 250 times its size" in rows[-1]["fault"]
    assert len(rows) < 74


def test_a_document_over_the_bound_comes_in_parts_that_share_an_overlap(tmp_path: Path) -> None:
    text = b"".join(b"line number %d\n" % number for number in range(20_000))
    (tmp_path / "big.txt").write_bytes(text)
    rows = documents(tmp_path / "big.txt", policy=with_policy("[limits]\npart_bytes = 65536"))
    assert len(rows) > 4
    assert {(row["id"], row["source"], row["row"]) for row in rows} == {
        (str(tmp_path / "big.txt"), str(tmp_path / "big.txt"), 0)
    }
    assert b"".join(row["text"][row["overlap"] :] for row in rows) == text
    assert [row["more"] for row in rows] == [True] * (len(rows) - 1) + [False]


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three commits, a merge, a deleted branch, an odd name, something staged and something not even that."""
    folder = repository(tmp_path_factory.mktemp("repo") / "r")
    (folder / "a.txt").write_text("one\n")
    dated(folder, "2020-01-01")
    (folder / "a.txt").write_text("two\n")
    (folder / "sub").mkdir()
    (folder / "sub" / "copy.txt").write_text("one\n")
    dated(folder, "2022-01-01")
    git(folder, "checkout", "-q", "-b", "gone", "HEAD~1")
    (folder / "branch.txt").write_text("only in a deleted branch\n")
    dated(folder, "2022-02-01")
    git(folder, "checkout", "-q", "main")
    git(folder, "branch", "-q", "-D", "gone")
    (folder / "staged.txt").write_text("staged\n")
    git(folder, "add", "staged.txt")
    (folder / "loose.txt").write_text("loose\n")
    return folder


def dated(folder: Path, date: str, author: str = "2001-01-01") -> None:
    git(folder, "add", "-A")
    when = {"GIT_AUTHOR_DATE": f"{author}T00:00:00Z", "GIT_COMMITTER_DATE": f"{date}T00:00:00Z"}
    git(folder, "commit", "-q", "-m", date, extra=when)


def of_history(rows: Sequence[dict[str, Any]], repo: Path) -> dict[str, bytes]:
    return {row["id"]: row["text"] for row in rows if row["source"] == str(repo)}


def test_a_repository_gives_every_version_once_with_the_commit_that_brought_it(repo: Path) -> None:
    rows = documents(repo)
    first, second = said(repo, "rev-list", "--reverse", "main").split()
    staged = said(repo, "rev-parse", ":staged.txt")
    expected = {f"{first}:a.txt": b"one\n", f"{second}:a.txt": b"two\n", staged: b"staged\n"}
    assert of_history(rows, repo) == expected
    for name, text in of_history(rows, repo).items():
        assert git(repo, "show", name) == text
    files = {row["id"] for row in rows if row["source"] != str(repo)}
    assert files == {"a.txt", "sub/copy.txt", "staged.txt", "loose.txt"}


def test_text_of_a_deleted_branch_is_found_if_the_policy_wants_all_objects(repo: Path) -> None:
    deleted = b"only in a deleted branch\n"
    assert deleted not in of_history(documents(repo), repo).values()
    everything = of_history(documents(repo, policy=with_policy('[git]\nread = "objects"')), repo)
    assert deleted in everything.values()
    assert not of_history(documents(repo, policy=with_policy('[git]\nread = "files"')), repo)


def test_a_bare_repository_is_read_and_one_within_a_tree_too(repo: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--bare", str(repo), str(tmp_path / "bare.git"))
    assert set(by_id(documents(tmp_path / "bare.git")).values()) == {b"one\n", b"two\n"}
    assert set(by_id(documents(tmp_path)).values()) == {b"one\n", b"two\n"}


def test_history_before_a_date_goes_by_the_committers_clock_and_not_by_one_that_runs_backwards(tmp_path: Path) -> None:
    folder = repository(tmp_path / "r")
    for name, date in (("old", "2019-01-01"), ("new", "2024-01-01"), ("forged", "2018-01-01")):
        (folder / name).write_text(name)
        dated(folder, date)
    texts = {
        row["text"]
        for piece in history(str(folder), before=1_600_000_000.0)
        for batch in read(piece, POLICY)
        for row in batch.to_pylist()
    }
    assert texts == {b"old"}
    until = list(history(str(folder), revision="HEAD~1"))
    assert {row["text"] for piece in until for batch in read(piece, POLICY) for row in batch.to_pylist()} == {
        b"old",
        b"new",
    }
    for wrong in ("--all", "nothing", "HEAD:old"):
        with pytest.raises(ProvenanceError, match="cannot be read"):
            list(history(str(folder), revision=wrong))


def test_a_repository_runs_nothing_of_its_own_and_leads_nowhere(repo: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(repo), str(clone))
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\nexit 1\n")
    trap.chmod(0o755)
    for key in ("core.fsmonitor", "core.sshCommand", "uploadpack.packObjectsHook", "diff.external", "core.pager"):
        git(clone, "config", key, str(trap))
    for hook in ("post-checkout", "post-index-change", "reference-transaction"):
        (clone / ".git" / "hooks" / hook).write_text(trap.read_text())
        (clone / ".git" / "hooks" / hook).chmod(0o755)
    assert b"one\n" in of_history(documents(clone), clone).values()
    assert not (tmp_path / "ran").exists()
    other = tmp_path / "tree" / "sub"
    other.mkdir(parents=True)
    (other / ".git").write_text(f"gitdir: {repo}/.git\n")
    [row] = documents(tmp_path / "tree")
    assert "lies outside of what was named" in row["fault"]
    assert of_history(documents(other), other)  # named itself, it is read, as a worktree is


def test_a_broken_repository_is_told_and_its_files_are_read(repo: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--no-local", str(repo), str(clone))
    for path in (clone / ".git" / "objects").rglob("*.pack"):
        path.chmod(stat.S_IRWXU)
        path.write_bytes(path.read_bytes()[:40])
    rows = documents(clone)
    assert any("history cannot be read" in (row["fault"] or "") for row in rows)
    assert {row["text"] for row in rows if not row["fault"]} == {b"two\n", b"one\n"}


def test_objects_in_a_store_are_read_like_files(tmp_path: Path) -> None:
    import fsspec

    store = fsspec.filesystem("memory")
    store.pipe("/corpus-d/x.jsonl", b'{"text": "row"}\n{broken\n')
    store.pipe("/corpus-d/sub/a.py", b"code")
    store.pipe("/corpus-d/sub/skip.log", b"log")
    try:
        rows = documents("memory://corpus-d", policy=with_policy('[paths]\nexclude = ["*.log"]'))
        assert {(row["source"], row["row"], row["text"]) for row in rows} == {
            ("memory://corpus-d/x.jsonl", 1, b"row"),
            ("memory://corpus-d/x.jsonl", 2, None),
            ("memory://corpus-d/sub/a.py", 0, b"code"),
        }
        assert [row["text"] for row in documents("memory://corpus-d/sub/a.py")] == [b"code"]
    finally:
        store.rm("/corpus-d", recursive=True)
    with pytest.raises(ProvenanceError, match="is not there"):
        documents("memory://corpus-d")


def test_a_source_that_is_not_there_is_an_error_and_no_empty_corpus(tmp_path: Path) -> None:
    with pytest.raises(ProvenanceError, match="is not there"):
        documents(tmp_path / "none")


def test_pieces_come_in_the_same_order_and_change_their_stamp_with_a_file(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number}.txt").write_text("x")
    before = list(pieces([str(tmp_path)], POLICY))
    assert before == list(pieces([str(tmp_path)], POLICY))
    (tmp_path / "7.txt").write_text("another length")
    assert [piece.stamp for piece in pieces([str(tmp_path)], POLICY)] != [piece.stamp for piece in before]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([b"agent"], pa.binary()),
        pa.array([b"agent"], pa.binary(5)),
        pa.array([[b"agent"]], pa.list_(pa.large_binary())),
        pa.array(["agent"], pa.string_view()),
        pa.array([b"agent"], pa.binary_view()),
        pa.array([[("(agent)", "x")]], pa.map_(pa.string(), pa.string())),
        pa.array([[("k", "agent"), ("k", "x")]], pa.map_(pa.string(), pa.string())),
        pa.ExtensionArray.from_storage(pa.json_(), pa.array(['"agent"'])),
    ],
    ids=lambda column: str(column.type),
)
def test_parquet_hides_no_text_in_a_column_of_an_odd_type(column: Any, tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": [1], "odd": column}), tmp_path / "t.parquet")
    [row] = documents(tmp_path / "t.parquet")
    assert b"agent" in row["text"]


def test_parquet_with_two_fields_of_one_name_is_told_and_ends_nothing(tmp_path: Path) -> None:
    twice = pa.StructArray.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["c", "c"])
    pq.write_table(pa.table([pa.array(["a"]), pa.array(["b"])], names=["c", "c"]), tmp_path / "1.parquet")
    pq.write_table(pa.table({"s": twice}), tmp_path / "2.parquet")
    rows = documents(tmp_path)
    assert [row["text"] for row in rows] == [None, None]
    assert all("1 rows from here on are not read" in row["fault"] for row in rows)


def test_what_git_does_not_know_in_its_folder_and_what_only_a_tag_names_is_read(tmp_path: Path) -> None:
    home = repository(tmp_path / "r")
    (home / "a.txt").write_text("one\n")
    git(home, "add", "a.txt")
    git(home, "commit", "-qm", "one")
    git(home, "tag", "odd", git(home, "hash-object", "-w", "--stdin", given=b"tagged\n").decode().strip())
    (home / ".git" / "beside.py").write_text("beside\n")
    git(tmp_path, "init", "-q", "--bare", "bare.git")
    (tmp_path / "bare.git" / "more.py").write_text("more\n")
    assert {row["text"] for row in documents(home)} == {b"one\n", b"tagged\n", b"beside\n"}
    assert {row["text"] for row in documents(tmp_path / "bare.git")} == {b"more\n"}
