import subprocess
import sys

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.audit.recording import start_event
from wrapper.audit import events
from wrapper.errors import AuditError

_EVENTS = st.one_of(
    st.builds(events.Output, at=st.floats(0, 4e9), stream=st.sampled_from(["tty", "stdout"]), data=st.binary()),
    st.builds(
        events.Request,
        at=st.floats(0, 4e9),
        number=st.integers(1, 2**40),
        method=st.text(),
        url=st.text(),
        headers=st.dictionaries(st.text(), st.text()),
        body=st.binary(),
        base=st.integers(0, 2**40),
        prefix=st.integers(0, 2**40),
        suffix=st.integers(0, 2**40),
        upstream=st.text(),
        model=st.text(),
    ),
    st.builds(
        events.Judged,
        at=st.floats(0, 4e9),
        number=st.integers(1, 2**40),
        **{name: st.text() for name in ("about", "rule", "action", "reason", "by")},
    ),
    st.builds(
        events.Sent,
        at=st.floats(0, 4e9),
        **{name: st.integers(0, 2**60) for name in ("number", "port", "size", "offset")},
        **{name: st.text() for name in ("host", "method", "target", "sha256")},
        headers=st.dictionaries(st.text(), st.text()),
        body=st.binary(),
        ended=st.booleans(),
        used=st.lists(st.text()).map(tuple),
    ),
    st.builds(
        events.Answered,
        at=st.floats(0, 4e9),
        **{name: st.integers(0, 2**60) for name in ("number", "status", "size")},
        complete=st.booleans(),
        masked=st.lists(st.text()).map(tuple),
        captured=st.lists(st.text()).map(tuple),
    ),
    st.builds(
        events.FileChange,
        at=st.floats(0, 4e9),
        path=st.text(),
        action=st.text(),
        by=st.sampled_from(["", "agent", "host"]),
        process=st.text(),
        ranges=st.lists(st.tuples(st.integers(0, 2**60), st.integers(1, 2**60))).map(tuple),
        before=st.text(),
        after=st.text(),
    ),
    st.builds(
        events.FilesRead,
        at=st.floats(0, 4e9),
        files=st.lists(st.tuples(st.text(), st.floats(0, 4e9), st.integers(0, 2**60))).map(tuple),
    ),
    st.builds(events.SessionEnd, at=st.floats(0, 4e9), exit_code=st.integers(0, 255), reason=st.text()),
    st.builds(
        events.Redacted,
        **{name: st.text() for name in ("kind", "placeholder", "place", "where", "rule", "action")},
        at=st.just(1.0),
    ),
)


@given(_EVENTS)
def test_every_event_comes_back_as_it_was(event: events.Event) -> None:
    assert events.decode(events.encode(event)) == event


def test_a_start_keeps_its_plan_as_json_text() -> None:
    event = events.decode(events.encode(start_event(plan='{"a": [1, 2]}')))
    assert isinstance(event, events.SessionStart)
    assert event.plan == '{"a": [1, 2]}'


def test_a_change_of_an_older_log_says_nothing_of_who_made_it() -> None:
    old = msgspec.msgpack.encode({"type": "file", "at": 1.0, "path": "a", "action": "modified", "target": ""})
    assert events.decode(old) == events.FileChange(at=1.0, path="a", action="modified")


def test_a_request_of_an_older_log_is_whole_and_its_redactions_replaced_values() -> None:
    old = {"type": "request", "at": 1.0, "number": 7, "method": "POST", "url": "u", "headers": {}, "body": b"x"}
    assert events.decode(msgspec.msgpack.encode(old)) == events.Request(
        at=1.0, number=7, method="POST", url="u", headers={}, body=b"x", base=0, prefix=0, suffix=0
    )
    names = {"kind": "K", "placeholder": "P", "place": "request", "where": "#7"}
    redacted = events.decode(msgspec.msgpack.encode({"type": "redacted", "at": 1.0, **names}))
    assert isinstance(redacted, events.Redacted)
    assert redacted.action == ""


@given(st.binary())
def test_bytes_that_are_no_event_raise_an_audit_error(record: bytes) -> None:
    with pytest.raises(AuditError):
        events.decode(record)


def test_a_field_that_nests_without_end_makes_it_no_event() -> None:
    nested = b"\x82\xa4type\xa7warning\xa3new" + b"\x91" * 100_000 + b"\x01"
    with pytest.raises(AuditError, match="not an event of this version"):
        events.decode(nested)


def test_an_event_of_a_later_version_is_refused_with_a_hint() -> None:
    with pytest.raises(AuditError) as raised:
        events.decode(msgspec.msgpack.encode({"type": "telepathy", "at": 1.0}))
    assert "newer safe-agent" in raised.value.hint


def test_every_kind_has_a_tag_of_its_own() -> None:
    assert len(set(events.tags())) == len(events.tags()) == 16


def test_the_relays_side_of_the_log_loads_neither_cryptography_nor_asyncio() -> None:
    code = "import sys, wrapper.audit.client; print({'cryptography', 'asyncio', 'click'} & set(sys.modules))"
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={})
    assert seen.stdout.strip() == "set()"
