"""Tells what left, for a terminal and as a document; pure but for numpy.

What comes out of `page` is printable: names, URLs and reasons come from whoever wrote them.
"""

import datetime as dt
import math
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from wrapper.review.answering import LEFT, NOT_LEFT, UNKNOWN, Answer, Here, Outcome, Share
from wrapper.review.left import Account, Leaving, Span, line_starts, span
from wrapper.review.looking import Seen
from wrapper.review.render import printable
from wrapper.review.times import moment

_MOST_SPANS: Final = 12  # places told of one request; the document has all
_FEW_SPANS: Final = 4  # of one version among many files
_MOST_FILES: Final = 20  # that did not leave and are named; the document has all
VERSION: Final = 1
"""Of the document: raised where a field changes its meaning or goes."""


def page(outcome: Outcome) -> Iterator[str]:
    """Yield the lines for a terminal."""
    for answer in outcome.answers:
        if answer.answer == LEFT:
            yield from _file(answer, outcome) if len(outcome.answers) == 1 else _brief(answer)
    for kind in (UNKNOWN, NOT_LEFT):
        yield from _others(kind, [answer for answer in outcome.answers if answer.answer == kind])
    yield f"looked through: {through(outcome)}"
    if outcome.missing:
        yield "not known:" if outcome.answer != LEFT else "not known, so that more may have left:"
        for session, why in outcome.missing:
            yield printable(f"  {f'session {session}: ' if session else ''}{why}")


def through(outcome: Outcome) -> str:
    """Say how much was looked through, and of which time."""
    since, until = outcome.window
    when = f", from {moment(since)}" if math.isfinite(since) else ""
    when += f", until {moment(until)}" if math.isfinite(until) else ""
    return f"{count(outcome.requests, 'request')} of {count(len(outcome.sessions), 'session')}{when}"


def _file(answer: Answer, outcome: Outcome) -> Iterator[str]:
    yield f"{printable(answer.file.name)}: left"
    of = {seen.session: seen for seen in outcome.sessions}
    for session in dict.fromkeys(one.leaving.session for one in answer.leavings):
        yield printable(f"session {session}{_where(of.get(session))}")
        for one in answer.leavings:
            if one.leaving.session == session:
                yield from _told(one, answer)
    yield "in all"
    yield from (f"  {share(answer, one.version, one.bytes)}" for one in answer.shares)
    yield from _read(answer)
    yield from (f"  not looked for: {printable(why)}" for why in answer.missing)


def _brief(answer: Answer) -> Iterator[str]:
    """Tell of one file among many: what left of which version, and the first request that had any of it."""
    yield f"{printable(answer.file.name)}: left"
    for one in answer.shares:
        starts = line_starts(answer.file.versions[one.version].data)
        places = [lines(span(run, starts)) for run in one.runs]
        more = f" and {len(places) - _FEW_SPANS} more places" if len(places) > _FEW_SPANS else ""
        yield f"  {share(answer, one.version, one.bytes)}: {', '.join(places[:_FEW_SPANS])}{more}"
    first = answer.leavings[0]
    leaving, same = first.leaving, printable(f", the same bytes as in {first.same_as}") if first.same_as else ""
    yield printable(f"  first {moment(leaving.at)}, session {leaving.session}, frame {leaving.sequence}, ") + (
        f"request #{leaving.number} to {printable(address(leaving))}{same}"
    )
    yield f"      {printable(under(leaving.account))}"
    yield from _read(answer)
    yield from (f"  not looked for: {printable(why)}" for why in answer.missing)


def _where(seen: Seen | None) -> str:
    return f" ({seen.agent} in {seen.workspace})" if seen is not None and seen.workspace else ""


def _told(one: Here, answer: Answer) -> Iterator[str]:
    leaving = one.leaving
    request = f"frame {leaving.sequence}, request #{leaving.number}"
    yield f"  {moment(leaving.at)}  {request} to {printable(address(leaving))}"
    yield f"      {printable(under(leaving.account))}"
    part = leaving.part
    written = f", {'; '.join(part.forms)}" if part.forms else ""
    same = printable(f", the same bytes as in {one.same_as}") if one.same_as else ""
    yield f"      {share(answer, one.version, part.bytes)}{written}{same}"
    for place in part.spans[:_MOST_SPANS]:
        masked = f", {place.masked} of them masked" if place.masked else ""
        yield f"      {lines(place)} (bytes {place.offset}-{place.offset + place.length}{masked})"
    if len(part.spans) > _MOST_SPANS:
        yield f"      … {len(part.spans) - _MOST_SPANS} more places; --json has all"
    if leaving.times > 1:
        yield f"      in {leaving.times} requests, the last one #{leaving.until}"


def address(leaving: Leaving) -> str:
    """Say where it went."""
    routed = f" (routed to {leaving.upstream})" if leaving.upstream else ""
    return f"{leaving.url}{routed}{f', model {leaving.model}' if leaving.model else ''}"


def under(account: Account) -> str:
    """Say under whose account it went."""
    known = [account.login] if account.login else []
    known += [f"account {account.user}"] if account.user else []
    known += [f"organisation {account.organisation}"] if account.organisation else []
    return f"under {', '.join(known)}" if known else "account not known: its record does not tell"


def lines(place: Span) -> str:
    """Name the lines of a place."""
    return f"line {place.first}" if place.first == place.last else f"lines {place.first}-{place.last}"


def share(answer: Answer, version: int, size: int) -> str:
    """Say how much of a version left; printable."""
    one = answer.file.versions[version]
    whole = len(one.data)
    part = "all" if size == whole else f"{size:,} of {whole:,} bytes ({max(size / whole, 0.001):.1%})"
    return printable(f"{part} of {one.name}" + ("" if one.name.startswith("the ") else f", {one.path}"))


def _others(kind: str, answers: list[Answer]) -> Iterator[str]:
    for answer in answers[:_MOST_FILES]:
        looked = f"{count(len(answer.file.versions), 'version')} looked for"
        yield printable(f"{answer.file.name}: {_said(kind)} ({'; '.join((looked, *answer.missing))})")
        yield from _read(answer)
    if len(answers) > _MOST_FILES:
        yield f"{len(answers) - _MOST_FILES:,} more files: {kind}; --json names them"


def _said(kind: str) -> str:
    return "unknown: nothing was found, but not all is known" if kind == UNKNOWN else kind


def _read(answer: Answer) -> Iterator[str]:
    sent = {one.leaving.session for one in answer.leavings}
    for session, read in answer.reads:
        if session not in sent:
            yield printable(f"  read by session {session} at {moment(read.at)} ({read.size:,} bytes), not sent")


def document(outcome: Outcome) -> dict[str, object]:
    """Give all of it as a document."""
    return {
        "version": VERSION,
        "answer": outcome.answer,
        "since": _time(outcome.window.since),
        "until": _time(outcome.window.until),
        "files": [_document(answer) for answer in outcome.answers],
        "looked_through": {"sessions": len(outcome.sessions), "requests": outcome.requests},
        "sessions": [
            {
                "session": seen.session,
                "state": seen.state,
                "workspace": seen.workspace,
                "agent": seen.agent,
                "requests": seen.requests,
                "complete": outcome.is_complete(seen),
            }
            for seen in outcome.sessions
        ],
        "missing": [{"session": session, "reason": why} for session, why in outcome.missing],
    }


def _document(answer: Answer) -> dict[str, object]:
    file = answer.file
    return {
        "file": file.name,
        "answer": answer.answer,
        "versions": [{"name": one.name, "path": one.path, "bytes": len(one.data)} for one in file.versions],
        "leavings": [_leaving(one, answer) for one in answer.leavings],
        "in_all": [_share(one, answer) for one in answer.shares],
        "read": [{"session": session, "at": read.at, "bytes": read.size} for session, read in answer.reads],
        "missing": list(answer.missing),
    }


def _leaving(one: Here, answer: Answer) -> dict[str, object]:
    leaving, version = one.leaving, answer.file.versions[one.version]
    return {
        "session": leaving.session,
        "frame": leaving.sequence,
        "at": leaving.at,
        "request": leaving.number,
        "provider": provider(leaving),
        "url": leaving.url,
        "upstream": leaving.upstream,
        "model": leaving.model,
        "account": leaving.account._asdict(),
        "version": version.name,
        "path": version.path,
        "bytes": leaving.part.bytes,
        "of": len(version.data),
        "forms": list(leaving.part.forms),
        "places": [_place(place) for place in leaving.part.spans],
        "requests": leaving.times,
        "last_request": leaving.until,
        "same_as": one.same_as,
    }


def provider(leaving: Leaving) -> str:
    """Name the host that it went to."""
    try:
        return urlsplit(leaving.url).hostname or ""
    except ValueError:  # a log may say anything
        return ""


def _place(place: Span) -> dict[str, object]:
    return {
        "offset": place.offset,
        "length": place.length,
        "first_line": place.first,
        "last_line": place.last,
        "masked": place.masked,
    }


def _share(one: Share, answer: Answer) -> dict[str, object]:
    version = answer.file.versions[one.version]
    starts = line_starts(version.data)
    spans = [span(run, starts) for run in one.runs]
    return {
        "version": version.name,
        "path": version.path,
        "bytes": one.bytes,
        "of": len(version.data),
        "lines": [[place.first, place.last] for place in spans],
    }


def _time(at: float) -> str | None:
    return dt.datetime.fromtimestamp(at, dt.UTC).isoformat() if math.isfinite(at) else None


def count(number: int, what: str) -> str:
    """Say a number of things."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
