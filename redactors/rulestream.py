"""What rules find, masked in a stream.

What it promises:
1. Any chunking of the same bytes gives the same output, as long as nobody calls `flush`: a stream is cut into units by
   its content alone, and each unit is judged with the same bytes before it, however many units come at once.
2. A unit is a line; of a long line, a piece that ends between two words; a private key is one unit with all its lines.
   Held back is the unit that is not over, at most LONGEST_HELD bytes. What stood before it (`login`, on the line above
   `password`) has been shown and is only context.
3. Where terminal sequences stand, the text without them is searched too: a coloured token is found. Its placeholder is
   followed by the sequences that stood in it.
4. After a `flush` in the middle of a secret its rest is masked, as soon as the secret is recognised.
What would break it: a secret of several lines that do not look like those of a key: its first lines are shown, or all
of it if it is short. Tables are not read, nor what stands in a list many lines behind its name: what says that such a
line holds a secret was shown long before.

Cost: one glance at all new units and a little that stands before them (`redactors.glance`), for anything that a rule
may match. Where there is something, it is searched with all of the context, and a unit in which that finds something is
judged.
"""

import base64
import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import NamedTuple

from redactors.engine import Engine
from redactors.finding import Finding
from redactors.glance import BEFORE, Glance
from redactors.sequences import Strip, finished, without_sequences
from redactors.squeeze import ESCAPE_SEQUENCE
from redactors.vault import Origin, Vault

LONGEST_HELD = 64 * 1024
"""Bytes of a unit at most; a private key of 16,384 bits, escaped twice, is a quarter of it."""
_CONTEXT = 512  # bytes before a unit: the longest context of a rule that spans lines (netrc) has some 300
MOST_AT_A_GLANCE = 16 * 1024
"""Bytes; in more there is likely something that a rule may match."""
_KEPT = _CONTEXT + 1  # bytes that are kept of what passed: the context, and the byte before it
_MOST_SINCE = 32  # times that lines pass before it is dropped what need not be kept of them: 16 KB
_LAST = slice(-BEFORE, None)
# Of a key that goes on, longer than all but the rarest are, one part in so many must come before it is judged again:
# else text that only looks like one would be searched whole for each of its lines.
_LONG_KEY, _GROWS = 4_096, 8
_CONTEXT_LINES = 4  # netrc may spread over four; each costs, where many lines hold secrets
_LINE_FEED, _ESCAPE = 0x0A, 0x1B  # as numbers: asking for one takes a third of the time of asking for bytes
_NOTHING, _MAY_FIND = Glance.NOTHING, Glance.MAY_FIND  # looking up a member takes a tenth of a glance
_BLANKS = b" \t\r\n"
_BLANK = re.compile(b"[" + _BLANKS + b"]")
_LINE_END = re.compile(rb"\r?\n|\r")
_WORD_ENDS = (b" ", b"\t", b'"', b"'", b",", b";", b"}", b"]", b")", b">", b"&", b"\\")  # where to cut, best first
# Of a BEGIN line (RFC 7468), whatever begins: the first line behind it may be too short to be found alone.
_KEY_BEGIN = b"-----BEGIN "
# What follows the first lines of a key: full lines of base64, up to two short ones, and one more (the END line). The
# groups are atomic: a possessive repeat of a group may stop in the middle of it (seen in Python 3.11.2).
_KEY_LINES = re.compile(
    rb"(?>(?:[ \t]{0,15}[A-Za-z0-9+/=]{16,120}[ \t\r]*+\n)*)"
    rb"(?>(?:[ \t]{0,15}[A-Za-z0-9+/=]{1,15}[ \t\r]*+\n){0,2})[^\n]*+\n"
)
_ONE_MORE = base64.b64encode(bytes(89 * at % 256 for at in range(48))) + b"\n"  # a line of a key like any other


class _Unit(NamedTuple):
    """A unit that is over, and what is to be masked in it; offsets count in the buffer."""

    end: int
    findings: Sequence[Finding]


class RuleStream:
    """Bytes in, bytes out; what `engine` finds besides known values is masked. Not for several threads at once.

    `on_mask(finding, placeholder)` is told each mask; offsets count from the start of the stream.
    """

    def __init__(self, engine: Engine, vault: Vault, *, strip: Strip = without_sequences) -> None:
        self.on_mask: Callable[[Finding, str], None] | None = None
        self._rules = engine.for_lines()  # known values are masked before
        self._glance = engine.probe()
        self._vault = vault
        self._strip = strip
        self._buffer = b""
        self._behind: list[bytes] = []  # what came since, without a line end
        self._size = 0  # bytes of both
        self._unit = 0  # where in the buffer the unit begins that is not over
        self._going_on = 0  # so many bytes of it were judged to be a key that goes on
        self._shown = 0  # so many bytes of the buffer were given out
        self._passed = 0  # bytes of the stream before the buffer, and those that passed since
        self._after_return = False
        # The context without its sequences; the very buffer if it has none, and None if nothing is known of it because
        # it was searched. Where it is known, no BEGIN line stands in it.
        self._plain: bytes | None = self._buffer
        # What must stand before the next lines in a glance, see `redactors.glance`; None if the unit has begun, or the
        # context has sequences or is not known.
        self._before: bytes | None = self._buffer
        self._since: list[bytes] = []  # the last lines that passed since; the buffer has them when somebody asks for it

    @property
    def held(self) -> bool:
        """Whether bytes are held back."""
        return self._size > self._shown

    @property
    def unfinished(self) -> int:
        """How many bytes the unit has that is not over, whether they are held back or were flushed."""
        return self._size - self._unit

    def passes(self, lines: bytes) -> bool:
        """Take whole `lines`, without terminal sequences, if `feed` would give them back at once as they are.

        That is, if no rule can match anywhere in them: what almost all output is. A search would find nothing either,
        and no unit is judged that nothing was found in, but within a key. `lines` are MOST_AT_A_GLANCE bytes at most.
        False: they were not taken, and are to be fed so that they are searched (`looks`).
        """
        before = self._before
        if before is None:
            return self._unit == self._size and self._passes(lines)
        text = before + lines
        told = self._glance(text)
        if told is not _NOTHING:
            self._before = None  # the next glance takes in all of the context
            return told is not _MAY_FIND and self._passes(lines)
        size = len(lines)
        since = self._since
        if size >= _KEPT:
            since.clear()
        since.append(lines)
        self._passed += size
        if len(since) == _MOST_SINCE:
            self._catch_up()
        self._before = text[_LAST]
        return True

    def feed(self, data: bytes, *, looks: bool = False) -> bytes:
        """Take the next bytes, give what may be shown now; `looks`: they are whole lines that may not pass."""
        if not data:
            return b""
        is_whole = self._unit == self._size and data[-1] == _LINE_FEED
        if is_whole and not looks and self._passes(data):
            return data
        self._catch_up()
        self._before = None
        self._behind.append(data)
        self._size += len(data)
        goes_on = b"\n" not in data and b"\r" not in data and not self._after_return
        if goes_on and self._size - self._unit < LONGEST_HELD:
            return b""
        self._after_return = data.endswith(b"\r")
        lines = b"" if is_whole else self._take_lines()
        if not lines:
            self._gather()
            lines = self._release(self._unit + _end_of_lines(self._buffer[self._unit :]))
        return lines

    def flush(self) -> bytes:
        """Give out what is held back; should it turn out to begin a secret, the secret's rest is masked still."""
        if not self.held:
            return b""
        self._gather()
        return self._show(self._size, self._judge(self._context(), self._size))

    def _passes(self, lines: bytes) -> bool:
        """As `passes`, of any whole lines behind whole lines."""
        if len(lines) > MOST_AT_A_GLANCE:
            return False
        if self._before is not None and _ESCAPE not in lines:
            return self.passes(lines)
        self._catch_up()
        text = self._buffer + lines
        if self._glance(text) is _MAY_FIND:
            return False
        is_plain = _ESCAPE not in text
        if not is_plain and not self._passes_without_sequences(text, lines):
            return False
        self._passed += len(lines)
        self._keep(text[-_KEPT:])
        if is_plain:
            self._plain = self._buffer
        self._before = self._buffer if is_plain else None
        return True

    def _catch_up(self) -> None:
        """Put into the buffer what passed since."""
        if not self._since:
            return
        kept = b""
        for lines in (*reversed(self._since), self._buffer):
            kept = lines[len(kept) - _KEPT :] + kept
            if len(kept) == _KEPT:
                break
        self._since.clear()
        self._keep(kept)
        self._plain = kept

    def _keep(self, kept: bytes) -> None:
        """Make `kept` the buffer: the end of it, or of what passed since."""
        self._passed += len(self._buffer) - len(kept)
        self._buffer = kept
        self._unit = self._shown = self._size = len(kept)
        self._going_on = 0

    def _passes_without_sequences(self, text: bytes, lines: bytes) -> bool:
        """Whether no rule can match in `text` without its sequences either; it ends with `lines`.

        That of the context is kept from the last time, unless a sequence may go on from there. It may be longer than
        the one in `text`: what may match behind less context may match behind more, but for words that the cut made.
        """
        plain = self._strip(text) if self._plain is None else self._plain + self._strip(lines)
        self._plain = plain[-_KEPT:] if finished(text) is text else None
        return self._glance(plain) is not _MAY_FIND

    def _gather(self) -> None:
        self._buffer = b"".join((self._buffer, *self._behind))
        self._behind.clear()

    def _take_lines(self) -> bytes:
        """Take the lines that are over of what came since the last ones, if no rule can match in them; else nothing."""
        if not self._unit == self._shown == len(self._buffer):
            return b""
        new = b"".join(self._behind)
        end = _end_of_lines(new)
        if end == 0 or len(new) - end >= LONGEST_HELD or not self._passes(new[:end]):
            return b""
        if end < len(new):
            self._before = None
        self._behind = [new[end:]] if end < len(new) else []
        self._size += len(new) - end
        return new[:end]

    def _release(self, border: int) -> bytes:
        """Give out the lines up to `border`, and pieces of what is too long behind it."""
        if border - self._unit < self._awaited() and self._size - self._unit < LONGEST_HELD:
            return b""
        whole = self._size - border < LONGEST_HELD
        text = self._buffer[:border] if whole else self._buffer
        found = self._find(text)
        out: list[bytes] = []
        if _KEY_BEGIN not in text and not (found and found[-1].end > self._unit):
            out.append(self._show(border, ()))
            self._unit, self._going_on = border, 0
        if self._unit < border or not whole:
            while unit := self._next_unit(found, border):
                out.append(self._show(*unit))
                self._unit, self._going_on = unit.end, 0
        self._plain = None
        self._forget()
        return b"".join(out)

    def _next_unit(self, found: Sequence[Finding], border: int) -> _Unit | None:
        """Take the unit at hand if it is over; `found` tells where it is worth judging."""
        line = _LINE_END.search(self._buffer, self._unit, border)
        unit = None
        if line is not None and line.end() - self._unit < LONGEST_HELD:
            unit = self._lines(line.end(), found, border)
        if unit is None and self._size - self._unit >= LONGEST_HELD:
            unit = self._piece(self._unit + LONGEST_HELD, found)
        return unit

    def _lines(self, end: int, found: Sequence[Finding], border: int) -> _Unit | None:
        """Take the line up to `end`, and those behind it that belong to the same key; None if they go on."""
        context = self._context()
        if not self._is_touched(found, context, end):
            return _Unit(end, ())
        end = max(end, self._unit + self._going_on)
        while True:
            if self._going_on < end - self._unit:
                findings = self._judge(context, end)
                if not self._goes_on(context, end, findings):
                    return _Unit(end, findings)
                self._going_on = end - self._unit
            while end - self._unit < self._awaited():
                more = _KEY_LINES.match(self._buffer, end, border)
                if more is None or more.end() - self._unit >= LONGEST_HELD:
                    return None
                end = more.end()

    def _awaited(self) -> int:
        """Give how many bytes the unit must have to be judged, if it is a key that goes on."""
        size = self._going_on
        return size + size // _GROWS if size > _LONG_KEY else size + 1

    def _piece(self, limit: int, found: Sequence[Finding]) -> _Unit:
        """Take a piece of a line that is too long: up to a word's end in its second half, if there is one."""
        middle = limit - LONGEST_HELD // 2
        cut = next((place + 1 for end in _WORD_ENDS if (place := self._buffer.rfind(end, middle, limit)) >= 0), limit)
        context = self._context()
        findings = self._judge(context, limit) if self._is_touched(found, context, limit) else []
        for one in findings:
            if one.start < cut < one.end or cut == limit == one.end:
                cut = one.start if one.start > self._unit else one.end
        return _Unit(cut, [one for one in findings if one.start < cut])

    def _context(self) -> int:
        """Where the bytes begin that the unit is judged with: a few lines, or fewer bytes, but whole words."""
        least = self._unit - _CONTEXT
        begin = self._unit
        for _ in range(_CONTEXT_LINES + 1):
            begin = self._buffer.rfind(b"\n", max(0, least), begin)
            if begin < 0:
                break
        else:
            return begin + 1
        if least <= 0:
            return 0
        blank = _BLANK.search(self._buffer, least - 1, least + _CONTEXT // 2)
        return blank.end() if blank else least

    def _is_touched(self, found: Sequence[Finding], context: int, end: int) -> bool:
        first = bisect_right(found, self._unit, key=lambda one: one.end)
        touched = first < len(found) and found[first].start < end
        return touched or _is_in_key(self._buffer, context, end)

    def _judge(self, context: int, end: int) -> list[Finding]:
        found = self._find(self._buffer[context:end])
        moved = (one._replace(start=one.start + context, end=one.end + context) for one in found)
        return [one for one in moved if one.end > self._unit]

    def _goes_on(self, context: int, end: int, findings: Sequence[Finding]) -> bool:
        """Whether what ends the unit would take in a line of a key, if one came."""
        text = self._buffer[context:end]
        if not _is_in_key(text, 0, len(text)):
            if not findings or findings[-1].end != context + len(text.rstrip(_BLANKS)):
                return False
            text = self._buffer[findings[-1].start : end]  # a key without its BEGIN line is known by its own beginning
        return any(one.start < len(text) < one.end for one in self._find(text + _ONE_MORE))

    def _find(self, text: bytes) -> Sequence[Finding]:
        found = self._rules.find(text)
        return found if b"\x1b" not in text else _united(_found_without_sequences(self._rules, text), found)

    def _show(self, end: int, findings: Sequence[Finding]) -> bytes:
        """Give out what stands up to `end` and was not yet, with `findings` masked."""
        if not findings:
            shown, self._shown = self._buffer[self._shown : end], max(self._shown, end)
            return shown
        out: list[bytes] = []
        at = self._shown
        for one in findings:
            if one.end > at:
                start = max(one.start, at)
                out += self._buffer[at:start], self._mask(one._replace(start=start))
                out += ESCAPE_SEQUENCE.findall(self._buffer, start, one.end)
                at = one.end
        out.append(self._buffer[at:end])
        self._shown = max(at, end)
        return b"".join(out)

    def _mask(self, found: Finding) -> bytes:
        placeholder = self._vault.issue(found.kind, found.value, Origin.INSIDE)
        if self.on_mask is not None:
            self.on_mask(found._replace(start=found.start + self._passed, end=found.end + self._passed), placeholder)
        return placeholder.encode()

    def _forget(self) -> None:
        """Keep what the unit at hand may need, and the byte before it.

        No more lines than it is judged with: each glance would see again what was found in them, and search for it.
        """
        before = self._buffer[max(0, self._unit - _KEPT) : self._unit]
        lines = before.rsplit(b"\n", _CONTEXT_LINES + 1)  # as many as `_context` takes
        if len(lines) > _CONTEXT_LINES + 1:
            before = before[len(lines[0]) :]
        gone = self._unit - len(before)
        if gone > 0:
            self._buffer = self._buffer[gone:]
            self._size -= gone
            self._unit -= gone
            self._shown -= gone
            self._passed += gone


def _end_of_lines(text: bytes) -> int:
    """Say where the last line ends; a carriage return at the very end may get its line feed yet."""
    feed = text.rfind(b"\n") + 1
    return max(feed, text.rfind(b"\r", feed, -1) + 1)


def _is_in_key(text: bytes, start: int, end: int) -> bool:
    """Whether a key, or what else has a BEGIN line, has begun in `text[start:end]`, and no END line has come."""
    begin = text.rfind(_KEY_BEGIN, start, end)
    return begin >= 0 and text.find(b"-----END ", begin, end) < 0


def _found_without_sequences(rules: Engine, text: bytes) -> list[Finding]:
    """Find in `text` without its terminal sequences; the offsets are those in `text`."""
    found = rules.find(without_sequences(text))
    if not found:
        return []
    places, removed = [], [0]
    for sequence in ESCAPE_SEQUENCE.finditer(text):
        places.append(sequence.start() - removed[-1])
        removed.append(removed[-1] + sequence.end() - sequence.start())

    def place(plain: int) -> int:
        return plain + removed[bisect_right(places, plain)]

    return [one._replace(start=place(one.start), end=place(one.end - 1) + 1) for one in found]


def _united(plain: Sequence[Finding], raw: Sequence[Finding]) -> Sequence[Finding]:
    """Take both; where they overlap, what was found without sequences, over the width of both."""
    united: list[Finding] = []
    for one in sorted([*plain, *raw], key=lambda one: one.start):
        if united and one.start < united[-1].end:
            last = united.pop()
            better = one if one in plain else last
            one = better._replace(start=last.start, end=max(last.end, one.end))  # noqa: PLW2901  (the union of both)
        united.append(one)
    return united
