"""What the name of a column, a list or a variable says about the values that stand apart from it."""

from redactors import labels

PASSWORD, SECRET = "PASSWORD", "SECRET"
_PASSWORDS = frozenset((b"password", b"passwd", b"passphrase", b"pwd", b"pass", b"passwort", b"pw", b"passcode"))
_SECRETS = frozenset((b"secret", b"token", b"apikey", b"accesskey", b"secretkey", b"privatekey", b"totp", b"otpauth"))
_OF_KEYS = frozenset(
    b"api secret access private auth encryption signing master session service admin webhook deploy license".split()
)
_SAYS_NOTHING = frozenset((b"plain", b"plaintext", b"clear", b"cleartext", b"value", b"list", b"array"))


def kind(name: bytes) -> str:
    """Give PASSWORD or SECRET if what is called so is one, or a list of them; else an empty text."""
    words = labels.words(name)
    while words and words[-1] in _SAYS_NOTHING:
        del words[-1]
    if not words or labels.is_made_up(name) or labels.is_harmless(name):
        return ""
    last = words[-1]
    if last not in _PASSWORDS and last not in _SECRETS:
        last = last.removesuffix(b"s")  # of one's own name: `pass` is none of several
    if last in _PASSWORDS:
        return PASSWORD
    joined = b"".join(words[-2:])
    is_key = last == b"key" and len(words) > 1 and words[-2] in _OF_KEYS
    return SECRET if is_key or last in _SECRETS or joined == b"otpauth" else ""
