"""Where a document is cut: as what stands near says, whatever else was asked before."""

import json
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from redactors.borders import _LARGE, _SMALL, BORDER, Cuts

SIZES = st.sampled_from((0, 1, 30, _SMALL - 40, _SMALL, _LARGE - 40, _LARGE, 3 * _LARGE))
MEMBERS = st.lists(st.tuples(SIZES, st.booleans()), max_size=12)
WRITTEN = st.sampled_from(({"separators": (",", ":")}, {}, {"indent": 1}))
# The same, as it reads: with what `re` tries again in vain.
PLAIN = re.compile(rb',(?=[ \t\r\n{"])[ \t\r\n]{0,64}(?:\{[ \t\r\n]{0,64})?"[A-Za-z]')


def document(members: list[tuple[int, bool]], written: dict[str, Any]) -> bytes:
    items = [
        {"text": "a, b" * (size // 4)} if whole else {"t": 1, "of": [size, {"x": "y" * size}]}
        for size, whole in members
    ]
    return json.dumps({"items": items, "last": 0}, **written).encode()


def ends(data: bytes, cuts: Cuts | None) -> list[int]:
    found = [0]
    while found[-1] < len(data):
        found.append((cuts or Cuts(data)).end(found[-1]))
    return found[1:]


@given(members=MEMBERS, written=WRITTEN)
def test_where_a_piece_ends_does_not_depend_on_what_was_asked_before(
    members: list[tuple[int, bool]], written: dict[str, Any]
) -> None:
    data = document(members, written)
    alone = ends(data, None)
    assert ends(data, Cuts(data)) == alone
    cuts = Cuts(data)
    for at in [0, *alone[:-1], *alone[-2::-1], 0]:
        assert cuts.end(at) == Cuts(data).end(at)


@given(members=MEMBERS, written=WRITTEN)
def test_pieces_are_neither_small_nor_do_large_members_stand_with_others(
    members: list[tuple[int, bool]], written: dict[str, Any]
) -> None:
    data = document(members, written)
    found = ends(data, Cuts(data))
    for start, end in zip([0, *found], found, strict=False):
        inner = [border.start() for border in BORDER.finditer(data, start + 1, end)]
        assert end - start >= _SMALL or end == len(data) or found[found.index(end) + 1] - end >= _LARGE
        assert not inner or inner[-1] - start < _SMALL + 64


@given(text=st.text(alphabet=', \t\n{"aZ1\\]}', max_size=300))
def test_no_border_is_missed_by_never_looking_back(text: str) -> None:
    data = text.encode()
    assert [one.span() for one in BORDER.finditer(data)] == [one.span() for one in PLAIN.finditer(data)]
