"""When segments are compiled together: one segment less is one pass less over all that is searched from then on.

Compiling costs as much as searching a long text, so segments are merged once the passes that merging would have saved
have cost as much as it (at worst both are paid: twice what foresight would). What was searched is counted and not
timed: the same calls give the same segments. Only segments of about a size are merged, so a value is seldom compiled
again, and never so many that a search would stall for long.
"""

from typing import NamedTuple

from redactors.matcher import Segment, joined

_MOST = 32  # segments; with more the smallest are merged at once
_BYTES_PER_LITERAL = 50_000  # searched in the time in which one literal is compiled (13 µs)
_BYTES_PER_CALL = 5_000  # searched in the time that a call takes
_MOST_LITERALS = 20_000  # compile in a quarter of a second
_ABOUT = 4


class Merging(NamedTuple):
    """What merging some segments costs, and which; in bytes searched. `never` if there is nothing to merge."""

    group: tuple[Segment, ...] = ()
    cost: float = float("inf")


def merging(segments: tuple[Segment, ...]) -> Merging:
    """Choose what to merge next: the segments of about the smallest size, if it is worth it at all."""
    limit = _ABOUT * min((segment.size for segment in segments), default=0)
    group = tuple(segment for segment in segments if segment.size <= limit)
    literals = sum(segment.size for segment in group)
    if len(segments) > _MOST:
        return Merging(group if len(group) > 1 else segments, 0)
    return Merging(group, literals * _BYTES_PER_LITERAL) if len(group) > 1 and literals <= _MOST_LITERALS else Merging()


def merged(segments: tuple[Segment, ...], group: tuple[Segment, ...]) -> tuple[Segment, ...]:
    """Give `segments` with those in `group` made one."""
    return (*(segment for segment in segments if segment not in group), joined(group))


def extra_cost(segments: tuple[Segment, ...], size: int) -> int:
    """Give what searching `size` bytes costs more than with one segment, in bytes searched."""
    return (len(segments) - 1) * (_BYTES_PER_CALL + size)
