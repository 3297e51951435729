import io
import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings

from tests.review.export import strange
from tests.review.export.session import numbered, session
from wrapper.audit import events
from wrapper.audit.reader import Record
from wrapper.review.export import ocsf

_SCHEMAS = Path(__file__).parents[2] / "vectors" / "ocsf"


@cache
def _schemas() -> dict[int, Any]:
    """Give a validator for each class, by its number."""
    found = [json.loads(path.read_text()) for path in sorted(_SCHEMAS.glob("*.json"))]
    return {one["properties"]["class_uid"]["const"]: jsonschema.Draft202012Validator(one) for one in found}


def exported(records: list[Record]) -> list[dict[str, Any]]:
    out = io.BytesIO()
    ocsf.export(records, out)
    assert out.getvalue().isascii()
    return [json.loads(line) for line in out.getvalue().splitlines()]


def faults(event: dict[str, Any]) -> list[str]:
    """Say what the schema of its class has against an event; what is deprecated there counts."""
    validator = _schemas()[event["class_uid"]]
    old = [name for name in event if validator.schema["properties"].get(name, {}).get("deprecated")]
    return [f"{list(error.path)}: {error.message[:200]}" for error in validator.iter_errors(event)] + old


def of(kind: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["class_name"] == kind]


def test_every_event_is_valid_against_the_schema_of_its_class() -> None:
    rows = exported(session())
    assert [found for row in rows for found in faults(row)] == []
    assert set(_schemas()) == {row["class_uid"] for row in rows}


def test_the_validator_finds_what_is_wrong() -> None:
    row = exported(session())[0]
    assert faults({**row, "activity_id": 77})
    assert faults({**row, "invented": 1})
    assert faults({name: value for name, value in row.items() if name != "metadata"})
    assert faults({**row, "time": "now"})
    assert faults({**row, "device": {"type_id": 0}})  # at least one of its names


def test_each_kind_has_the_class_and_number_that_the_table_says() -> None:
    assert Counter(row["class_name"] for row in exported(session())) == {
        "Application Lifecycle": 2,
        "API Activity": 16,
        "Process Activity": 1,
        "File System Activity": 7,
        "Network Activity": 2,
        "Data Security Finding": 5,
        "Detection Finding": 3,
        "Application Error": 1,
    }


def test_ids_are_unique_and_all_events_of_a_session_belong_together() -> None:
    rows = exported(session())
    assert len({row["metadata"]["uid"] for row in rows}) == len(rows)
    assert {row["metadata"]["correlation_uid"] for row in rows} == {"s-1"}
    assert all(row["type_uid"] == row["class_uid"] * 100 + row["activity_id"] for row in rows)


def test_a_denied_host_is_blocked_and_an_allowed_one_has_its_traffic() -> None:
    allowed, denied = of("Network Activity", exported(session()))
    assert (allowed["action_id"], allowed["traffic"]) == (1, {"bytes_out": 10, "bytes_in": 2000})
    assert (denied["action_id"], denied["activity_id"], denied["dst_endpoint"]["hostname"]) == (2, 5, "evil.invalid")


def test_a_value_that_left_is_an_alert_and_one_that_was_masked_is_resolved() -> None:
    found = {row["unmapped"]["action"]: row for row in of("Data Security Finding", exported(session()))}
    assert (found["monitored"]["is_alert"], found["monitored"]["status_id"], found["monitored"]["severity_id"]) == (
        True,
        1,
        3,
    )
    assert (found["replaced"]["is_alert"], found["replaced"]["status_id"], found["replaced"]["count"]) == (False, 4, 2)
    assert found["blocked"]["disposition_id"] == 2


def test_a_command_is_a_process_and_another_tool_is_an_activity() -> None:
    rows = exported(session())
    (process,) = of("Process Activity", rows)
    assert process["process"] == {"uid": "t-1", "name": "Bash", "cmd_line": "cat .env"}
    calls = [row["api"]["operation"] for row in of("API Activity", rows) if row.get("activity_name") == "Call"]
    assert calls == ["Edit", "mcp__wiki__search"]


def test_an_answer_says_what_was_asked_of_which_model() -> None:
    answers = [row for row in of("API Activity", exported(session())) if "http_response" in row]
    assert answers[0]["ai_model"] == {"name": "m-1", "ai_provider": "anthropic"}
    assert (answers[0]["api"]["operation"], answers[0]["api"]["response"]) == ("POST /v1/messages", {"code": 200})
    assert [(row["status_id"], row["status_code"]) for row in answers] == [
        (1, "200"), (1, "200"), (1, "201"), (2, "500"), (2, "529"),
    ]  # fmt: skip


def test_a_request_to_another_host_says_what_went_where_and_which_secret_worked() -> None:
    (comment, *_) = [row for row in of("API Activity", exported(session())) if "body_sha256" in row.get("unmapped", {})]
    assert comment["http_request"]["url"]["url_string"] == "https://forge.invalid/repos/a/b/issues/1/comments"
    assert (comment["dst_endpoint"]["hostname"], comment["unmapped"]["secrets"]) == ("forge.invalid", ["github"])
    assert "looks good" not in json.dumps(exported(session()))


def test_a_change_names_file_hash_and_process() -> None:
    changed = next(row for row in of("File System Activity", exported(session())) if row["activity_id"] == 3)
    assert changed["file"]["path"] == "/work/project/app.py"
    assert changed["file"]["hashes"] == [{"algorithm_id": 3, "algorithm": "SHA-256", "value": "b" * 64}]
    assert changed["actor"]["process"] == {"name": "node", "pid": 77}


@pytest.mark.parametrize("kind", [events.Output(at=1.0, stream="tty", data=b"x"), events.Typed(at=1.0, data=b"x")])
def test_what_was_shown_and_typed_is_left_out(kind: events.AnyEvent) -> None:
    assert exported(numbered([kind])) == []


@settings(max_examples=50)
@given(strange.RECORDS)
def test_whatever_the_events_it_stays_valid(records: list[Record]) -> None:
    assert [found for row in exported(records) for found in faults(row)] == []
