"""How the verbs that tell a story print its moments: with the terminal's colours, or as JSON."""

import json
from dataclasses import asdict
from typing import Any, Final

import click

from wrapper.review.story import Moment

_STYLES: Final[dict[str, dict[str, Any]]] = {
    "time": {"dim": True},
    "start": {"bold": True},
    "prompt": {"fg": "cyan", "bold": True},
    "answer": {"bold": True},
    "call": {"fg": "yellow"},
    "result": {"dim": True},
    "change": {"fg": "blue", "bold": True},
    "redacted": {"fg": "magenta"},
    "judged": {"fg": "magenta", "bold": True},
    "network": {"dim": True},
    "refused": {"fg": "red", "bold": True},
    "bad": {"fg": "red"},
    "warning": {"fg": "red"},
    "output": {"dim": True},
    "read": {"dim": True},
    "usage": {"dim": True},
    "end": {"bold": True},
    "plus": {"fg": "green"},
    "minus": {"fg": "red"},
    "place": {"fg": "cyan"},
    "more": {"dim": True},
}


def styled(text: str, role: str) -> str:
    """Give a text the colours of its role; see `wrapper.review.printed.Style`."""
    style = _STYLES.get(role)
    return click.style(text, **style) if style and text else text


def json_line(moment: Moment) -> str:
    """Return a moment as a line of ASCII JSON: `frame`, `at`, `kind`, `title`, `lines`, `paths`, `refers`."""
    fields = asdict(moment)
    return json.dumps({"frame": fields.pop("sequence"), **fields})  # ASCII only: nothing can act on a terminal
