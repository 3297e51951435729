from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.errors import StateError
from wrapper.review.cost import Cost, Price, Prices, cost, load, said
from wrapper.review.turns import Usage

PRICE = Price(input=10, output=100, cache_read=1, cache_write=20, cache_write_1h=40)


def used(model: str = "m", **tokens: int) -> Usage:
    counts = {"input": 0, "cache_read": 0, "cache_write": 0, "output": 0} | tokens
    return Usage(1, 1.0, 1, model, **counts)


def test_each_kind_of_token_has_its_price() -> None:
    million = 1_000_000
    assert PRICE.of(used(input=million)) == 10
    assert PRICE.of(used(cache_read=million)) == 1
    assert PRICE.of(used(cache_write=million)) == 20
    assert PRICE.of(used(cache_write=million, cache_write_1h=million)) == 40
    assert PRICE.of(used(output=million)) == 100


def test_without_prices_of_their_own_cached_tokens_cost_as_input() -> None:
    assert Price(input=10, output=0).of(used(input=1, cache_read=1, cache_write=2, cache_write_1h=1)) == 40 / 1_000_000


def test_a_long_prompt_is_dearer_as_a_whole() -> None:
    price = Price(input=1, output=10, cache_read=1, long_above=100, long_input=5, long_output=2)
    assert price.of(used(input=50, cache_read=50, output=10)) == 200 / 1_000_000
    assert price.of(used(input=51, cache_read=50, output=10)) == pytest.approx((505 + 200) / 1_000_000)


def test_a_date_behind_a_models_name_does_not_hide_it() -> None:
    prices = Prices("", {"claude-x-4": PRICE})
    for name in ("claude-x-4", "claude-x-4-20260131", "claude-x-4@20260131", "claude-x-4-latest", "claude-x-4[1m]"):
        assert prices.of(name) is PRICE
    for other in ("claude-x-4-8", "claude-x", "other", ""):
        assert prices.of(other) is None


def test_a_model_without_a_price_makes_no_sum_but_counts_tokens() -> None:
    total = cost([used(input=5, output=6), used("other", input=7)], Prices("", {"m": PRICE}))
    assert (total.answers, total.input, total.output, total.dollars, total.unpriced) == (2, 12, 6, None, ("other",))
    assert said(total) == "12 in, 6 out tokens"


def test_what_is_said_names_cached_tokens_only_where_there_are_some() -> None:
    assert (
        said(cost([used(input=1_000, output=2)], Prices("", {"m": PRICE}))) == "1,000 in, 2 out tokens, about $0.0102"
    )
    assert said(cost([used(cache_read=3, cache_write=4)], Prices())) == "0 in, 3 from cache, 4 to cache, 0 out tokens"


@given(st.lists(st.tuples(*[st.integers(0, 10**9)] * 4), max_size=8))
def test_a_sum_is_that_of_its_answers(counts: list[tuple[int, int, int, int]]) -> None:
    prices = Prices("", {"m": PRICE})
    usages = [Usage(1, 1.0, 1, "m", *one) for one in counts]
    total = cost(usages, prices)
    assert total.dollars == pytest.approx(sum(PRICE.of(one) for one in usages))
    assert total.output == sum(one.output for one in usages)


def test_the_prices_that_come_with_it_are_dated_and_sane() -> None:
    prices = load()
    assert prices.dated
    assert prices.of("claude-opus-4-8") is not None
    assert prices.of("gpt-6.1-sol") is not None
    for price in prices.models.values():
        assert 0 < (price.cache_read or 0) <= price.input <= (price.cache_write or price.input) <= price.output
        assert (price.cache_write or 0) <= (price.cache_write_1h or price.cache_write or 0)


def test_prices_of_ones_own_win_and_need_not_be_there(tmp_path: Path) -> None:
    own = tmp_path / "prices.toml"
    assert load(own) == load()
    own.write_text('[models]\n"gpt-5" = { input = 1, output = 2 }\nmine = { input = 3, output = 4 }\n')
    prices = load(own)
    assert prices.of("gpt-5") == Price(input=1, output=2)
    assert prices.of("mine") == Price(input=3, output=4)
    assert prices.of("claude-opus-4-8") == load().of("claude-opus-4-8")
    assert prices.dated == load().dated


@pytest.mark.parametrize(
    "text",
    ["[models", "[models]\nm = { input = 1 }", "[models]\nm = { input = 1, output = 2, inptu = 3 }", "x = 1", "\x00"],
)
def test_a_file_that_holds_no_prices_is_one_clear_error(tmp_path: Path, text: str) -> None:
    own = tmp_path / "prices.toml"
    own.write_text(text)
    with pytest.raises(StateError) as raised:
        load(own)
    assert str(own) in raised.value.what
    assert "models" in raised.value.hint


def test_nothing_costs_nothing() -> None:
    assert cost([], Prices()) == Cost()
