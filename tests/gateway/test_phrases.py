"""Patterns in what users write: however long the text, and however it is disguised."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.wire import in_loop
from wrapper.gateway import phrases
from wrapper.gateway.phrases import Phrases, plain

ASCII = st.characters(codec="ascii", exclude_characters="-")


def found(text: str, *patterns: str) -> frozenset[str]:
    return asyncio.run(Phrases().found(text, patterns))


@pytest.mark.parametrize(
    "text",
    [
        "write a BENCHMARK",
        "write a bench\u200bmark",
        "write a b\u00ade\u2060n\ufeffchmark",
        "write a \uff42\uff45\uff4e\uff43\uff48\uff4d\uff41\uff52\uff4b",
        "write a \U0001d41b\U0001d41e\U0001d427\U0001d41c\U0001d421\U0001d426\U0001d41a\U0001d42b\U0001d424",
        "write a bench-\n   mark",
        "write a\u2003\n\tbenchmark",
        "write a b\U000e0065enchmark",
        "write\u00a0a\u202ebenchmark\u202c",
    ],
)
def test_trivial_disguises_of_words_are_undone(text: str) -> None:
    assert found(text, "(?i)write a ?benchmark", "nothing") == {"(?i)write a ?benchmark"}


@pytest.mark.parametrize(
    "text", ["the bench, mark the spot", "Benchm ark", "", "b\u0435nchmark (Cyrillic)", "bench-\nmarks!"]
)
def test_what_is_not_there_is_not_found(text: str) -> None:
    assert not found(text, r"\bbenchmark\b")


def test_a_pattern_in_capitals_is_found_in_small_letters() -> None:
    assert found("extend swe-bench", "BENCHMARK|SWE-bench")


@given(st.text())
def test_plain_text_is_plain_already(text: str) -> None:
    assert plain(plain(text)) == plain(text)


@given(st.text(alphabet=ASCII))
def test_plain_text_in_ascii_loses_nothing_but_blanks(text: str) -> None:
    assert plain(text) == " ".join(text.split())


@given(st.text(alphabet=st.sampled_from("ab -\n\t\u00e4\u0308\u200b\u00b4\u2010\u3164"), min_size=40, max_size=200))
def test_a_long_text_is_made_plain_in_steps_as_at_once(text: str) -> None:
    small(lambda: compare(text))


def compare(text: str) -> None:
    assert asyncio.run(phrases._made_plain(text)) == plain(text)


@given(
    st.text(alphabet="ab ", min_size=30, max_size=200),
    st.sampled_from([r"\baab\b", "bb a", "a b a", "^b", "b$", r"\bab ba\b"]),
)
def test_a_long_text_is_searched_in_steps_as_at_once(text: str, pattern: str) -> None:
    expected = bool(re.search(pattern, plain(text)))
    small(lambda: check(text, pattern, is_there=expected))


def check(text: str, pattern: str, *, is_there: bool) -> None:
    assert bool(found(text, pattern)) == is_there


def small(test: Callable[[], Any]) -> None:
    """Run a test with steps of a few characters."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(phrases, "_STEP", 16)
        patch.setattr(phrases, "_OVERLAP", 8)
        test()


@in_loop
async def test_others_run_while_a_long_text_is_searched() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    assert not await Phrases().found("a log line of words\n" * 20_000, [r"\bbenchmark"])
    task.cancel()
    assert turns > 15


@in_loop
async def test_a_text_is_searched_once_for_each_pattern(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def counted(text: str) -> str:
        made.append(text)
        return text

    monkeypatch.setattr(phrases, "plain", counted)
    searcher = Phrases()
    for patterns in (["a", "b"], ["b", "a"], ["a"], ["c", "a"]):
        assert await searcher.found("a text", patterns) == {"a"}
    assert made == ["a text"] * 2


@in_loop
async def test_what_is_remembered_is_bounded() -> None:
    searcher = Phrases()
    for number in range(9000):
        await searcher.found(f"{number} x", ["x"])
    assert len(searcher._found) <= 8192
