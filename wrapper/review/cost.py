"""Adds up the tokens of answers and estimates what they cost.

An estimate, no bill: the list prices of the day that the file of prices names, without discounts, surcharges,
subscriptions and what providers charge besides tokens.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

import msgspec

from wrapper.errors import StateError
from wrapper.review.turntypes import Usage

BUNDLED: Final = Path(__file__).with_name("prices.toml")
_MILLION: Final = 1_000_000
_DATED: Final = re.compile(r"(?:[-@](?:20\d{6}|20\d\d-\d\d-\d\d|latest)|\[\w+\])+\Z")  # how names of models go on


class Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Dollars for a million tokens of each kind; without one of its own, cached and written tokens cost as input.

    Where a prompt has more than `long_above` tokens, all its input costs `long_input` times as much, and so on.
    """

    input: float
    output: float
    cache_read: float | None = None
    cache_write: float | None = None
    cache_write_1h: float | None = None
    long_above: int = 0
    long_input: float = 1.0
    long_output: float = 1.0

    def of(self, usage: Usage) -> float:
        """Return dollars for what was used."""
        write = self.input if self.cache_write is None else self.cache_write
        longer = write if self.cache_write_1h is None else self.cache_write_1h
        read = self.input if self.cache_read is None else self.cache_read
        hour = min(usage.cache_write_1h, usage.cache_write)
        is_long = self.long_above and usage.input + usage.cache_read + usage.cache_write > self.long_above
        prompt = usage.input * self.input + usage.cache_read * read + (usage.cache_write - hour) * write + hour * longer
        answer = usage.output * self.output
        if is_long:
            prompt, answer = prompt * self.long_input, answer * self.long_output
        return (prompt + answer) / _MILLION


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices by the model's name; `dated` is the day on which they were looked up."""

    dated: str = ""
    models: Mapping[str, Price] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, model: str) -> Price | None:
        """Return the price of `model`, also where a date follows its name; None where it is not known."""
        return self.models.get(model) or self.models.get(_DATED.sub("", model))


@dataclass(frozen=True, slots=True)
class Cost:
    """What answers used, in tokens, and estimated in dollars; None where the price of a model is not known."""

    answers: int = 0
    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    dollars: float | None = 0.0
    unpriced: tuple[str, ...] = ()

    def plus(self, usage: Usage, prices: Prices) -> "Cost":
        """Return this and one more answer."""
        price = prices.of(usage.model)
        dollars = None if price is None or self.dollars is None else self.dollars + price.of(usage)
        unpriced = self.unpriced if price or usage.model in self.unpriced else (*self.unpriced, usage.model)
        return Cost(
            answers=self.answers + 1,
            input=self.input + usage.input,
            cache_read=self.cache_read + usage.cache_read,
            cache_write=self.cache_write + usage.cache_write,
            output=self.output + usage.output,
            dollars=dollars,
            unpriced=unpriced,
        )


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    models: dict[str, Price]
    dated: str = ""


def cost(usages: Iterable[Usage], prices: Prices) -> Cost:
    """Add up what answers used."""
    total = Cost()
    for usage in usages:
        total = total.plus(usage, prices)
    return total


def load(own: Path | None = None) -> Prices:
    """Read the prices that come with safe-agent; those in the file `own`, where there is one, win.

    Raises StateError where `own` is no file of prices.
    """
    bundled = _read(BUNDLED)
    mine = _read(own) if own is not None and own.exists() else _File({})
    return Prices(mine.dated or bundled.dated, MappingProxyType(bundled.models | mine.models))


def said(total: Cost) -> str:
    """Say tokens and dollars in a line."""
    cached = ((total.cache_read, "from cache"), (total.cache_write, "to cache"))
    kinds = ((total.input, "in"), *(kind for kind in cached if kind[0]), (total.output, "out"))
    tokens = ", ".join(f"{number:,} {what}" for number, what in kinds) + " tokens"
    return tokens if total.dollars is None else f"{tokens}, about ${total.dollars:.{2 if total.dollars >= 1 else 4}f}"


def _read(path: Path) -> _File:
    try:
        return msgspec.convert(tomllib.loads(path.read_text("utf-8")), _File)
    except OSError as error:
        raise StateError(f"cannot read `{path}`: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeError, msgspec.ValidationError) as error:
        hint = 'a model is `[models."NAME"]` with `input`, `output`, `cache_read`, `cache_write`: dollars per million'
        raise StateError(f"`{path}`: {error}", hint=hint) from error
