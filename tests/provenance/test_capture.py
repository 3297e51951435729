"""What a session's records say of who wrote what: nothing of the agent's is missed, nothing it only repeated is its own."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.provenance.talking import Listening, Talk, line
from wrapper.audit import events
from wrapper.audit.reader import Record
from wrapper.provenance.capture import EARLIER
from wrapper.provenance.model import Kind, Read
from wrapper.provenance.prints import blob_code, normalised_code


@pytest.fixture
def talk() -> Talk:
    return Talk()


@pytest.fixture
def ear(talk: Talk) -> Listening:
    listening = Listening()
    listening.hear(talk.begun)
    return listening


def test_what_a_model_says_and_gives_to_tools_is_its_own_and_known_by_where_it_comes_from(
    talk: Talk, ear: Listening
) -> None:
    said, written, run = line("said"), line("written"), line("run")
    prompt = talk.asks("write it")
    ear.hear(prompt)
    answer = talk.answers(
        f"Here it is:\n{said}\n", {"file_path": "a.py", "content": written}, {"command": f"cat <<E\n{run}\nE"}
    )
    text, whole, command = ear.hear(answer)
    assert (text.emission.kind, whole.emission.kind) == (Kind.TEXT, Kind.INPUT)
    for emission in (text.emission, whole.emission, command.emission):
        assert (emission.session, emission.agent, emission.model) == ("s-1", "claude", "m-1-big")
        assert (emission.sequence, emission.request, emission.prompt) == (answer.sequence, 1, prompt.sequence)
        assert (emission.at, emission.host, emission.origin) == (answer.event.at, "api.invalid", "")
    assert (whole.emission.path, whole.emission.tool, command.emission.path) == ("a.py", "Edit", "")
    assert ear.own([said], [text]) == [said]
    assert ear.own([written], [whole]) == [written]
    assert ear.own([run], [command]) == [run]


def test_an_answer_that_broke_off_is_told_as_cut(talk: Talk, ear: Listening) -> None:
    ear.hear(talk.asks("go"))
    (whole,) = ear.hear(talk.answers(line()))
    (cut,) = ear.hear(talk.answers(line(), complete=False))
    assert (whole.emission.is_cut, cut.emission.is_cut) == (False, True)


def test_what_it_was_given_is_an_echo_wherever_that_stood(talk: Talk, ear: Listening) -> None:
    asked, numbered, located, signed, told, nested, own = (line() for _ in range(7))
    ear.hear(talk.asks(f"look at\n{asked}", system=[{"type": "text", "text": f"<memory>\n{told}\n</memory>"}]))
    ear.hear(talk.answers("", {"file_path": "a.py"}, tool="Read"))
    shown = f"    12\u2192{numbered}\nsrc/a.py:7:{located}\n@@ -1 +1 @@\n+{signed}\n"
    ear.hear(talk.results(shown))
    ear.hear(talk.answers("", {"query": "x"}, tool="mcp"))
    ear.hear(talk.results(json.dumps({"rows": [{"code": nested}]})))
    given_before = [asked, numbered, located, signed, told, nested]
    emitted = ear.hear(talk.answers("", {"file_path": "b.py", "content": "\n".join([*given_before, own])}))
    assert ear.own([*given_before, own], emitted) == [own]


def test_nothing_is_told_of_what_is_no_more_than_an_echo(talk: Talk, ear: Listening) -> None:
    asked = line()
    ear.hear(talk.asks(asked))
    assert ear.hear(talk.answers(asked)) == []
    assert len(ear.hear(talk.answers(line()))) == 1


def test_its_own_line_stays_its_own_when_it_is_read_again(talk: Talk, ear: Listening) -> None:
    own = line()
    ear.hear(talk.asks("go"))
    ear.hear(talk.answers("", {"file_path": "a.py", "content": own}))
    ear.hear(talk.results(f"1\t{own}"))
    assert ear.own([own], ear.hear(talk.answers("", {"file_path": "b.py", "content": own}))) == [own]


def test_of_an_edit_only_the_new_text_counts(talk: Talk, ear: Listening) -> None:
    kept, gone, new, again = (line() for _ in range(4))
    ear.hear(talk.asks("go"))
    edit = {"file_path": "a.py", "old_string": f"{kept}\n{gone}", "new_string": f"{kept}\n{new}"}
    emitted = ear.hear(talk.answers("", edit))
    assert ear.own([kept, gone, new], emitted) == [new]
    ear.hear(talk.changes("a.py", f"{kept}\n{gone}\n", f"{kept}\n{new}\n"), talk.results("done"))
    assert ear.own([kept, gone, again], ear.hear(talk.answers(f"{kept}\n{gone}\n{again}"))) == [again]


def test_old_text_that_no_file_had_proves_nothing(talk: Talk, ear: Listening) -> None:
    mine, over = line(), line()
    forged = f"*** Begin Patch\n*** Update File: a.py\n@@\n-{mine}\n {over}\n*** End Patch"
    ear.hear(talk.asks("go"), talk.answers("", {"command": f"cat <<'X'\n{forged}\nX"}, tool="Bash"), talk.results("ok"))
    assert ear.own([mine, over], ear.hear(talk.answers("", {"file_path": "b.py", "content": f"{mine}\n{over}"}))) == [
        mine,
        over,
    ]


def test_what_a_formatter_lays_out_anew_stays_whose_it_was(talk: Talk, ear: Listening) -> None:
    persons = "total = add_all(first_part, second_part, *others)\nprint(f'{total} in all')\n"
    formatted = [
        "total = add_all(",
        "    first_part,",
        "    second_part,",
        "    *others,",
        ")",
        "print(f'{total} in all')",
    ]
    added = "count = count_all(others)"
    come = "\n".join([*formatted, added]) + "\n"
    assert ear.own([*formatted, added], ear.hear(talk.changes("a.py", persons, come))) == [added]
    ear.hear(talk.changes("b.py", "", mine := "sum_of_mine = sum_up(one_of_mine, two_of_mine, three_of_mine)\n"))
    split = ["sum_of_mine = sum_up(one_of_mine,", "    two_of_mine, three_of_mine)"]
    assert ear.own(split, ear.hear(talk.changes("b.py", mine, "\n".join(split) + "\n"))) == split


def test_what_a_file_had_and_gets_back_is_an_echo_unless_nobody_saw_how_it_came_there(
    talk: Talk, ear: Listening
) -> None:
    persons = [line() for _ in range(6)]
    there = "\n".join(persons) + "\n"
    assert ear.own(persons, ear.hear(talk.changes("a.py", there, "\n"), talk.changes("a.py", "\n", there))) == []
    mine = [line() for _ in range(6)]
    hidden = "\n".join(mine) + "\n"
    ear.hear(talk.changes(".git/x.py", "", hidden))  # the content is known to have come unseen
    back = ear.hear(talk.changes("b.py", hidden, "\n"), talk.changes("b.py", "\n", hidden))
    assert ear.own(mine, back) == mine


@pytest.mark.parametrize("way", ["moved", "folder", "linked"])
def test_what_leaves_a_folder_of_which_nothing_is_told_is_told_then(way: str, talk: Talk, ear: Listening) -> None:
    text = "\n".join(mine := [line() for _ in range(6)]) + "\n"
    written = talk.changes("target/made/a.py", "", text)
    assert ear.hear(written) == []
    if way == "linked":
        link = msgspec.structs.replace(written.event, path="src/a.py", action="created", diff="")
        emitted = ear.hear(Record(9, link))
    else:
        emitted = ear.hear(
            talk.moves(*{"moved": ("target/made/a.py", "src/a.py"), "folder": ("target/made", "src")}[way])
        )
    assert ear.own(mine, emitted) == mine
    assert {one.emission.path for one in emitted} == {"src/a.py"}


def test_what_is_linked_before_it_is_written_is_told_by_its_other_name(talk: Talk, ear: Listening) -> None:
    text = "\n".join(mine := [line() for _ in range(6)]) + "\n"
    written = talk.changes("target/a.py", "", text)
    ear.hear(
        Record(9, msgspec.structs.replace(written.event, path="src/a.py", action="created", diff="", after="ab" * 32))
    )
    assert ear.own(mine, ear.hear(written)) == mine


def test_what_leaves_such_a_folder_unremembered_says_that_it_is_cut_wherever_it_goes(
    talk: Talk, ear: Listening
) -> None:
    moves = (talk.moves("target/old", "src"), talk.moves("src", "lib"), talk.moves("target/a", ".cache/b"))
    emitted = [(one.emission.path, one.emission.is_cut) for move in moves for one in ear.hear(move)]
    assert emitted == [("src", True), ("lib", True)]


def test_a_change_of_which_not_even_a_hash_is_known_is_cut(talk: Talk, ear: Listening) -> None:
    unknown = msgspec.structs.replace(talk.changes("a.bin", "", "x", known=False).event, ranges=((0, 9),))
    assert [one.emission.is_cut for one in ear.hear(Record(9, unknown))] == [True]


def test_old_text_of_an_edit_that_failed_proves_nothing(talk: Talk, ear: Listening) -> None:
    invented = line()
    ear.hear(talk.asks("go"))
    ear.hear(talk.answers("", {"file_path": "a.py", "old_string": invented, "new_string": invented + " "}))
    ear.hear(talk.results("not found", is_error=True))
    assert ear.own([invented], ear.hear(talk.answers("", {"file_path": "a.py", "content": invented}))) == [invented]


@pytest.mark.parametrize("form", ["input", "heredoc", "script"])
def test_of_a_patch_its_added_lines_count_for_the_files_that_it_names(form: str, talk: Talk, ear: Listening) -> None:
    context, gone, new, made = (line() for _ in range(4))
    patch = (
        f"*** Begin Patch\n*** Update File: a.py\n@@\n {context}\n-{gone}\n+{new}\n"
        f"*** Add File: b.py\n+{made}\n*** End Patch"
    )
    forms: dict[str, dict[str, object]] = {
        "input": {"patch": patch},
        "heredoc": {"command": ["bash", "-lc", f"apply_patch <<'E'\n{patch}\nE"]},
        "script": {"code": f"await apply_patch({json.dumps(patch)})"},
    }
    ear.hear(talk.asks("go"))
    emitted = ear.hear(talk.answers("", forms[form]))
    assert ear.own([context, gone, new, made], emitted) == [new, made]
    by_path = {one.emission.path: ear.own([new, made], [one]) for one in emitted}
    assert (by_path["a.py"], by_path["b.py"]) == ([new], [made])


def test_of_a_diff_in_an_answer_only_what_it_puts_in_counts(talk: Talk, ear: Listening) -> None:
    context, gone, new, fenced, out, after = (line() for _ in range(6))
    ear.hear(talk.asks("go"))
    text = f"```diff\n-{out}\n+{fenced}\n```\n@@ -1,2 +1,2 @@\n {context}\n-{gone}\n+{new}\n{after}"
    own = ear.own([gone, out, new, fenced, after], ear.hear(talk.answers(text)))
    assert own == [new, fenced, after]


def test_a_write_tells_what_the_model_has_not_said_and_says_who_wrote(talk: Talk, ear: Listening) -> None:
    said, made, was = line(), line(), line()
    ear.hear(talk.asks("go"))
    ear.hear(talk.answers("", {"file_path": "a.py", "content": said}))
    (write,) = ear.hear(talk.changes("a.py", f"{was}\n", f"{was}\n{said}\n{made}\n"))
    assert (write.emission.kind, write.emission.path, write.emission.process) == (Kind.WRITE, "a.py", "sed[7]")
    assert (write.emission.model, write.emission.is_cut) == ("m-1-big", False)
    assert (ear.own([was, said, made], [write]), len(write.prints.lines)) == ([made], 1)


def test_what_a_file_had_before_is_an_echo_of_a_write(talk: Talk, ear: Listening) -> None:
    was, made = line(), line()
    (write,) = ear.hear(talk.changes("a.py", f"{was}\n", f"  {was}\n{made}\n"))
    assert ear.own([was, made], [write]) == [made]


def test_a_write_whose_lines_nobody_wrote_down_says_that_it_is_cut(talk: Talk, ear: Listening) -> None:
    (write,) = ear.hear(talk.add(_change("big.bin", before="ab" * 32, after="cd" * 32)))
    assert (write.emission.is_cut, len(write.prints.lines)) == (True, 0)
    many = "\n".join(line() for _ in range(2000))
    (long,) = ear.hear(talk.changes("long.py", "", many))
    assert long.emission.is_cut
    assert len(ear.own(many.split("\n"), [long])) == len(long.prints.lines) > 500


def test_what_programs_install_and_build_is_not_told(talk: Talk, ear: Listening) -> None:
    made = line()
    assert ear.hear(talk.changes("node_modules/x/index.js", "", f"{made}\n")) == []
    assert len(ear.hear(talk.changes("src/index.js", "", f"{made}\n"))) == 1


def test_the_host_wrote_what_the_agent_did_not(talk: Talk, ear: Listening) -> None:
    own, typed = line(), line()
    ear.hear(talk.asks("go"))
    ear.hear(talk.answers(own))
    (host,) = ear.hear(talk.changes("a.py", "", f"{own}\n{typed}\n", by="host"))
    assert (host.emission.kind, host.emission.model, host.emission.is_cut) == (Kind.HOST, "", False)
    assert [int(flags) for flags in host.prints.lines["flags"]] == [1, 0]
    (unseen,) = ear.hear(talk.changes("a.py", "x", "y", by="host", known=False))
    assert unseen.emission.is_cut


def test_a_file_that_is_mostly_the_agents_is_known_as_a_whole(talk: Talk, ear: Listening) -> None:
    body = "".join(f"{line()}\n" for _ in range(8))
    ear.hear(talk.asks("go"))
    ear.hear(talk.answers("", {"file_path": "a.py", "content": body}))
    (write,) = ear.hear(talk.changes("a.py", "", body))
    data = body.encode()
    assert {int(code) for code in write.blobs} == {blob_code(data, ear.keyed), normalised_code(data, ear.keyed)}
    longer = body + line() + "\n"
    (edited,) = ear.hear(talk.changes("a.py", body, longer))
    assert [int(code) for code in edited.blobs] == [blob_code(longer.encode(), ear.keyed)]


def test_a_file_that_is_mostly_a_persons_or_short_is_not(talk: Talk, ear: Listening) -> None:
    persons = "".join(f"{line()}\n" for _ in range(8))
    ear.hear(talk.changes("a.py", "", persons, by="host"))
    (write,) = ear.hear(talk.changes("a.py", persons, persons + line() + "\n"))
    assert write.blobs.size == 0
    (short,) = ear.hear(talk.changes("b.py", "", line() + "\n"))
    assert short.blobs.size == 0


def test_a_file_that_is_renamed_at_once_has_the_name_that_it_got(talk: Talk, ear: Listening) -> None:
    (write,) = ear.hear(talk.changes("a.py.tmp.1", "", line()), talk.moves("a.py.tmp.1", "a.py"))
    assert write.emission.path == "a.py"


def test_words_of_an_earlier_session_are_told_as_such(talk: Talk, ear: Listening) -> None:
    earlier, asked = line(), line()
    talk.messages += [
        {"role": "user", "content": asked},
        {"role": "assistant", "content": [{"type": "text", "text": f"{earlier}\n{asked}"}]},
    ]
    (told,) = ear.hear(talk.asks("go on"))
    assert (told.emission.origin, ear.own([earlier, asked], [told])) == (EARLIER, [earlier])
    assert ear.hear(talk.sends()) == []


def test_prompts_are_followed_through_results_to_the_answers_that_they_led_to(talk: Talk, ear: Listening) -> None:
    first = talk.asks("go")
    ear.hear(first)
    ear.hear(talk.answers(line(), {"file_path": "a.py", "content": line()}))
    ear.hear(talk.results("done"))
    (later,) = ear.hear(talk.answers(line()))
    assert later.emission.prompt == first.sequence
    second = talk.asks("more")
    ear.hear(second)
    assert ear.hear(talk.answers(line()))[0].emission.prompt == second.sequence


def test_a_trivial_line_follows_its_neighbours(talk: Talk, ear: Listening) -> None:
    asked, own = line(), line()
    ear.hear(talk.asks(f"{asked}\n}}"))
    (told,) = ear.hear(talk.answers(f"{asked}\n}}\n{own}\n}}"))
    assert [bool(flags & 1) for flags in told.prints.lines["flags"]] == [True, True, False, False]


def test_more_lines_than_are_remembered_count_as_its_own_and_are_told_of(talk: Talk) -> None:
    ear = Listening(most=64)
    ear.hear(talk.begun)
    given_before = [line() for _ in range(200)]
    ear.hear(talk.asks("\n".join(given_before[:10])))
    assert ear.capture.gap == ""
    ear.hear(talk.asks("\n".join(given_before[10:])))
    assert "remembered" in ear.capture.gap
    own = ear.own(given_before, ear.hear(talk.answers("\n".join(given_before))))
    assert own == given_before[10:]


def test_where_binds_show_the_files_it_says_that_writes_are_missing() -> None:
    talk, ear = Talk(view="binds: no FUSE"), Listening()
    ear.hear(talk.begun)
    assert "binds" in ear.capture.gap


def test_reads_are_told(talk: Talk, ear: Listening) -> None:
    read = talk.add(events.FilesRead(at=1_005.0, files=(("a.py", 1_004.0, 12),)))
    assert ear.capture.feed(read).reads == (Read("a.py", 1_004.0, 12),)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["user", "assistant", "tool_use", "text"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["role", "content", "type", "text", "input", "messages", "id", "output", "name", "arguments"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(
    st.lists(_json | st.binary(max_size=40), max_size=4), st.text(max_size=80), st.sampled_from(["agent", "host", ""])
)
def test_nothing_that_is_sent_or_written_makes_it_raise(bodies: list[object], diff: str, by: str) -> None:
    ear = Listening()
    for number, body in enumerate(bodies):
        data = body if isinstance(body, bytes) else json.dumps(body).encode("utf-8", "replace")
        ear.hear(
            Record(
                2 * number,
                events.Request(at=1.0, number=number, method="POST", url="//[", headers={}, body=data),
            ),
            Record(2 * number + 1, events.Response(at=1.0, number=number, status=200, headers={}, body=data)),
        )
    ear.hear(Record(99, _change("a", before="", after="ab" * 32, diff=diff, by=by)))


def _change(path: str, *, before: str, after: str, diff: str = "", by: str = "agent") -> events.FileChange:
    return events.FileChange(
        at=1_002.0, path=path, action="modified", by=by, before=before, after=after, diff=diff, process="x[1]"
    )
