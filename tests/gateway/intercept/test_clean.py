"""What is remembered of heads in which nothing was found, and when it counts no more."""

from hypothesis import given
from hypothesis import strategies as st

from redactors.vault import Origin
from tests.gateway.intercept.desk import Desk, run
from wrapper.audit.events import Sent
from wrapper.gateway.intercept.clean import Clean


def test_a_text_is_clean_until_a_value_becomes_known() -> None:
    generation = [3]
    clean = Clean(lambda: generation[0])
    assert not clean.holds(b"text")
    clean.add(b"text", clean.state)
    assert clean.holds(b"text")
    generation[0] += 1
    assert not clean.holds(b"text")


def test_a_text_is_clean_until_everything_is_to_be_searched_anew() -> None:
    clean = Clean(lambda: 0)
    clean.add(b"text", clean.state)
    clean.forget()
    assert not clean.holds(b"text")


def test_a_search_that_began_before_a_value_was_known_says_nothing_of_it() -> None:
    generation = [0]
    clean = Clean(lambda: generation[0])
    before = clean.state
    generation[0] += 1
    clean.add(b"text", before)
    assert not clean.holds(b"text")


def test_long_texts_and_many_are_not_kept() -> None:
    clean = Clean(lambda: 0)
    clean.add(b"x" * 5000, clean.state)
    assert not clean.holds(b"x" * 5000)
    for number in range(1000):
        clean.add(b"%d" % number, clean.state)
    assert clean.holds(b"999")
    assert sum(clean.holds(b"%d" % number) for number in range(1000)) <= 256


@given(st.lists(st.tuples(st.sampled_from(["add", "know", "forget"]), st.binary(max_size=2)), max_size=40))
def test_it_never_holds_what_was_not_added_in_the_state_of_now(steps: list[tuple[str, bytes]]) -> None:
    generation, forgotten = [0], 0
    clean, model = Clean(lambda: generation[0]), set[tuple[bytes, int, int]]()
    for what, text in steps:
        if what == "add":
            clean.add(text, clean.state)
            model.add((text, generation[0], forgotten))
        elif what == "know":
            generation[0] += 1
        else:
            clean.forget()
            forgotten += 1
        for one in {text for _, text in steps}:
            assert clean.holds(one) == ((one, generation[0], forgotten) in model)


def test_a_head_that_was_clean_is_stopped_once_its_value_is_known() -> None:
    """Promise 1: the same request again, after a file was read outside that has the value."""
    desk = Desk()
    value = b"a-value-that-nobody-knew-9137"
    for _ in range(2):
        answer, _ = run(desk.ask(target="/x", headers=((b"x-note", value),)))
        assert answer.head.status == 200
    assert len(desk.sink.of(Sent)) == 2
    desk.known.add("PASSWORD", value, Origin.OUTSIDE)
    assert run(desk.refused(target="/x", headers=((b"x-note", value),))).status == 403
    assert len(desk.sink.of(Sent)) == 2
    desk.close()
