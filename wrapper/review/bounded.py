"""Tables that remember the latest of what was put into them; pure."""

from typing import TypeVar

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


def put(values: dict[_Key, _Value], key: _Key, value: _Value, most: int) -> None:
    """Put a value behind all others; where there are more than `most`, forget the one that was put first."""
    values.pop(key, None)
    values[key] = value
    if len(values) > most:
        del values[next(iter(values))]
