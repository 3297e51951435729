r"""A value in JavaScript source, as Codex's code mode sends it: it must arrive as that value. Pure.

Rules of this file (syntax: ECMA-262, "String Literals", "Template Literals"):
1. The escapes that are used mean the same within '…', "…" and `…`, so nothing hangs on knowing which it is: a backslash
   before quotes, backslashes, `$` and a leading `{` (no `${` comes about, also not with what stands around the value),
   `\n`, `\r`, `\u2028`, and `\xHH` for other control characters (never `\0`: a digit may follow).
2. In a template behind `String.raw` no escape works; there a backslash, a backtick, `$` and CR are written as a
   substitution of a literal: ${"\\"}.
3. Outside of literals a value is written with the same escapes: digits stay a number, a quote breaks the source and
   opens nothing.
4. What a literal holds may be a patch, whose lines have marks: it is read as the engine would, for `quoting.Patch`.
What would break it: a regular expression taken for a division, or the other way round; then only rules 2 and 4 fail
for what follows in the same piece of source.
"""

import re
from typing import Final

from wrapper.gateway.quoting import Text

_ESCAPED: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "v": "\v", "0": "\0"}
_ESCAPE: Final = re.compile(
    r"\\(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(\r\n|[^ux])|[ux])", re.DOTALL
)
_ESCAPE_BEGUN: Final = re.compile(r"\\(?:u(?:\{[0-9a-fA-F]{0,6}|[0-9a-fA-F]{0,3})|x[0-9a-fA-F]?)?\Z")
_PLAIN: Final = re.compile("[^'\"`$\\\\\n\r\u2028\u2029]+")
_LINE_ENDS: Final = frozenset("\n\r\u2028\u2029")
_WORD: Final = re.compile(r"[\w$.\u0080-\U0010ffff]+")
_BLANKS: Final = re.compile(r"\s+")
_COMMENT: Final = re.compile(r"//[^\n\r\u2028\u2029]*(?=[\n\r\u2028\u2029])|/\*.*?\*/", re.DOTALL)
_COMMENT_BEGUN: Final = re.compile(r"/(?:/[^\n\r\u2028\u2029]*|\*(?:[^*]|\*(?!/))*)?\Z", re.DOTALL)
_REGEX: Final = re.compile(r"/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\[\n])+/")
_REGEX_BEGUN: Final = re.compile(r"/(?:\\.|[^/\\\n]|\\\Z)*\Z")
_BEFORE_REGEX: Final = frozenset({
    "", "(", ",", "=", ":", "[", "!", "&", "|", "?", "{", "}", ";", "+", "-", "*", "%", "~", "^", "<", ">",
    "return", "typeof", "case", "in", "of", "delete", "void", "throw", "new", "else", "do", "await", "yield",
})  # fmt: skip
_RAW: Final = "String.raw"
_CONTROL: Final = re.compile("[\x00-\x1f\x7f]")
_IN_LITERALS: Final = str.maketrans({
    "\\": "\\\\", "'": "\\'", '"': '\\"', "`": "\\`", "$": "\\$",
    "\n": "\\n", "\r": "\\r", "\u2028": "\\u2028", "\u2029": "\\u2029",
})  # fmt: skip
_IN_RAW: Final = str.maketrans({"\\": '${"\\\\"}', "`": '${"`"}', "$": '${"$"}', "\r": '${"\\r"}'})


class JavaScript:
    """What is known of a source up to some place."""

    def __init__(self) -> None:
        self._rest = ""  # a token that is not whole
        self._quote = ""  # the mark of the literal at hand; `` ` `` for templates
        self._is_raw = False
        self._content = Text(maybe_json=False)  # of the literal at hand
        self._before = ""  # the last word or mark in code
        self._is_in_word = False  # it may go on with the next part
        self._depth = 0  # braces that are open in the code at hand
        self._outer: list[tuple[bool, Text, int]] = []  # templates around it: is it raw, content so far, braces

    def feed(self, text: str) -> None:
        """Take the next part of the source."""
        text, self._rest = self._rest + text, ""
        at = 0
        while at < len(text):
            at = self._in_literal(text, at) if self._quote else self._in_code(text, at)
        if text:
            self._is_in_word = not (self._quote or self._rest) and bool(_WORD.match(text, len(text) - 1))

    def quote(self, value: str) -> str | None:
        """Write `value` for the place behind what was fed."""
        inner = self._content.quote(value) if self._quote else value
        if inner is None:
            return None
        return _escaped_raw(inner) if self._quote and self._is_raw else _escaped(inner)

    def _in_literal(self, text: str, at: int) -> int:
        plain = _PLAIN.match(text, at)
        if plain:
            self._content.feed(plain[0])
            return plain.end()
        character = text[at]
        if character == self._quote:
            self._quote, self._before = "", ")"  # like a value: a slash behind it divides
            return at + 1
        if self._quote == "`" and character == "$":
            return self._substitution(text, at)
        if character == "\\":
            return self._raw_pair(text, at) if self._is_raw else self._escape(text, at)
        if character in _LINE_ENDS and self._quote != "`":
            self._quote = ""  # no literal goes on behind a line end: what was read was none
            return at + 1
        self._content.feed(character)
        return at + 1

    def _escape(self, text: str, at: int) -> int:
        found = _ESCAPE.match(text, at)
        if _ESCAPE_BEGUN.match(text, at) or not found:
            self._rest = text[at:]
            return len(text)
        self._content.feed(_meant(found))
        return found.end()

    def _raw_pair(self, text: str, at: int) -> int:
        """Take a backslash and what it keeps from ending the template; raw, both are content."""
        if at + 1 == len(text):
            self._rest = "\\"
        else:
            self._content.feed(text[at : at + 2])
        return at + 2

    def _substitution(self, text: str, at: int) -> int:
        if at + 1 == len(text):
            self._rest = "$"
        elif text[at + 1] == "{":
            self._outer.append((self._is_raw, self._content, self._depth))
            self._quote, self._before, self._depth = "", "", 0
            return at + 2
        else:
            self._content.feed("$")
        return at + 1

    def _in_code(self, text: str, at: int) -> int:
        blanks = _BLANKS.match(text, at)
        if blanks:
            return blanks.end()
        word = _WORD.match(text, at)
        if word:
            self._before = (self._before if self._is_in_word and at == 0 else "") + word[0]
            return word.end()
        if text[at] in "'\"`":
            self._quote, self._content = text[at], Text(maybe_json=False)
            self._is_raw = text[at] == "`" and self._before == _RAW
            return at + 1
        if text[at] == "/":
            return self._slash(text, at)
        return self._mark(text[at], at)

    def _slash(self, text: str, at: int) -> int:
        found = _COMMENT.match(text, at)
        if found:
            return found.end()
        is_regex = self._before in _BEFORE_REGEX
        if _COMMENT_BEGUN.match(text, at) or (is_regex and _REGEX_BEGUN.match(text, at)):
            self._rest = text[at:]
            return len(text)
        regex = _REGEX.match(text, at) if is_regex else None
        self._before = ")" if regex else "/"
        return regex.end() if regex else at + 1

    def _mark(self, mark: str, at: int) -> int:
        if mark == "}" and not self._depth and self._outer:
            self._is_raw, self._content, self._depth = self._outer.pop()
            self._content.feed("M")  # what was substituted is not known; it is no line end
            self._quote = "`"
            return at + 1
        self._depth += {"{": 1, "}": -1}.get(mark, 0)
        self._before = mark
        return at + 1


def _escaped(value: str) -> str:
    text = value.translate(_IN_LITERALS)
    text = "\\" + text if text.startswith("{") else text
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def _escaped_raw(value: str) -> str:
    text = value.translate(_IN_RAW)
    return '${"{"}' + text[1:] if text.startswith("{") else text


def _meant(escape: re.Match[str]) -> str:
    """Say what an escape stands for: nothing, if it is a line end behind a backslash."""
    number = escape[1] or escape[2] or escape[3]
    if number:
        code = int(number, 16)
        return chr(code) if code <= 0x10FFFF else "?"
    character = escape[4] or ""
    return "" if character in _LINE_ENDS or character == "\r\n" else _ESCAPED.get(character, character)
