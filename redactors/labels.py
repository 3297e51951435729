"""What a value's key says about it: `fake_token`, `token_type` and `next_page_token` hold no secret.

Rules that know nothing of a value but its key ask here. The key is read from the text before the value: the last run
of characters of a name before the sign of assignment. What stands before it in a sentence says nothing.
"""

import re

from redactors.ondemand import OnDemand

LONGEST = 96
"""Bytes before a value in which its key is looked for."""

# The value is made up, and the key says so, in small letters or in camel case.
_MADE_UP = OnDemand(
    rb"(?i:(?:^|[^a-z])(?:fake|dummy|mock(?:ed)?|bogus|example|sample|invalid|wrong|bad|placeholder|non[_-]?matching"
    rb"|unmatch(?:ed|ing)|not[_-]?a|expected)(?![a-z]))"
    rb"|(?:Fake|Dummy|Mock|Bogus|Example|Sample|Invalid|Wrong|NonMatching|Placeholder)(?![a-z])"
    rb"|(?<![A-Za-z])(?:fake|dummy|mock|bogus|example|sample|invalid|wrong|nonMatching|placeholder)(?=[A-Z])"
)
# What is meant to be seen, turns pages, guards a form for one session, or orders data.
_PUBLIC = OnDemand(
    rb"(?i)(?:^|[^a-z]|(?-i:(?<=[a-z])(?=[A-Z])))"  # a word of its own: `formsite_secret` is none of a site
    rb"(?:public|pub|publishable|anon(?:ymous)?|site|public[_-]?key|integrity|checksum|digest|fingerprint|etag|nonce|csrf|xsrf|websocket"
    rb"|authenticity|page|next|prev(?:ious)?|continuation|pagination|sync|idempotency|cache|partition|sort|primary"
    rb"|foreign|lookup|translation|i18n|locali[sz]ation|map|group|object|row|column|index|range|shard|routing"
    rb"|dedup(?:lication)?)[_.-]?(?:token|key|secret)s?$"
)
# The last word says what the value really is.
_ABOUT = OnDemand(
    rb"(?i:[_.-](?:ids?|names?|types?|ur[li]s?|path|file|filename|dir|arn|ref|count|len|length|size|max|min|limit|ttl"
    rb"|expir\w{0,8}|expires?[_-]?(?:in|at)|prefix|suffix|fingerprint|version|alias|label|field|header|param|parameter"
    rb"|endpoint|digest|checksum|sum|sha(?:1|256)?|md5|algorithm|alg|spec|format|pattern|regex|index|usage|budget|class|mode"
    rb"|kind|status|state|scopes?|issuer|audience|host|provider|manager|store|env|var|variable|column|table|policy"
    rb"|rotation|description|comment|help|hint|title|text|message|error|placeholder|input|selector|icon|address)$)"
    rb"|[a-z](?:Ids?|Names?|Types?|U(?:rl|RL|ri|RI)|Path|File|A(?:rn|RN)|Ref|Count|Length|Size|T(?:tl|TL)|Expiry|Prefix"
    rb"|Suffix|Fingerprint|Version|Alias|Label|Field|Header|Param|Endpoint|Digest|Checksum|Algorithm|Spec|Format|Pattern"
    rb"|Index|Class|Provider|Manager|Store|Policy|Description|Hint|Title|Text|Message|Error|Placeholder|Input|Icon"
    rb"|Address)$"
)
# A commit or a digest, whatever else the key names: `GITHUB_SHA`, `circleci_commit`.
_DIGEST = OnDemand(rb"(?i)[_.-](?:sha(?:1|256|512)?|commit|revision|digest|checksum|md5)$")
_WORD = re.compile(rb"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
# Backwards, since the end is what is known: a search would try every place of the text.
_BACKWARDS = OnDemand(
    rb"[^A-Za-z0-9_]{0,20}(?:>?=:?:?|={2,3}|:|,|>)?[ \t]{0,12}(?:[A-Za-z]{2,12} ?:|[a-z]{3,8} )?"
    rb"[\])]?[\"'`]?\\{0,15}(?P<key>[A-Za-z0-9_.$@-]{0,80}[A-Za-z_$@])"
)


def key(before: bytes) -> bytes:
    """Give the key at the end of `before`, the text up to a value; empty if there is none."""
    found = _BACKWARDS.match(before[::-1])
    return found["key"][::-1] if found else b""


def words(key: bytes) -> list[bytes]:
    """Give the words of a key in lower case: `wandbApiKey` and `WANDB_API_KEY` both have three."""
    return [word.lower() for word in _WORD.findall(key)]


def is_made_up(key: bytes) -> bool:
    """Tell whether a key says that its value is made up."""
    return bool(_MADE_UP.search(key))


def is_digest(key: bytes) -> bool:
    """Tell whether a key says that its value is a commit's id or a digest."""
    return bool(_DIGEST.search(key))


def is_harmless(key: bytes) -> bool:
    """Tell whether a key says that its value is public, or is about a secret and none itself."""
    return bool(_PUBLIC.search(key) or _ABOUT.search(key))
