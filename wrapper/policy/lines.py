"""Which line of a TOML text each key and each element of a list stands on; pure.

`tomllib` keeps no positions, and an error without a line is half an error. This scan runs only over texts that
`tomllib` has accepted, so it may trust the syntax: strings, comments, brackets and dots are told apart by one
regex, and tables, dotted keys, lists of tables, inline tables and lists are followed from there (TOML 1.0.0).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

Path = tuple[str | int, ...]

_TOKEN: Final = re.compile(
    r"""
    (?P<blank>[ \t\r]+|\#[^\n]*)
  | (?P<newline>\n)
  | (?P<string>\"{3}(?:\\.|[^\\])*?\"{3,5}|'{3}.*?'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*')
  | (?P<mark>[\[\]{},=.])
  | (?P<bare>[^\s\[\]{},=."'\#]+)
    """,
    re.VERBOSE | re.DOTALL,
)
_Token = tuple[str, str, int]  # kind, text, line


def positions(text: str) -> Mapping[Path, int]:
    """Map the path of every key, table and list element to its line (from 1); lists of tables count from 0."""
    return _Scan(text).run()


def _tokens(text: str) -> Iterator[_Token]:
    line = 1
    for match in _TOKEN.finditer(text):
        kind, found = match.lastgroup or "", match[0]
        if kind == "newline":
            yield kind, found, line
            line += 1
        elif kind != "blank":
            yield kind, found, line
            if "\n" in found:
                line += found.count("\n")
    yield "newline", "\n", line


class _Scan:
    """One pass over the tokens; `at` is the next one."""

    def __init__(self, text: str) -> None:
        self.tokens = list(_tokens(text))
        self.at = 0
        self.found: dict[Path, int] = {}
        self.counts: dict[Path, int] = {}

    def run(self) -> Mapping[Path, int]:
        table: Path = ()
        while self.at < len(self.tokens):
            kind, text, _ = self.tokens[self.at]
            if kind == "newline":
                self.at += 1
            elif text == "[":
                table = self.header()
            else:
                self.pair(table)
        return self.found

    def header(self) -> Path:
        line = self.tokens[self.at][2]
        self.at += 1
        many = self.tokens[self.at][1] == "["
        self.at += many
        path = self.resolved(self.key())
        self.at += 1 + many
        for end in range(1, len(path) + 1):
            self.found.setdefault(path[:end], line)
        if many:
            number = self.counts.get(path, 0)
            self.counts[path] = number + 1
            path = (*path, number)
            self.found[path] = line
        return path

    def resolved(self, key: Path) -> Path:
        """Put the number of its newest element behind each list of tables that `key` leads through."""
        path: Path = ()
        for place, part in enumerate(key):
            path = (*path, part)
            if path in self.counts and place < len(key) - 1:
                path = (*path, self.counts[path] - 1)
        return path

    def key(self) -> Path:
        parts: list[str] = []
        while True:
            kind, text, _ = self.tokens[self.at]
            parts.append(text[1:-1] if kind == "string" else text)  # no known key has an escape in it
            self.at += 1
            if self.tokens[self.at][1] != ".":
                return tuple(parts)
            self.at += 1

    def pair(self, table: Path) -> None:
        line = self.tokens[self.at][2]
        path = table
        for part in self.key():
            path = (*path, part)
            self.found.setdefault(path, line)
        self.at += 1  # the `=`
        self.value(path)

    def value(self, path: Path) -> None:
        kind, opening, _ = self.tokens[self.at]
        if kind == "string":
            self.at += 1
        elif opening == "[":
            self.elements(path)
        elif opening == "{":
            self.inline(path)
        else:  # numbers and times are several tokens
            while (token := self.tokens[self.at])[0] != "newline" and token[1] not in (",", "]", "}"):
                self.at += 1

    def elements(self, path: Path) -> None:
        self.at += 1
        number = 0
        while True:
            kind, text, line = self.tokens[self.at]
            if kind == "string":
                self.found[*path, number] = line
                number += 1
                self.at += 1
            elif text == "]":
                break
            elif kind == "newline" or text == ",":
                self.at += 1
            else:
                self.found[*path, number] = line
                self.value((*path, number))
                number += 1
        self.at += 1

    def inline(self, path: Path) -> None:
        self.at += 1
        while (token := self.tokens[self.at])[1] != "}":
            if token[0] == "newline" or token[1] == ",":
                self.at += 1
            else:
                self.pair(path)
        self.at += 1
