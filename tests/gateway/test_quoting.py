"""A value arrives as itself, whatever notation its placeholder stood in."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.gateway.quoting import Context, Json, Patch, Text, is_plain

VALUES = st.text(st.sampled_from("ab\"'`\\${}\n\r\t\x00\u2028é😀"), min_size=1, max_size=8)
CUTS = st.lists(st.integers(0, 200), max_size=6)
HOLE = "\ue000"


def written(context: Context, text: str, value: str, cuts: list[int]) -> str:
    """Put `value` where `text` has a hole; the text before it comes in parts."""
    before, behind = text.split(HOLE)
    borders = sorted({0, len(before), *(cut % (len(before) + 1) for cut in cuts)})
    for start, end in pairwise(borders):
        context.feed(before[start:end])
    quoted = context.quote(value)
    assert quoted is not None
    return before + quoted + behind


@given(VALUES, CUTS, st.booleans())
def test_arguments_hold_the_value_however_they_were_cut(value: str, cuts: list[int], ascii_only: bool) -> None:  # noqa: FBT001
    text = json.dumps({"cmd": f'é "\\ {HOLE} x', "n": [1, 2.5, True, None]}, ensure_ascii=ascii_only)
    text = text.replace(json.dumps(HOLE)[1:-1], HOLE)
    out = json.loads(written(Json(certain=True), text, value, cuts))
    assert out["cmd"] == f'é "\\ {value} x'


@given(VALUES, CUTS, st.integers(1, 4), st.sampled_from([HOLE, f"a{HOLE}", f'"\\\n{HOLE}é']))
def test_json_within_json_holds_the_value_at_every_depth(value: str, cuts: list[int], depth: int, inner: str) -> None:
    text = inner
    for _ in range(depth):
        text = json.dumps({"content": text, "more": [text.replace(HOLE, "")]}, ensure_ascii=False)
    out = written(Json(certain=True), text, value, cuts)
    for _ in range(depth):
        out = json.loads(out)["content"]
    assert out == inner.replace(HOLE, value)


@pytest.mark.parametrize(
    "text",
    [
        HOLE,
        f"pass {HOLE}",
        f"[link]({HOLE})",
        f'{{ echo "{HOLE}"; }}',
        f'[ -f "{HOLE}" ]',
        f"{{{HOLE}}}",
        f'{{"a": {HOLE}}}',
        f'{{"a": 1}} and "{HOLE}"',
        f'{{"a"; "{HOLE}"',
        f'"{HOLE}"',
        f'[1 2 "{HOLE}"',
        f'{{"a": "line\nend {HOLE}"}}',
        f"{{'a': '{HOLE}'}}",
    ],
)
def test_what_is_no_json_gets_the_value_as_it_is(text: str) -> None:
    value = 'a"b\\c\nd'
    assert written(Text(), text, value, []) == text.replace(HOLE, value)


@pytest.mark.parametrize("key", ["cmd", "command"])
def test_a_command_of_the_shell_gets_the_value_as_it_is(key: str) -> None:
    for command in (f'[ "{HOLE}" = x ]', f'{{ "{HOLE}"; }}'):
        for shape in (command, ["bash", "-c", command]):
            text = json.dumps({key: shape}, ensure_ascii=False)
            out = json.loads(written(Json(certain=True), text, 'a"b\\c\nd', []))[key]
            assert (out if isinstance(out, str) else out[-1]) == command.replace(HOLE, 'a"b\\c\nd')


@given(VALUES, CUTS)
def test_a_file_of_json_lines_holds_the_value_in_each(value: str, cuts: list[int]) -> None:
    text = f'{{"a": "x"}}\n[1, -2e5, {{}}, []]\n{{"b": {{"c": ["{HOLE}"]}}}}\n'
    out = written(Text(), text, value, cuts).split("\n")
    assert json.loads(out[2])["b"]["c"] == [value]


@pytest.mark.parametrize("mark", ["+", "-", " "])
def test_a_value_of_several_lines_keeps_a_patch_valid(mark: str) -> None:
    text = f"*** Begin Patch\n*** Update File: a\n@@\n{mark}key = {HOLE};\n+more\n*** End Patch"
    out = written(Text(), text, "one\ntwo\r\nthree", [5, 30]).split("\n")
    assert out[3:6] == [f"{mark}key = one", f"{mark}two\r", f"{mark}three;"]
    assert out[6:] == ["+more", "*** End Patch"]


def test_a_value_that_would_break_a_patch_stays_a_placeholder() -> None:
    for line in (f"*** Add File: {HOLE}", f"@@ {HOLE}", HOLE):
        patch = Text()
        patch.feed(f"*** Begin Patch\n{line.partition(HOLE)[0]}")
        assert patch.quote("one\ntwo") is None
        assert patch.quote("one") == "one"


def test_the_lines_behind_a_patch_are_those_of_no_patch() -> None:
    patch = Patch()
    patch.feed("*** Begin Patch\n*** End Patch\n+x ")
    assert patch.quote("one\ntwo") == "one\ntwo"


@given(VALUES, CUTS)
def test_a_patch_in_arguments_is_a_patch_and_json(value: str, cuts: list[int]) -> None:
    patch = f"*** Begin Patch\n*** Add File: a\n+{HOLE}\n*** End Patch"
    text = json.dumps({"input": patch}, ensure_ascii=False)
    lines = json.loads(written(Json(certain=True), text, value, cuts))["input"].split("\n")
    assert all(line.startswith("+") for line in lines[2:-1])
    assert "\n".join(line[1:] for line in lines[2:-1]) == value


@given(VALUES)
def test_a_plain_value_is_written_alike_everywhere(value: str) -> None:
    if is_plain(value):
        for context in (Json(certain=True), Text()):
            context.feed('{"a": "')
            assert context.quote(value) == value


@given(st.text(st.sampled_from('{}[]",:\\u0041ab 1\n*+')), st.text(st.sampled_from('{}[]",:\\u0041ab 1\n*+')), VALUES)
def test_a_context_does_not_depend_on_how_its_text_was_cut(first: str, second: str, value: str) -> None:
    for make in (Text, lambda: Json(certain=True)):
        whole, parts = make(), make()
        whole.feed(first + second)
        parts.feed(first)
        parts.feed(second)
        assert whole.quote(value) == parts.quote(value)
