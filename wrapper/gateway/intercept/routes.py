"""Which requests a host may be asked, where policy lists them; pure.

Rules of this file:
1. Every way in which a server may read the path must be allowed (`policy.egress.readings`); a path that is written to
   be misread is refused.
2. A request that asks to be taken for another one is refused, if that other one differs: by a header that names another
   method or another path, or by a parameter `_method`, as frameworks read them: in a query, a form or JSON.
3. Without a list none of it matters, and nothing is refused.
"""

import re
from typing import Final
from urllib.parse import parse_qsl, unquote_to_bytes

from wrapper.gateway.destination import Destination
from wrapper.gateway.intercept.exchange import RequestHead
from wrapper.gateway.refusal import RefusedError
from wrapper.policy.egress import Terms, readings

_METHODS: Final = (b"x-http-method-override", b"x-http-method", b"x-method-override")
_PATHS: Final = (b"x-original-url", b"x-rewrite-url", b"x-forwarded-path", b"x-override-url")
_FIELD: Final = "_method"
_READ_AS_LINE: Final = str.maketrans({".": "_", " ": "_", "[": "_"})  # PHP, in names of fields
_FORM: Final = b"application/x-www-form-urlencoded"
_MULTIPART: Final = re.compile(rb"""name\*?\s*=\s*["']?(?:utf-8'')?[_.\[]method\b""", re.IGNORECASE)
_LETTERS: Final = b"".join(  # of `_method` in JSON, each as it is or escaped
    rb"(?:%c|\\u00%02x|\\u00%02x)" % (one, one, ord(chr(one).upper())) for one in _FIELD.encode()
)
_JSON: Final = re.compile(rb'"' + _LETTERS + rb'"\s*:(?!\s*"post")', re.IGNORECASE)
_MOST_SHOWN: Final = 12  # entries of a list, in a refusal


def check_route(terms: Terms, head: RequestHead, destination: Destination) -> None:
    """Refuse (RefusedError, 403) a request that a list of policy does not have; the text names the lists."""
    if not terms.allow:
        return
    paths = readings(head.target)
    if not paths:
        raise _refused(terms, destination, "its path is written so that servers may misread it")
    if not terms.allows(head.method, head.target):
        raise _refused(terms, destination, f"`{head.method} {paths[-1]}` is not allowed there")
    for given, value in head.headers:
        name = given.replace(b"_", b"-")  # CGI and its heirs take the one for the other
        if name in _PATHS:
            raise _refused(terms, destination, f"the header `{name.decode()}` asks for another path")
        if name in _METHODS and value.strip().upper() != head.method.encode():
            raise _refused(terms, destination, f"the header `{name.decode()}` asks for another method")
    _check_fields(terms, head, destination, head.target.partition("?")[2])


def check_form(terms: Terms, head: RequestHead, destination: Destination, body: bytes) -> None:
    """Refuse a form that asks to be taken for another method; see `check_route`."""
    if not terms.allow or head.method != "POST":
        return
    media = (head.get(b"content-type") or b"").lower()
    if media.startswith(_FORM):
        _check_fields(terms, head, destination, body.decode("latin-1"))
    elif (media.startswith(b"multipart/") and _MULTIPART.search(body)) or (b"json" in media and _JSON.search(body)):
        raise _refused(terms, destination, "a field `_method` asks for another method")


def deciding(terms: Terms) -> str:
    """Name the rules that say what may be asked: not those that only bind a secret to the host."""
    others = {*(one.rule for one in terms.secrets), *(one.rule for one in terms.remotes)}
    return ", ".join(dict.fromkeys(str(rule) for rule in terms.rules if rule not in others))


def _check_fields(terms: Terms, head: RequestHead, destination: Destination, fields: str) -> None:
    if _FIELD[1:] not in unquote_to_bytes(fields).decode("latin-1").lower():
        return
    for name, value in parse_qsl(fields.replace(";", "&"), keep_blank_values=True):
        if _field(name) == _FIELD and value.strip().upper() != head.method:
            raise _refused(terms, destination, "a field `_method` asks for another method")


def _field(name: str) -> str:
    """Give a field's name as the most lenient of frameworks reads it."""
    return name.partition("\0")[0].strip().lower().translate(_READ_AS_LINE)


def _refused(terms: Terms, destination: Destination, why: str) -> RefusedError:
    lists = [[str(one) for one in requests] for requests in terms.allow]
    shown = "; and ".join(_listed(one) for one in lists)
    return RefusedError(
        403,
        f"policy lets only some requests go to `{destination.host}`, and {why} ({deciding(terms)})",
        hint=f"allowed: {shown}; the user can change `allow` under `[[hosts]]` in the policy",
    )


def _listed(requests: list[str]) -> str:
    shown = ", ".join(f"`{one}`" for one in requests[:_MOST_SHOWN])
    more = len(requests) - _MOST_SHOWN
    return (shown or "nothing") + (f" and {more} more" if more > 0 else "")
