"""A session as lines of JSON: one event a line, as `audit show --json` prints it."""

from collections.abc import Iterable
from typing import BinaryIO

from wrapper.audit.reader import Record
from wrapper.review.render import json_line


def export(records: Iterable[Record], out: BinaryIO) -> None:
    """Write a line per event."""
    out.writelines(json_line(record.sequence, record.event).encode() + b"\n" for record in records)
