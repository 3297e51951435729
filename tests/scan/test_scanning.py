"""The cache never speaks for a file that changed, and never for other rules, policies or values."""

import os
import time
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from redactors.baseline import parse_baseline
from redactors.engine import Engine
from redactors.finding import Confidence
from redactors.vault import Origin
from tests.scan.project import Project, certain, likely, where
from wrapper.errors import PolicyError
from wrapper.policy.model import Policy
from wrapper.scan import baselines
from wrapper.scan.content import opened
from wrapper.scan.listing import Listing
from wrapper.scan.scanning import find_root
from wrapper.scan.windows import Read


def settled(project: Project) -> None:
    """Make all files older than what the cache calls racy."""
    for folder, _, names in os.walk(project.root):
        for name in names:
            os.utime(f"{folder}/{name}", ns=(1, 1))
    time.sleep(0.06)


def test_the_second_scan_reads_only_what_holds_something_and_says_the_same(project: Project) -> None:
    project.write("a.py", f"\nk = '{certain()}'\n")
    project.write("b.py", "clean\n")
    settled(project)
    first, second = project.scan(), project.scan()
    assert first.counts.scanned == 2
    assert (second.counts.scanned, second.counts.cached) == (0, 2)
    assert second.hits == first.hits
    assert [where(hit) for hit in first.hits] == [("a.py", 2, 6)]


def test_a_changed_file_is_read_again_and_a_new_one_too(project: Project) -> None:
    file = project.write("a.py", "clean\n")
    project.write("b.py", "clean\n")
    settled(project)
    assert project.scan().hits == ()
    file.write_text(f"k = '{certain()}'\n")
    project.write("c.py", f"k = '{certain()}'\n")
    again = project.scan()
    assert [hit.path for hit in again.hits] == ["a.py", "c.py"]
    assert again.counts.cached == 1


def test_a_write_within_the_same_tick_of_the_clock_is_noticed(project: Project) -> None:
    file = project.write("a.py", "x" * 60)
    project.scan()
    key = certain()
    about = file.stat()
    file.write_text(f"k='{key}'".ljust(60))
    os.utime(file, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert len(project.scan().hits) == 1


def test_another_policy_is_another_scan(project: Project) -> None:
    project.write("a.py", f"k = '{certain()}'\n")
    settled(project)
    (hit,) = project.scan().hits
    project.policy = f'[redaction]\ndisable = ["{hit.rule}"]\nallow = [".*_live_.*"]'
    assert project.scan().hits == ()
    project.policy = '[[redaction.rules]]\nid = "ours"\nkind = "TICKET"\nregex = "TICKET-[0-9]{6}"'
    project.write("b.py", "see TICKET-123456\n")
    assert ("TICKET", "ours") in {(one.kind, one.rule) for one in project.scan().hits}


def test_a_value_that_became_known_is_searched_for_in_files_that_were_clean(project: Project) -> None:
    project.write("a.py", "the word of the day is quetzalcoatl9\n")
    settled(project)
    assert project.scan().hits == ()
    make = project.engines

    def knowing(policy: Policy | None = None) -> Engine:
        engine = make(policy)
        assert engine.known is not None
        engine.known.add("WORD", b"quetzalcoatl9", Origin.OUTSIDE)
        return engine

    project.engines = knowing
    assert [hit.kind for hit in project.scan().hits] == ["WORD"]


def test_a_damaged_cache_is_made_anew(project: Project) -> None:
    project.write("a.py", f"k = '{certain()}'\n")
    settled(project)
    project.scan()
    (file,) = (project.cache / "scans").glob("*.scan")
    file.write_bytes(file.read_bytes()[:-7])
    assert len(project.scan().hits) == 1
    assert project.scan().counts.cached == 1


def test_a_scan_of_one_folder_forgets_nothing_of_the_others(project: Project) -> None:
    project.write("a/a.py", "clean\n")
    project.write("b/b.py", "clean\n")
    settled(project)
    project.scan()
    project.write("a/c.py", "clean\n")
    project.scan("a")
    assert project.scan().counts.cached >= 2


def test_many_files_are_read_by_workers_and_none_is_lost(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wrapper.plan.contents._WORTH_A_FORK", (1, 1))
    for number in range(40):
        project.write(f"a{number:02}.py", f"k = '{certain()}'\n" if number % 3 == 0 else "clean\n")
    assert project.found() == [f"a{number:02}.py" for number in range(0, 40, 3)]


def test_the_least_confidence_leaves_out_what_is_less_sure(project: Project) -> None:
    project.write("a.py", likely())
    project.write("b.py", likely() + f"k = '{certain()}'\n")
    assert [where(hit)[:2] for hit in project.scan().hits] == [("a.py", 1), ("b.py", 1), ("b.py", 2)]
    assert [where(hit)[:2] for hit in project.scan(minimum=Confidence.CERTAIN).hits] == [("b.py", 2)]


def test_no_value_is_in_a_result(project: Project) -> None:
    key = certain()
    project.write("a.py", f"k = '{key}'\n")
    assert key not in repr(project.scan())


def test_the_placeholder_is_that_of_every_session(project: Project) -> None:
    key = certain()
    project.write("a.py", f"k = '{key}'\n")
    (hit,) = project.scan().hits
    assert hit.placeholder == project.engines().vault.issue(hit.kind, key.encode(), Origin.OUTSIDE)


def test_a_file_that_cannot_be_read_is_said(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write("a.py", "x\n")
    project.write("b.py", f"k = '{certain()}'\n")

    def refusing(path: str) -> AbstractContextManager[Read]:
        if path.endswith("a.py"):
            raise PermissionError(13, "Permission denied")
        return opened(path)

    monkeypatch.setattr("wrapper.scan.scanning.opened", refusing)
    result = project.scan()
    assert result.unreadable == (("a.py", "Permission denied"),)
    assert [hit.path for hit in result.hits] == ["b.py"]


def test_a_folder_that_vanishes_meanwhile_is_not_there(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write("a/a.py", f"k = '{certain()}'\n")
    project.write("b.py", f"k = '{certain()}'\n")
    honest = Listing.files

    def then_gone(self: Listing, named: tuple[Path, ...]) -> list[str]:
        names = honest(self, named)
        (project.root / "a/a.py").unlink()
        (project.root / "a").rmdir()
        return names

    monkeypatch.setattr(Listing, "files", then_gone)
    assert project.found() == ["b.py"]


def baseline_of(project: Project, *accepted: str) -> bytes:
    hits = [hit for hit in project.scan().hits if hit.path in accepted]
    return baselines.updated(None, hits, set(accepted), "now")


def test_a_named_baseline_accepts_all_that_it_lists(project: Project) -> None:
    project.write("a.py", f"k = '{certain()}'\n")
    file = project.cache / "baseline"
    file.write_bytes(baseline_of(project, "a.py"))
    project.write("b.py", f"k = '{certain()}'\n")
    result = project.scan(baseline=file)
    assert [hit.path for hit in result.hits] == ["b.py"]
    assert result.counts.accepted == 1


def test_the_baseline_at_the_root_accepts_what_was_audited_as_no_secret(project: Project) -> None:
    project.write("a.py", f"k = '{certain()}'\n")
    project.write("b.py", f"k = '{certain()}'\n")
    text = baseline_of(project, "a.py", "b.py").decode()
    project.write(".secrets.baseline", text)
    assert project.found() == ["a.py", "b.py"]
    project.write(".secrets.baseline", text.replace('"is_verified"', '"is_secret": false, "is_verified"', 1))
    assert project.found() == ["b.py"]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"results": 1}', b'{"results": {"a": [1]}}', b"\xff"])
def test_what_is_no_baseline_is_refused(project: Project, content: bytes) -> None:
    file = project.write("other.baseline", content)
    with pytest.raises(PolicyError, match="no baseline"):
        project.scan(baseline=file)


def test_a_baseline_made_of_a_scan_is_one_that_sessions_read(project: Project) -> None:
    project.write("a.py", f"k = '{certain()}'\n")
    assert parse_baseline(baseline_of(project, "a.py")).harmless == frozenset()


def test_the_root_is_the_working_tree_of_all_paths_else_the_folder_that_holds_them(project: Project) -> None:
    deep = project.root / "a/b"
    deep.mkdir(parents=True)
    other = project.root / "c"
    other.mkdir()
    assert find_root([deep, other]) == project.root
    assert find_root([deep]) == deep
    project.git("init", "-q")
    assert find_root([deep]) == project.root
    assert find_root([project.cache, project.root]) == project.root.parent
