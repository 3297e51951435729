"""What is found by its shape and believed only after a check: addresses of people and machines, numbers of accounts.

Each shape has a trigger for the database, which says "something ends about here", and a pattern that fixes the span on
a window around. Sources: e-mail RFC 5321; private ranges RFC 1918, 4193, 6598; telephone ITU-T E.164; IBAN ISO 13616
with ISO 7064 mod 97-10; cards ISO/IEC 7812 with Luhn's check digit.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

_WINDOW = 320  # the longest e-mail address, RFC 5321 section 4.5.3.1
_LETTERS_AND_DIGITS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_ALPHANUMERIC = frozenset(_LETTERS_AND_DIGITS)
_DIGITS = frozenset(b"0123456789")
_CONTROL = frozenset(b"nrtbfv")

Check = Callable[[bytes, int, int], int]
"""`check(data, start, end)` gives where the finding ends, or -1 where there is none."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One shape: `trigger` for Hyperscan; `pattern`, whose match `check` judges and may shorten.

    A match holds no other bytes than `alphabet` up to the place where the trigger fires.
    """

    trigger: bytes
    alphabet: bytes
    pattern: re.Pattern[bytes]
    check: Check

    def spans(self, data: bytes, end: int) -> Iterator[tuple[int, int]]:
        """Give the spans that cover the offset `end`, where the trigger fired."""
        before = data[max(0, end - _WINDOW) : end]
        at, high = end - len(before) + len(before.rstrip(self.alphabet)), min(len(data), end + _WINDOW)
        while (found := self.pattern.search(data, at, high)) and found.start() < end:
            start = _past_escape(data, found.start())
            stop = self.check(data, start, found.end())
            if stop >= end:
                yield start, stop
            at = max(stop, found.start() + 1)


def shape(name: str, hosts: Sequence[str] = ()) -> Shape:
    """Give the shape called `name` (one of `SHAPES`); `hosts` are names of hosts and domains that are internal too."""
    if name == "internal-host":
        return _hosts(hosts)
    return _FIXED[name]


def _cuts(data: bytes, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Give the digits up to `end`, then up to each gap before it: another number may follow (`4111 … 12/26`)."""
    for stop in range(end, start, -1):
        if (stop == end or data[stop] not in _DIGITS) and data[stop - 1] in _DIGITS:
            yield stop, bytes(byte for byte in data[start:stop] if byte in _DIGITS)


def _past_escape(data: bytes, start: int) -> int:
    r"""Leave the letter of an escape sequence (`\n`) before the span: it is no part of it."""
    return start + 1 if start and data[start - 1] == 0x5C and data[start] in _CONTROL else start


def _stands_alone(data: bytes, start: int, end: int) -> bool:
    """Tell that neither a letter nor a digit touches the span, but for the tail of an escape sequence."""
    before = start and data[start - 1] in _ALPHANUMERIC
    escaped = start > 1 and data[start - 2] == 0x5C and data[start - 1] in _CONTROL
    behind = end < len(data) and data[end] in _ALPHANUMERIC
    return not behind and (not before or bool(escaped))


# E-mail. What ends like a file is none (`logo@2x.png`), nor is the user of a protocol (`git@host:path`).

_NOT_DOMAINS = frozenset(
    b"avif bmp css cjs csv gif go gz htm html ico ini jpeg jpg js json jsx lock log map md mjs mp3 mp4 otf pdf php png"
    b" py rb rs sh shape so sql svg tgz tif toml ts tsx ttf txt vue webp woff xml yaml yml zip".split()
)
_NOBODY = frozenset((b"git", b"hg", b"svn", b"noreply", b"no-reply", b"donotreply"))


def _email(data: bytes, start: int, end: int) -> int:
    local, _, domain = data[start:end].partition(b"@")
    if local.lower() in _NOBODY or domain.rpartition(b".")[2].lower() in _NOT_DOMAINS:
        return -1
    return end


# Addresses of private networks; the networks' own names (`10.0.0.0`) say nothing.

_NETWORKS = frozenset((b"10.0.0.0", b"172.16.0.0", b"192.168.0.0", b"192.168.1.0", b"100.64.0.0"))


def _private_ip(data: bytes, start: int, end: int) -> int:
    text = data[start:end]
    if b":" in text:
        return _private_ip6(data, start, end)
    numbers = [int(part) for part in text.split(b".")]
    if text in _NETWORKS or max(numbers) > 255 or any(part[:1] == b"0" != part for part in text.split(b".")):
        return -1
    return end if _is_whole_address(data, start, end) else -1


def _is_whole_address(data: bytes, start: int, end: int) -> bool:
    is_longer = data[max(0, start - 1) : start] in (b".", b"-") or re.match(
        rb"\.[0-9]|-[A-Za-z0-9]", data[end : end + 2]
    )
    return _stands_alone(data, start, end) and not is_longer


def _private_ip6(data: bytes, start: int, end: int) -> int:
    import ipaddress  # noqa: PLC0415 (8 ms, for the first such address)

    text = data[start:end].rstrip(b":.") if not data[start:end].endswith(b"::") else data[start:end]
    try:
        address = ipaddress.IPv6Address(text.decode("ascii"))
    except ValueError:
        return -1
    if data[start - 1 : start] == b":":
        return -1
    is_name = not int(address) & ((1 << 112) - 1)  # of a network: nothing behind its first 16 bits
    return start + len(text) if _stands_alone(data, start, start + len(text)) and not is_name else -1


# Telephone numbers in international form: a country's code that is assigned, and as many digits as it may have.

_COUNTRY = re.compile(
    rb"1|7|2[07]|3[0-4]|3[69]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]"
    rb"|2[1-6]\d|29[01789]|3[578]\d|42[013]|50\d|59\d|67\d|68\d|69[0-2]|80[08]|85[02356]|87[0-8]|88[0-36-8]"
    rb"|96\d|97[0-79]|99[2-68]"
)
_FEWEST_DIGITS, _MOST_DIGITS = 8, 15
_NORTH_AMERICA = re.compile(rb"1[2-9]\d\d[2-9]\d{6}")  # NANP: area and exchange do not begin with 0 or 1
_FRACTION = re.compile(rb"\.[0-9]")
_INVENTED = re.compile(rb"1\d{3}55501\d\d")  # kept for fiction


def _phone(data: bytes, start: int, end: int) -> int:
    before = data[start - 1 : start]
    if before in (b")", b"]", b"+", b"_"):
        return -1  # a sum
    added = data[max(0, start - 2) : start].endswith((b"\n", b"\\n"))  # a line of a diff begins with `+` too
    for stop, digits in _cuts(data, start, end):
        bare = stop - start == len(digits) + 1
        grouped = data[stop - 2] in _DIGITS and not _FRACTION.match(data, stop)  # `+35236450.6` is no number to call
        if _is_phone(digits) and grouped and not (bare and added) and _stands_alone(data, start, stop):
            return stop
    return -1


def _is_phone(digits: bytes) -> bool:
    if not _COUNTRY.match(digits) or not _FEWEST_DIGITS <= len(digits) <= _MOST_DIGITS or len(set(digits)) < 3:
        return False
    return digits[:1] != b"1" or bool(_NORTH_AMERICA.fullmatch(digits) and not _INVENTED.fullmatch(digits))


# Account and card numbers: a length, an issuer, and a check digit that a random number seldom has.

_IBAN_SIZES = {
    code[:2]: int(code[2:])
    for code in (
        b"AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18"
        b" DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23"
        b" IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27"
        b" MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19"
        b" SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30"
    ).split()
}
_ISSUERS = re.compile(
    rb"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]\d{2}|222[1-9]|22[3-9]\d|2[3-6]\d{2}|27[01]\d|2720)\d{12}|3[47]\d{13}"
    rb"|(?:6011|64[4-9]\d|65\d{2})\d{12,15}|35(?:2[89]|[3-8]\d)\d{12,15}|3(?:0[0-5]|[689]\d)\d{11}|62\d{14,17}"
)
_GROUPS = re.compile(rb"\d+|(?:\d{4}([ -]))(?:\d{4}\1){2,3}\d{1,4}|\d{4}([ -])\d{6}\2\d{4,5}")


def _iban(data: bytes, start: int, end: int) -> int:
    size = _IBAN_SIZES.get(data[start : start + 2], 0)
    characters = bytearray()
    at = start
    while at < end and len(characters) < size:
        if data[at] != 0x20:
            characters.append(data[at])
        at += 1
    if not size or len(characters) < size or not _stands_alone(data, start, at):
        return -1
    number = "".join(str(int(chr(character), 36)) for character in characters[4:] + characters[:4])
    return at if int(number) % 97 == 1 else -1


def _card(data: bytes, start: int, end: int) -> int:
    fraction = data[max(0, start - 2) : start]
    if fraction[1:] == b"." and fraction[:1].isdigit():
        return -1
    for stop, digits in _cuts(data, start, end):
        if _is_card(digits) and _GROUPS.fullmatch(data, start, stop) and _stands_alone(data, start, stop):
            return stop
    return -1


def _is_card(digits: bytes) -> bool:
    return bool(_ISSUERS.fullmatch(digits)) and _luhn(digits)


def _luhn(digits: bytes) -> bool:
    doubled = (sum(divmod(2 * (digit - 0x30), 10)) for digit in digits[-2::-2])
    return (sum(digit - 0x30 for digit in digits[-1::-2]) + sum(doubled)) % 10 == 0


# Hosts of private domains. `local` and `internal` are words of source code too (`threading.local`, `app.internal`):
# there something must say that a machine is meant.

_LABEL = rb"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_SUFFIXES = rb"internal|corp|local|lan|intra"
_WORDS = (b"local", b"internal")
_MEANT_BEFORE = re.compile(
    rb"(?i)(?://|@|(?:host(?:_?name)?|server|ssh|scp|ping|curl|wget|dns|addr(?:ess)?|endpoint|domain|node)"
    rb"[\\\"'` \t]{0,6}[:=]?[\\\"'` \t]{0,6})\Z"
)
_MEANT = re.compile(rb"(?i)[a-z][0-9]|[0-9][a-z]|-|\.cluster\.local\Z")
_PORT = re.compile(rb":[0-9]{2,5}(?![0-9])")
_MEANT_REACH = 32


def _hosts(named: Sequence[str]) -> Shape:
    names = tuple(name.strip(".").lower().encode() for name in named)
    own = b"".join(b"|" + re.escape(name) for name in names)
    machine = rb"(?:" + _LABEL + rb"\.){1,8}(?:" + _SUFFIXES + own + rb")"
    pattern = rb"(?i)(?<![A-Za-z0-9_.-])(?:" + machine + own + rb")(?![A-Za-z0-9_(-]|\.[A-Za-z0-9_])"
    return Shape(
        rb"(?i)[a-z0-9]\.(?:" + _SUFFIXES + rb")" + own,
        _LETTERS_AND_DIGITS + b".-",
        re.compile(pattern),
        lambda data, start, end: _host(data, start, end, names),
    )


def _host(data: bytes, start: int, end: int, named: tuple[bytes, ...]) -> int:
    name = data[start:end].lower()
    if name in named or name.endswith(tuple(b"." + one for one in named)):
        return end
    before = data[max(0, start - _MEANT_REACH) : start]
    if before.endswith(b"/") and not before.endswith(b"//"):
        return -1  # a file
    if name.rpartition(b".")[2] not in _WORDS:
        return end
    return end if _MEANT_BEFORE.search(before) or _MEANT.search(name) or _PORT.match(data, end) else -1


_FIXED = {
    "email": Shape(
        rb"(?i)[a-z0-9_+-]@[a-z0-9.-]+\.[a-z]{2}",
        _LETTERS_AND_DIGITS + b"._%+@-",
        re.compile(
            rb"(?<![A-Za-z0-9._%+-])[A-Za-z0-9](?:[A-Za-z0-9._%+-]{0,62}[A-Za-z0-9_+-])?@(?:" + _LABEL + rb"\.){1,8}"
            rb"[A-Za-z]{2,24}(?![A-Za-z0-9-])"
        ),
        _email,
    ),
    "private-ip": Shape(
        rb"(?:10\.[0-9]{1,3}|172\.[123][0-9]|192\.168|100\.[0-9]{2,3})\.[0-9]{1,3}\.[0-9]|(?i:f[cd][0-9a-f]{2}:[0-9a-f:])",
        b"0123456789abcdefABCDEF.:",
        re.compile(
            rb"(?:10\.\d{1,3}|172\.(?:1[6-9]|2\d|3[01])|192\.168|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7]))\.\d{1,3}\.\d{1,3}"
            rb"|(?i:f[cd][0-9a-f]{2}:[0-9a-f:]{1,40})"
        ),
        _private_ip,
    ),
    "phone": Shape(
        rb"\+[1-9](?:[ ./()-]{0,2}[0-9]){6}",
        b"+0123456789 ./()-",
        re.compile(rb"\+[1-9](?:[ ./()-]{0,2}[0-9]){6,15}(?![0-9])"),
        _phone,
    ),
    "iban": Shape(
        rb"[A-Z]{2}[0-9]{2} ?[A-Z0-9]{4} ?[A-Z0-9]{4}",
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ",
        re.compile(rb"[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}"),
        _iban,
    ),
    "card": Shape(
        rb"(?:^|[^0-9])[2-6](?:[ -]?[0-9]){12}",  # once for a run of digits
        b"0123456789 -",
        re.compile(rb"(?<![0-9])[0-9](?:[ -]?[0-9]){12,18}(?![0-9])"),
        _card,
    ),
}
SHAPES = (*_FIXED, "internal-host")
"""The shapes there are, by name."""
