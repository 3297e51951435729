"""Lines followed from one version of a file to the next."""

import random

from hypothesis import given
from hypothesis import strategies as st

from wrapper.provenance.alignment import steps

LINES = st.lists(st.sampled_from([b"", b"}", b"a = 1", b"b(a, c)", b"return b", b"for x in y:", b"c\r"]), max_size=30)


def test_an_edited_line_comes_from_what_it_was_and_a_new_one_from_nothing() -> None:
    old = b"import os\n\ndef load(path):\n    return open(path).read()\n".split(b"\n")
    new = b"import os\nimport sys\n\ndef load(path, mode):\n    return open(path, mode).read()\n".split(b"\n")
    found = steps(old, new)
    assert found.same == [0, -1, 1, -1, -1, 4]
    assert found.before == [-1, -1, -1, 2, 3, -1]


def test_lines_that_changed_places_while_they_were_edited_find_their_own_former_line() -> None:
    old = [b"x", b"alpha = first(one)", b"beta = second(two)", b"y"]
    new = [b"x", b"beta = second(two, 2)", b"alpha = first(one, 1)", b"y"]
    assert steps(old, new).before == [-1, 2, 1, -1]


def test_other_line_ends_change_no_line() -> None:
    assert steps([b"a", b"b"], [b"a\r", b"b\r"]).same == [0, 1]


@given(LINES, LINES)
def test_same_lines_are_the_same_keep_their_order_and_no_line_is_both(old: list[bytes], new: list[bytes]) -> None:
    found = steps(old, new)
    same = [(at, number) for number, at in enumerate(found.same) if at >= 0]
    assert all(old[at].rstrip(b"\r") == new[number].rstrip(b"\r") for at, number in same)
    assert [at for at, _ in same] == sorted({at for at, _ in same})
    assert all(one == -1 or other == -1 for one, other in zip(found.same, found.before, strict=True))
    assert all(-1 <= at < len(old) for at in found.before)


@given(LINES)
def test_a_version_that_did_not_change_is_the_same(lines: list[bytes]) -> None:
    assert steps(lines, lines).same == list(range(len(lines)))


def test_what_was_only_inserted_or_deleted_leaves_all_other_lines_the_same() -> None:
    chance = random.Random(7)  # noqa: S311 (repeatable, no secret)
    old = [b"line %d of %d" % (number, chance.randrange(9)) for number in range(3000)]
    kept = [number for number in range(3000) if chance.random() > 0.1]
    new: list[bytes] = []
    origins: list[int] = []
    for number in kept:
        if chance.random() < 0.1:
            new.append(b"new %d" % number)
            origins.append(-1)
        new.append(old[number])
        origins.append(number)
    assert steps(old, new).same == origins
