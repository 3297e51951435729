"""What of a change of a file stands in the log: the lines between what stayed at its beginning and at its end; pure.

Cheap by design: the view makes it while the inside waits for its files. A reader may compare the lines in between more
closely.
"""

from typing import Final

MOST_COMPARED: Final = 1 << 20
"""Bytes of a content that is compared."""
_MOST_KEPT: Final = 64 << 10  # bytes of what is recorded
_AROUND: Final = 3  # lines that stayed, before and after


def touched(old: bytes, new: bytes) -> bytes:
    r"""Return a unified diff of one hunk, without file names; empty for equal, long or binary contents.

    More than 64 KiB of it end in a line that begins with `\\` and says how many bytes are missing.
    """
    if old == new or max(len(old), len(new)) > MOST_COMPARED or b"\0" in old or b"\0" in new:
        return b""
    if old.endswith(b"\n") and new.endswith(b"\n"):
        old, new = old[:-1], new[:-1]
    before, after = old.split(b"\n"), new.split(b"\n")
    head = _same(before, after, 0)
    tail = _same(before[head:][::-1], after[head:][::-1], 0)
    start, gone, come = max(0, head - _AROUND), len(before) - tail, len(after) - tail
    lines = [b"@@ -%d,%d +%d,%d @@" % (head + 1, gone - head, head + 1, come - head)]
    lines += [b" " + line for line in before[start:head]]
    lines += [b"-" + line for line in before[head:gone]]
    lines += [b"+" + line for line in after[head:come]]
    lines += [b" " + line for line in before[gone : gone + _AROUND]]
    told = b"\n".join(lines)
    more = len(told) - _MOST_KEPT
    return told if more <= 0 else told[:_MOST_KEPT] + b"\n\\ %d more bytes" % more


def _same(one: list[bytes], other: list[bytes], begin: int) -> int:
    """Return how many lines at the beginning are the same."""
    at = begin
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        at += 1
    return at
