"""Which values are too short or too common to search for, and which parts of a value identify it.

A value that stands in half of all files (`true`, `localhost`) would mask everything; it is listed, not matched. And a
part of a value may only stand for the whole if it is random: `sk-ant-api03-` begins every key of its issuer,
`eyJhbGciOiJIUzI1NiIs` every token of its kind, and of a private key much is the same in all (`redactors.keybodies`).
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from itertools import accumulate, pairwise
from operator import ne, sub
from typing import NamedTuple

from redactors.keybodies import own_parts

SHORTEST = 6
WINDOW = 12
"""Bytes that must remain of a trimmed value."""
EDGE_SPACING = 12  # any 24 characters in a row hold a window
_LONG = 1024
_LONG_SPACING = 48  # of longer values: a line of a PEM body has 64 characters, 48 + 12 of them hold a window
INNER_SPACING = 96
_TRIMMABLE = 16
_SPARE = 12
_SHORTEST_NUMBER = 8
_SHORTEST_WORD = 8
_FEWEST_DIFFERENT = 4
_MOST_USUAL_PAIRS = WINDOW - 1 - 5  # five pairs at least that no word has; random base62 has 8 of 11, English 2
_FEWEST_IN_WINDOW = 4  # different letters; random base62 has 11 of 12, hexadecimal digits 8 or 9
_MOST_AGAIN = 4  # times that a window comes in its value
_FEWEST_CHANGES = 5  # of class (upper, lower, digit, other) within a window: `MyServiceName` has four
_CLASSES = bytes(
    0 if 65 <= byte <= 90 else 1 if 97 <= byte <= 122 else 2 if 48 <= byte <= 57 else 3 for byte in range(256)
)

_WORD = re.compile(rb"[a-z]+|[A-Z]+|[A-Z][a-z]+")
_HEX = re.compile(rb"(?=[a-fA-F-]*[0-9])(?=[0-9-]*[a-fA-F])(?:[0-9a-f-]+|[0-9A-F-]+)")
_NUMBER = re.compile(rb"[0-9][0-9.,:_-]*")
# Words of eight letters and more that stand as values in configuration files; shorter words are never matched.
_COMMON = frozenset(
    b"administrator anonymous application authorization basic-auth changeme changeit clipboard community company "
    b"configuration console container credential credentials customer database debugging default defaults "
    b"deployment developer development disabled document documents e2e-test elasticsearch enabled endpoint engineer "
    b"enterprise environment europe-west1 example example.com experimental external fallback foundation frontend "
    b"function hostname host.docker.internal http-only immutable information integration internal interface kubernetes "
    b"language latest-stable localhost location loopback management memcached metadata middleware migration monitoring "
    b"multipart northcentral notfound optional organisation organization passphrase password password1 passw0rd "
    b"permission persistent personal placeholder platform please-change-me postgres postgresql preproduction preview "
    b"primary private processing production project provider publisher qwertyuiop rabbitmq readonly read-only "
    b"read-write readwrite redirect register regression release repository required resource response root-user "
    b"sandbox scheduled secondary security selenium semantic sequential serverless service services settings "
    b"something sqlserver staging standalone standard subscription superuser supersecret temporary template testing "
    b"timestamp timezone translation unlimited undefined universal us-east-1 us-west-2 eu-west-1 eu-central-1 username "
    b"verbose-mode versioned warning whatever wordpress workspace yesterday your-api-key your_api_key".split()
)
# Pairs of letters that are usual in English and in identifiers. Of two random letters two thirds are another pair.
_USUAL_PAIRS = (
    b"th he in er an re nd at on nt ha es st en ed to it ou ea hi is or ti as te et ng of al de se le sa si ar ve ra "
    b"ld ur ro io ic ce li ne co me ma el us la ch ll ri ta om ho no ot be ns ec il pe ca di ct wh fo ai id ac tr so "
    b"ut em ge un mo ie ly ry da wi op sp rs pr po ol ow ad su ss ee ts tu am mp pl ke ev ay ag lo ig gh ht ir wa ni "
    b"na ab bl ck ki ey ci if fi ff ef fe ul ue ui um bu ub do od ov vi iv av va go og ga gr gi os oo oa ob im ks ex "
    b"xt xp lt mb ws vo rm rt rd rv rk pa ap ep ip up pi pu cr cl cu sc sh sk sl sw sy ys ty tt my by ye dr fr fu nc "
    b"ny nk nf ls lf rn rc rr rl ru rg dd dm pp mi mm nn ft wn we ew kn au aw bo ba br bi gu gs gn lu ph qu sq sm sn "
    b"tl tw uc ud ug vs ze za iz az"
).split()
_FOLDED = bytes(  # letters to lower case, digits to `0`, all else to `.`
    byte | 32 if chr(byte).isalpha() and byte < 128 else 48 if 48 <= byte <= 57 else 46 for byte in range(256)
)
_USUAL = frozenset(
    (pair[0], pair[1])
    for pair in (
        *(*_USUAL_PAIRS, b"00", b"0.", b".0", b".."),
        *(pair for letter in range(97, 123) for pair in (b".%c" % letter, b"%c." % letter)),
    )
)

# What an issuer or a format puts before the random part.
_ISSUED_PREFIX = re.compile(
    rb"(?:AKIA|ASIA|AIza|ya29\.|EAACEdEose0cBA|dapi|shpat_|hf_|SG\.|"
    rb"(?:(?:[a-z]{1,12}|[A-Z]{1,12}|[A-Z][a-z]{1,11})[0-9]{0,3}[-_.:/]+){1,4})"
)
_WITH_PASSWORD = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://[^/@:\s]*:(?P<secret>[^@\s]+)@")
_SIGNED_TOKEN = re.compile(rb".*?eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.(?P<secret>[A-Za-z0-9_-]+)\Z")
_SEALED_TOKEN = re.compile(rb".*?eyJ[A-Za-z0-9_-]+\.(?P<secret>(?:[A-Za-z0-9_-]*\.){3}[A-Za-z0-9_-]+)\Z")


def why_unmatched(value: bytes) -> str:
    """Give the reason why `value` must not be searched for, `""` if it may be."""
    if len(value) < SHORTEST or b"\0" in value:
        return "binary" if b"\0" in value else f"shorter than {SHORTEST} characters"
    if _NUMBER.fullmatch(value) and len(value) < _SHORTEST_NUMBER:
        return f"a number of fewer than {_SHORTEST_NUMBER} digits"
    if _WORD.fullmatch(value) and len(value) < _SHORTEST_WORD:
        return "a single short word"
    if value.lower() in _COMMON:
        return "a common word"
    if len(set(value)) < _FEWEST_DIFFERENT:
        return "the same few characters over and over"
    return ""


def secret_part(value: bytes) -> tuple[int, int]:
    """Where in `value` the part stands that is not the same in other values of its kind."""
    for shape in (_WITH_PASSWORD, _SIGNED_TOKEN, _SEALED_TOKEN):
        match = shape.match(value)
        if match:
            return match.span("secret")
    prefix = _ISSUED_PREFIX.match(value)
    return (prefix.end() if prefix else 0), len(value)


class Windows(NamedTuple):
    """Spans of WINDOW bytes by which a part of a value is recognised; both empty if no part identifies it.

    `edges`: the first and the last such span, and between them one at least every EDGE_SPACING bytes. `inner`: those
    in the middle of each stretch of INNER_SPACING bytes; `spare`: some others, should none of them do.
    """

    edges: tuple[tuple[int, int], ...] = ()
    inner: tuple[tuple[int, int], ...] = ()
    spare: tuple[tuple[int, int], ...] = ()


def windows(value: bytes) -> Windows:
    """Choose the windows of `value`: random ones only, behind what its issuer puts before every value."""
    if len(value) < _TRIMMABLE:
        return Windows()
    start, end = secret_part(value)
    random = _telling(value, _random_places(value, start, end))
    own = own_parts(value)
    if own is not None:
        random = [place for place in random if any(first <= place <= last - WINDOW for first, last in own)]
    if not random:
        return Windows()
    edges = [random[0]]
    spacing = EDGE_SPACING if len(value) <= _LONG else _LONG_SPACING
    for place, following in pairwise(random):
        if following - edges[-1] > spacing:
            edges.append(place)
    edges.append(random[-1])
    stretches = -(-len(value) // INNER_SPACING)
    centres = [len(value) * (2 * at + 1) // (2 * stretches) - WINDOW // 2 for at in range(stretches)]
    middles = [random[min(bisect_left(random, centre), len(random) - 1)] for centre in centres]
    spare = [place for place in random[:: max(1, len(random) // _SPARE)] if place not in middles]
    return Windows(_spans(edges), _spans(middles), _spans(spare))


def _telling(value: bytes, places: list[int]) -> list[int]:
    """Leave out windows of a few letters only, and those that come again and again: padding, and what is periodic.

    They would be found in all that is padded alike; and a search would look around each of their many places.
    """
    seen = Counter([value[at : at + WINDOW] for at in places])
    telling = {text for text, times in seen.items() if times <= _MOST_AGAIN and len(set(text)) >= _FEWEST_IN_WINDOW}
    return places if len(telling) == len(seen) else [at for at in places if value[at : at + WINDOW] in telling]


def _spans(places: list[int]) -> tuple[tuple[int, int], ...]:
    return tuple([(place, place + WINDOW) for place in dict.fromkeys(places)])


def _random_places(value: bytes, start: int, end: int) -> list[int]:
    """Where a window begins that no words and numbers make: by its pairs of neighbours, or by its changes of case."""
    if _HEX.fullmatch(value, start, end):  # six letters only, but no words
        return list(range(start, end - WINDOW + 1))
    places = range(start, end - WINDOW + 1)
    usual = _in_windows(map(_USUAL.__contains__, pairwise(value.translate(_FOLDED))))
    if max(usual) <= _MOST_USUAL_PAIRS:
        return list(places)  # as almost always of a random key, for which the changes need not be counted
    classes = value.translate(_CLASSES)
    changes = _in_windows(map(ne, classes, classes[1:]))
    return [at for at in places if usual[at] <= _MOST_USUAL_PAIRS or changes[at] >= _FEWEST_CHANGES]


def _in_windows(pairs: Iterable[bool]) -> list[int]:
    """Count the pairs within each window for which it is true."""
    before = list(accumulate(pairs, initial=0))
    return list(map(sub, before[WINDOW - 1 :], before))
