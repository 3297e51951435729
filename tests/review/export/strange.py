"""Events of any content, as a log could hold that somebody else wrote: times that are none, texts of all letters."""

from hypothesis import strategies as st

from tests.audit.recording import start_event
from tests.review.export.session import numbered
from wrapper.audit import events

_TIMES = st.floats(allow_nan=True, allow_infinity=True) | st.floats(0, 4e9)
_TEXTS = st.text(max_size=30) | st.sampled_from(["</script>", "\u2028\u202e\x1b]52;c;x\x07", "a/b/", "//", "[", "\x00"])
_NUMBERS = st.integers(0, 5)
_SIGNED = st.integers(-(2**63), 2**63 - 1)
_BODIES = st.binary(max_size=60) | st.sampled_from([b'{"model": "m"}', b'{"model": 5}', b"{", b"data: {}\n\n"])


def _event() -> st.SearchStrategy[events.AnyEvent]:
    return st.one_of(
        st.builds(start_event, at=_TIMES, session=_TEXTS, user=_TEXTS, host=_TEXTS, agent=_TEXTS, workspace=_TEXTS),
        st.builds(events.Output, at=_TIMES, stream=_TEXTS, data=st.binary(max_size=60)),
        st.builds(events.Typed, at=_TIMES, data=st.binary(max_size=9)),
        st.builds(events.Resize, at=_TIMES, rows=_SIGNED, columns=_SIGNED),
        st.builds(
            events.Redacted,
            at=_TIMES, kind=_TEXTS, placeholder=_TEXTS, place=_TEXTS, where=_TEXTS, count=_SIGNED,
            action=st.sampled_from(["", "monitored", "blocked", "dropped"]) | _TEXTS,
        ),
        st.builds(events.Request, at=_TIMES, number=_NUMBERS, method=_TEXTS, url=_TEXTS, headers=st.just({}), body=_BODIES),
        st.builds(events.Response, at=_TIMES, number=_NUMBERS, status=_SIGNED, headers=st.just({}), body=_BODIES),
        st.builds(events.Refused, at=_TIMES, number=_NUMBERS, method=_TEXTS, url=_TEXTS, reason=_TEXTS),
        st.builds(events.Judged, at=_TIMES, number=_NUMBERS, about=_TEXTS, rule=_TEXTS, action=_TEXTS, reason=_TEXTS),
        st.builds(events.Connection, at=_TIMES, host=_TEXTS, port=_SIGNED, allowed=st.booleans(), rule=_TEXTS),
        st.builds(
            events.Sent,
            at=_TIMES, number=_NUMBERS, host=_TEXTS, port=_SIGNED, method=_TEXTS, target=_TEXTS, headers=st.just({}),
            body=_BODIES, size=_SIGNED, sha256=_TEXTS, offset=_NUMBERS, ended=st.booleans(),
        ),
        st.builds(events.Answered, at=_TIMES, number=_NUMBERS, status=_SIGNED, size=_SIGNED, complete=st.booleans()),
        st.builds(events.FileChange, at=_TIMES, path=_TEXTS, action=_TEXTS, target=_TEXTS, process=_TEXTS),
        st.builds(events.FilesRead, at=_TIMES, files=st.lists(st.tuples(_TEXTS, _TIMES, _SIGNED), max_size=3).map(tuple)),
        st.builds(events.Warned, at=_TIMES, text=_TEXTS),
        st.builds(events.SessionEnd, at=_TIMES, exit_code=_SIGNED, reason=_TEXTS),
    )  # fmt: skip


RECORDS = st.lists(_event(), max_size=12).map(numbered)
