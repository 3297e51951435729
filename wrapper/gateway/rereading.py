"""Reads what requests ask; of a conversation that was read before, only what is new. Pure.

A client sends its whole conversation anew with each request, and reading that takes longer than all else that is done
to it. What an item of it says only that item's bytes tell.

Rules of this file:
1. The answer is the one that reading the whole body gives (`requests.asked`).
2. What a body shares with an earlier one is found by comparing bytes. Left out are items of the list that is its
   conversation, each with the comma behind it, from the first one on; an item that says nothing stands for them. JSON
   is read from left to right: behind the same bytes a reader is where it was in the earlier body, which could be read,
   namely in this list behind a comma, and there it also is behind that item. So what is left can be read exactly if the
   whole can be, and all of its members are those of the whole but for the items that are left out.
3. Where that does not tell (a conversation that stands there twice, a batch, what cannot be read), the whole is read.
4. What is remembered is bounded in bytes.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Self

from redactors.earlier import Earlier, Shared
from wrapper.gateway.prompts import Told
from wrapper.gateway.requests import (
    MARKED,
    MARKS,
    Asked,
    Conversation,
    Left,
    UnclearError,
    asked,
    asked_with,
    conversation,
)

_MOST: Final = 32 << 20  # bytes of bodies: the search for secrets holds the same ones, mostly
_WORTH: Final = 1 << 14  # bytes; less is read as soon as it is found
_PER_ITEM: Final = 64  # bytes that an item takes here, about
_STAND_IN: Final = b'{"content":[]},'  # says nothing, and is an item like others


@dataclass(slots=True, eq=False)
class _Body:
    """A body that was read; `marks`: where each of MARKS begins first in the conversation, if at all."""

    data: bytes
    conversation: Conversation
    marks: dict[bytes, int]

    def whole(self, size: int) -> int:
        """Give how many of the first `size` bytes end with a comma of the conversation."""
        count = bisect_right(self.conversation.ends, size)
        return self.conversation.ends[count - 1] if count else 0

    def left(self, end: int) -> Left:
        """Give what the items up to an offset say."""
        marks = frozenset(mark for mark, at in self.marks.items() if at < end)
        return Left(self.conversation.name, self._told(end), marks)

    def going_on(self, data: bytes, end: int, rest: Conversation) -> Self:
        """Give the body that goes on from an offset as `rest` does behind the item that stands in for the others."""
        name, opening, ends, _ = self.conversation
        count = bisect_right(ends, end)
        by = end - rest.ends[0]
        told = [*self._told(end), *(one._replace(place=one.place - 1 + count) for one in rest.told)]
        now = Conversation(name, opening, [*ends[:count], *(at + by for at in rest.ends[1:])], told)
        known = {mark: at for mark, at in self.marks.items() if at < end}
        return replace(self, data=data, conversation=now, marks=dict(_marks(data, now, end)) | known)

    def become(self, other: Self) -> None:
        """Take another one's place."""
        self.data, self.conversation, self.marks = other.data, other.conversation, other.marks

    @property
    def size(self) -> int:
        """Bytes that it takes, about."""
        told = sum(len(one.users) + len(one.clients) for one in self.conversation.told)
        return len(self.data) + told + _PER_ITEM * len(self.conversation.ends)

    def _told(self, end: int) -> list[Told]:
        count = bisect_right(self.conversation.ends, end)
        return [one for one in self.conversation.told if one.place < count]


class Reader:
    """Reads one request after the other; for one thread."""

    def __init__(self) -> None:
        self._earlier = Earlier[_Body](_MOST)

    def asked(self, dialect: str, target: str, body: bytes) -> Asked | None:
        """Read what `requests.asked` reads."""
        if not _WORTH <= len(body) <= _MOST // 2:
            return asked(dialect, target, body)
        shared = self._earlier.nearest(body, _is_usable)
        goes_on = shared is not None and shared.prefix - shared.earlier.conversation.opening >= _WORTH
        read = self._going_on(body, shared) if shared is not None and goes_on else self._begun(body)
        try:
            return asked_with(target, *read) if read is not None else asked(dialect, target, body)
        except UnclearError:
            return asked(dialect, target, body)

    def _begun(self, body: bytes) -> tuple[bytes, Left] | None:
        """Remember a body, and give what is left of it behind its own items, and what these say; None if it has none.

        So they are read once only.
        """
        new = conversation(body)
        if new is None or not new.ends:
            return None
        read = _Body(body, new, dict(_marks(body, new, new.opening)))
        self._earlier.add(read, read.size)
        return _rest(body, new.opening, new.ends[-1]), read.left(new.ends[-1])

    def _going_on(self, body: bytes, shared: Shared[_Body]) -> tuple[bytes, Left]:
        """Give what is left of a body behind the items of an earlier one, and what these say; remember it instead."""
        earlier, end = shared.earlier, shared.prefix
        opening, left = earlier.conversation.opening, earlier.left(end)
        rest = _rest(body, opening, end)
        new = conversation(rest)
        if new is not None and new.opening == opening:
            now = earlier.going_on(body, end, new)
            if shared.is_most:
                earlier.become(now)
                now = earlier
            self._earlier.add(now, now.size)
        return rest, left


def _rest(body: bytes, opening: int, end: int) -> bytes:
    """Leave out what stands from behind a bracket up to an offset, behind a comma."""
    return b"".join((body[: opening + 1], _STAND_IN, memoryview(body)[end:]))


def _marks(data: bytes, conversation: Conversation, start: int) -> Iterator[tuple[bytes, int]]:
    """Give where each mark begins first in a conversation from an offset on; none holds a comma, so none is cut."""
    if conversation.name != MARKED:
        return
    last = conversation.ends[-1] if conversation.ends else start
    yield from ((mark, at) for mark in MARKS if (at := data.find(mark, start, last)) >= 0)


def _is_usable(_body: _Body) -> bool:
    return True
