"""Takes a session's records in order and says what came into being in each; pure.

The same for events of a session that runs and for records of its log, so an index can be made anew. Rules of this file:
1. What a model says is its own unless it stood in what it had been given: prompts, results of tools, all other strings
   of requests. Such lines are echoes. So is what a file had before, as the view saw it: what the model says that it had
   proves nothing, since a patch may name lines that never were there. Nor does a content that came to be unseen.
2. A line that was the agent's own first stays so, however often it is read again.
3. What a process writes counts as the agent's, but lines that the model said before are not told twice. What a model
   wrote by a tool is so told once, as the tool's input; formatters, generators and `sed` are told as writes. What is
   installed or built below `aside.GENERATED` is not: nobody takes it for source, and it is more than all the rest.
   What leaves such a folder is told then; all of it, once there is a hard link to who knows what.
4. What a model said in an earlier session comes again in requests (`origin` is `EARLIER`): it is told, and the time is
   only the latest that it can be from.
5. A whole content is told as the agent's (a blob) where `contents.is_agents` says so.
6. Memory is bounded: what is not remembered as given counts as the agent's, and `gap` says so.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import msgspec
import numpy as np

from wrapper.audit.events import FileChange, FilesRead, Request, Response, SessionStart
from wrapper.audit.reader import Record
from wrapper.provenance.aside import Aside, is_generated
from wrapper.provenance.contents import Contents, Difference, difference, is_agents
from wrapper.provenance.heard import Heard, forms
from wrapper.provenance.inputs import pieces, undiffed
from wrapper.provenance.keyed import Domain, Keyed
from wrapper.provenance.model import Codes, Emission, Kind, Prints, Read
from wrapper.provenance.novelty import MOST, Seen, following, laid_out
from wrapper.provenance.prints import blob_code, digest_hash, normalised_code, plain_codes, printed, trivial
from wrapper.review.bounded import put
from wrapper.review.turns import Answer, Call, Prompt, Result, Turn, Turns, Usage

EARLIER: Final = "earlier"
"""The origin of what a model said before the session began, in a conversation that it goes on with."""

_MOST_REQUESTS: Final = 1024
_MOST_CALLS: Final = 4096
_MOST_TEXTS: Final = 1 << 16
_MOST_WRITTEN: Final = 64 << 20  # bytes that programs wrote; a session that generates more is told of
_NOTHING: Final = np.empty(0, np.uint64)


class Emitted(NamedTuple):
    """One emission, the codes of its text, and keyed codes of whole contents."""

    emission: Emission
    prints: Prints
    blobs: Codes


class Captured(NamedTuple):
    """What one record brought."""

    emissions: tuple[Emitted, ...] = ()
    reads: tuple[Read, ...] = ()


class _Asked(NamedTuple):
    """What is known of a request when its answer comes."""

    model: str = ""
    host: str = ""
    prompt: int = 0


class _Called(NamedTuple):
    """What is known of a call when its result comes: its prompt's record, and the old text that it spoke of."""

    prompt: int
    old: Codes


class Capture:
    """One session. `feed` takes its records in order, live or out of its log, bodies of requests in full."""

    def __init__(self, session: str, keyed: Keyed, *, most: int = MOST) -> None:
        self._keyed = keyed
        self._turns = Turns()
        self._heard = Heard()
        self._given, self._own = Seen(most), Seen(most)
        self._contents = Contents(self._own)
        self._aside = Aside()
        self._cut: dict[str, None] = {}
        self._unseen: dict[str, None] = {}
        self._blank = Emission(kind=Kind.TEXT, session=session, at=0.0)
        self._last = self._blank
        self._prompt = 0
        self._asked: dict[int, _Asked] = {}
        self._calls: dict[str, _Called] = {}
        self._texts: dict[int, None] = {}
        self._held: list[Emitted] = []
        self._written = 0
        self._is_bound = self._is_watched = self._is_linked = False

    @property
    def gap(self) -> str:
        """Why what it gave is not all, or not as it should be; empty where it is."""
        reasons = (
            (self._given.is_full or self._own.is_full, "more lines than are remembered: what it repeated may count"),
            (self._written > _MOST_WRITTEN, f"programs wrote more than {_MOST_WRITTEN >> 20} MiB"),
            (self._is_bound, "files were shown by binds, where nobody sees what programs write"),
        )
        return "; ".join(reason for holds, reason in reasons if holds)

    def rest(self) -> Captured:
        """Return what was held back: a write, as long as its file may yet get another name."""
        held, self._held = self._held, []
        return Captured(tuple(held))

    def feed(self, record: Record) -> Captured:
        """Return what is new. Never raises for what an agent or a provider sent."""
        match record.event:
            case SessionStart(agent=agent, view=view):
                self._blank = self._last = msgspec.structs.replace(self._blank, agent=agent)
                self._is_bound, self._is_watched = view.startswith("binds"), view == "fuse"
            case Request() as request:
                return Captured(tuple(self._request(record, request)))
            case Response() as response:
                asked = self._asked.pop(response.number, _Asked(prompt=self._prompt))
                return Captured(tuple(self._said(self._turns.feed(record), asked, is_cut=not response.complete)))
            case FileChange(action="moved") as change:
                self._moved(change)
                return self._holding([*self._out(record.sequence, change)])
            case FileChange(action="deleted") as change:
                self._aside.deleted(change.path)
            case FileChange(action="created" | "modified") as change:
                return self._holding(list(self._changed(record.sequence, change)))
            case FilesRead(files=files):
                return Captured(reads=tuple(Read(*one) for one in files))
        return Captured()

    def _holding(self, emitted: list[Emitted]) -> Captured:
        """Hold back what is new, and give what was held back before."""
        held = self._held
        if emitted:
            self._held = emitted
            return Captured(tuple(held))
        return Captured()

    def _request(self, record: Record, request: Request) -> Iterator[Emitted]:
        turns = self._turns.feed(record)
        asked = _Asked(request.model, _host(request.url), self._led_by(turns))
        put(self._asked, request.number, asked, _MOST_REQUESTS)
        yield from self._said(turns, asked, origin=EARLIER)
        for text in self._heard.new(request.body):
            self._give(text)

    def _led_by(self, turns: Sequence[Turn]) -> int:
        """Return the record of the prompt that a request goes back to: its own, that of its calls, or the last."""
        for turn in reversed(turns):
            if isinstance(turn, Prompt):
                self._prompt = self._prompt if turn.aside else turn.sequence
                return turn.sequence
            if isinstance(turn, Result) and turn.id in self._calls:
                return self._calls[turn.id].prompt
        return self._prompt

    def _said(
        self, turns: Sequence[Turn], asked: _Asked, *, origin: str = "", is_cut: bool = False
    ) -> Iterator[Emitted]:
        model = next((turn.model for turn in turns if isinstance(turn, Usage) and turn.model), asked.model)
        said = {"model": model, "prompt": asked.prompt, "host": asked.host, "origin": origin, "is_cut": is_cut}
        for turn in turns:
            place = {"at": turn.at, "sequence": turn.sequence, "request": turn.request}
            match turn:
                case Prompt(text=text):
                    self._give(text)
                case Result():
                    self._came_back(turn)
                case Answer(text=text, aside=aside):
                    told = msgspec.structs.replace(self._blank, kind=Kind.TEXT, **said, **place)
                    self._last = self._last if aside else told
                    yield from self._emitted(told, undiffed(text), whole=text)
                case Call():
                    self._last = told = msgspec.structs.replace(
                        self._blank, kind=Kind.INPUT, tool=turn.tool, **said, **place
                    )
                    yield from self._called(turn, told)

    def _called(self, call: Call, told: Emission) -> Iterator[Emitted]:
        olds: list[Codes] = []
        for piece in pieces(call.input):
            old = plain_codes(_bytes(piece.old))
            olds.append(old)
            whole = piece.text if piece.whole else ""
            yield from self._emitted(
                msgspec.structs.replace(told, path=piece.path), piece.text, whole=whole, before=old
            )
            if piece.whole:
                self._contents.written(piece.text)
        called = _Called(told.prompt, np.concatenate(olds) if olds else _NOTHING)
        put(self._calls, call.id, called, _MOST_CALLS)

    def _came_back(self, result: Result) -> None:
        """Take in what a tool gave. Where nobody sees files change, an edit that went well proves its old text."""
        self._give(result.text)
        called = self._calls.get(result.id)
        if called is not None and not result.is_error and not self._is_watched:
            self._given.add(called.old[~self._own.has(called.old)])

    def _give(self, text: str) -> None:
        """Remember what the model was given, but for what it has said itself."""
        key = hash(text)
        if key not in self._texts:
            put(self._texts, key, None, _MOST_TEXTS)
            for form in forms(_bytes(text)):
                codes = plain_codes(form)
                self._given.add(codes[~self._own.has(codes)])

    def _changed(self, sequence: int, change: FileChange) -> Iterator[Emitted]:
        told = msgspec.structs.replace(
            self._last, tool="", origin="", at=change.at, sequence=sequence, path=change.path, process=change.process
        )
        lines = difference(change)
        if change.by == "host":
            yield from self._by_host(told, lines)
        elif change.by == "agent" and is_generated(change.path) and not self._is_linked:
            put(self._unseen, change.after, None, _MOST_TEXTS)
            if change.diff:
                self._aside.put(change)
        elif change.by == "agent":
            told = msgspec.structs.replace(told, kind=Kind.WRITE, is_cut=lines.is_cut)
            if lines.is_cut:
                put(self._cut, change.path, None, _MOST_CALLS)
            yield from self._wrote(told, change, lines)
            if change.action == "created" and change.after:
                others = list(self._aside.linked(change.after, change.path))
                self._is_linked |= not others  # to a file that may lie there, and be written to by that name
                for other in others:
                    yield from self._changed(sequence, other)

    def _out(self, sequence: int, change: FileChange) -> Iterator[Emitted]:
        """Tell what a move brought out of folders of which nothing is told, and where what is cut stands now."""
        come = list(self._aside.moved(change.path, change.target))
        for one in come:
            yield from self._changed(sequence, one)
        is_out = is_generated(change.path) and not come
        is_cut = any(path == change.path or path.startswith(f"{change.path}/") for path in self._cut)
        if change.by == "agent" and not is_generated(change.target) and (is_out or is_cut):
            yield from self._changed(sequence, msgspec.structs.replace(change, path=change.target, after="", diff=""))

    def _moved(self, change: FileChange) -> None:
        """Give what was just written the name that its file has now: editors write beside a file, then rename."""
        self._held = [
            one._replace(emission=msgspec.structs.replace(one.emission, path=change.target))
            if one.emission.path == change.path
            else one
            for one in self._held
        ]

    def _by_host(self, told: Emission, lines: Difference) -> Iterator[Emitted]:
        """Tell what somebody outside wrote: an echo where it is what the agent had written."""
        told = msgspec.structs.replace(
            told,
            kind=Kind.HOST,
            is_cut=lines.is_cut or not lines.come,
            request=0,
            prompt=0,
            model="",
            host="",
            agent="",
        )
        text = _bytes("\n".join(lines.come))
        echo = following(self._own.has(plain_codes(text)), trivial(text))
        yield Emitted(told, printed(text, self._keyed, echo=echo.tolist()), _NOTHING)

    def _wrote(self, told: Emission, change: FileChange, lines: Difference) -> Iterator[Emitted]:
        self._written += len(change.diff)
        if self._written > _MOST_WRITTEN:
            return
        codes = plain_codes(_bytes("\n".join(lines.come)))
        come = [line for line, known in zip(lines.come, self._own.has(codes).tolist(), strict=False) if not known]
        before = self._before(change, lines)
        laid = self._laid_out(lines, come) if before.size else _NOTHING
        emitted = next(self._emitted(told, "\n".join(come), before=np.concatenate((before, laid))), None)
        blobs = self._blobs_of(change, lines) if self._contents.changed(change, lines) else _NOTHING
        if emitted is not None:
            yield emitted._replace(blobs=blobs)
        elif blobs.size or told.is_cut:
            yield Emitted(told, printed(b"", self._keyed), blobs)

    def _before(self, change: FileChange, lines: Difference) -> Codes:
        """Return the lines that a file had, and remember them as given; none where nobody saw how they came there."""
        if change.before in self._unseen or lines.is_cut:
            put(self._unseen, change.after, None, _MOST_TEXTS)
        if change.before in self._unseen:
            return _NOTHING
        had = plain_codes(_bytes("\n".join(lines.gone + lines.around)))
        self._given.add(had[~self._own.has(had)])
        return plain_codes(_bytes("\n".join(lines.gone)))

    def _laid_out(self, lines: Difference, come: Sequence[str]) -> Codes:
        """Return the lines that came and only lay out anew what somebody else had written there."""
        own = self._own.has(plain_codes(_bytes("\n".join(lines.gone)))).tolist()
        gone = _bytes("\n".join(line for line, is_own in zip(lines.gone, own, strict=False) if not is_own))
        text = _bytes("\n".join(come))
        codes = plain_codes(text)
        return codes[laid_out(gone, text)[: codes.size]]

    def _blobs_of(self, change: FileChange, lines: Difference) -> Codes:
        normal = normalised_code(_bytes("\n".join(lines.come)), self._keyed) if lines.is_all else 0
        return _codes(_digest_code(bytes.fromhex(change.after), self._keyed), normal)

    def _emitted(self, told: Emission, text: str, *, whole: str = "", before: Codes = _NOTHING) -> Iterator[Emitted]:
        """Yield a text of the agent's where anything of it is its own; `before`: what is an echo here, too."""
        data = _bytes(text)
        codes, dull = plain_codes(data), trivial(data)
        echo = self._given.has(codes) | (np.isin(codes, before) & ~self._own.has(codes))
        own = ~echo & ~dull
        if own.any():
            self._own.add(codes[own])
            prints = printed(data, self._keyed, echo=following(echo, dull).tolist())
            counts = whole and is_agents(int(own.sum()), int((~dull).sum()))
            yield Emitted(told, prints, self._blobs(whole) if counts else _NOTHING)

    def _blobs(self, whole: str) -> Codes:
        data = _bytes(whole)
        ended = () if data.endswith(b"\n") else (blob_code(data + b"\n", self._keyed),)
        return _codes(blob_code(data, self._keyed), *ended, normalised_code(data, self._keyed))


def _digest_code(digest: bytes, keyed: Keyed) -> int:
    """Give what `blob_code` gives of a content with this SHA-256."""
    return int(keyed.codes(digest_hash(digest), Domain.BLOB)[0])


def _codes(*codes: int) -> Codes:
    return np.array([code for code in codes if code], np.uint64)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
