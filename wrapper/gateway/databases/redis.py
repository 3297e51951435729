"""Redis's log-in: AUTH and HELLO with the placeholder go on with the real password.

Rules of this file:
1. A client logs in by itself, since the URL that it is given has the placeholder; who sends none is in as far as the
   server lets everybody in.
2. The placeholder is swapped as the password of an AUTH or HELLO for the account's user only, as a whole word: in all
   other commands (MIGRATE … AUTH, CONFIG SET requirepass) it is data and stays what it is.
3. The password does not come back: a value that is the password, and (but for a commonplace one) a short value or line
   with it, has the placeholder instead. A server repeats the beginning of a command that it does not know (HELLO before
   Redis 6), cut off where a client wants it by how long its name is: see `resp.Answers`.
4. Answers that are none (replication, which follows SYNC and PSYNC) end the connection: there the password could not be
   found.
"""

from collections.abc import Sequence

from wrapper.gateway.databases.account import Account
from wrapper.gateway.databases.resp import Answers, BrokenError, Requests, Words
from wrapper.gateway.databases.speaking import Connect, Filter, Opened, RefusedLoginError, Tell, reached
from wrapper.gateway.tunnel import Streams

_DEFAULT = b"default"  # the user of an AUTH with a password only
_WRONG = (b"-WRONGPASS", b"-ERR invalid password")


class Redis:
    """One service that speaks Redis's protocol."""

    def __init__(self, account: Account, placeholders: Sequence[bytes]) -> None:
        self._account = account
        self._placeholders = frozenset(placeholders)
        # the one that the inside gets back: the standard form, which is the shortest
        self._shown = min(placeholders, key=len, default=b"MASKED")
        self.title = f"redis as {account.user or 'any user'}"

    async def open(self, inside: Streams, connect: Connect, tell: Tell) -> Opened:  # noqa: ARG002 (speaks later)
        """Connect; the client logs in when it likes."""
        conversation = Conversation(self._account, self._placeholders, self._shown, tell)
        service = await reached(
            connect, lambda told: RefusedLoginError(told, b"-ERR safe-agent: %b\r\n" % told.encode())
        )
        return Opened(service, conversation.outward, conversation.inward)


class Conversation:
    """The two ways of one connection, and what each must know of the other."""

    def __init__(self, account: Account, placeholders: frozenset[bytes], shown: bytes, tell: Tell) -> None:
        self._account = account
        self._placeholders = placeholders
        self._tell = tell
        self._is_swapped = False
        self.outward: Filter = _Ending(Requests(self._swapped), b"-ERR Protocol error: safe-agent: %b\r\n")
        self.inward: Filter = _Ending(Answers(account.password, shown, self._said), b"")

    def _swapped(self, words: Words) -> Words:
        out = list(words)
        for user, at in logins(words):
            # of the last log-in only: a wrong password of the inside's own is no news of this one
            self._is_swapped = words[at] in self._placeholders and self._is_account(user)
            if self._is_swapped:
                out[at] = self._account.password
        return out

    def _is_account(self, user: bytes) -> bool:
        return self._account.user is None or user == self._account.user.encode()

    def _said(self, line: bytes) -> None:
        if self._is_swapped and line.startswith(_WRONG):
            self._is_swapped = False
            self._tell("the server did not take the password")


class _Ending:
    """Frames of which a broken one ends the connection."""

    def __init__(self, frames: Requests | Answers, answer: bytes) -> None:
        self._frames = frames
        self._answer = answer

    def feed(self, data: bytes) -> bytes:
        """Give what may go on. Raises RefusedLoginError."""
        try:
            return self._frames.feed(data)
        except BrokenError as error:
            told = str(error)
            raise RefusedLoginError(told, self._answer % told.encode() if self._answer else b"") from error


def logins(words: Words) -> list[tuple[bytes, int]]:
    """Find the passwords of an AUTH or HELLO, as the server reads them: whose each is, and which word it is."""
    if words[0].upper() == b"AUTH":
        return [(_DEFAULT, 1)] if len(words) == 2 else [(words[1], 2)] if len(words) == 3 else []
    found, at = [], 2
    while at < len(words):
        option, more = words[at].upper(), len(words) - at - 1
        if option == b"AUTH" and more >= 2:
            found.append((words[at + 1], at + 2))
            at += 3
        elif option == b"SETNAME" and more >= 1:
            at += 2
        else:  # the server stops here, with an error
            return []
    return found
