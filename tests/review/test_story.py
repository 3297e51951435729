import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.audit.recording import ended, start_event, warned
from tests.review.conversing import answer, answers, asks, gives, openai, record, request, response, says
from wrapper.audit import events
from wrapper.audit.reader import Record
from wrapper.errors import AuditError
from wrapper.review.cost import Price, Prices
from wrapper.review.story import KINDS, Moment, Story, story

START = start_event()


def told(*given_: events.AnyEvent | Record) -> list[Moment]:
    return list(story(one if isinstance(one, Record) else record(one) for one in given_))


def titles(*given_: events.AnyEvent | Record) -> list[str]:
    return [f"{one.kind}: {one.title}" for one in told(*given_)]


def changed(path: str, action: str = "modified", **more: object) -> events.FileChange:
    return events.FileChange(**{"at": 4.0, "path": path, "action": action, "by": "agent", "process": "sh[1]"} | more)  # type: ignore[arg-type]


def found(where: str, place: str = "request", **more: object) -> events.Redacted:
    fields = {"at": 1.0, "kind": "X", "placeholder": "MASKED-X-1", "place": place, "where": where} | more
    return events.Redacted(**fields)  # type: ignore[arg-type]


def sent(number: int = 7, **more: object) -> events.Sent:
    about: dict[str, object] = {"method": "POST", "headers": {}, "body": b"hi", "size": 2, "sha256": "a" * 64} | more
    return events.Sent(at=1.0, number=number, host="forge.invalid", port=443, target="/x", **about)  # type: ignore[arg-type]


def test_a_body_that_was_sent_while_it_came_is_one_moment() -> None:
    parts: list[events.AnyEvent] = [
        sent(size=3, body=b"one", ended=False),
        sent(size=4, body=b"two\n", offset=3, ended=False),
        sent(size=5, body=b"three", offset=7),
        sent(8),
        events.Answered(at=2.0, number=8, status=404, size=9),
    ]
    assert titles(*parts) == [
        "network: sent #7 12 B  POST https://forge.invalid/x",
        "network: sent #8 2 B  POST https://forge.invalid/x",
        "network: answer #8 404  9 B",
    ]
    assert told(*parts)[0].lines == ("one", "two", "three")
    assert titles(*parts[:2]) == ["network: sent #7 7 B, goes on  POST https://forge.invalid/x"]


EDIT = ("t-1", "Edit", {"file_path": "/work/project/src/a.py", "old_string": "1", "new_string": "2"})
RUN = ("t-2", "Bash", {"command": "sed -i s/a/b/ x\nls"})


def test_a_session_is_told_as_a_person_would() -> None:
    assert titles(
        START,
        asks(1, "fix it\nplease"),
        answers(1, "I change it.", EDIT, RUN),
        changed("src/a.py"),
        asks(
            2,
            "fix it\nplease",
            says("I change it.", EDIT, RUN),
            gives("t-1", "ok"),
            gives("t-2", "x\ny", is_error=True),
        ),
        events.Connection(at=5.0, host="evil.invalid", port=443, allowed=False, rule="default"),
        ended(),
    ) == [
        "start: claude 2.1.300 in /work/project",
        "network: sent #1 106 B  POST u",
        "prompt: fix it",
        "answer: I change it.",
        "call: Edit: src/a.py",
        "call: $ sed -i s/a/b/ x",
        "usage: #1 m-1: 10 in, 5 out tokens",
        "change: modified src/a.py  by the agent (sh[1])",
        "network: sent #2 648 B  POST u",
        "result: done, 1 line of Edit: src/a.py",
        "result: failed, 2 lines of $ sed -i s/a/b/ x",
        "network: denied evil.invalid:443  (default)",
        "end: exit code 0",
    ]


def test_moments_hold_what_belongs_below_their_titles() -> None:
    moments = told(START, asks(1, "fix it\nplease"), answers(1, "", EDIT, RUN))
    prompt, edit, run = moments[2:5]
    assert prompt.lines == ("please",)
    assert (edit.lines, edit.paths) == (("-1", "+2"), ("src/a.py",))
    assert run.lines == ("ls",)


def test_a_result_and_a_change_refer_to_their_call() -> None:
    moments = told(START, answers(1, "", EDIT), changed("src/a.py"), changed("b"), asks(2, gives("t-1", "ok")))
    call = next(one for one in moments if one.kind == "call")
    one, other = (one for one in moments if one.kind == "change")
    (result,) = (one for one in moments if one.kind == "result")
    assert (one.refers, other.refers, result.refers) == (call.sequence, 0, call.sequence)


def test_a_change_after_the_model_has_gone_on_refers_to_no_call() -> None:
    later = told(START, answers(1, "", EDIT), answers(2, "Done."), changed("src/a.py"))[-2]
    assert (later.kind, later.refers) == ("change", 0)


def test_a_change_shows_its_difference() -> None:
    (one,) = told(changed("a", diff="@@ -1,1 +1,1 @@\n-1\n+2"))
    assert one.lines == ("@@ -1,1 +1,1 @@", "-1", "+2")
    saved_ = told(
        changed("t", "created"), changed("t", diff="@@\n+2"), changed("t", "moved", target="a", diff="@@\n-1\n+2")
    )
    assert [one.lines for one in saved_] == [("@@", "-1", "+2")]


def test_a_patch_of_several_files_names_them_all() -> None:
    patch = "*** Begin Patch\n*** Add File: /work/project/b\n+1\n*** Update File: c\n*** Move to: d\n-x\n*** End Patch"
    call = told(START, answers(1, "", ("t", "apply_patch", {"input": patch})))[1]
    assert call.title == "apply_patch: b, c, d"
    assert call.paths == ("b", "c", "d")
    assert call.lines == ("created b", "+1", "moved c → d", "-x")


def test_a_command_around_a_patch_is_shown() -> None:
    patch = "*** Begin Patch\n*** Update File: a\n-1\n+2\n*** End Patch"
    call = told(answers(1, "", ("t", "exec_command", {"cmd": f"apply_patch <<E\n{patch}\nE\ncurl evil.invalid"})))[0]
    assert (call.title, call.paths) == ("$ apply_patch <<E  → a", ("a",))
    assert call.lines == (*patch.split("\n"), "E", "curl evil.invalid")
    script = f'await tools.apply_patch({json.dumps(patch)}); fetch("evil.invalid")'
    item = {"type": "custom_tool_call", "call_id": "c", "name": "exec", "input": script, "status": "completed"}
    call = told(response(1, json.dumps(openai([item])).encode()))[0]
    assert call.title == "exec: a"
    assert call.lines == ("-1", "+2", 'await tools.apply_patch("[patch]"); fetch("evil.invalid")')


def test_other_tools_show_what_they_were_given() -> None:
    calls = [("a", "Grep", {"pattern": "x"}), ("b", "Read", {"file_path": "/etc/hosts"})]
    assert titles(answers(1, "", *calls))[:2] == ['call: Grep: {"pattern":"x"}', "call: Read: /etc/hosts"]


def test_what_was_redacted_in_one_request_is_one_moment() -> None:
    first, second = told(
        found("#1@3"),
        found("#1@9"),
        found("#1@12", placeholder="MASKED-Y-1"),
        found("#2@3", action="monitored", rule="r"),
    )
    assert first.title == "3 values in request #1"
    assert len(first.lines) == 3
    assert second.title == "MASKED-X-1 in request #2@3, monitored: it left as it is  (r)"


def test_what_was_redacted_in_the_environment_is_one_moment() -> None:
    (one,) = told(found("A", "environment"), found("B", "environment"))
    assert one.title == "2 values in environment"
    assert one.lines == ("MASKED-X-1 in environment A", "MASKED-X-1 in environment B")


def test_files_that_were_read_are_one_moment_that_names_each() -> None:
    reads = [events.FilesRead(at=2.0, files=((f"f{n}", 1.0, 1024),)) for n in range(5)]
    (one,) = told(*reads)
    assert (one.title, one.paths[0], one.lines[0]) == ("5 files  5.0 KiB", "f0", "f0  1.0 KiB")


def test_equal_connections_are_counted_and_their_bytes_added() -> None:
    tunnel = events.Connection(at=1.0, host="h", port=443, allowed=True, rule="r", sent=1024, received=0)
    assert titles(tunnel, tunnel) == ["network: allowed h:443  (r)  sent 2.0 KiB, received 0 B  (2 times)"]


def test_an_answer_that_is_an_error_or_broke_off_is_told() -> None:
    failed = response(1, b'{"type":"error"}', status=529)
    broken = response(2, b"", complete=False)
    assert titles(failed, broken) == ["network: answer #1 529  16 B", "network: answer #2 200  0 B  broken off"]
    assert told(failed)[0].lines == ('{"type":"error"}',)


def test_everything_else_that_is_recorded_is_told() -> None:
    assert titles(
        events.Refused(at=1.0, number=1, method="POST", url="u", reason="too long"),
        events.Judged(at=1.0, number=2, about="task", rule="r", action="denied", reason="why", by="user"),
        events.Output(at=1.0, stream="tty", data=b"a\r\n"),
        events.Output(at=1.0, stream="tty", data=b"b\r\n"),
        events.Typed(at=1.0, data=b"ls\r"),
        warned("careful"),
    ) == [
        "refused: #1 POST u: too long",
        "judged: #2 task denied by the user  (r)",
        "output: tty 6 B",
        "typed: 3 B",
        "warning: careful",
    ]


def test_the_cost_of_all_answers_stands_at_the_end() -> None:
    prices = Prices("2026-01-02", {"m-1": Price(input=100_000, output=0)})
    given_ = [answers(1, "a"), answers(2, "b"), record(ended())]
    assert list(story(given_, prices))[-1].lines == (
        "2 answers: 20 in, 10 out tokens, about $2.00",
        "an estimate by the list prices of 2026-01-02",
    )
    assert list(story(given_))[-1].lines == ("2 answers: 20 in, 10 out tokens", "no price is known of: m-1")


def test_the_cost_until_now_is_told_of_a_session_without_an_end() -> None:
    assert titles(answers(1, "a"))[-1] == "usage: until here 1 answer: 10 in, 5 out tokens"


def test_where_reading_fails_what_was_good_is_told_first() -> None:
    def broken() -> Iterator[Record]:
        yield record(warned("good"))
        raise AuditError("bad from here on")

    moments = story(broken())
    assert next(moments).title == "good"
    with pytest.raises(AuditError, match="bad from here on"):
        next(moments)


def test_a_very_long_result_is_bounded_and_says_so() -> None:
    (_, result) = told(asks(1, gives("t", "\n".join(map(str, range(100_000))))))
    assert len(result.lines) == 2_001
    assert result.lines[-1] == "… 98,000 more lines"
    assert result.title == "done, 100,000 lines"
    (_, wide) = told(asks(1, gives("t", "x" * 1_000_000)))
    assert len(wide.lines[0]) < 5_000
    assert wide.lines[0].endswith("… 996,000 more characters")


def test_what_is_joined_is_bounded() -> None:
    moments = told(*[events.Output(at=1.0, stream="tty", data=b"x\n")] * 2_500)
    assert [one.title for one in moments] == ["tty 2.0 KiB", "tty 2.0 KiB", "tty 1000 B"]


def test_what_is_held_can_be_told_before_more_comes() -> None:
    whole = Story()
    output = record(events.Output(at=1.0, stream="tty", data=b"x\n"))
    assert list(whole.feed(output)) == []
    assert [one.title for one in whole.rest()] == ["tty 2 B"]
    assert list(whole.rest()) == []
    assert list(whole.feed(output)) == []
    assert [one.title for one in whole.feed(record(warned("a")))] == ["tty 2 B"]


def test_the_total_can_be_asked_for_at_any_time() -> None:
    whole = Story()
    assert list(whole.total()) == []
    list(whole.feed(answers(1, "a")))
    list(whole.rest())
    assert [one.title for one in whole.total()] == ["until here 1 answer: 10 in, 5 out tokens"]


def test_it_is_told_while_it_is_read() -> None:
    def endless() -> Iterator[Record]:
        while True:
            yield record(warned("again"))

    assert [moment.title for moment, _ in zip(story(endless()), range(3), strict=False)] == ["again"] * 3


TEXT = st.text(max_size=20)
CALLS = st.tuples(
    st.sampled_from(["a", "b"]), TEXT, st.dictionaries(st.sampled_from(["command", "file_path", "content"]), TEXT)
)
EVENTS: st.SearchStrategy[Any] = st.one_of(
    st.builds(warned, TEXT),
    st.builds(changed, TEXT, st.sampled_from(["created", "modified", "moved"]), target=TEXT),
    st.builds(found, TEXT, TEXT, action=TEXT, rule=TEXT),
    st.builds(events.Output, at=st.floats(0, 9), stream=st.sampled_from(["tty", "stdout"]), data=st.binary()),
    st.builds(events.Typed, at=st.just(1.0), data=st.binary()),
    st.builds(
        events.FilesRead, at=st.just(1.0), files=st.lists(st.tuples(TEXT, st.just(1.0), st.integers(0, 9))).map(tuple)
    ),
    st.builds(asks, st.integers(1, 3), TEXT, st.builds(gives, TEXT, TEXT)),
    st.builds(answers, st.integers(1, 3), TEXT, CALLS),
    st.builds(request, st.integers(1, 3), st.binary()),
    st.builds(response, st.integers(1, 3), st.binary(), status=st.integers(100, 599)),
    st.just(START),
    st.just(ended()),
)


@given(st.lists(EVENTS, max_size=12))
def test_any_records_make_a_story_in_their_order(given_: list[Any]) -> None:
    records = [one if isinstance(one, Record) else record(one) for one in given_]
    records = [Record(number, one.event) for number, one in enumerate(records)]
    moments = list(story(records))
    assert all(moment.kind in KINDS for moment in moments)
    assert all("\n" not in line for moment in moments for line in (moment.title, *moment.lines))
    told_ = {moment.sequence for moment in moments}
    assert told_ <= {one.sequence for one in records}
    kept: Iterable[Record] = [one for one in records if isinstance(one.event, events.Warned | events.Request)]
    assert {one.sequence for one in kept} <= told_


def test_usage_of_a_body_without_a_model_is_told() -> None:
    body = json.dumps(answer({"role": "assistant", "content": []}) | {"model": ""}).encode()
    assert titles(response(1, body))[0] == "usage: #1 model unknown: 10 in, 5 out tokens"
