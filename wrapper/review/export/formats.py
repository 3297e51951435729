"""The formats of exports, and one way to write each."""

from collections.abc import Iterable
from typing import BinaryIO, Final

from wrapper.audit.reader import Record
from wrapper.review.export import cast, html, jsonl, ocsf, otlp

FORMATS: Final = ("cast", "jsonl", "ocsf", "otlp", "html")


def write(form: str, records: Iterable[Record], out: BinaryIO, *, state: str = "") -> None:
    """Write a session in one of `FORMATS`; `state` says how its log ends (`sealed`, …), for those who read a page.

    Raises as the reading of `records` does; what was good before is written then.
    """
    match form:
        case "html":
            html.export(records, out, state=state)
        case "cast":
            cast.export(records, out)
        case "ocsf":
            ocsf.export(records, out)
        case "otlp":
            otlp.export(records, out)
        case _:
            jsonl.export(records, out)
