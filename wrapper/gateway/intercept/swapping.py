"""Placeholders into values, in a request that is judged and recorded already; pure.

Rules of this file:
1. A placeholder is swapped in the places its binding names and nowhere else: there it stays what it is.
2. Nothing else of a request changes by a byte. A value is written as its place needs: percent-encoded in a query and a
   form, escaped in JSON. Where it cannot stand at all, the request is refused.
3. What was swapped in is not searched again. An encoding is undone once, and only the one that the place has.
"""

import base64
import binascii
import json
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

from wrapper.gateway.intercept.bindings import Binding
from wrapper.gateway.intercept.bound import Place, Placeholders
from wrapper.gateway.intercept.exchange import Body, Headers, RequestHead
from wrapper.gateway.intercept.percent import Decoded, cut_escape
from wrapper.gateway.refusal import RefusedError
from wrapper.policy.egress import Where

_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")  # RFC 9110 section 5.5: a field value has none but the tab
_BASIC: Final = re.compile(rb"(?i)(basic +)([A-Za-z0-9+/]+={0,2})")
_HEADER, _BASIC_PLACE, _QUERY, _BODY = "header", "basic", "query", "body"

Write = Callable[[Binding], bytes]
"""Gives the value as the place needs it. Raises RefusedError."""


@dataclass(frozen=True, slots=True)
class Swaps:
    """What became of placeholders: names of the values that were `used`, and placeholders that `stayed`.

    The latter are bound to this host, and stood where their rule does not say that they work.
    """

    used: tuple[str, ...] = ()
    stayed: tuple[str, ...] = ()

    def __add__(self, other: "Swaps") -> "Swaps":
        """Both together, each thing once."""
        return Swaps(
            tuple(dict.fromkeys((*self.used, *other.used))), tuple(dict.fromkeys((*self.stayed, *other.stayed)))
        )


def swapped_head(head: RequestHead, bindings: Sequence[Binding]) -> tuple[RequestHead, Swaps]:
    """Put values into headers and into the query. RefusedError for a value that cannot stand in its place."""
    placeholders = Placeholders(bindings)
    if not placeholders:
        return head, Swaps()
    told = _Told()
    target = _target(head.target, placeholders, told)
    headers = tuple((name, _header(name, value, placeholders, told)) for name, value in head.headers)
    return replace(head, target=target, headers=headers), told.swaps()


def swapped_body(body: bytes, content_type: bytes | None, bindings: Sequence[Binding]) -> tuple[bytes, Swaps]:
    """Put values into a whole body, as its type needs them. RefusedError for a value that cannot stand in it."""
    stream = _BodySwapper(content_type, bindings)
    return stream.feed(body) + stream.end(), stream.told.swaps()


def swapped_stream(
    body: Body, content_type: bytes | None, bindings: Sequence[Binding], told: Callable[[Swaps], None]
) -> Body:
    """Put values into a body as it passes; `told` is called once, where it ends or is given up.

    Its length is None, since a value is longer or shorter than its placeholder; where no value may stand in a body, it
    is given back as it is. Its pieces raise RefusedError for a value that cannot stand in it.
    """
    if not any(_allows(one, _BODY) for one in bindings):
        return body
    return _SwappedBody(body, _BodySwapper(content_type, bindings), told)


class _Told:
    """Gathers what became of placeholders."""

    def __init__(self) -> None:
        self._used: dict[str, None] = {}
        self._stayed: dict[str, None] = {}

    def used(self, binding: Binding) -> None:
        self._used[binding.name] = None

    def stayed(self, place: Place) -> None:
        self._stayed[place.bindings[0].placeholder.decode("ascii", "replace")] = None

    def swaps(self) -> Swaps:
        return Swaps(tuple(self._used), tuple(self._stayed))


def _allows(binding: Binding, place: str, name: str = "") -> bool:
    return Where(place, name) in binding.where


def _swapped(
    data: bytes, places: Iterable[Place], allowed: Callable[[Binding], bool], write: Write, told: _Told
) -> bytes:
    """Put values for placeholders, where one of the bindings that share it is allowed."""
    out: list[bytes] = []
    done = 0
    for place in places:
        binding = next(filter(allowed, place.bindings), None)
        if binding is None:
            told.stayed(place)
            continue
        out += data[done : place.start], write(binding)
        done = place.end
        told.used(binding)
    return b"".join((*out, data[done:])) if out else data


# Heads.


def _header(name: bytes, value: bytes, placeholders: Placeholders, told: _Told) -> bytes:
    basic = _BASIC.fullmatch(value) if name == b"authorization" else None
    if basic is not None:
        return _basic(value, basic, placeholders, told)
    text = name.decode("latin-1")
    return _swapped(value, placeholders.find(value), lambda one: _allows(one, _HEADER, text), _plain, told)


def _basic(value: bytes, basic: re.Match[bytes], placeholders: Placeholders, told: _Told) -> bytes:
    """Swap a user's name or a password that is a placeholder (RFC 7617); another text around one is none."""
    try:
        account = base64.b64decode(basic[2], validate=True)
    except binascii.Error:
        return value
    user, colon, password = account.partition(b":")
    parts = [_whole_part(part, placeholders, told) for part in (user, password)]
    if parts == [user, password]:
        return value
    return basic[1] + base64.b64encode(colon.join(parts) if colon else parts[0])


def _whole_part(part: bytes, placeholders: Placeholders, told: _Told) -> bytes:
    places = tuple(placeholders.find(part))
    if len(places) == 1 and (places[0].start, places[0].end) == (0, len(part)):
        return _swapped(part, places, lambda one: _allows(one, _BASIC_PLACE), _plain, told)
    for place in places:
        told.stayed(place)
    return part


def _plain(binding: Binding) -> bytes:
    """Refuse control characters in a header: a line end would begin another one."""
    if _CONTROL.search(binding.value):
        raise _unfit(binding, "a header: it has control characters")
    return binding.value


def _target(target: str, placeholders: Placeholders, told: _Told) -> str:
    raw = target.encode("utf-8", "surrogateescape")
    path, mark, query = raw.partition(b"?")
    for place in placeholders.find(Decoded(path).text):
        told.stayed(place)
    if not mark:
        return target
    parts = (_parameter(one, placeholders, told) for one in query.split(b"&"))
    return (path + mark + b"&".join(parts)).decode("utf-8", "surrogateescape")


def _parameter(raw: bytes, placeholders: Placeholders, told: _Told) -> bytes:
    name, equals, value = raw.partition(b"=")
    for place in placeholders.find(Decoded(name).text):
        told.stayed(place)
    key = unquote_to_bytes(name).decode("utf-8", "replace").lower()
    return name + equals + _in_escapes(value, placeholders, lambda one: _allows(one, _QUERY, key), told)


def _in_escapes(raw: bytes, placeholders: Placeholders, allowed: Callable[[Binding], bool], told: _Told) -> bytes:
    """Swap in percent-encoded text; the bytes of it that are no placeholder stay as they are written."""
    return _swapped(raw, _places(Decoded(raw), placeholders), allowed, _percent_encoded, told)


def _places(decoded: Decoded, placeholders: Placeholders) -> Iterator[Place]:
    """Give placeholders that stand in decoded text, by their places in what was decoded."""
    for place in placeholders.find(decoded.text):
        yield place._replace(start=decoded.raw(place.start), end=decoded.raw(place.end))


def _percent_encoded(binding: Binding) -> bytes:
    return quote_from_bytes(binding.value, safe="").encode()


# Bodies.


class _BodySwapper:
    """Bytes of a body in, bytes out; what may become a placeholder is held back."""

    def __init__(self, content_type: bytes | None, bindings: Sequence[Binding]) -> None:
        self.told = _Told()
        self._placeholders = Placeholders(bindings)
        media = (content_type or b"").partition(b";")[0].strip().lower()
        self._is_form = media == b"application/x-www-form-urlencoded"
        self._write = _percent_encoded if self._is_form else _in_json if _is_json(media) else _raw
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes, give what is settled."""
        text = self._rest + data
        return self._swap(text, self._settled(text))

    def end(self) -> bytes:
        """Give the rest."""
        return self._swap(self._rest, len(self._rest))

    def _settled(self, text: bytes) -> int:
        if not self._is_form:
            return self._placeholders.may_go_on(text)
        decoded = Decoded(text[: cut_escape(text)])
        return decoded.raw(self._placeholders.may_go_on(decoded.text))

    def _swap(self, text: bytes, end: int) -> bytes:
        """Give the text up to `end`, or to where the last placeholder ends that begins before; keep the rest.

        What stands behind `end` is looked at: it says whether a placeholder before it is a whole one.
        """
        found = _places(Decoded(text), self._placeholders) if self._is_form else self._placeholders.find(text)
        places = [place for place in found if place.start < end]
        end = max(end, places[-1].end if places else 0)
        self._rest = text[end:]
        return _swapped(text[:end], places, _in_bodies, self._write, self.told)


def _in_bodies(binding: Binding) -> bool:
    return _allows(binding, _BODY)


def _is_json(media: bytes) -> bool:
    return media.endswith((b"/json", b"+json", b"/x-ndjson", b"/ndjson", b"/jsonl", b"/json-seq"))


def _in_json(binding: Binding) -> bytes:
    try:
        return json.dumps(binding.value.decode(), ensure_ascii=False)[1:-1].encode()
    except UnicodeDecodeError:
        raise _unfit(binding, "JSON: it is no text") from None


def _raw(binding: Binding) -> bytes:
    return binding.value


@dataclass(slots=True)
class _SwappedBody:
    """A body whose placeholders become values as it passes."""

    _body: Body
    _swapper: _BodySwapper
    _told: Callable[[Swaps], None]

    @property
    def length(self) -> int | None:
        """Not known before its end."""
        return None

    @property
    def trailers(self) -> Headers:
        """Those of the body, in which nothing is swapped."""
        return self._body.trailers

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Give the pieces."""
        try:
            async for piece in self._body:
                if settled := self._swapper.feed(piece):
                    yield settled
            if rest := self._swapper.end():
                yield rest
        finally:
            self._told(self._swapper.told.swaps())


def _unfit(binding: Binding, where: str) -> RefusedError:
    what = f"the value of `{binding.name}` cannot stand in {where}"
    return RefusedError(400, what, hint="look at what its source gives", lasting=True)
