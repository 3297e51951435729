import base64
import io
import json
from typing import Any

from google.protobuf import json_format
from hypothesis import given, settings
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status, TracesData

from tests.review.export import strange
from tests.review.export.session import numbered, session
from wrapper.audit import events
from wrapper.audit.reader import Record
from wrapper.review.export import otlp


def _protobuf(value: Any) -> Any:
    """Write ids in base64: OTLP/JSON has them in hex, unlike all other JSON of protobuf."""
    if isinstance(value, list):
        return [_protobuf(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        key: base64.b64encode(bytes.fromhex(one)).decode()
        if key in ("traceId", "spanId", "parentSpanId")
        else _protobuf(one)
        for key, one in value.items()
    }


def exported(records: list[Record]) -> tuple[list[Any], list[Any]]:
    """Return log records and spans, read by OpenTelemetry's own classes, which refuse names that they do not know."""
    out = io.BytesIO()
    otlp.export(records, out)
    assert out.getvalue().isascii()
    logs, spans = [], []
    for line in out.getvalue().splitlines():
        read = _protobuf(json.loads(line))
        if "resourceLogs" in read:
            logs += [
                one
                for part in json_format.ParseDict(read, LogsData()).resource_logs
                for one in part.scope_logs[0].log_records
            ]
        else:
            spans += [
                one
                for part in json_format.ParseDict(read, TracesData()).resource_spans
                for one in part.scope_spans[0].spans
            ]
    return logs, spans


def attributes(one: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in one.attributes}


def by_name(records: list[Record]) -> dict[str, Any]:
    return {span.name: span for span in exported(records)[1]}


def test_the_session_is_the_root_and_every_other_span_is_below_it() -> None:
    _, spans = exported(session())
    *below, root = spans
    assert (root.name, root.parent_span_id, root.kind) == ("invoke_agent claude", b"", Span.SPAN_KIND_INTERNAL)
    assert {span.parent_span_id for span in below} == {root.span_id}
    assert {span.trace_id for span in spans} == {root.trace_id}
    assert (root.end_time_unix_nano - root.start_time_unix_nano) == 101 * 10**9
    assert (root.status.code, attributes(root)["process.exit.code"]) == (Status.STATUS_CODE_ERROR, 3)


def test_a_request_is_a_span_with_the_conventions_names() -> None:
    found = attributes(by_name(session())["chat m-1"])
    assert found["gen_ai.operation.name"] == "chat"
    assert (found["gen_ai.provider.name"], found["gen_ai.request.model"]) == ("anthropic", "m-1")
    assert (found["gen_ai.usage.input_tokens"], found["gen_ai.usage.output_tokens"]) == (130, 5)
    assert (found["gen_ai.usage.cache_read.input_tokens"], found["gen_ai.usage.cache_creation.input_tokens"]) == (
        100,
        20,
    )
    assert (found["http.response.status_code"], found["server.address"]) == (200, "api.invalid")


def test_a_tool_call_lasts_until_its_result_and_fails_with_it() -> None:
    span = by_name(session())["execute_tool Bash"]
    assert (span.end_time_unix_nano - span.start_time_unix_nano) == 2 * 10**9
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert attributes(span)["gen_ai.tool.call.id"] == "t-1"


def test_what_never_ended_ends_with_the_log_and_says_so() -> None:
    spans = by_name(session()[:-1])
    assert {name for name, span in spans.items() if attributes(span).get("safe_agent.unfinished")} == {
        "invoke_agent claude", "execute_tool Edit", "execute_tool mcp__wiki__search", "WEBSOCKET not a url [",
    }  # fmt: skip


def test_every_event_but_the_terminals_is_a_log_record_of_the_trace() -> None:
    records = session()
    logs, spans = exported(records)
    kept = [one for one in records if not isinstance(one.event, events.Output | events.Typed | events.Resize)]
    assert [attributes(log)["safe_agent.sequence"] for log in logs] == [one.sequence for one in kept]
    assert {log.trace_id for log in logs} == {spans[-1].trace_id}
    assert {log.span_id for log in logs} <= {span.span_id for span in spans}


def test_refusals_warn_and_a_failed_answer_is_an_error() -> None:
    logs, _ = exported(session())
    told = [(log.event_name, log.severity_text) for log in logs if log.severity_text != "INFO"]
    assert told == [
        ("safe_agent.redacted", "WARN"),
        ("safe_agent.connection", "WARN"),
        ("safe_agent.answered", "ERROR"),
        ("safe_agent.judged", "WARN"),
        ("safe_agent.judged", "WARN"),
        ("safe_agent.refused", "WARN"),
        ("safe_agent.response", "ERROR"),
        ("safe_agent.warning", "WARN"),
        ("safe_agent.end", "ERROR"),
    ]


def test_nothing_that_was_said_or_shown_is_in_it() -> None:
    out = io.BytesIO()
    otlp.export(session(), out)
    for said in (b"goodbye", b"welcome", b"cat .env", b"look around"):
        assert said not in out.getvalue()


def test_a_long_session_comes_in_many_lines() -> None:
    out = io.BytesIO()
    otlp.export(numbered(events.Warned(at=1.0, text="x") for _ in range(2_000)), out)
    sizes = [
        len(json.loads(line)["resourceLogs"][0]["scopeLogs"][0]["logRecords"])
        for line in out.getvalue().splitlines()[:-1]
    ]
    assert (len(sizes), sum(sizes), max(sizes)) == (16, 2_000, 128)


@settings(max_examples=50)
@given(strange.RECORDS)
def test_whatever_the_events_opentelemetry_reads_it(records: list[Record]) -> None:
    _, spans = exported(records)
    assert spans[-1].parent_span_id == b""
    assert all(span.end_time_unix_nano >= span.start_time_unix_nano for span in spans)
