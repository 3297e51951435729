import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.audit.recording import start_event
from wrapper.audit import events
from wrapper.audit.reader import Record
from wrapper.review.turns import Call
from wrapper.review.why import Line, Origin, Search, added, digest, line

_PATH = "/work/project/src/a.py"
_LINE = "    return price * (1 - discount)"


def _said(number: int, text: str, *, results: tuple[dict[str, Any], ...] = ()) -> Record:
    messages = [{"role": "user", "content": [*results, {"type": "text", "text": text}] if text else list(results)}]
    body = json.dumps({"model": "m", "tools": [{"name": "Edit"}], "messages": messages}).encode()
    request = events.Request(
        at=float(number), number=number, method="POST", url="https://api.invalid/v1/messages", headers={}, body=body
    )
    return Record(number * 10, request)


def _called(number: int, tool: str, given: object) -> Record:
    content = [{"type": "tool_use", "id": f"call-{number}", "name": tool, "input": given}]
    body = json.dumps({"type": "message", "role": "assistant", "model": "m", "content": content}).encode()
    return Record(number * 10 + 1, events.Response(at=number + 0.5, number=number, status=200, headers={}, body=body))


def _failed(number: int) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": f"call-{number}", "is_error": True, "content": "no such text"}


def _change(number: int, **changes: Any) -> Record:
    fields: dict[str, Any] = {
        "at": number + 0.7,
        "path": "src/a.py",
        "action": "modified",
        "by": "agent",
        "process": "node[7]",
    }
    return Record(number * 10 + 2, events.FileChange(**fields | changes))


def _searched(*records: Record, wanted: Line | None = None) -> Search:
    search = Search(_PATH, [wanted or Line(_LINE)])
    for record in (Record(0, start_event(at=0.5)), *records):
        search.feed(record)
    return search


def _origin(*records: Record, wanted: Line | None = None) -> Origin | None:
    return _searched(*records, wanted=wanted).origin(0)


_EDIT = {"file_path": _PATH, "old_string": "    return price", "new_string": f"    check()\n{_LINE}"}
_PATCH = f"*** Begin Patch\n*** Update File: {_PATH}\n@@ def cost\n-    return price\n+{_LINE}\n*** End Patch"


@pytest.mark.parametrize(
    ("tool", "given"),
    [
        ("Edit", _EDIT),
        ("Write", {"file_path": _PATH, "content": f"def cost():\n{_LINE}\n"}),
        ("Write", {"path": "src/a.py", "content": f"def cost():\n{_LINE}\n"}),
        ("MultiEdit", {"file_path": _PATH, "edits": [{"old_string": "x", "new_string": "y"}, _EDIT]}),
        ("apply_patch", {"input": _PATCH}),
        ("exec", {"code": f"text(await tools.apply_patch({json.dumps(_PATCH)}));"}),
        ("shell", {"command": ["bash", "-lc", f"apply_patch <<'EOF'\n{_PATCH}\nEOF"]}),
        ("Bash", {"command": f"cat >> src/a.py <<'EOF'\n{_LINE}\nEOF"}),
    ],
)
def test_a_call_whose_text_has_the_line_wrote_it(tool: str, given: object) -> None:
    origin = _origin(_said(1, "give a discount"), _called(1, tool, given), _change(1))
    assert origin is not None
    assert (origin.session, origin.sequence, origin.tool, origin.user, origin.agent) == (
        "s-1",
        11,
        tool,
        "ada",
        "claude",
    )
    assert (origin.prompt, origin.prompt_sequence) == ("give a discount", 10)
    assert origin.change is not None
    assert (origin.change.by, origin.change.process, origin.change.sequence) == ("agent", "node[7]", 12)


@pytest.mark.parametrize(
    "given",
    [
        {**_EDIT, "file_path": "/work/project/src/b.py"},
        {**_EDIT, "file_path": "other/a.py"},
        {**_EDIT, "old_string": f"{_LINE}\n", "new_string": f"{_LINE}\n    more()"},
        {**_EDIT, "new_string": "    return price * 2"},
        {"file_path": _PATH, "note": _LINE},
        {"input": _PATCH.replace("+", "-")},
        {"input": _PATCH.replace("+", " ")},
        {"input": _PATCH.replace("a.py", "b.py")},
        {"limit": 3, "deep": [None, True]},
    ],
)
def test_a_call_that_does_not_add_the_line_to_the_file_did_not(given: dict[str, Any]) -> None:
    assert _origin(_said(1, "go"), _called(1, "Edit", given), _change(1)) is None


def test_a_call_that_failed_wrote_nothing() -> None:
    records = (_said(1, "go"), _called(1, "Edit", _EDIT), _said(2, "", results=(_failed(1),)))
    assert _origin(*records) is None


def test_the_last_of_several_counts_with_the_prompt_before_it() -> None:
    records = (_said(1, "first"), _called(1, "Edit", _EDIT), _said(2, "second"), _called(2, "Edit", _EDIT))
    origin = _origin(*records)
    assert origin is not None
    assert (origin.sequence, origin.prompt) == (21, "second")


def test_a_command_that_only_reads_the_line_wrote_nothing() -> None:
    grep = _called(2, "Bash", {"command": f"grep -n '{_LINE.strip()}' src/a.py"})
    assert _origin(_said(1, "go"), _called(1, "Bash", {"command": "ls"}), _change(1), _said(2, "look"), grep) is None
    origin = _origin(_said(1, "go"), _called(1, "Edit", _EDIT), _said(2, "look"), grep, _change(3))
    assert origin is not None
    assert origin.tool == "Edit"


def test_a_line_that_many_have_needs_a_neighbour() -> None:
    given = {"file_path": _PATH, "content": "if a:\n    }\nelse\n"}
    records = (_said(1, "go"), _called(1, "Write", given))
    assert _origin(*records, wanted=Line("    }", "while b:", "done")) is None
    assert _origin(*records, wanted=Line("    }", "if a:", "done")) is not None
    assert _origin(*records, wanted=Line("    }", "while b:", "else")) is not None


def test_the_neighbours_that_an_edit_keeps_tell_a_short_line_too() -> None:
    given = {"file_path": _PATH, "old_string": "if a:\nelse", "new_string": "if a:\n    }\nelse"}
    assert _origin(_said(1, "go"), _called(1, "Edit", given), wanted=Line("    }", "if a:", "")) is not None
    assert _origin(_said(1, "go"), _called(1, "Edit", given), wanted=Line("if a:", "", "    }")) is None


def test_a_masked_value_in_the_log_stands_for_the_real_one() -> None:
    given = {"file_path": _PATH, "content": 'connect("db", key="MASKED-STRIPE-KEY-0123ABCD")\n'}
    wanted = Line('connect("db", key="abc.DEF+1")')
    assert _origin(_said(1, "go"), _called(1, "Write", given), wanted=wanted) is not None
    assert _origin(_said(1, "go"), _called(1, "Write", given), wanted=Line('connect("other", key="abc")')) is None


def test_changes_of_the_file_are_gathered_but_our_own() -> None:
    search = _searched(
        _change(1, by="host", after="aa"),
        _change(2, path="a.tmp", target="src/a.py", action="moved"),
        _change(3, action="masked"),
        _change(4, path="src/b.py"),
        _change(5, path=_PATH, action="created"),
    )
    assert [(change.sequence, change.by) for change in search.changes] == [(12, "host"), (22, "agent"), (52, "agent")]


def test_a_change_names_the_call_that_ran() -> None:
    search = _searched(_said(1, "format it"), _called(1, "Bash", {"command": "black ."}), _change(1))
    during = search.during(search.changes[0])
    assert during is not None
    assert (during.tool, during.prompt, during.change) == ("Bash", "format it", search.changes[0])
    early = _searched(_change(0, at=0.6), _said(1, "format it"), _called(1, "Bash", {"command": "black ."}))
    assert early.during(early.changes[0]) is None


def test_a_line_is_taken_with_its_neighbours() -> None:
    assert line(["a", "b", "a"], 1) == Line("a", "", "b", is_alone=False)
    assert line(["a", "b"], 2) == Line("b", "a", "", is_alone=True)
    assert digest(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_no_input_of_a_call_breaks_it(value: object) -> None:
    given: Any = value if isinstance(value, str) else {"file_path": _PATH, "edits": value, "content": value}
    list(added(Call(1, 1.0, 1, "id", "tool", given)))
    list(added(Call(1, 1.0, 1, "id", "tool", {"any": value})))
