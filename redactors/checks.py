"""Checksums and structure that issuers build into their secrets.

A check looks at the secret's bytes and answers how sure a match is, or None if it cannot be one. Where an issuer's
checksum fails, the value is still LIKELY: a mistyped or made-up key is worth hiding, it is only not certain.
"""

import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType

from redactors import filters
from redactors.finding import Confidence
from redactors.mnemonics import holds_mnemonic
from redactors.passphrases import is_passphrase

Check = Callable[[bytes], Confidence | None]

_BASE62 = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BASE58 = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BASE58_VALUES = bytes.maketrans(_BASE58, bytes(range(58)))
_BASE58_CHECKSUM = 4
_CRC_DIGITS = 6  # 62**6 > 2**32: GitHub and npm end their tokens with the CRC-32 in six base62 digits
_SLACK_TAIL = 10
_JWT_SIGNATURE = 10
_GITLAB_CRC = 7
_NKEY_PADDING = 6  # to 64 characters
_GITLAB_ROUTABLE = re.compile(rb"\.[0-9a-z]{9}$")
_STRIPE_CLASSIC = 24
_STRIPE_LONG = 90
_AWS_GENERATION = 1 << 47  # of the first six bytes behind the prefix: set since 2018, when the account follows
_AWS_ACCOUNT = 0x7FFFFFFFFF80
_AWS_ACCOUNT_SHIFT = 7
_AWS_LAST_ACCOUNT = 999_999_999_999
_AWS_PREFIXES = (b"AKIA", b"ASIA")
_LONGEST_NUMBER = 21
_QUOTED_BASE64 = ((b"%2B", b"+"), (b"%2b", b"+"), (b"%2F", b"/"), (b"%2f", b"/"), (b"%3D", b"="), (b"%3d", b"="))
_SAML_BEGIN = 512  # bytes of XML: the name of the message stands first, with its namespaces
_SNOWFLAKES = range(10**16, 33 * 10**17)  # milliseconds since 2015, shifted by 22 bits: from its first year to 2039
_DENSE_ENTROPY = 4.0
_PEM_LONG, _PEM_ENTROPY = 100, 4.8  # an Ed25519 key in PKCS#8 has 64 characters; text has less entropy
_PEM_LEAST = 40
_PEM_LINE = re.compile(rb"(?:[\r\n]|\\+(?:[nrt]|u000[aAdD]))[ \t]*")
_PEM_RUN = re.compile(rb"[A-Za-z0-9+/]{40,}={0,2}")
_PEM_START = 64  # characters of base64: what says what the rest is stands in the first bytes
_DER_SEQUENCE, _DER_LONG, _DER_LONGEST = 0x30, 0x80, 3  # a length of up to three bytes
# PKCS#1, PKCS#8, SEC 1 begin with a version (INTEGER), encrypted PKCS#8 with a SEQUENCE, keys of a TPM with an OID.
_DER_FIRST = b"\x02\x30\x06"
# OpenSSH, SSH2 of ssh.com, and the JSON of cosign.
_MAGICS = (b"openssh-key-v1\0", b"\x3f\x6f\xf9\xeb", b'{"')
_PGP_SECRET_KEY = b"\x94\x95\x96\x97\xc5"  # packet tag 5, old and new format
_BASE64 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")


def crc32_base62(value: bytes) -> Confidence:
    """GitHub and npm tokens: prefix, `_`, entropy, then CRC-32 of the entropy in base62 (GitHub blog, 2021-04-05)."""
    body = value.rpartition(b"_")[2]
    crc = zlib.crc32(body[:-_CRC_DIGITS])
    digits = bytearray()
    for _ in range(_CRC_DIGITS):
        crc, digit = divmod(crc, 62)
        digits.append(_BASE62[digit])
    return Confidence.CERTAIN if bytes(digits[::-1]) == body[-_CRC_DIGITS:] else Confidence.LIKELY


def jwt(value: bytes) -> Confidence | None:
    """JSON Web Token: its first part is a base64url JSON object that names `alg` (RFC 7515, 4.1.1).

    Without a signature, as `alg: none` has it, or cut before it, it is a likely one.
    """
    first, _, rest = value.partition(b".")
    header = _decoded(first)
    if header is None or not header.startswith(b"{") or b'"alg"' not in header:
        return None
    return _sure(len(rest.partition(b".")[2]) >= _JWT_SIGNATURE)


def slack(value: bytes) -> Confidence | None:
    """Slack tokens: parts with hyphens between, of which the last is the secret one, 10 to 64 letters and digits."""
    tail = value.rpartition(b"-")[2]
    if len(tail) < _SLACK_TAIL or not filters.is_mixed(tail) or filters.is_example(tail):
        return None
    return Confidence.CERTAIN


def nkey_seed(value: bytes) -> Confidence:
    """Seed of a NATS NKey: base32 of two bytes of prefix, 32 of seed and their CRC-16 (XMODEM), low byte first.

    Source: NATS' architecture decision record 14, and `nkeys`, which is what it describes.
    """
    try:
        decoded = base64.b32decode(value + b"=" * _NKEY_PADDING)
    except binascii.Error:
        return Confidence.LIKELY
    return _sure(binascii.crc_hqx(decoded[:-2], 0) == int.from_bytes(decoded[-2:], "little"))


def mnemonic(value: bytes) -> Confidence | None:
    """Words of a wallet (BIP 39) among which a list and a checksum prove a key; see `redactors.mnemonics`."""
    return Confidence.CERTAIN if holds_mnemonic(value) else None


def base58check(value: bytes) -> Confidence:
    """Base58Check: bytes and the first four of their SHA-256, taken twice, in base58 (Bitcoin wiki, BIP 32)."""
    return _sure(_has_base58_checksum(value))


def wif(value: bytes) -> Confidence | None:
    """Private key in the import format of Bitcoin's wallets and their likes: only the checksum tells it apart."""
    return Confidence.CERTAIN if _has_base58_checksum(value) else None


def _has_base58_checksum(value: bytes) -> bool:
    if value.translate(None, _BASE58):
        return False
    number = 0
    for digit in value.translate(_BASE58_VALUES):
        number = number * 58 + digit
    data = number.to_bytes(len(value), "big").lstrip(b"\0")  # a version is not zero
    body, checksum = data[:-_BASE58_CHECKSUM], data[-_BASE58_CHECKSUM:]
    return bool(body) and hashlib.sha256(hashlib.sha256(body).digest()).digest().startswith(checksum)


def sasl_plain(value: bytes) -> Confidence | None:
    """Answer of SASL PLAIN in base64: `[role] NUL user NUL password` (RFC 4616), or a token's (XOAUTH2, RFC 7628)."""
    decoded = _decoded(value) or b""
    _role, nul, rest = decoded.partition(b"\0")
    user, second, password = rest.partition(b"\0")
    is_plain = bool(nul and user and second and password) and b"\0" not in password
    return Confidence.CERTAIN if is_plain or b"\1auth=Bearer " in decoded else None


def github_pat(value: bytes) -> Confidence:
    """GitHub's fine-grained tokens: 22 and 59 characters with `_` between; another division is a likely one."""
    first, _, second = value.removeprefix(b"github_pat_").partition(b"_")
    return Confidence.CERTAIN if (len(first), len(second)) == (22, 59) else Confidence.LIKELY


def gitlab(value: bytes) -> Confidence:
    """GitLab's tokens: routable ones end with the CRC-32, in seven digits of base 36, of all that stands before it.

    Source: GitLab's design document "Routable tokens", 2024. Others are random throughout.
    """
    if not _GITLAB_ROUTABLE.search(value):
        return Confidence.CERTAIN
    return _sure(zlib.crc32(value[:-_GITLAB_CRC]) == int(value[-_GITLAB_CRC:], 36))


def stripe(value: bytes) -> Confidence:
    """Stripe's keys: kind, mode, then 24 characters; since 2020 `51`, the account and a hundred in all.

    Stripe promises nothing but the prefix, so that another length is a likely key.
    """
    body = value.rpartition(b"_")[2]
    return _sure(len(body) == _STRIPE_CLASSIC or (body.startswith(b"51") and len(body) >= _STRIPE_LONG))


def discord(value: bytes) -> Confidence | None:
    """Discord's tokens: the first part is base64 of a user's id, a snowflake, which tells when it was made.

    Source: Discord's developer documentation, "Snowflakes".
    """
    user = _decoded(value.partition(b".")[0]) or b""
    if mixed(value) is None:
        return None
    return _sure(user.isdigit() and len(user) < _LONGEST_NUMBER and int(user) in _SNOWFLAKES)


def aws_key_id(value: bytes) -> Confidence | None:
    """AWS access key id: base32 after a four-letter prefix; AWS's own documentation ends its keys with EXAMPLE.

    Where an account stands in it, it has at most twelve digits.
    """
    body = value[4:]
    if body.endswith(b"EXAMPLE") or body.isdigit() or len(set(body)) < 5:
        return None
    try:
        base64.b32decode(body)
    except binascii.Error:
        return Confidence.LIKELY
    return _sure((aws_account(value) or 0) <= _AWS_LAST_ACCOUNT)


def aws_account(key_id: bytes) -> int | None:
    """Give the number of the account that an access key id belongs to; None if it tells none.

    Ids of users and sessions (`AKIA`, `ASIA`) carry it since 2018: behind the prefix one bit tells the generation, 40
    bits are the account. A number of more than twelve digits is no account. Sources: T. Be'ery, "A short note on AWS
    KEY ID" (2023); P. Sivakumaran, "A bitwise analysis of AWS access key identifiers" (WithSecure).
    """
    try:
        first = int.from_bytes(base64.b32decode(key_id[4:])[:6], "big")
    except binascii.Error:
        return None
    if not key_id.startswith(_AWS_PREFIXES) or not first & _AWS_GENERATION:
        return None
    return (first & _AWS_ACCOUNT) >> _AWS_ACCOUNT_SHIFT


def pem(value: bytes) -> Confidence | None:
    """Body of a private key block: base64 lines (RFC 7468), perhaps after headers (RFC 1421).

    Certain if it begins as a key does: DER (X.690), an OpenSSH key, a secret key packet of PGP (RFC 4880), if its
    headers say that it is encrypted, or if it is as long and as random as a key of a kind that we do not know. Else it
    is a likely one.
    """
    flat = value.translate(None, b" \t\r\n\\")
    if len(flat) < _PEM_LEAST or len(set(flat)) < 12 or b"..." in flat:
        return None
    if b"ENCRYPTED" in value or (len(flat) >= _PEM_LONG and filters.has_entropy(flat, _PEM_ENTROPY)):
        return Confidence.CERTAIN
    return _sure(_begins_a_key(_decoded(_pem_start(value)) or b""))


def pem_lines(value: bytes) -> Confidence | None:
    """Body of a private key block with other text around each of its lines; only what is certain counts."""
    found = pem(b"\n".join(_PEM_RUN.findall(value)))
    return found if found is Confidence.CERTAIN else None


def _pem_start(value: bytes) -> bytes:
    """Give the first characters of base64 of a block, behind its headers."""
    lines = [line for line in _PEM_LINE.split(value) if line and b":" not in line]
    return b"".join(lines)[:_PEM_START]


def _begins_a_key(start: bytes) -> bool:
    if start.startswith(_MAGICS) or start[:1] in {bytes((tag,)) for tag in _PGP_SECRET_KEY}:
        return True
    if len(start) < _PEM_LEAST // 2 or start[0] != _DER_SEQUENCE:
        return False
    more = start[1] - _DER_LONG if start[1] > _DER_LONG else 0
    return more <= _DER_LONGEST and start[2 + more] in _DER_FIRST


def _sure(is_certain: bool) -> Confidence:  # noqa: FBT001 (the question is in the call)
    return Confidence.CERTAIN if is_certain else Confidence.LIKELY


def encoded_json(value: bytes) -> Confidence | None:
    """Tokens whose part after the prefix is base64 of a JSON object (Grafana, Sentry, 1Password)."""
    start = value.find(b"eyJ")
    decoded = _decoded(value[start:].partition(b"_")[0]) if start >= 0 else None
    return Confidence.CERTAIN if decoded is not None and decoded.startswith(b'{"') else Confidence.LIKELY


def basic_credentials(value: bytes) -> Confidence | None:
    """HTTP Basic: base64 of `user:password` (RFC 7617), but of a password that every example uses."""
    decoded = _decoded(value)
    if decoded is None:
        return None
    user, colon, password = decoded.partition(b":")
    good = colon and password and all(32 <= byte < 127 for byte in decoded) and user != password
    is_stock = filters.is_stock(password) and not filters.is_numbered(password)
    return Confidence.CERTAIN if good and not is_stock else None


def mixed(value: bytes) -> Confidence | None:
    """Random letters and digits: at least one digit and one letter, or upper and lower case."""
    digit = any(48 <= byte < 58 for byte in value)
    letter = any(65 <= byte < 91 or 97 <= byte < 123 for byte in value)
    return Confidence.CERTAIN if digit and letter else None


def password(value: bytes) -> Confidence | None:
    """Judge a password after a key that says so, in quotes: not a word, not code, not a template."""
    return Confidence.LIKELY if filters.can_be_password(value) else None


def passphrase(value: bytes) -> Confidence | None:
    """Judge words in quotes after a key that says so; see `redactors.passphrases`."""
    return Confidence.LIKELY if is_passphrase(value) else None


def saml(value: bytes) -> Confidence | None:
    """Judge a message of SAML in base64, perhaps deflated before (SAML 2.0 bindings, 3.4, 3.5) and quoted for a URL.

    Whoever has a response or an assertion is taken for the user; a request to log in says nothing that is secret.
    """
    for quoted, sign in _QUOTED_BASE64:
        value = value.replace(quoted, sign)
    decoded = _decoded(value) or b""
    text = decoded if decoded.lstrip().startswith(b"<") else _inflated(decoded)
    is_secret = text.lstrip().startswith(b"<") and b"AuthnRequest" not in text[:_SAML_BEGIN]
    return Confidence.CERTAIN if is_secret else None


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, _SAML_BEGIN)
    except zlib.error:
        return b""


def xml_password(value: bytes) -> Confidence | None:
    """Judge the text of an element for passwords; Maven writes what it encrypted in braces."""
    bare = value[1:-1] if value.startswith(b"{") and value.endswith(b"}") else value
    return password(bare)


def odbc_password(value: bytes) -> Confidence | None:
    """Judge a password in braces, whose own marks say nothing: as random as one, whatever else."""
    return Confidence.LIKELY if filters.is_varied(value) and not filters.is_stock(value) else None


def dense(value: bytes) -> Confidence | None:
    """Judge a long key of all kinds of characters in quotes, brackets and commas included (Django's SECRET_KEY)."""
    return Confidence.LIKELY if filters.is_dense(value) and filters.has_entropy(value, _DENSE_ENTROPY) else None


def bare_password(value: bytes) -> Confidence | None:
    """Judge the same without quotes, where identifiers of source code stand too, and lines behind a file's name."""
    bare = filters.is_identifier(value) or filters.is_grepped(value)
    return Confidence.LIKELY if filters.can_be_password(value) and not bare else None


def strong_password(value: bytes) -> Confidence | None:
    """Judge what stands where other things stand too: three kinds of characters, no path, no name of a test."""
    return bare_password(value) if filters.is_strong(value) else None


def strong_secret(value: bytes) -> Confidence | None:
    """Judge what stands farther from its key, where names and texts stand too: a strong password, or a random key."""
    return strong_password(value) or key(value)


def secret(value: bytes) -> Confidence | None:
    """Judge a key or token after a name that says so: random enough to be one."""
    return Confidence.LIKELY if filters.can_be_secret(value) else None


def shaped(value: bytes) -> Confidence | None:
    """Judge a value of an issuer's shape after the issuer's name: a UUID, or letters and digits, no words."""
    fits = filters.is_mixed(value) and not filters.is_wordy(value)
    return Confidence.LIKELY if filters.is_uuid(value) or fits or value.isdigit() else None


def bare_secret(value: bytes) -> Confidence | None:
    """Judge the same without quotes, where identifiers of source code stand too, and lines behind a file's name."""
    return Confidence.LIKELY if filters.can_be_secret(value) and not _stands_bare(value) else None


def key(value: bytes) -> Confidence | None:
    """Judge a value after a name that may also be a dictionary's key: no digest, very random."""
    fits = filters.can_be_secret(value) and filters.is_random(value) and not filters.is_hex_digest(value)
    return Confidence.LIKELY if fits and not _stands_bare(value) else None


def _stands_bare(value: bytes) -> bool:
    """Tell what stands without quotes in the place of a secret and is none: a name of source code, a line of `grep`."""
    return filters.is_identifier(value) or filters.is_named_so(value) or filters.is_grepped(value)


def header(value: bytes) -> Confidence | None:
    """Credentials in a header: Basic decodes, a UUID is a token here, else as random as any token.

    In Basic a token may stand in the place of the user, without a password.
    """
    if basic_credentials(value) or _is_user_alone(value) or filters.is_uuid(value):
        return Confidence.LIKELY
    return bare_secret(value)


def url_password(value: bytes) -> Confidence | None:
    """Password of a URL: anything but a word that every example uses, or a template."""
    if filters.is_stock(value):
        return Confidence.LIKELY if filters.is_numbered(value) else None
    if filters.is_template(value):
        return None
    return Confidence.CERTAIN if len(value) >= 6 else Confidence.LIKELY


def _is_user_alone(value: bytes) -> bool:
    decoded = _decoded(value) or b""
    return decoded.find(b":") == len(decoded) - 1 > 0 and all(32 <= byte < 127 for byte in decoded)


def _decoded(text: bytes) -> bytes | None:
    standard = text.replace(b"-", b"+").replace(b"_", b"/").rstrip(b"=")
    standard = standard[: len(standard) - (len(standard) % 4 == 1)]
    if not _BASE64.issuperset(standard):
        return None
    try:
        return base64.b64decode(standard + b"=" * (-len(standard) % 4))
    except binascii.Error:
        return None


CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "crc32-base62": crc32_base62,
        "slack": slack,
        "nkey-seed": nkey_seed,
        "mnemonic": mnemonic,
        "base58check": base58check,
        "wif": wif,
        "sasl-plain": sasl_plain,
        "github-pat": github_pat,
        "jwt": jwt,
        "aws-key-id": aws_key_id,
        "gitlab": gitlab,
        "stripe": stripe,
        "discord": discord,
        "pem": pem,
        "pem-lines": pem_lines,
        "encoded-json": encoded_json,
        "basic": basic_credentials,
        "mixed": mixed,
        "password": password,
        "bare-password": bare_password,
        "dense": dense,
        "passphrase": passphrase,
        "saml": saml,
        "strong-password": strong_password,
        "strong-secret": strong_secret,
        "password-xml": xml_password,
        "odbc-password": odbc_password,
        "secret": secret,
        "shaped": shaped,
        "bare-secret": bare_secret,
        "key": key,
        "header": header,
        "url-password": url_password,
    }
)
"""The checks that a rule may name."""
