"""Long texts are searched in portions: one searching thread serves all requests, and none may keep it for seconds.

A portion is searched together with as much around it as a stretch of a body that passes (see `stretches`), so what is
found is the same. A text that is full of what looks like a secret costs a second for half a megabyte.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from redactors.finding import Finding
from redactors.stream import LONGEST_HELD
from wrapper.gateway.answer import Offload
from wrapper.gateway.intercept.archives import holds_packed, unpacked
from wrapper.gateway.intercept.finding import Looked, Weighing, look_at_found, look_at_packed
from wrapper.gateway.outgoing import Masked
from wrapper.gateway.unfold import Unfolding

PORTION: Final = 256 * 2**10
"""Bytes."""
AROUND: Final = LONGEST_HELD
"""Bytes before and behind a portion that are searched with it."""
_KEPT_OUT: Final = b"[a secret is packed in this body, so the log does not keep it]"
LONG: Final = 2**17
"""Bytes, for `Offload`: what takes so long is never searched in the loop."""


async def looked_at(data: bytes, media: bytes, weighing: Weighing, offload: Offload) -> tuple[Looked, list[Masked]]:
    """Look at a whole body, or a message, and at what is packed in it."""
    if not data:
        return Looked(data, data), []
    found = await found_in(data, weighing, offload)
    looked = await offload(len(data), look_at_found, data, media, found, weighing)
    packed = await packed_in(data, unpacked(data), weighing, offload)
    return (looked._replace(logged=_KEPT_OUT) if packed else looked), packed


async def found_in(data: bytes, weighing: Weighing, offload: Offload) -> Sequence[Finding]:
    """Find what is in a whole body."""
    search = Unfolding(weighing.engine).find
    if len(data) <= 2 * PORTION:
        return await offload(len(data), search, data)
    found: list[Finding] = []
    for start in range(0, len(data), PORTION):
        low, end = max(0, start - AROUND), start + PORTION
        for one in await offload(LONG, search, data[low : end + AROUND]):
            begin = max(one.start + low, found[-1].end if found else 0)
            if start < one.end + low and begin < min(end, one.end + low):
                found.append(one._replace(start=begin, end=one.end + low))
    return found


async def packed_in(data: bytes, texts: Iterator[bytes], weighing: Weighing, offload: Offload) -> list[Masked]:
    """Find what must not leave in the `texts` that are packed in `data`: a short body may unpack to a long one."""
    notes: list[Masked] = []
    size = LONG if holds_packed(data) else len(data)
    while (text := await offload(size, next, texts, None)) is not None:
        for start in range(0, len(text), PORTION):
            part = text[max(0, start - AROUND) : start + PORTION]
            notes += await offload(len(part), _noted, part, weighing)
    return notes


def _noted(text: bytes, weighing: Weighing) -> list[Masked]:
    return list(look_at_packed(text, weighing))
