"""Key and value in configuration files: where the values stand, in bytes, without rewriting anything.

One reader per notation, each a small lexer that never fails: what it does not understand it passes over, and the
engine's rules look at the rest. A span leaves out quotation marks, so that a placeholder can stand in its place.

Whoever wrote the file, reading it takes time in proportion to its size: no expression goes over the same bytes for each
of many places. What nothing closes is looked for once, and groups are atomic where nothing is to be given back (a
possessive repeat of a group may stop in the middle of it, in Python 3.11.2).
"""

import re
from collections.abc import Iterator
from typing import NamedTuple


class Field(NamedTuple):
    """A value's span and the key that leads to it (in a list, the list's key)."""

    key: str
    start: int
    end: int


_JSON_TOKEN = re.compile(
    rb'"(?P<text>(?:[^"\\]++|\\.)*)(?P<close>"(?P<colon>\s*:)?)?|[\[\]{},]|//[^\n]*|(?P<comment>/\*)', re.DOTALL
)
_INI_LINE = re.compile(
    rb"""(?xm) ^[ \t]* (?:export[ \t]+|set[ \t]+)?
    (?P<key> (?:"[^"\r\n]*" | [^\s=:\#;\["'] (?>(?: [^=:\r\n \t]++ | :(?![ \t]) | [ \t]++(?!=|:[ \t]) )*)) )
    [ \t]* (?:=|:(?=[ \t])) [ \t]* (?P<rest>[^\r\n]*)"""
)
_QUOTED_REST = re.compile(rb'"""(?:(?!""").)*"""|"(?:[^"\\\r\n]|\\.)*"|\'[^\'\r\n]*\'', re.DOTALL)
_YAML_LINE = re.compile(
    rb"""(?xm) ^(?P<indent>[ \t]*) (?:-[ \t]+)* (?P<key>"[^"\r\n]+"|'[^'\r\n]+'|[A-Za-z0-9_./$@-]+) [ \t]*:
    (?:[ \t]+(?P<rest>[^\r\n]*))? (?:\r?$)"""
)
_YAML_ITEM = re.compile(rb"(?m)^(?P<indent>[ \t]*)-[ \t]++(?P<rest>(?>(?:[^ \t\r\n]++|[ \t]++(?!\r?$))*))[ \t]*\r?$")
_YAML_REST = re.compile(
    rb"""(?x) (?:(?:!\S+|&\S+)[ \t]+)* (?: "(?P<double>(?:[^"\\]|\\.)*)" | '(?P<single>(?:[^']|'')*)'
    | (?P<block>[|>][-+0-9]*[ \t]*(?:\#.*)?$)
    | (?P<bare>[^\s\#{\[&*!|>%@`"'] (?>(?:[^ \t\r\n]++ | [ \t]++(?!\#|$))*)) (?:[ \t]++\#.*+ | [ \t]*+)$ )"""
)
_FLOW_BEGINS = (b"{", b"[")
_FLOW_TOKEN = re.compile(
    rb"""(?x) [ \t\r\n]* (?: (?P<open>[\[{]) | (?P<close>[\]}]) | (?P<comma>,) | (?P<comment>\#[^\r\n]*)
    | (?P<key> "(?:[^"\\]|\\.)*"(?=[ \t]*:) | '(?:[^']|'')*'(?=[ \t]*:)
      | [^\s,:{}\[\]"'\#][^\s,:{}\[\]]*(?=[ \t]*:[\s,}\]]) ) [ \t]*:
    | "(?P<double>(?:[^"\\]|\\.)*)" | '(?P<single>(?:[^']|'')*)'
    | (?P<bare>[^\s,{}\[\]"'\#](?:[^,{}\[\]\r\n]*[^\s,{}\[\]])?) )"""
)
_NETRC = re.compile(rb"\b(password|account)[ \t\r\n]+(?P<rest>\"[^\"]*\"|\S+)")


def json_fields(data: bytes) -> Iterator[Field]:
    """Strings of JSON (with comments), each under its key; strings in lists stand under the list's key."""
    keys: list[str] = [""]
    key = ""
    at, last_comment = 0, data.rfind(b"*/")
    while token := _JSON_TOKEN.search(data, at):
        first, at = data[token.start()], token.end()
        if first in b"[{":
            keys.append(key)
        elif first in b"]}":
            key = keys.pop() if len(keys) > 1 else ""
        elif first == 0x2C:
            key = keys[-1]
        elif token["comment"]:
            at = data.index(b"*/", at) + 2 if at <= last_comment else at
        elif token["text"] is not None and not token["close"]:
            return  # nothing closes it, and so nothing closes any that begins within
        elif token["colon"]:
            key = token["text"].decode("utf-8", "replace")
        elif token["text"]:
            yield Field(key, *token.span("text"))


def ini_fields(data: bytes) -> Iterator[Field]:
    """`key = value` and `key: value` of INI, TOML, properties, npmrc and tfvars files; comments and sections pass."""
    for line in _INI_LINE.finditer(data):
        start, end = line.span("rest")
        quoted = _QUOTED_REST.match(data, start)
        if quoted:
            marks = 3 if quoted.group().startswith(b'"""') and len(quoted.group()) >= 6 else 1
            start, end = quoted.start() + marks, quoted.end() - marks
        else:
            start, end = _bare(data, start, end)
        if start < end:
            yield Field(_text(line["key"]), start, end)


def yaml_fields(data: bytes) -> Iterator[Field]:
    """`key: value` of YAML, in block and in flow style; a block scalar is one value; list items stand under their list.

    The entries of `data` and `stringData` of a Kubernetes Secret are called `secret.NAME`, whatever their name.
    """
    is_secret = bool(re.search(rb"(?m)^kind:[ \t]*[\"']?Secret\b", data))
    at, list_key, list_indent, secret_indent = 0, "", -1, -1
    lines = _Lines(data)
    while line := lines.next(at):
        at = line.end() + 1
        indent = len(line["indent"])
        key = _text(line["key"]) if line.re is _YAML_LINE else list_key
        if line.re is _YAML_LINE and indent <= secret_indent:
            secret_indent = -1
        if line.re is _YAML_LINE and not line["rest"]:
            list_key, list_indent = key, indent
            if is_secret and key in {"data", "stringData"}:
                secret_indent = indent
            continue
        if line.re is _YAML_ITEM and indent < list_indent:
            continue
        if data[line.start("rest") : line.start("rest") + 1] in _FLOW_BEGINS:
            prefix = "secret." if secret_indent >= 0 or (is_secret and key in {"data", "stringData"}) else ""
            flow = _Flow(data, line.start("rest"))
            for field in flow.fields(key):
                yield field._replace(key=prefix + field.key)
            at = max(at, flow.at)
            continue
        name = f"secret.{key}" if secret_indent >= 0 else key
        for start, end in _yaml_value(data, line, indent):
            at = max(at, end)
            yield Field(name, start, end)


def netrc_fields(data: bytes) -> Iterator[Field]:
    """Passwords and accounts of a `.netrc`."""
    for found in _NETRC.finditer(data):
        start, end = found.span("rest")
        quoted = data[start : start + 1] == b'"'
        yield Field("password", start + quoted, end - quoted)


def colon_fields(data: bytes, field: int) -> Iterator[Field]:
    r"""Field number `field` (from 0) of lines with colons between: `.pgpass` (with `\:`), `.htpasswd`, `shadow`."""
    line = re.compile(rb"(?m)^(?!#)(?:(?:[^:\\\r\n]|\\.)*:){%d}(?P<value>[^\r\n]+?)\r?$" % field)
    for found in line.finditer(data):
        yield Field("password", *found.span("value"))


class _Lines:
    """The lines of YAML that have a key or are an item; each is looked for once."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._keyed = _YAML_LINE.search(data)

    def next(self, at: int) -> re.Match[bytes] | None:
        """Give the first one from `at` on; `at` never falls."""
        if self._keyed is not None and self._keyed.start() < at:
            self._keyed = _YAML_LINE.search(self._data, at)
        most = self._keyed.start() if self._keyed is not None else len(self._data)
        return _YAML_ITEM.search(self._data, at, most) or self._keyed


class _Flow:
    """A mapping or list in flow style that opens at `at`; once its fields are read, that is where it ends."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self.at = at

    def fields(self, name: str) -> Iterator[Field]:
        """Give its values, each under its key or its list's."""
        names = [name]
        while names and (token := _FLOW_TOKEN.match(self._data, self.at)):
            self.at = token.end()
            if token["open"]:
                names.append(name)
            elif token["close"]:
                names.pop()
                name = names[-1]
                if len(names) == 1:
                    return
            elif token["comma"]:
                name = names[-1]
            elif token["key"]:
                name = _text(token["key"])
            else:
                yield from (Field(name, *token.span(style)) for style in ("double", "single", "bare") if token[style])


def _yaml_value(data: bytes, line: re.Match[bytes], indent: int) -> Iterator[tuple[int, int]]:
    rest = _YAML_REST.match(data, line.start("rest"), line.end("rest"))
    if rest is None:
        return
    for style in ("double", "single", "bare"):
        if rest[style]:
            yield rest.span(style)
    if rest["block"]:
        body = re.compile(rb"(?:\r?\n(?:[ \t]{%d,}[^\r\n]*|[ \t]*(?=\r?\n)))+" % (indent + 1)).match(data, line.end())
        if body and body.group().strip():
            lead = len(body.group()) - len(body.group().lstrip())
            yield body.start() + lead, body.start() + len(body.group().rstrip())


def _bare(data: bytes, start: int, end: int) -> tuple[int, int]:
    comment = re.compile(rb"[ \t][#;]").search(data, start, end)
    text = data[start : comment.start() if comment else end].rstrip()
    return start, start + len(text)


def _text(key: bytes) -> str:
    return key.strip(b" \t\"'").decode("utf-8", "replace")
