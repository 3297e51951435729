"""Text of files whose content may leave only if the user says so: what is asked, and under which key. Pure.

What is asked about is what stands in one string of the request: a tool's output, a paste. Each turn sends it again, and
it has the same key again. An answer that is remembered holds for that text of that file alone: another excerpt, or the
same one after a change, is asked about anew.
"""

import hashlib
import unicodedata
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from redactors.finding import Finding
from redactors.jsonbytes import Strings
from wrapper.ports import Question

_RULE: Final = "fingerprint:"
_MOST_LINES: Final = 5
_LONGEST_LINE: Final = 100  # characters; the terminal may be narrow, and this is an excerpt
_TEXT: Final = "utf-8"

Lines = Callable[[str, bytes], str]
"""Says which lines of a file (workspace path) a text holds, such as `12-40`; empty where that cannot be told."""


class Held(NamedTuple):
    """Text of one file in one string of a request.

    `lines` are those of the file where they could be told (`12-40`), else those of the string (`3-9 of the text`).
    `excerpt`: at most 5 lines, cut and printable. `key`: a hex digest over path and text.
    """

    path: str
    lines: str
    excerpt: tuple[str, ...]
    key: str
    findings: tuple[Finding, ...]


def closed_path(finding: Finding) -> str | None:
    """Give the workspace path of the closed file that a finding is of; None for any other finding."""
    return finding.rule.removeprefix(_RULE) if finding.rule.startswith(_RULE) else None


def held(
    body: bytes, findings: Sequence[Finding], send: Callable[[str], str], lines: Lines = lambda _path, _text: ""
) -> tuple[Held, ...]:
    """Give what the user is to be asked about; `findings` are those of `body`, sorted; `send` is the policy's word.

    The same text of the same file is asked about once, however often it stands there.
    """
    asked: dict[tuple[str, int], list[Finding]] = {}
    strings = Strings(body)
    for finding in findings:
        path = closed_path(finding)
        if path is not None and send(path) == "ask":
            asked.setdefault((path, strings.opening(finding.start)), []).append(finding)
    merged: dict[str, Held] = {}
    for (path, opening), found in asked.items():
        key = _key(path, found)
        if key in merged:
            merged[key] = merged[key]._replace(findings=(*merged[key].findings, *found))
        else:
            merged[key] = _held(body, path, opening, key, found, lines)
    return tuple(merged.values())


def question(one: Held) -> Question:
    """Ask whether it may leave."""
    return Question(
        what=f"text of `{one.path}` (lines {one.lines}) would be sent to the provider; policy says to ask. Send it?",
        lines=one.excerpt,
        answers=("no", "yes", "always", "never"),
        key=one.key,
    )


def _held(body: bytes, path: str, opening: int, key: str, found: Sequence[Finding], lines: Lines) -> Held:
    text = b"\n".join(one.value for one in found)
    where = lines(path, text) or f"{_lines_of_text(body, opening, found)} of the text"
    return Held(path, where, _excerpt(text), key, tuple(found))


def _key(path: str, found: Sequence[Finding]) -> str:
    parts = (path.encode(_TEXT, "surrogateescape"), *(one.value for one in found))
    return hashlib.sha256(b"".join(b"%d:%b" % (len(part), part) for part in parts)).hexdigest()


def _lines_of_text(body: bytes, opening: int, found: Sequence[Finding]) -> str:
    r"""Count lines from the string's start, be they line ends of their own or escaped ones."""
    start = max(opening, 0)
    first = 1 + _line_ends(body[start : found[0].start])
    last = first + _line_ends(body[found[0].start : found[-1].end])
    return f"{first}-{last}" if last > first else f"{first}"


def _line_ends(piece: bytes) -> int:
    return piece.count(b"\n") + piece.replace(rb"\\", b"").count(rb"\n")


def _excerpt(text: bytes) -> tuple[str, ...]:
    told = [line for line in text.decode(_TEXT, "replace").splitlines() if line.strip()]
    shown = [_shown(line) for line in told[:_MOST_LINES]]
    if len(told) > _MOST_LINES:
        shown[-1] = f"… and {len(told) - _MOST_LINES + 1} more lines"
    return tuple(shown)


def _shown(line: str) -> str:
    """Make a line harmless to a terminal, and short."""
    plain = "".join(" " if unicodedata.category(one).startswith("C") else one for one in line.expandtabs(4))
    return plain if len(plain) <= _LONGEST_LINE else f"{plain[: _LONGEST_LINE - 1]}…"
