"""Words behind a key: a passphrase, or what a program says about one."""

import pytest

from redactors.passphrases import is_passphrase


@pytest.mark.parametrize(
    "text",
    [
        "correct horse battery staple",
        "orbit velvet cactus lantern nine",
        "my dog has fleas 42",
        "Orbit7 Velvet Cactus",
        "zoom-in agreed tipping undone",
    ],
)
def test_words_that_somebody_chose_are_a_passphrase(text: str) -> None:
    assert is_passphrase(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "must be at least 8 letters",
        "Enter your new one here",
        "Wrong user or password",
        "Two Factor Code Needed",
        "show hide copy paste password",
        "mot de passe oublie",
        "bitte das neue kennwort eingeben",
        "one two three",
        "one  two three four",
        "go go go go go",
        "what is it?",
        "first, second, third, fourth",
        "a b",
        "",
    ],
)
def test_what_a_program_says_is_none(text: str) -> None:
    assert not is_passphrase(text.encode())
