from hypothesis import given
from hypothesis import strategies as st

from wrapper.audit.touched import MOST_COMPARED, touched

TEXT = st.lists(st.sampled_from([b"a", b"b", b"c"]), max_size=12).map(b"\n".join)


def test_the_lines_between_what_stayed_are_told_with_some_around() -> None:
    assert touched(b"1\n2\n3\n4\nold\n5\n", b"1\n2\n3\n4\nnew\nmore\n5\n").split(b"\n") == [
        b"@@ -5,1 +5,2 @@", b" 2", b" 3", b" 4", b"-old", b"+new", b"+more", b" 5",
    ]  # fmt: skip


def test_equal_binary_and_long_contents_have_no_difference() -> None:
    assert touched(b"a", b"a") == b""
    assert touched(b"a\0", b"b") == b""
    assert touched(b"a", b"b" * (MOST_COMPARED + 1)) == b""


def test_a_long_difference_is_cut_and_says_so() -> None:
    told = touched(b"", b"line\n" * 100_000)
    assert len(told) < 66_000
    assert told.rpartition(b"\n")[2].startswith(b"\\ ")


@given(TEXT, TEXT)
def test_the_old_lines_and_the_new_ones_can_be_told_from_it(old: bytes, new: bytes) -> None:
    lines = touched(old, new).split(b"\n")[1:]
    gone, come = (b"\n".join(line[1:] for line in lines if line[:1] in (b" ", sign)) for sign in (b"-", b"+"))
    assert (not lines) == (old == new)
    assert gone in old + b"\n"
    assert come in new + b"\n"
