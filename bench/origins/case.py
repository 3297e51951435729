"""What every origin gives: one labelled text; and which labels a figure can rest on."""

import re
from collections.abc import Iterable
from typing import NamedTuple

# A value that is filler by anybody's rules (the project that wrote it tests its pattern, not its judgement): one
# character or a few over and over (but `A`: runs of it stand in base64 of real keys), groups of one letter, or words
# that say so.
_WORD = r"(?:bearer|dummy|example|fake|key|mock|my|pass|sample|secret|test|token|word|your)"
_FILLER = re.compile(rf"([^A])\1{{9}}|([^A][^A]{{1,3}})\2{{4}}|(?:(\w)\3{{3,}}-){{3}}|^(?i:{_WORD}(?:[-_]?{_WORD})*)$")

_SHORTEST = 6  # characters: shorter values are listed by the redactor, never matched
_LONGEST = 20_000  # characters: longer texts try buffers, not rules
_TELLING = 12  # characters: a shorter secret (`123456`) stands in texts by chance


class Case(NamedTuple):
    """One text of another project's tests.

    `label`: `pos` (every byte of every one of `secrets` must be covered), `pos_nospan` (something must be found),
    `neg` (nothing may be found). `rule` groups texts that try the same thing.
    """

    text: str
    secrets: tuple[str, ...]
    label: str
    rule: str

    @property
    def holds_secret(self) -> bool:
        """Tell positives, with a place told or not, from negatives."""
        return self.label != "neg"


def positive(text: str, secrets: list[str], rule: str) -> Case:
    """Label a text that holds secrets; those that do not stand in it as they are (encoded ones) leave it span-less."""
    standing = all(secret in text for secret in secrets)
    return Case(text, tuple(dict.fromkeys(secrets)), "pos", rule) if secrets and standing else nospan(text, rule)


def nospan(text: str, rule: str) -> Case:
    """Label a text that holds a secret whose place is not told."""
    return Case(text, (), "pos_nospan", rule)


def negative(text: str, rule: str) -> Case:
    """Label a text that holds no secret."""
    return Case(text, (), "neg", rule)


def is_filler(secret: str) -> bool:
    """Tell whether a value is no secret to anybody."""
    return bool(_FILLER.search(secret))


def is_usable(case: Case) -> bool:
    """Tell whether a case tries what it says it tries."""
    fair = all(len(secret) >= _SHORTEST and not is_filler(secret) for secret in case.secrets)
    return fair and bool(case.text.strip()) and len(case.text) <= _LONGEST


def tidied(cases: Iterable[Case]) -> list[Case]:
    """Bring together what is said of one text; drop what is not usable, and a negative that holds a positive's secret.

    Detectors are tested one by one: what one of them rightly leaves alone may be another's secret, or its own without
    the context that proves it.
    """
    joined: dict[str, Case] = {}
    for case in sorted(cases, key=lambda case: case.label != "pos"):
        known = joined.get(case.text)
        secrets = (*known.secrets, *case.secrets) if known else case.secrets
        joined[case.text] = (known or case)._replace(secrets=tuple(dict.fromkeys(secrets)))
    telling = {secret for case in joined.values() for secret in case.secrets if len(secret) >= _TELLING}
    judged = (case for case in joined.values() if case.holds_secret or not any(one in case.text for one in telling))
    return [case for case in judged if is_usable(case)]
