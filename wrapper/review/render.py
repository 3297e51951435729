"""Makes rows and events printable.

The log holds what the agent and servers sent. Printed raw, it could rewrite the reader's screen, answer for the
reader or hide lines; so no control character, no invisible or direction-changing one, reaches the terminal.
"""

import base64
import json
import math
from typing import Final

import msgspec

from wrapper.audit.events import LATER, Event
from wrapper.review.timeline import Row

_KIND_WIDTH: Final = 12
_INDENT: Final = 26
_LONGEST: Final = 1e10  # seconds from a session's start, 300 years: what is further off is no time


def printable(text: str) -> str:
    r"""Return one line without anything that a terminal would act on: such characters stand as `\x1b` or `\u202e`.

    Tabs become spaces. What counts is Unicode's category (Cc, Cf, Cs, Co, Cn, Zl, Zp, Zs but the plain space).
    """
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in text)


def _escaped(letter: str) -> str:
    if letter == "\t":
        return "    "
    code = ord(letter)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def lines(row: Row) -> list[str]:
    """Return the lines of one row; its time is in seconds since the session's start."""
    head = f"{clock(row.at):>12}  {row.kind:<{_KIND_WIDTH}}{printable(row.text)}".rstrip()
    return [head, *(f"{'':<{_INDENT}}{printable(detail)}" for detail in row.details)]


def clock(seconds: float) -> str:
    """Say how long after the start, to the millisecond; `-` where the clock was set back since, `?` for no time."""
    if not abs(seconds) < _LONGEST:
        return "?"
    minutes, rest = divmod(abs(round(seconds * 1000)), 60_000)
    hours, minutes = divmod(minutes, 60)
    said = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{'-' if round(seconds * 1000) < 0 else '+'}{said}:{rest // 1000:02d}.{rest % 1000:03d}"


def json_line(sequence: int, event: Event) -> str:
    """Return one event as a line of ASCII JSON: `frame`, `type`, `at`, then the fields of its type.

    A field of bytes is text where it is UTF-8, else base64; `encoding` says which (`utf-8`, `base64`). Fields that
    older logs lack are left out where they are empty: a log prints the same for ever.
    """
    fields: dict[str, object] = {"frame": sequence, "type": event.__struct_config__.tag, "at": event.at}
    for name in event.__struct_fields__:
        value = getattr(event, name)
        if name in LATER and not value:
            continue
        if isinstance(value, bytes):
            fields[name], fields["encoding"] = _text(value)
        elif name == "plan":
            fields[name] = _json_or_text(str(value))
        elif name != "at":
            fields[name] = value
    try:  # ASCII only, also DEL and the C1 controls, which msgspec's JSON would print raw
        return json.dumps(fields, allow_nan=False)
    except (RecursionError, ValueError):  # of a plan nested too deeply, of a number that JSON cannot say: none is ours
        plan = {"plan": getattr(event, "plan", "")} if "plan" in fields else {}
        return json.dumps(_finite({**fields, **plan}), allow_nan=False)


def _finite(value: object) -> object:
    """Return what JSON can say of a field: nothing of a number that is infinite, or none."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {name: _finite(one) for name, one in value.items()}
        case tuple():
            return [_finite(one) for one in value]
        case _:
            return value


def _text(value: bytes) -> tuple[str, str]:
    try:
        return value.decode(), "utf-8"
    except UnicodeDecodeError:
        return base64.b64encode(value).decode(), "base64"


def _json_or_text(text: str) -> object:
    try:
        decoded: object = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return text
    return decoded
