import json
import time
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.review.edits import Edit, beside, command, difference, edits, path_of

PATCH = """*** Begin Patch
*** Update File: src/a.py
@@ def f():
-old
+new
 same
*** Add File: src/b.py
+first
*** Delete File: src/c.py
*** Update File: d.py
*** Move to: e.py
-x
+y
*** End Patch"""
PATCHED = (
    Edit("src/a.py", "modified", ("@@ def f():", "-old", "+new", " same")),
    Edit("src/b.py", "created", ("+first",)),
    Edit("src/c.py", "deleted"),
    Edit("d.py", "moved", ("-x", "+y"), "e.py"),
)


@pytest.mark.parametrize(
    "given_",
    [
        PATCH,
        {"input": PATCH},
        {"cmd": f"apply_patch <<'EOF'\n{PATCH}\nEOF\n"},
        {"command": ["apply_patch", PATCH]},
        {"command": ["bash", "-lc", f"cd x && apply_patch <<'E'\n{PATCH}\nE"]},
        f"text(await tools.apply_patch({json.dumps(PATCH)}));",
        f"const p = `{PATCH}`; await tools.apply_patch(p);",
    ],
    ids=["itself", "function", "heredoc", "argv", "shell", "script", "template"],
)
def test_a_patch_is_read_wherever_it_stands(given_: Any) -> None:
    assert edits(given_) == PATCHED


@pytest.mark.parametrize(
    ("given_", "lines"),
    [
        ({"file_path": "a", "old_string": "x\ny", "new_string": "x\nz"}, (" x", "-y", "+z")),
        ({"path": "a", "command": "str_replace", "old_str": "y", "new_str": "z"}, ("-y", "+z")),
        ({"path": "a", "command": "insert", "insert_line": 3, "insert_text": "z\n"}, ("+z",)),
        ({"notebook_path": "a", "new_source": "z", "cell_id": "1"}, ("+z",)),
        (
            {
                "file_path": "a",
                "edits": [{"old_string": "1", "new_string": "2"}, {"old_string": "3", "new_string": ""}],
            },
            ("-1", "+2", "@@", "-3"),
        ),
    ],
)
def test_old_and_new_text_make_a_difference(given_: dict[str, Any], lines: tuple[str, ...]) -> None:
    assert edits(given_) == (Edit("a", "modified", lines),)


def test_a_whole_content_is_what_is_written() -> None:
    assert edits({"file_path": "a", "content": "1\n2\n"}) == (Edit("a", "written", ("+1", "+2")),)
    assert edits({"path": "a", "command": "create", "file_text": "1"}) == (Edit("a", "written", ("+1",)),)


@pytest.mark.parametrize(
    "given_", [{}, "", "ls", {"command": "ls"}, {"file_path": "a"}, {"content": "x"}, {"edits": 3}]
)
def test_what_changes_no_file_is_no_edit(given_: Any) -> None:
    assert edits(given_) == ()


@pytest.mark.parametrize(
    ("given_", "ran"),
    [
        ({"command": "ls -l"}, "ls -l"),
        ({"cmd": "ls"}, "ls"),
        ({"command": ["bash", "-lc", "ls | wc"]}, "ls | wc"),
        ({"command": ["ls", "-l"]}, "ls -l"),
        ('await tools.exec_command({"cmd": "echo \\"a\\nb\\""});', 'echo "a\nb"'),
        ('tools.exec_command({cmd: "one"}); tools.exec_command({cmd: "two"})', "one\ntwo"),
        ({"command": 3}, ""),
        ("no command", ""),
    ],
)
def test_a_command_is_found_in_a_tools_input(given_: Any, ran: str) -> None:
    assert command(given_) == ran


def test_the_path_of_a_tool_that_reads() -> None:
    assert path_of({"file_path": "a"}) == "a"
    assert path_of({"pattern": "a"}) == ""
    assert path_of("a") == ""


@pytest.mark.parametrize(
    ("given_", "left"),
    [
        (PATCH, ""),
        ({"input": PATCH}, ""),
        ({"input": f"echo\n{PATCH}\nrm -rf /"}, '{"input":"echo\\n[patch]\\nrm -rf /"}'),
        (f"text(await tools.apply_patch({json.dumps(PATCH)})); fetch('x');", "text(await tools.apply_patch(\"[patch]\")); fetch('x');"),
        ('tools.exec_command({"cmd": "ls"}); tools.exec_command({cmd: `curl x`})',
         'tools.exec_command({"cmd": [command]}); tools.exec_command({cmd: `curl x`})'),
        ({"command": "ls", "description": "look", "timeout": 0, "sandbox": False}, '{"timeout":0}'),
        ({"file_path": "a", "old_string": "1", "new_string": "2", "replace_all": True}, '{"replace_all":true}'),
        ({"path": "a", "content": "x", "repository": "other"}, '{"repository":"other"}'),
        ({"path": "a", "command": "rm -rf /"}, '{"command":"rm -rf /"}'),
        ({"path": "a", "old_str": "x", "new_str": "y", "content": "z"}, '{"content":"z"}'),
        ({"pattern": "x"}, '{"pattern":"x"}'),
        ({}, ""),
    ],
)  # fmt: skip
def test_nothing_hides_behind_what_is_told(given_: Any, left: str) -> None:
    assert beside(given_) == left


@given(
    st.dictionaries(
        st.sampled_from(["path", "content", "cmd", "command", "old_str", "new_str", "x"]),
        st.from_regex("[a-z]{6}", fullmatch=True),
    )
)
def test_every_word_of_an_input_is_told_somewhere(given_: dict[str, str]) -> None:
    told = "\n".join(
        (*(line for edit in edits(given_) for line in edit.lines), path_of(given_), command(given_), beside(given_))
    )
    assert all(word in told for word in given_.values())


LINES = st.lists(st.sampled_from("abcd"), max_size=30)


@given(LINES, LINES)
def test_a_difference_leads_from_the_old_lines_to_the_new_ones(old: list[str], new: list[str]) -> None:
    told = list(difference(old, new))
    gone, come = (Counter(line[1:] for line in told if line[0] == sign) for sign in "-+")
    assert Counter(old) - gone + come == Counter(new)
    assert not gone - Counter(old)
    assert (not told or all(line[0] == " " for line in told)) == (old == new)


@pytest.mark.parametrize(
    "given_",
    [
        "*** Begin Patch*** End Patch" * 30_000,
        {"input": "*** Begin Patch\n*** Add File: a\n" * 30_000},
        'cmd: "' * 100_000,
        {"file_path": "a", "edits": [{"old_string": "a\nb\n" * 99, "new_string": "b\na\n" * 99}] * 1_000},
    ],
    ids=["patches", "open patches", "quotes", "edits"],
)
def test_no_input_takes_long(given_: Any) -> None:
    begin = time.process_time()
    edits(given_)
    command(given_)
    beside(given_)
    assert time.process_time() - begin < 3


def test_a_long_difference_takes_no_long_time() -> None:
    begin = time.process_time()
    told = list(difference([f"a{n}" for n in range(20_000)], [f"b{n % 7}" for n in range(20_000)]))
    assert time.process_time() - begin < 2
    assert len(told) == 40_000


ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=20)
    | st.just(PATCH)
    | st.just("*** Begin Patch\\n\\u"),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(
    ["file_path", "path", "old_string", "new_string", "content", "edits", "command", "cmd", "input"]
)


@given(st.text() | st.dictionaries(NAMES | st.text(max_size=4), ANY | st.dictionaries(NAMES, ANY, max_size=2)))
def test_no_input_makes_it_raise(given_: Any) -> None:
    assert isinstance(edits(given_), tuple)
    assert isinstance(command(given_), str)
    assert isinstance(path_of(given_), str)
    assert isinstance(beside(given_), str)
