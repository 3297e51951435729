"""Words with blanks between, behind a key that says that they are a password: a passphrase, or a sentence about one.

A form says `password: "must be at least 8 letters"`. Of such words a sentence has one at least, and a passphrase that
was drawn from a list hardly any.
"""

from redactors.ondemand import OnDemand

_FEWEST, _FEWEST_WITH_DIGIT, _MOST = 4, 3, 16  # words
_WORDS = OnDemand(rb"[A-Za-z0-9!#$%&*+@^_~-]{1,24}(?: [A-Za-z0-9!#$%&*+@^_~-]{1,24})*\Z")
_DIGIT = OnDemand(rb"[0-9]")
_FEWEST_DIFFERENT = 3
_OF_SENTENCES = frozenset(
    b"""a an and any are as at be been below but by can cannot de does el en er est et for from here how if in into is
    it la le leave lo must no non not of on only or our per please por se should some su than that the their them then
    there these they this to too un una und until use used using va vous was we what when where which while who will
    with without would you your
    account again alphanumeric authentication bad base change changed character characters choose click code confirm
    confirmation contain contains credential credentials current default did different digits do don-t e-mail
    email encrypted enter error example expired failed field file forgot forgotten generated hash hashed have hidden
    hint incorrect input insert invalid key kennwort length letters login long lower lowercase mandatory match maximum
    minimum missing mot new number numbers old optional options pass passe passphrase passphrases password passwords
    passwort phrase placeholder plain plaintext policy previous prompt protected provide read repeat required
    requirements reset same secret senha set short show sign special stored string strong symbols test text token type
    typed update uppercase user username valid value verify via wachtwoord weak wrong your-own""".split()
)


def is_passphrase(value: bytes) -> bool:
    """Tell whether `value`, words with single blanks between, may have been chosen or drawn as a passphrase."""
    words = value.split(b" ")
    has_digit = bool(_DIGIT.search(value))
    if not (_FEWEST_WITH_DIGIT if has_digit else _FEWEST) <= len(words) <= _MOST:
        return False
    if not _WORDS.match(value) or len(set(words)) < _FEWEST_DIFFERENT:
        return False
    if value[:1].isupper() and not has_digit:  # a sentence, a title
        return False
    return _OF_SENTENCES.isdisjoint(word.lower() for word in words)
