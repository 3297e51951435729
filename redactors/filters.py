"""What looks like a secret and is none: placeholders, examples, hashes, identifiers, code.

Two strengths. `is_example` holds for every rule, issuer-shaped tokens too: documentation keys are not worth a mask.
`is_plain` is for values that only their key's name makes suspicious, where most of a code base would match.

A file of credentials holds hundreds of values that are random and pass every filter: each filter first asks, cheaply,
whether the value has what its expression needs.
"""

import math
import re
from itertools import pairwise

from redactors.ondemand import OnDemand
from redactors.published import is_published
from redactors.spelling import is_unspellable

# In small letters; without anchors, so that `re` skips to the bytes that one of these can begin with.
_EXAMPLE = OnDemand(
    rb"x{4,}|\*{3,}|\.{3}|#{4,}|(?<![a-z0-9])_{5,}|_{5,}(?![a-z0-9])|-{6,}"
    rb"|example|change[_-]?me|redacted|placeholder|dummy"
    rb"|replace[_-]?(?:me|with|this)|(?:your|my|insert|enter|put)[_-](?:[a-z]{2,12}[_-]){0,3}"
    rb"(?:key|token|secret|password|api|app|id|value|access|client|account)|(?:key|token|secret|password)[_-]here"
    rb"|\$\{|\{\{|<%|\xe2\x80\xa6"
)
# What of it has no mark in it: values of letters and digits alone need nothing else, and few bytes begin one of these.
_EXAMPLE_WORD = OnDemand(rb"xxxx|example|changeme|redacted|placeholder|dummy|replace(?:me|with|this)")
_WHOLE_EXAMPLE = OnDemand(
    rb"<.{0,64}>$|%\(?\w{1,40}\)?s?%?$|\$\(|not[_-]?(?:a[_-])?real"
    # A placeholder of ours, in any case, and no secret glued to it: its words are words, its tag has eight characters.
    rb"|masked-(?:[a-z]{1,16}[0-9]{0,2}-){1,6}[0-9a-hjkmnp-tv-z]{8}$"
)
# So many words are no placeholder, though one of them be `example`, as it is in the list of BIP 39.
_PHRASE = OnDemand(rb"[A-Za-z]{3,8}(?:[^A-Za-z]{1,24}[A-Za-z]{3,8}){11}")
_TEMPLATE = OnDemand(
    rb"""(?x)
    ^[$%@{<\[(]                                    # $VAR, ${VAR}, %VAR%, @var, {{ x }}, <token>, [PASSWORD], (x)
    | [})>\]]$ | ^\*                               # -} and *GLOB*
    | \{[\w.$ ]{0,60}\}                            # f"-{name}-"
    | \$(?:\(|[A-Z][A-Z0-9_]+(?![A-Za-z0-9])       # -$(command)-, -$NAME-, -$someName-; not `$n8aB` of a password
         |_?[a-z]{2,}(?:[A-Z][a-z]+|_[a-z]+)*(?![A-Za-z0-9]))
    | %[sdr](?:$|\W) | %\(\w{1,40}\)s
    | \#\{
    """
)
_TEMPLATE_MARKS = frozenset(b"$%@{<[(})>]*#")
_CODE = OnDemand(
    rb"""(?x)
    ^[A-Za-z_]\w{0,24} (?: (?:\.|->|::) [A-Za-z_]\w{0,24} )+ (?:\(.{0,80})? [;,:]?$   # os.environ, self.token, a::b
    | ^[A-Za-z_]\w{0,24} (?: \. [A-Za-z_]\w{0,24} )+ [-+*/] \d{1,6}$                 # math.MaxInt32-16
    | ^[A-Za-z_]\w{0,40}=(?:None|True|False|[a-z_]*\d{0,2}$) # keyword=default
    | ^[a-z][A-Za-z_]{1,30}\d{0,2}[A-Za-z_]{0,30}=(?:(?:[a-z_]\w{0,24}\.){1,4}|_)[A-Za-z_]{2,40}\d{0,3}[A-Za-z_]{0,40}$
                                                   # asn1Spec=_PKCS8_SPEC, version=ssl.PROTOCOL_SSLv23
    | ^[a-z]{2}(?:-[a-z]{2,9}){1,3}-\d:\d{11,12}:  # region and account of an ARN
    | [A-Za-z_)\]] \(                              # call(
    | \w\[ | \]\.                                  # index
    | ^:[a-z]+(?::[a-z]+)*:                         # :py:data:`name`, a role of documentation
    | ^[x*!]?:\d{1,6}:\d{1,6}:                      # passwd:x:1000:1000:me:/home/me:/bin/bash
    | ^(?:process|os|env|self|this|config|settings|request|req|ctx|args|options|opts|params|secrets|vars|var|local
         |data|module|props|state|context|event|input|output|github|steps|inputs|Settings|System)\.
    | ^(?:function|lambda|return|async|await|import|from|class|def|const|let|var|new|None|null|undefined|nil)\b
    """
)
_PATH = OnDemand(
    rb"^(?:~|\.{1,2})?/[\w./@-]{2,}$|^[A-Za-z]:\\|^\w[\w-]*(?:/[\w.-]+){2,}$|^\.\w+$|\.(?:json|ya?ml|toml|txt|pem|key|crt"
    rb"|tgz|gz|zip|whl|jar|py|js|ts|go|rs|rb|java|php|html?|css|md|xml|conf|cfg|ini|sh|png|jpe?g|svg|gif|ico|env|log"
    rb"|lock|so)$"
)
_UUID = OnDemand(rb"(?i)^\{?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\}?$")
# An issuer's prefix and a UUID that ends too early; a bot token of Telegram with too short or too long a number.
_MISSHAPEN = OnDemand(
    rb"^[a-z_]{0,12}[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{1,11}$|^(?:[0-9]{1,7}|[0-9]{11,20}):A[A-Za-z0-9_-]{30,40}$"
)
_HASH = OnDemand(
    rb"(?i)^(?:sha(?:1|224|256|384|512)|md5|blake2b|h1)[-:=][A-Za-z0-9+/=_-]{20,}$|^\$2[aby]\$|^pbkdf2|^\{SSHA\}"
)
# DER of public keys (SubjectPublicKeyInfo) in base64, and the wire form of SSH's.
_PUBLIC = OnDemand(
    rb"^(?:MFkwEwYHKoZIzj|MHYwEAYHKoZIzj|MII[BC]IjANBgkqhki|MIGfMA0GCSq|MCowBQYDK2V|AAAA[BCE][23]N|AAAAE2VjZHNh)"
    rb"|^(?:ssh|ecdsa)-[a-z0-9-]+$"
    rb"|^pk_(?:live|test)_|^(?:SB-)?Mid-client-"  # what Stripe, its likes and Midtrans make for web pages
    rb"|^eyJ(?:hbGci|0eXAi)[A-Za-z0-9_-]{6,40}$"  # the header of a JWT alone: its algorithm
)
_DATE = OnDemand(rb"^\d{4}-\d{2}-\d{2}|^\d{1,2}:\d{2}:\d{2}|^[A-Za-z]?\d+(?:\.\d+){1,12}(?:[-+][\w.]{1,24})?$")
# `jjwt-jackson-0.11.2`: a package and its version.
_PACKAGE = OnDemand(
    rb"^[a-z][a-z0-9]{0,24}(?:[-_.][a-z][a-z0-9]{0,24}){0,6}[-_@]v?\d{1,4}(?:\.\d{1,5}){1,3}(?:[-.+][a-z0-9.]{1,16})?$"
)
# `worker_01hx5c…`: a kind of object, and a ULID or a UUIDv7 in base32 (TypeID), which begin with the time: `01` until
# 2039. As with a UUID, the key or the kind must say that it is a secret.
_OBJECT = OnDemand(
    rb"^(?!(?:[a-z]{1,12}_)?(?:sk|key|tok|token|sec|secret|pat|pw|pass)_)(?:[a-z]{2,16}_){1,2}"
    rb"01(?:[0-9A-HJKMNP-TV-Z]{24}|[0-9a-hjkmnp-tv-z]{24})$"
)
_NUMBER = OnDemand(
    rb"^[-+]?(?:(?:0x[0-9a-fA-F]{1,8}|\d{1,9}(?:\.\d*)?)[a-zA-Z%]{0,4}|\d{1,20}(?:\.\d{0,20})?[eE][-+]?\d{1,4})$"
)
_URL = OnDemand(
    rb"^(?:[a-z-]{2,20}:){0,2}[a-z][a-z0-9+.-]{1,15}://|^urn:[a-z0-9-]{2,32}:|^//[\w.-]+\.\w|^www\."
    rb"|^(?:[a-z0-9-]+\.)+(?:com|org|net|io|dev|example|local|internal)\b"
)
_LONGEST_ALPHANUMERIC = 16  # among longer ones of letters and digits alone, only public keys and hashes are plain
_GREPPED = OnDemand(rb"[0-9]{1,6}:")
_DIGIT = OnDemand(rb"[0-9]")
_LETTER = OnDemand(rb"[A-Za-z]")
_PIECE = re.compile(rb"[A-Z]?[a-z]+|[A-Z]+")
_SPELLABLE = OnDemand(rb"(?i)^(?![^aeiouy]{4})(?!.*[^aeiouy]{5})(?=.*[aeiouy]).{3,}$")
_IDENTIFIER = OnDemand(rb"^[A-Za-z_$][A-Za-z_]*[0-9]{0,3}$")
# The same with digits in its words: `gss_krb5_rfc1964_keydata`, `PKCS8_PRIV_KEY_INFO`, `Ed25519PublicKey`.
_WORDS_WITH_DIGITS = OnDemand(
    rb"^_{0,2}(?:(?:[A-Za-z]{2,20}[0-9]{0,4}|[0-9]{1,3})(?:[_+]|$)){3,}$|^[A-Z][a-z]{1,12}[0-9]{0,5}(?:[A-Z][a-z]{2,12}){2,}$"
)
# A name of code says at its end what it holds, and in what form: `kXxh3Secrets`, `rsa_2048_key`, `p256PrivateKeyHex`.
_NAMED_SO = OnDemand(
    rb"^[A-Za-z_]\w*(?:[a-z0-9_](?:Secret|Key|Token|Password)|_(?:secret|key|token|password))s?"
    rb"(?:_?(?:[Bb]ytes|[Hh]ex|[Dd]ata|[Ss]tring|[Pp]em|PEM)[0-9]{0,4})?$"  # with a number alone: a person's password
)
_STOCK = OnDemand(
    rb"(?i)^(?:pass(?:w(?:or)?d)?|pwd|pw|secret|user(?:name)?|admin|root|test(?:ing)?|guest|demo|foo|bar|baz|qux|token|key"
    rb"|postgres(?:ql)?|mysql|mongo(?:db)?|redis|rabbitmq|minio(?:admin)?|my[-_]?(?:secret[-_]?)?pass(?:word)?|hunter2|x-oauth-basic"
    rb"|changeit|default|anon(?:ymous|cvs)?|none|null|true|false|empty|unset|hidden|prompt|required|optional|string|letmein|p|pw|me|abc|xyz"
    rb"|utf-?8|latin-?1|ascii|urllib|base64|sha|md5|db[_-]?pass(?:word)?|some[_-]?pass(?:word)?|api[_-]?key|api[_-]?token|auth|bearer|basic)[0-9]{0,3}[!?]?$"
)
_WORDY_DIGITS = 6  # words carry fewer than one digit in six; random lower case and digits more than one in four
_LEAST_DIGITS = 2  # a generated key without capitals has more; a name with a version has one
_DIGITS = b"0123456789"
_MARKS_OF_BASE64 = b"+/=_-"
_KINDS = bytes(  # lower case, upper case, digit, any other
    0x61 if 97 <= byte < 123 else 0x41 if 65 <= byte < 91 else 0x30 if 48 <= byte < 58 else 0x2E for byte in range(256)
)
_ALL_KINDS = 4
_STRONG_KINDS = 3
_QUALIFIED = OnDemand(rb"/|::|\.[a-z]{1,10}$|^[a-z0-9.-]+:[0-9]")
# `cmp2-qat-1208358310`: words or short names, then a number that something counts.
_NUMBERED = OnDemand(rb"[a-z]{2,12}[0-9]{0,2}(?:[-_.][a-z]{2,12}[0-9]{0,2}){1,6}[-_.][0-9]{3,12}$")
# `key_KH1V87o2X2GW`: the id of an object, in the form that many issuers give theirs; a secret has more characters.
_OBJECT_ID = OnDemand(
    rb"(?:acct|app|asst|build|ch|chat|cus|dep|env|event|evt|file|id|inv|job|key|msg|org|pi|price|prod|proj|project|req"
    rb"|run|sub|team|thread|user|usr|ws)_[A-Za-z0-9]{8,14}$"
)
_LETTERS_AND_MARKS = OnDemand(rb"[A-Za-z]+(?:[ _./:-]+[A-Za-z]+)*[:;,.!?*]*$")
LONGEST_TYPED = 256
"""Bytes; what is longer was not typed."""
_LONGEST_STOCK = 32
_LEAST_TYPED = 10  # letters of a password without anything else: of fewer, too many are names
_SHOUTED = (b"EXAMPLE", b"X" * 8)  # in manuals, and in tokens of any length: by chance in one of a billion of 4,096
_CASE_CHANGE = re.compile(rb"(?<=[a-z])[A-Z]|(?<=[A-Z])[a-z]")
_LEAST_LETTERS = 16
_SHORT_WORDS = OnDemand(rb"[A-Z]?[a-z]{2,}(?:[A-Z][a-z]{2,})+$")  # these change case as often as random letters
_NAME_HUMPS = 3  # `someLongName` changes case twice per word; random letters at every second one
_RUN = re.compile(rb"(.)\1{5,}|(..)\2{3,}|(...)\3{2,}")
_PERIODS = (8, 16, 24)  # bits of one, two, three characters: in a match of `_RUN` five bytes in a row, at least,
_SAME = bytes(5)  # equal those so many places before them
_HEX = OnDemand(rb"^(?:[0-9a-f]+|[0-9A-F]+)$")


def entropy(value: bytes) -> float:
    """Shannon entropy in bits per byte; 0.0 for an empty value."""
    size = len(value)
    if not size:
        return 0.0
    several = sum(n * math.log2(n) for n in map(value.count, set(value)) if n > 1)  # one that stands once adds nothing
    return math.log2(size) - several / size


def has_entropy(value: bytes, bound: float) -> bool:
    """Tell whether the entropy of `value` is `bound` or more.

    So many different bytes make at least the entropy of one that has all repeats: mostly that is enough to know.
    """
    size = len(value)
    repeated = size - len(set(value)) + 1
    if size and math.log2(size) - repeated * math.log2(repeated) / size >= bound:
        return True
    return entropy(value) >= bound


def is_example(value: bytes) -> bool:
    """Tell a placeholder of documentation: `xxxx`, `<token>`, `${VAR}`, `your-api-key`, `AKIA…EXAMPLE`, `000000`."""
    if len(value) > LONGEST_TYPED:
        return False
    lower = value.lower()
    if _WHOLE_EXAMPLE.match(lower) or _is_one_character(value) or is_published(value):
        return True
    if value.isalnum():
        return bool(_EXAMPLE_WORD.search(lower))
    return bool(_EXAMPLE.search(lower)) and not _PHRASE.match(value)


def is_plain(value: bytes) -> bool:
    """Tell a value that only its key made suspicious and that is no secret: code, paths, ids, versions, addresses."""
    if value.isalnum() and len(value) > _LONGEST_ALPHANUMERIC:
        return bool(_PUBLIC.match(value) or _HASH.match(value))
    return bool(
        is_template(value)
        or _CODE.search(value)
        or _PATH.search(value)
        or _HASH.match(value)
        or _DATE.match(value)
        or _NUMBER.match(value)
        or _URL.match(value)
        or _PUBLIC.match(value)
        or _MISSHAPEN.match(value)
        or _PACKAGE.match(value)
        or _OBJECT.match(value)
        or is_uuid(value)
    )


def is_dense(value: bytes) -> bool:
    """Tell characters of all kinds in no order, as generators of keys make them: no code looks so."""
    kinds = bytes(value).translate(_KINDS)
    changes = sum(one != other for one, other in pairwise(kinds))
    marks = kinds.count(b".")
    return len(set(kinds)) == _ALL_KINDS and marks * 4 <= len(value) * 3 and changes * 2 >= len(value)


def is_strong(value: bytes) -> bool:
    """Tell three kinds of characters or more, one of them digits, in what is no path, qualified name or words."""
    kinds = set(bytes(value).translate(_KINDS))
    return len(kinds) >= _STRONG_KINDS and 0x30 in kinds and not _QUALIFIED.search(value) and not is_wordy(value)


def is_template(value: bytes) -> bool:
    """Tell text that something else is put into: `${NAME}`, `{{ name }}`, `%s`, `<name>`."""
    return not _TEMPLATE_MARKS.isdisjoint(value) and bool(_TEMPLATE.search(value))


def is_grepped(value: bytes) -> bool:
    """Tell a line of `grep -n` behind a file's name, which is no value: `15:import`."""
    return bool(_GREPPED.match(value))


def is_uuid(value: bytes) -> bool:
    """Tell a UUID, in braces or without."""
    return bool(_UUID.match(value))


def is_identifier(value: bytes) -> bool:
    """Tell a name of source code: `userToken2`, `SOME_CONSTANT`, `snake_case_name`; none has so many capitals."""
    named = _IDENTIFIER.match(value) or _WORDS_WITH_DIGITS.match(value)
    return bool(named) and not _changes_case_often(value)


def is_named_so(value: bytes) -> bool:
    """Tell a name of source code that ends with what it holds, as in `auto secret = kXxh3Secrets`."""
    return bool(_NAMED_SO.match(value)) and not is_unspellable(value)


def is_wordy(value: bytes) -> bool:
    """Tell text made of words: most letters stand in pieces (camel case, separators) that can be spelled."""
    if _digits(value) * _WORDY_DIGITS > len(value):
        return False
    pieces = _PIECE.findall(value)
    letters = sum(map(len, pieces))
    spelled = sum(len(piece) for piece in pieces if len(piece) > 2 and _SPELLABLE.match(piece))
    return spelled >= 0.75 * letters and not is_unspellable(value)


def is_stock_password(value: bytes) -> bool:
    """Tell the passwords of every example: `password`, `admin123`, `postgres`, `xxxx`."""
    return is_stock(value) or is_example(value)


def is_stock(value: bytes) -> bool:
    """Tell the same of what is known to be no example."""
    return len(value) <= _LONGEST_STOCK and bool(_STOCK.match(value))


def is_numbered(value: bytes) -> bool:
    """Tell two digits or more at the end, as in `admin123`: of the words of every example these open real doors."""
    return value[-2:].isdigit()


def is_random(value: bytes) -> bool:
    """Tell text that no one types or reads: letters and digits mixed, near the highest entropy of its length."""
    size = len(value)
    bound = 0.80 * math.log2(min(size, _alphabet(value))) if size > 1 else 1.0
    return (has_letter_and_digit(value) or is_unspellable(value)) and has_entropy(value, bound)


def _alphabet(value: bytes) -> int:
    """Give how many characters a generator of such values has to draw from: hexadecimal, of one case, of both."""
    if is_hex(value):
        return 16
    return 36 if value.islower() or value.isupper() else 64


def has_letter_and_digit(value: bytes) -> bool:
    """Tell whether a letter and a digit stand in `value`."""
    return bool(_DIGIT.search(value) and _LETTER.search(value))


def is_mixed(value: bytes) -> bool:
    """Tell letters mixed with digits, or capitals with small letters more often than a name does."""
    return has_letter_and_digit(value) or _changes_case_often(value)


def _changes_case_often(value: bytes) -> bool:
    if len(value) < _LEAST_LETTERS or _SHORT_WORDS.match(value):
        return False
    return len(_CASE_CHANGE.findall(value)) * _NAME_HUMPS >= len(value)


def can_be_password(value: bytes) -> bool:
    """Tell whether `value`, no example, may be a password that someone chose: no words, no code, no stock password."""
    if (is_stock(value) and not is_numbered(value)) or is_plain(value):
        return False
    if _only_letters_and_marks(value) and not _changes_case_often(value):
        return _LEAST_TYPED <= len(value) <= _LONGEST_STOCK and value.isalpha() and is_unspellable(value)
    return is_varied(value)


def is_varied(value: bytes) -> bool:
    """Tell whether `value` has as many different characters as a password must have."""
    return len(set(value)) >= 4 and has_entropy(value, 2.3)


def can_be_secret(value: bytes) -> bool:
    """Tell whether `value`, no example, may be a generated key: letters and digits, or long, both cases, no words."""
    if is_stock(value) or is_plain(value) or is_wordy(value) or any(mark in value for mark in _SHOUTED):
        return False
    if _NUMBERED.match(value) or _OBJECT_ID.match(value):
        return False
    if not has_letter_and_digit(value):
        return len(value) >= _LEAST_LETTERS and has_entropy(value, 3.5) and _is_drawn(value)
    if value.islower() and _digits(value) < _LEAST_DIGITS:
        return False
    return has_entropy(value, 3.0 if len(value) >= 12 else 2.7)


def _is_drawn(letters: bytes) -> bool:
    """Tell letters without a digit that a generator drew, and perhaps marks of its alphabet among them."""
    if is_unspellable(letters):
        return letters.translate(None, _MARKS_OF_BASE64).isalnum()
    return _changes_case_often(letters) and letters.isalnum()


def is_hex(value: bytes) -> bool:
    """Tell hexadecimal digits, with letters of one case."""
    return bool(_HEX.match(value))


def is_hex_digest(value: bytes) -> bool:
    """Tell a bare digest or git object id by its length: MD5, SHA-1, SHA-224, SHA-256, SHA-384, SHA-512."""
    return len(value) in {32, 40, 56, 64, 96, 128} and is_hex(value)


def _digits(value: bytes) -> int:
    return len(value) - len(value.translate(None, _DIGITS))


def _only_letters_and_marks(value: bytes) -> bool:
    return bool(_LETTERS_AND_MARKS.match(value))


def _is_one_character(value: bytes) -> bool:
    """Tell a value of which a third is one character or two, three characters again and again."""
    number, size = int.from_bytes(value, "big"), len(value)
    for bits in _PERIODS:  # bytes that equal those so many places before them become zero
        if _SAME in (number ^ number >> bits).to_bytes(size, "big"):
            return any(len(run.group()) >= max(6, size // 3) for run in _RUN.finditer(value))
    return False
