r"""How a value is written where its placeholder stood, by what the text is. Pure.

The text is what a tool or a user gets, or the notation of it:

- **TEXT** is taken as it is: prose, files, shell commands. Two things in it have a notation of their own. Where a text
  is JSON from its first byte on (a file that the model writes, a structured answer), a value in a string is escaped,
  in JSON within JSON once more. In a patch for `apply_patch`, a value of several lines gets the mark of its line (`+`,
  `-` or a blank) before each further line; where none can be (the name of a file) the placeholder stays.
- **JSON** is JSON for certain (tool arguments). The strings in it are TEXT.
- **JAVASCRIPT** is source: see `javascript`.
- **OWN** is the provider's own (reasoning, signatures): it is verified when it comes back, and nothing is restored.

A context is fed all text before a value, then asked. It looks at the text no earlier than that: outside of JSON nearly
all values are written alike everywhere (`is_plain`), and a stream without placeholders costs nothing.
"""

import enum
import json
import re
from typing import Final, Protocol

_ODD: Final = re.compile("[\"'`\\\\$\x00-\x1f\x7f\u2028\u2029]|^{")
_SHELL_KEYS: Final = frozenset({"cmd", "command", "script"})  # `[ "$a" = … ]` begins like JSON and is a command
_STRING: Final = re.compile(r'[^"\\\x00-\x1f]+')
_ESCAPE: Final = re.compile(r'\\(?:u([0-9a-fA-F]{4})|(["\\/bfnrt]))')
_ESCAPE_BEGUN: Final = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?\Z")
_ESCAPED: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_BLANKS: Final = re.compile(r"[ \t\r\n]+")
_SCALAR: Final = re.compile(r"[-+.0-9eEaflnrstu]+")  # numbers, true, false, null
_BEGIN_PATCH: Final = "*** Begin Patch"
_END_PATCH: Final = "*** End Patch"
_LINE_MARKS: Final = frozenset("+- ")
_KEPT_OF_A_LINE: Final = 64


class Quoting(enum.Enum):
    """What a text is; see above."""

    TEXT = "text"
    JSON = "json"
    JAVASCRIPT = "javascript"
    OWN = "own"


class Context(Protocol):
    """What is known of a text up to some place."""

    def feed(self, text: str) -> None:
        """Take the next part of the text."""

    def quote(self, value: str) -> str | None:
        """Write `value` for the place behind what was fed; None where it cannot stand."""


def is_plain(value: str) -> bool:
    """Whether `value` is written as it is in every context."""
    return not _ODD.search(value)


def escaped_for_json(value: str) -> str:
    """Write `value` as the content of a JSON string (RFC 8259)."""
    return json.dumps(value, ensure_ascii=False)[1:-1]


class Patch:
    """Knows whether a text is within a patch, and how the line at hand begins."""

    def __init__(self) -> None:
        self._line = ""
        self._is_within = False

    def feed(self, text: str) -> None:
        """Take the next part of the text."""
        *whole, last = text.split("\n")
        for part in whole:
            line = (self._line + part[:_KEPT_OF_A_LINE]).strip()
            self._line = ""
            self._is_within = line == _BEGIN_PATCH or (self._is_within and line != _END_PATCH)
        self._line = (self._line + last[:_KEPT_OF_A_LINE])[:_KEPT_OF_A_LINE]

    def quote(self, value: str) -> str | None:
        """Give each further line of `value` the mark of the line that it begins in."""
        if not self._is_within or "\n" not in value:
            return value
        mark = self._line[:1]
        return value.replace("\n", "\n" + mark) if mark in _LINE_MARKS and mark else None


class Text:
    """Text that is taken as it is; `maybe_json`: but where it is JSON from its first byte on."""

    def __init__(self, *, maybe_json: bool = True) -> None:
        self._patch = Patch()
        self._json = Json(certain=False) if maybe_json else None

    def feed(self, text: str) -> None:
        """Take the next part of the text."""
        self._patch.feed(text)
        if self._json is not None:
            self._json.feed(text)
            if self._json.is_broken:
                self._json = None

    def quote(self, value: str) -> str | None:
        """Write `value` for the place behind what was fed."""
        if self._json is not None and self._json.is_in_string:
            return self._json.quote(value)
        return self._patch.quote(value)


class Json:
    """JSON text, or several one behind the other; `certain`: though it may not look so, else only what begins so."""

    def __init__(self, *, certain: bool) -> None:
        self._certain = certain
        self._open: list[str] = []  # `{` and `[` that are not closed
        self._wants = "value"  # or `first`, `key`, `colon`, `comma`: what must come next
        self._key = ""
        self._string: Text | None = None  # the string at hand, where it is a value
        self._rest = ""  # an escape that is not whole
        self.is_in_string = False
        self.is_broken = False

    def feed(self, text: str) -> None:
        """Take the next part of the text."""
        text, self._rest = self._rest + text, ""
        at = 0
        while at < len(text) and not self.is_broken:
            at = self._in_string(text, at) if self.is_in_string else self._between(text, at)

    def quote(self, value: str) -> str | None:
        """Write `value` for the place behind what was fed."""
        inner = value if self._string is None else self._string.quote(value)
        return None if inner is None else escaped_for_json(inner)

    def _in_string(self, text: str, at: int) -> int:
        plain = _STRING.match(text, at)
        if plain:
            return self._took(plain[0], plain.end())
        if text[at] == '"':
            self.is_in_string, self._string = False, None
            return at + 1
        if text[at] != "\\":
            self.is_broken = not self._certain  # a line end as it is: models do that, files of JSON do not
            return self._took(text[at], at + 1)
        escape = _ESCAPE.match(text, at)
        if escape:
            return self._took(
                chr(int(escape[1], 16)) if escape[1] else _ESCAPED.get(escape[2], escape[2]), escape.end()
            )
        if _ESCAPE_BEGUN.match(text, at):
            self._rest = text[at:]
            return len(text)
        self.is_broken = not self._certain
        return self._took(text[at], at + 1)

    def _took(self, content: str, at: int) -> int:
        if self._string is not None:
            self._string.feed(content)
        else:
            self._key += content[:_KEPT_OF_A_LINE]
        return at

    def _between(self, text: str, at: int) -> int:
        blanks = _BLANKS.match(text, at)
        if blanks:
            return blanks.end()
        scalar = _SCALAR.match(text, at) if self._takes_scalar(text[at - 1 : at]) else None
        if scalar:
            self._wants = "comma"
            return scalar.end()
        self.is_broken = not self._step(text[at])
        return at + 1

    def _takes_scalar(self, before: str) -> bool:
        """Whether a number or a name may begin, or go on behind `before`, its part that came earlier."""
        if self._wants == "comma":
            return not before.isspace()
        return self._wants == "value" or (self._wants == "first" and self._open[-1] == "[")

    def _step(self, character: str) -> bool:
        """Take a character of the structure; False where it cannot stand. JSON for certain puts up with all."""
        if character == '"':
            return self._begin_string() or self._certain
        if character in "{[":
            fits = self._wants in {"value", "first"} and not (self._wants == "first" and self._open[-1] == "{")
            self._open.append(character)
            self._wants = "first"
        elif character in "}]":
            fits = bool(self._open) and self._open[-1] == ("{" if character == "}" else "[") and self._may_close()
            del self._open[-1:]
            self._wants = "comma" if self._open else "value"
        elif character == ",":
            fits = self._wants == "comma"
            self._wants = "key" if self._open[-1:] == ["{"] else "value"
        else:
            fits = character == ":" and self._wants == "colon"
            self._wants = "value"
        return fits or self._certain

    def _may_close(self) -> bool:
        return self._wants in {"comma", "first"}

    def _begin_string(self) -> bool:
        is_key = self._open[-1:] == ["{"] and self._wants in {"first", "key"}
        fits = is_key or (bool(self._open) and self._wants in {"value", "first"})
        if is_key:
            self._key = ""
        self.is_in_string = True
        self._string = None if is_key else Text(maybe_json=self._key not in _SHELL_KEYS)
        self._wants = "colon" if is_key else "comma"
        return fits
