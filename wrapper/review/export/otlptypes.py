"""Values as OTLP/JSON writes them; pure. Source: opentelemetry-proto, and "JSON Protobuf Encoding" of the protocol."""

import hashlib
from collections.abc import Mapping
from typing import Any

from wrapper.review.export.clock import sound

Object = dict[str, Any]
"""A message of OTLP, to be written as JSON."""

Attributes = str | bool | int


def attributes(values: Mapping[str, Attributes]) -> list[Object]:
    """Return a list of attributes; those that are empty are left out."""
    return [{"key": key, "value": _value(value)} for key, value in values.items() if value != ""]


def nanoseconds(at: float) -> str:
    """Return a time, which is seconds since the epoch, as OTLP has it; that of a log is good to a microsecond."""
    return str(round(sound(at) * 1_000_000) * 1000)


def trace_id(session: str) -> str:
    """Return the id of a session's trace, 16 bytes in hex: the same at every export."""
    return hashlib.sha256(f"safe-agent trace\0{session}".encode()).hexdigest()[:32]


def span_id(session: str, what: str) -> str:
    """Return the id of one of its spans, 8 bytes in hex."""
    return hashlib.sha256(f"safe-agent span\0{session}\0{what}".encode()).hexdigest()[:16]


def _value(value: Attributes) -> Object:
    if isinstance(value, bool):
        return {"boolValue": value}
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}
