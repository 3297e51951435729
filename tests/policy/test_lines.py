"""Every key and every element is found on the line it stands on."""

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.policy.writing import DEFAULT
from wrapper.policy.lines import Path, positions

TEXT = '''version = 1   # one
[environment]
pass = ["A", "B",
  # a comment with "quotes", [brackets] and = signs
  "C",
  'D#not a comment', "E \\" ] escaped",
]
set.NAME = "x"
"quoted key" = 1

set = { ONE = "1", TWO = "2" }
[files.scan]
skip = [
]
max_bytes = 1_000
when = 1979-05-27 07:32:00
ratio = [1.5, 2.5, -3e4,
  4.5]
long = """
[not.a.table]
key = "no"
"""
literal = \'\'\'
[nor = this
\'\'\'
after = true
[[redaction.rules]]
id = "one"
[[redaction.rules]]
id = "two"
regex = 'a{3}'
[ spaced . "out" ]
x = [[1, 2], [3,
 4]]
'''


def test_each_thing_is_on_its_line() -> None:
    found = positions(TEXT)
    wanted: dict[Path, int] = {
        ("version",): 1,
        ("environment",): 2,
        ("environment", "pass"): 3,
        ("environment", "pass", 0): 3,
        ("environment", "pass", 1): 3,
        ("environment", "pass", 2): 5,
        ("environment", "pass", 3): 6,
        ("environment", "pass", 4): 6,
        ("environment", "set"): 8,
        ("environment", "set", "NAME"): 8,
        ("environment", "quoted key"): 9,
        ("environment", "set", "ONE"): 11,
        ("environment", "set", "TWO"): 11,
        ("files", "scan"): 12,
        ("files", "scan", "skip"): 13,
        ("files", "scan", "max_bytes"): 15,
        ("files", "scan", "when"): 16,
        ("files", "scan", "ratio", 3): 18,
        ("files", "scan", "long"): 19,
        ("files", "scan", "after"): 26,
        ("redaction", "rules"): 27,
        ("redaction", "rules", 0, "id"): 28,
        ("redaction", "rules", 1): 29,
        ("redaction", "rules", 1, "regex"): 31,
        ("spaced", "out"): 32,
        ("spaced", "out", "x", 1, 0): 33,
        ("spaced", "out", "x", 1, 1): 34,
    }
    assert {path: found.get(path) for path in wanted} == wanted
    assert ("not", "a", "table") not in found


def test_a_table_within_a_list_of_tables_belongs_to_the_newest_element() -> None:
    found = positions("[[a]]\n[[a]]\n[a.b]\nc = 1\n[[a.d]]\ne = 1\n")
    assert found["a", 1, "b", "c"] == 4
    assert found["a", 1, "d", 0, "e"] == 6


def paths_of(value: Any, path: Path = ()) -> set[Path]:
    found = {path} - {()}
    if isinstance(value, dict):
        for key, inner in value.items():
            found |= paths_of(inner, (*path, key))
    if isinstance(value, list):
        for number, inner in enumerate(value):
            found |= paths_of(inner, (*path, number))
    return found


def test_the_bundled_profile_is_found_whole() -> None:
    text = DEFAULT.decode()
    found = positions(text)
    assert paths_of(tomllib.loads(text)) <= set(found)
    lines = text.split("\n")
    for path, line in found.items():
        if isinstance(path[-1], str):
            assert path[-1] in lines[line - 1]


KEYS = st.sampled_from(["a", "b", "c", '"d e"', "'f'"])
LEAVES = st.sampled_from(
    ['"x"', "'y#'", "1", "-1.5", "true", "1979-05-27T07:32:00Z", '"""\nm\n"""', "'''\nn'''", "07:32:00"]
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[" + ", # c\n ".join(items) + "]"),
        st.lists(st.tuples(st.sampled_from("xyz"), inner), max_size=2, unique_by=lambda pair: pair[0]).map(
            lambda pairs: "{" + ", ".join(f"{key} = {value}" for key, value in pairs) + "}"
        ),
    ),
    max_leaves=6,
)


@given(
    tables=st.lists(
        st.tuples(
            st.lists(KEYS, min_size=1, max_size=3),
            st.booleans(),
            st.lists(st.tuples(KEYS, VALUES), max_size=3),
        ),
        max_size=5,
    )
)
def test_whatever_tomllib_takes_is_found_whole(tables: list[tuple[list[str], bool, list[tuple[str, str]]]]) -> None:
    text = ""
    for header, many, pairs in tables:
        name = ".".join(header)
        text += (f"[[{name}]]\n" if many else f"[{name}]\n") + "".join(f"{key} = {value}\n" for key, value in pairs)
    try:
        parsed = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert paths_of(parsed) <= set(positions(text))
