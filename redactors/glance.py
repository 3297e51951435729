"""What a glance at the new lines of a stream tells, and what must stand before them for it.

A match may begin in lines that are shown already and end in new ones. Were each glance to take in all of the context
that a search has, most of what it looks at would be old. Almost no match reaches far back over a line end: a keyword
stands up to 64 bytes before its token, a quote on the next line. So BEFORE bytes stand before the new lines, and the
few triggers that may reach farther back tell it themselves, when their beginning comes: their *openings*, what stands
of a match before a line end in it (`redactors.rules.openings`), are patterns like any other, tied to the data's end.

Why nothing is missed, where whole lines were looked at that end with a line feed, and the glance told NOTHING:
1. The lines may be old now, and a match may go on from them into new ones. What it has of the old ones is an opening
   at the end of the data of that glance. If it has more than REACH bytes, it is one of those that are looked for.
2. If it began within that data, the glance would have told OPENS. If it began farther back, it went on over the line
   end before as well, from more than REACH bytes before it, and the glance before, which took in no more for the same
   reason, would have told OPENS. The first glance of all, and each behind one that told something, takes in all.
3. So a match that ends in the new lines begins in the last REACH bytes before them, or in them.
"""

from enum import Enum

REACH = 100
"""Bytes before a line end in which a match may begin without having been told: a keyword and its gap of 64 bytes.

More makes each glance longer, and less makes it slower: then there are openings of keywords that texts are full of.
"""
BEFORE = REACH + 1
"""Bytes that stand before the new lines: those, and the one before them, for what asks whether a word begins."""

BEGINS = b"-----BEGIN"
"""Of a line that begins a key or what else is armoured (RFC 7468): what follows is judged with it, so it is told."""


class Glance(Enum):
    """What may be in the data of a glance."""

    NOTHING = 0
    """No match, and no match that began in it goes on behind its end, but one of REACH bytes so far at most."""
    OPENS = 1
    """No match, but one may have begun."""
    MAY_FIND = 2
    """Perhaps a match; or a line that BEGINS something."""
