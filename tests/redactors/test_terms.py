"""Terms are found where a code name leaks, and not where the same letters mean something else."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors.context import Context, ContextRule
from redactors.terms import Borders, phrases

NAMES = st.text("abcdefghijklmnopqrstuvwxyzäöéñßжя张", min_size=3, max_size=12).filter(
    lambda name: name.casefold() == name
)


def found(rule: ContextRule, text: str) -> list[str]:
    """The spellings of the rule's terms in a text, in their order; the same in plain text and as JSON."""
    context = Context([rule])
    plain = sorted(context.find(text.encode()))
    assert [one.value for one in plain] == [text.encode()[one.start : one.end] for one in plain]
    for as_json in (json.dumps(text), json.dumps(text, ensure_ascii=False)):
        assert [one.value for one in sorted(context.find(as_json.encode()))] == [one.value for one in plain]
    return [one.value.decode() for one in plain]


def rule(*terms: str, borders: Borders = Borders.PART, ignore_case: bool = True) -> ContextRule:
    return ContextRule("NAME", terms=terms, borders=borders, ignore_case=ignore_case)


@pytest.mark.parametrize(
    ("text", "part", "word"),
    [
        ("falcon", 1, 1),
        ("a Falcon, FALCON", 2, 2),
        ("x/falcon/y falcon-9 falcon.py", 3, 3),
        ("falcon_config", 1, 0),
        ("FALCON_2", 1, 0),
        ("FalconService", 1, 0),
        ("myFalcon", 1, 0),
        ("HTTPFalcon", 1, 0),
        ("FALCONService", 1, 0),
        ("falcon2 v2falcon", 2, 0),
        ("falcons falconry", 0, 0),
        ("thefalcon Bluefalcon", 0, 0),
        ("FALCONRY", 0, 0),
        ("first\nfalcon\tlast", 1, 1),
        ("“falcon” — falcon…", 2, 2),
        ("\x1b[31mfalcon\x1b[0m", 1, 1),
        ("naïvefalcon", 0, 0),
        ("éfalcon falconé", 0, 0),
    ],
)
def test_borders(text: str, part: int, word: int) -> None:
    assert len(found(rule("falcon"), text)) == part
    assert len(found(rule("falcon", borders=Borders.WORD), text)) == word


def test_without_borders_the_letters_alone_count() -> None:
    assert found(rule("falcon", borders=Borders.NONE), "xfalconry") == ["falcon"]


def test_case_counts_only_where_it_is_asked_for() -> None:
    assert found(rule("HP", ignore_case=False), "HP hp Hp") == ["HP"]
    assert found(rule("Ömer", ignore_case=False), "Ömer ömer") == ["Ömer"]


@pytest.mark.parametrize(
    "text",
    ["blue heron", "Blue  Heron", "blue\nheron", "blue\r\nheron", "blue_heron", "BlueHeron", "blue-heron", "blueheron"],
)
def test_a_blank_stands_for_whatever_joins_words(text: str) -> None:
    assert found(rule("blue heron"), f"a {text}.") == [text]


@pytest.mark.parametrize("text", ["blue_heron", "BlueHeron", "blueheron"])
def test_between_whole_words_only_blanks_join(text: str) -> None:
    assert found(rule("blue heron", borders=Borders.WORD), text) == []
    assert found(rule("blue heron", borders=Borders.WORD), "blue\n heron") == ["blue\n heron"]


@pytest.mark.parametrize(
    ("term", "text"),
    [
        ("Café Müller", "CAFÉ MÜLLER"),
        ("Café", unicodedata.normalize("NFD", "Café")),
        ("Проект", "ПРОЕКТ"),
        ("张三", "我是张三说"),
        ("AT&T", "at&t"),
        ("O'Brien", "o'brien"),
        ("a/b", "A/B"),
        ("🦅 one", "🦅-One"),
        ("HP", "hp"),
    ],
)
def test_any_script_and_mark_is_found(term: str, text: str) -> None:
    [spelling] = found(rule(term), f"a {text} b" if text.isascii() else f"({text})")
    assert spelling.casefold() in text.casefold()


def test_escapes_within_escapes_are_found_and_come_back_one_level_shallower() -> None:
    twice = json.dumps(json.dumps({"a": "Café"}))
    [one] = Context([rule("café")]).find(twice.encode())
    assert one.value == rb"Caf\u00e9"
    assert one.value.decode() in json.loads(twice)


def test_characters_that_json_may_escape_are_found_escaped() -> None:
    context = Context([rule("AT&T", "a/b", 'say "x"')])
    text = rb'{"a": "AT\u0026T a\/b say \"x\""}'
    assert sorted(one.value for one in context.find(text)) == [b"AT&T", b"a/b", b'say "x"']


def test_terms_that_share_words_are_each_found() -> None:
    names = rule("Acme Holdings GmbH", "Borealis Holdings GmbH", "Holdings")
    assert set(found(names, "borealis holdings GmbH and ACME HOLDINGS GMBH")) >= {
        "borealis holdings GmbH",
        "ACME HOLDINGS GMBH",
    }


def test_encoded_images_are_left_whole() -> None:
    image = "iVBORw0KGgo" * 30 + "/acme/" + "Qm9yZWFsaXM" * 30
    assert found(rule("acme"), f"data:image/png;base64,{image}") == []
    assert found(rule("acme"), "/home/user/projects/customers/acme/src/main/java") == ["acme"]


@given(NAMES, st.sampled_from([str, str.upper, str.title]), st.sampled_from([" ", "(", '"', "\n", "/", "=", "\\"]))
def test_a_name_is_found_whatever_its_case_and_neighbours(name: str, spell: object, mark: str) -> None:
    text = f"{mark}{spell(name)}{mark}" if callable(spell) else ""
    assert Context([rule(name)]).find(text.encode()), text
    assert Context([rule(name)]).find(json.dumps(text).encode()), text


@given(st.binary(max_size=200), NAMES)
def test_no_bytes_break_it_and_every_span_is_the_name(data: bytes, name: str) -> None:
    for one in Context([rule(name, borders=Borders.NONE)]).find(data + name.encode() + data):
        spelled = (data + name.encode() + data)[one.start : one.end]
        assert spelled.decode().casefold() == name.casefold() or b"\\" in spelled


def test_a_phrase_takes_a_star_for_anything_without_a_blank() -> None:
    pattern = phrases(["*@example.org", "import falcon"])
    assert pattern is not None
    assert [one[0] for one in pattern.finditer(b"a@b x.y@Example.org import Falcon")] == [
        b"x.y@Example.org",
        b"import Falcon",
    ]
