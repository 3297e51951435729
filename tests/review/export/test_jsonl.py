import io
import json
import tracemalloc
from collections.abc import Iterable
from types import ModuleType
from typing import Any

import pytest

from tests.review.export.session import happened, session
from wrapper.audit.reader import Record
from wrapper.review.export import cast, jsonl, ocsf, otlp


class _Nowhere(io.BytesIO):
    """Keeps nothing."""

    def write(self, data: Any) -> int:
        return len(data)

    def writelines(self, lines: Iterable[Any]) -> None:
        for line in lines:
            self.write(line)


def test_every_event_is_a_line_with_its_number() -> None:
    out = io.BytesIO()
    jsonl.export(session(), out)
    rows = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [row["frame"] for row in rows] == list(range(len(session())))
    assert rows[-1] | {"at": 0} == {
        "frame": len(rows) - 1,
        "type": "end",
        "at": 0,
        "exit_code": 3,
        "reason": "it was stopped",
    }


@pytest.mark.parametrize("form", [cast, jsonl, ocsf, otlp], ids=lambda form: form.__name__.rpartition(".")[2])
def test_memory_does_not_grow_with_the_log(form: ModuleType) -> None:
    def peak(rounds: int) -> int:
        records = (
            Record(number, event) for number, event in enumerate(one for _ in range(rounds) for one in happened()[:-1])
        )
        tracemalloc.start()
        form.export(records, _Nowhere())
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(10)  # what is loaded and compiled at first
    assert peak(200) < peak(50) + 1_000_000
