"""Says of a request which provider and which model it is for, in the words that exports have for it; pure."""

import posixpath
from urllib.parse import SplitResult, urlsplit

import msgspec

from wrapper.audit.events import Request


class _Asked(msgspec.Struct):
    model: str = ""


def split(url: str) -> SplitResult:
    """Take an address apart; one that is none becomes a path."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return SplitResult("", "", url, "", "")
    return parts


def provider(url: str) -> str:
    """Return the provider's name in OpenTelemetry's list, by the interface that is spoken; empty for another one."""
    match posixpath.basename(split(url).path.rstrip("/")):
        case "messages" | "count_tokens":
            return "anthropic"
        case "responses" | "completions":
            return "openai"
        case _:
            return ""


def model(event: Request) -> str:
    """Return the model that is asked for, empty where none is."""
    if event.model or not event.body.startswith(b"{"):
        return event.model
    try:
        return msgspec.json.decode(event.body, type=_Asked).model
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
