"""`--porcelain` is git's own format with more headers: one parser reads both."""

from pathlib import Path
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from tests.provenance.test_blame import AFTERWARDS, AGENTS, CAPTURED, blaming, commit, work
from tests.repository import git
from wrapper.provenance.attribution import LineOrigin, State
from wrapper.provenance.blaming import Blamed, Blaming
from wrapper.provenance.judgements import Judged, Verdict
from wrapper.provenance.porcelain import porcelain

__all__ = ["work"]


class Line(NamedTuple):
    commit: str
    before: int
    now: int
    headers: dict[str, str]
    text: bytes


def parsed(data: bytes) -> list[Line]:
    """Read the porcelain format by the letter of git-blame(1); fails for what is not in it."""
    lines: list[Line] = []
    known: dict[str, dict[str, str]] = {}
    rows = iter(data.split(b"\n"))
    left = 0
    for row in rows:
        if not row:
            continue
        id_, before, now, *count = row.decode().split(" ")
        assert len(id_) in (40, 64)
        assert bool(count) == (left == 0), "a group begins where the last one has ended"
        left = int(count[0]) if count else left
        left -= 1
        headers: dict[str, str] = {}
        for header in rows:
            if header.startswith(b"\t"):
                break
            name, _, value = header.decode().partition(" ")
            assert name not in headers
            headers[name] = value
        known.setdefault(id_, headers)
        lines.append(Line(id_, int(before), int(now), {**known[id_], **headers}, header[1:]))
    assert left == 0
    return lines


def plain(lines: list[Line]) -> list[Line]:
    """Leave out our own headers, and the time of what is not committed."""
    return [
        line._replace(
            headers={name: value for name, value in line.headers.items() if not name.startswith("safe-agent-")}
        )
        for line in lines
    ]


def printed(index: Blaming, file: Path, revision: str | None = None) -> list[Line]:
    blamed = index.blamed(file, revision)
    return parsed(b"".join(porcelain(blamed, range(len(blamed.origins)), {}, 0.0)))


def test_one_parser_reads_gits_and_ours_and_finds_the_same(work: Path) -> None:
    (work / "billing.py").write_text("# moved on top\n" + AFTERWARDS)
    git(work, "mv", "billing.py", "other.py")
    commit(work, 1_800_000_000)
    ours = printed(blaming(work), work / "other.py")
    assert plain(ours) == parsed(git(work, "blame", "--porcelain", "other.py"))
    theirs = {line.text.decode() for line in ours if line.headers["safe-agent-state"] == "agent"}
    assert {line for line in AGENTS.split("\n") if line in AFTERWARDS} - {""} < theirs
    agent = next(line for line in ours if b"subtotal = sum" in line.text)
    wanted = {"session": "20260101T000000Z-aaaaaa", "model": "model-1", "prompt": "3", "coverage": "1"}
    assert {name: agent.headers[f"safe-agent-{name}"] for name in wanted} == wanted


def test_what_is_not_committed_is_nobodys_commit_as_with_git(work: Path) -> None:
    file = work / "billing.py"
    file.write_text(AFTERWARDS.replace("import decimal\n", "import decimal\nimport mine\n"))
    ours, gits = printed(blaming(work), file), parsed(git(work, "blame", "--porcelain", "billing.py"))
    assert [(line.commit, line.now, line.text) for line in ours] == [
        (line.commit, line.now, line.text) for line in gits
    ]
    mine = next(line for line in ours if line.text == b"import mine")
    assert mine.commit == "0" * 40
    assert mine.headers["author"] == "Not Committed Yet"


def test_in_a_repository_of_sha256_what_is_not_committed_has_as_many_zeros(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--object-format=sha256")
    (tmp_path / "a.py").write_text("one = 1\n")
    commit(tmp_path, CAPTURED)
    (tmp_path / "a.py").write_text("one = 1\ntwo = 2\n")
    assert [line.commit == "0" * 64 for line in printed(blaming(tmp_path), tmp_path / "a.py")] == [False, True]


def test_what_a_person_said_of_a_line_stands_there(work: Path) -> None:
    blamed = blaming(work).blamed(work / "billing.py")
    judged = Judged(Verdict.APPROVED, "ada", 0.0, "", "", 1)
    (one,) = parsed(b"".join(porcelain(blamed, [10], {10: judged}, 0.0)))
    assert one.headers["safe-agent-approved"] == "yes ada"
    assert one.now == 11


@given(
    texts=st.lists(st.binary(max_size=12).filter(lambda text: b"\n" not in text), min_size=1, max_size=8),
    chosen=st.sets(st.integers(0, 7)),
    path=st.text(max_size=8),
)
def test_any_line_of_any_file_is_told_whole(texts: list[bytes], chosen: set[int], path: str) -> None:
    lines = sorted(line for line in chosen if line < len(texts))
    origins = (LineOrigin(State.UNKNOWN, -1, 0.0, "nothing watched"),) * len(texts)
    text = b"\n".join(texts) + b"\n"
    blamed = Blamed(path, "", text, origins, (None,) * len(texts), {}, ())
    told = parsed(b"".join(porcelain(blamed, lines, {}, 0.0)))
    assert [(line.now - 1, line.text) for line in told] == [(line, texts[line]) for line in lines]
