"""What looks like a secret and is none: placeholders, examples, hashes, identifiers, code.

Two strengths. `is_example` holds for every rule, issuer-shaped tokens too: documentation keys are not worth a mask.
`is_plain` is for values that only their key's name makes suspicious, where most of a code base would match.
"""

import math
import re
from collections import Counter

_EXAMPLE = re.compile(
    rb"(?i)x{4,}|\*{3,}|\.{3}|#{4,}|_{5,}|-{6,}|0{10,}|a{8,}|1{10,}|(?:12345678|abcdefgh|123123){2}|example|change[_-]?me"
    rb"|redacted|^masked-|placeholder|dummy|replace[_-]?(?:me|with|this)|(?:your|my|insert|enter|put)[_-](?:[a-z]{2,12}[_-]){0,3}"
    rb"(?:key|token|secret|password|api|app|id|value|access|client|account)|(?:key|token|secret|password)[_-]here"
    rb"|^<.{0,64}>$|\$\{|\{\{|^%\(?\w{1,40}\)?s?%?$|<%|^\$\(|\xe2\x80\xa6|^not[_-]?(?:a[_-])?real"
)
_TEMPLATE = re.compile(
    rb"""(?x)
    ^[$%@{<\[(]                                    # $VAR, ${VAR}, %VAR%, @var, {{ x }}, <token>, [PASSWORD], (x)
    | [})>\]*]$ | ^\*                              # -} and *GLOB*
    | \{[\w.$ ]{0,60}\}                            # f"-{name}-"
    | \$[A-Za-z_(]\w{0,60}                         # -$NAME-
    | %[sdr](?:$|\W) | %\(\w{1,40}\)s
    | \#\{
    """
)
_CODE = re.compile(
    rb"""(?x)
    ^[A-Za-z_]\w{0,24} (?: (?:\.|->|::) [A-Za-z_]\w{0,24} )+ (?:\(.{0,80})? [;,]?$   # os.environ, self.token, a::b
    | ^[A-Za-z_]\w{0,40}=(?:None|True|False|[a-z_]*\d{0,2}$) # keyword=default
    | [A-Za-z_)\]] \(                              # call(
    | \w\[ | \]\.                                  # index
    | ^(?:process|os|env|self|this|config|settings|request|req|ctx|args|options|opts|params|secrets|vars|var|local
         |data|module|props|state|context|event|input|output|github|steps|inputs|Settings|System)\.
    | ^(?:function|lambda|return|async|await|import|from|class|def|const|let|var|new|None|null|undefined|nil)\b
    """
)
_PATH = re.compile(
    rb"^(?:~|\.{1,2})?/[\w./@-]{2,}$|^[A-Za-z]:\\|^\w[\w-]*(?:/[\w.-]+){2,}$|^\.\w+$|\.(?:json|ya?ml|toml|txt|pem|key|crt"
    rb"|py|js|ts|go|rs|rb|java|php|html?|css|md|xml|conf|cfg|ini|sh|png|jpe?g|svg|gif|ico|env|log|lock|so)$"
)
_UUID = re.compile(rb"(?i)^\{?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\}?$")
_HASH = re.compile(
    rb"(?i)^(?:sha(?:1|224|256|384|512)|md5|blake2b|h1)[-:=][A-Za-z0-9+/=_-]{20,}$|^\$2[aby]\$|^pbkdf2|^\{SSHA\}"
)
# DER of public keys (SubjectPublicKeyInfo) in base64, and the wire form of SSH's.
_PUBLIC = re.compile(
    rb"^(?:MFkwEwYHKoZIzj|MHYwEAYHKoZIzj|MII[BC]IjANBgkqhki|MIGfMA0GCSq|MCowBQYDK2V|AAAA[BCE][23]N|AAAAE2VjZHNh)"
    rb"|^(?:ssh|ecdsa)-[a-z0-9-]+$"
)
_DATE = re.compile(rb"^\d{4}-\d{2}-\d{2}|^\d{1,2}:\d{2}:\d{2}|^v?\d+(?:\.\d+){1,12}(?:[-+][\w.]+)?$")
_NUMBER = re.compile(rb"^[-+]?(?:0x[0-9a-fA-F]{1,8}|\d{1,9}(?:\.\d*)?)[a-zA-Z%]{0,4}$")
_URL = re.compile(
    rb"^[a-z][a-z0-9+.-]{1,15}://|^www\.|^(?:[a-z0-9-]+\.)+(?:com|org|net|io|dev|example|local|internal)\b"
)
_DIGIT = re.compile(rb"[0-9]")
_LETTER = re.compile(rb"[A-Za-z]")
_PIECE = re.compile(rb"[A-Z]?[a-z]+|[A-Z]+")
_SPELLABLE = re.compile(rb"(?i)^(?![^aeiouy]{4})(?!.*[^aeiouy]{5})(?=.*[aeiouy]).{3,}$")
_IDENTIFIER = re.compile(rb"^[A-Za-z_$][A-Za-z_]*[0-9]{0,3}$")
_STOCK = re.compile(
    rb"(?i)^(?:pass(?:w(?:or)?d)?|pwd|pw|secret|user(?:name)?|admin|root|test(?:ing)?|guest|demo|foo|bar|baz|qux|token|key"
    rb"|postgres(?:ql)?|mysql|mongo(?:db)?|redis|rabbitmq|minio(?:admin)?|my-?(?:secret-?)?pass(?:word)?|x-oauth-basic"
    rb"|changeit|default|none|null|true|false|empty|unset|hidden|prompt|required|optional|string|letmein|p|pw|me|abc|xyz"
    rb"|utf-?8|latin-?1|ascii|urllib|base64|sha|md5|db[_-]?pass(?:word)?|some[_-]?pass(?:word)?|api[_-]?key|api[_-]?token|auth|bearer|basic)[0-9]{0,3}[!?]?$"
)
_RUNS = (b"0123456789", b"1234567890abcdef", b"abcdefghijklmnopqrstuvwxyz0123456789", b"qwertyuiop", b"9876543210")
_SEQUENCES = tuple(run * 4 for run in _RUNS)
_WORDY_DIGITS = 6  # words carry fewer than one digit in six; random lower case and digits more than one in four
_LEAST_DIGITS = 2  # a generated key without capitals has more; a name with a version has one
_SHORTEST_SEQUENCE = 10
_LONGEST_EXAMPLE = 256  # what is longer was not typed
_RUN_OF_ONE = re.compile(rb"(.)\1{5,}")
_HEX = re.compile(rb"^(?:[0-9a-f]+|[0-9A-F]+)$")


def entropy(value: bytes) -> float:
    """Shannon entropy in bits per byte; 0.0 for an empty value."""
    size = len(value)
    return -sum(n / size * math.log2(n / size) for n in Counter(value).values()) if size else 0.0


def is_example(value: bytes) -> bool:
    """Tell a placeholder of documentation: `xxxx`, `<token>`, `${VAR}`, `your-api-key`, `AKIA…EXAMPLE`, `000000`."""
    return len(value) <= _LONGEST_EXAMPLE and (bool(_EXAMPLE.search(value)) or _is_monotone(value))


def is_plain(value: bytes) -> bool:
    """Tell a value that only its key made suspicious and that is no secret: code, paths, ids, versions, addresses."""
    return bool(
        is_template(value)
        or _CODE.search(value)
        or _PATH.search(value)
        or _HASH.match(value)
        or _DATE.match(value)
        or _NUMBER.match(value)
        or _URL.match(value)
        or _PUBLIC.match(value)
        or is_uuid(value)
    )


def is_template(value: bytes) -> bool:
    """Tell text that something else is put into: `${NAME}`, `{{ name }}`, `%s`, `<name>`."""
    return bool(_TEMPLATE.search(value))


def is_uuid(value: bytes) -> bool:
    """Tell a UUID, in braces or without."""
    return bool(_UUID.match(value))


def is_identifier(value: bytes) -> bool:
    """Tell a name of source code: `userToken2`, `SOME_CONSTANT`, `snake_case_name`."""
    return bool(_IDENTIFIER.match(value))


def is_wordy(value: bytes) -> bool:
    """Tell text made of words: most letters stand in pieces (camel case, separators) that can be spelled."""
    pieces = _PIECE.findall(value)
    letters = sum(map(len, pieces))
    spelled = sum(len(piece) for piece in pieces if _SPELLABLE.match(piece))
    return spelled >= 0.75 * letters and _digits(value) * _WORDY_DIGITS <= len(value)


def is_stock_password(value: bytes) -> bool:
    """Tell the passwords of every example: `password`, `admin123`, `postgres`."""
    return bool(_STOCK.match(value)) or is_example(value)


def is_random(value: bytes) -> bool:
    """Tell text that no one types or reads: letters and digits mixed, near the highest entropy of its length."""
    size = len(value)
    bound = 0.80 * math.log2(min(size, 16 if _HEX.match(value) else 64)) if size > 1 else 1.0
    return has_letter_and_digit(value) and entropy(value) >= bound


def has_letter_and_digit(value: bytes) -> bool:
    """Tell whether a letter and a digit stand in `value`."""
    return bool(_DIGIT.search(value) and _LETTER.search(value))


def can_be_password(value: bytes) -> bool:
    """Tell whether `value` may be a password that someone chose: no words alone, no code, no stock password."""
    if is_stock_password(value) or is_plain(value) or _only_letters_and_marks(value):
        return False
    return len(set(value)) >= 4 and entropy(value) >= 2.3


def can_be_secret(value: bytes) -> bool:
    """Tell whether `value` may be a generated key: letters and digits, or long and of mixed case without words."""
    if is_stock_password(value) or is_plain(value) or is_wordy(value):
        return False
    if not has_letter_and_digit(value):
        return len(value) >= 20 and entropy(value) >= 4.0 and not is_identifier(value) and value.isalnum()
    if value.islower() and _digits(value) < _LEAST_DIGITS:
        return False
    return entropy(value) >= (3.0 if len(value) >= 12 else 2.7)


def is_hex_digest(value: bytes) -> bool:
    """Tell a bare digest or git object id by its length: MD5, SHA-1, SHA-224, SHA-256, SHA-384, SHA-512."""
    return len(value) in {32, 40, 56, 64, 96, 128} and bool(_HEX.match(value))


def _digits(value: bytes) -> int:
    return len(value) - len(value.translate(None, b"0123456789"))


def _only_letters_and_marks(value: bytes) -> bool:
    return bool(re.fullmatch(rb"[A-Za-z]+(?:[ _./:-]+[A-Za-z]+)*[:;,.!?*]*", value))


def _is_monotone(value: bytes) -> bool:
    """Tell a value of which a third is one character or one sequence, as `00000` and `abcde` are."""
    third = max(6, len(value) // 3)
    run = _RUN_OF_ONE.search(value)
    if run and run.end() - run.start() >= third:
        return True
    return _longest_sequence(value.lower()) >= max(third, _SHORTEST_SEQUENCE)


def _longest_sequence(value: bytes) -> int:
    """Length of the longest sequence in `value`; each one of five or more covers an offset that is tried."""
    longest = 0
    for at in range(0, len(value) - 4, 2):
        start = value[at : at + 4]
        for sequence in _SEQUENCES:
            if start in sequence:
                size = 4
                while at + size < len(value) and value[at : at + size + 1] in sequence:
                    size += 1
                longest = max(longest, size + (at > 0 and value[at - 1 : at + size] in sequence))
    return longest
