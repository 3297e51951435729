"""What left, as one page that needs no network, no server and no script; pure but for numpy.

Rules of this file:
- File names, URLs and contents were written by whoever wrote them. They get into the page as escaped text only, between
  tags; the page's policy (CSP) lets nothing run and nothing be fetched.
- Of a file the page shows what has left already, and nothing else: no line that stayed here, and no value for which a
  placeholder left.
- It is bounded: see `_MOST_LINES`. It says itself what it left out.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from wrapper.review.answering import LEFT, NOT_LEFT, UNKNOWN, Answer, Here, Outcome, Share
from wrapper.review.export.html import part, source_hash
from wrapper.review.export.rows import safe
from wrapper.review.left import line_starts, span
from wrapper.review.leftwords import address, count, lines, provider, share, through, under
from wrapper.review.revisions import Version
from wrapper.review.runs import Run
from wrapper.review.times import moment
from wrapper.version import VERSION

_MOST_LINES: Final = 2_000  # shown of one version
_MOST_PAGE: Final = 40_000  # in all
_MOST_ROWS: Final = 500  # requests of one file
_LONGEST: Final = 2_000  # bytes shown of one line
_END: Final = re.compile(rb"\r?\n\Z")
_FEW: Final = 20  # files or places that are shown without being asked for
_CHECK: Final = (
    "This page proves nothing by itself. Where the logs are, <code>safe-agent audit verify --all</code> proves that "
    "they are as they were written, and whoever has the reading key repeats the search with "
    "<code>safe-agent left</code>. <code>safe-agent audit show SESSION</code> shows a request, "
    "<code>safe-agent audit disclose</code> gives one out with its proof."
)
_MEANS: Final = (
    "Each line that is marked stands in the request that is named, byte for byte: as it is, with line numbers, as a "
    "patch, escaped, in base64, as hexadecimal or percent-encoded. Runs of under 32 bytes are not found, nor is text "
    "that was rewritten, compressed or encrypted."
)
_SAID: Final = {
    LEFT: "something left",
    NOT_LEFT: "nothing left",
    UNKNOWN: "nothing was found, but it cannot be said that nothing left",
}


def report(outcome: Outcome, *, made: float) -> Iterator[str]:
    """Yield the page; `made` is when, in seconds since the epoch."""
    style = part("page/page.css") + part("page/report.css")
    policy = f"default-src 'none'; style-src {source_hash(style)}; base-uri 'none'; form-action 'none'"
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield '<meta name="referrer" content="no-referrer">\n'
    yield f'<meta name="generator" content="safe-agent {VERSION}">\n<title>What left: {_title(outcome)}</title>\n'
    yield f"<style>{style}</style>\n</head>\n<body>\n"
    yield from _head(outcome, made)
    yield '<main class="report">\n'
    yield from _missing(outcome)
    shown = 0
    for answer in outcome.answers:
        if answer.answer == LEFT:
            text, used = _file(answer, min(_MOST_LINES, _MOST_PAGE - shown))
            shown += used
            yield from text
    yield from _others(outcome)
    yield from _sessions(outcome)
    yield from _verifying()
    yield f"</main>\n<footer>Made by safe-agent {VERSION}. Of each file the page shows only what has left already; "
    yield "no value for which a placeholder left is in it.</footer>\n</body>\n</html>\n"


def _title(outcome: Outcome) -> str:
    first = outcome.answers[0].file.name
    more = len(outcome.answers) - 1
    return safe(first) + (f" and {count(more, 'other file')}" if more else "")


def _head(outcome: Outcome, made: float) -> Iterator[str]:
    yield f'<header>\n<h1>What left: {_title(outcome)}</h1>\n<p class="sub">{safe(moment(made))}</p>\n'
    kind = {LEFT: "banner", UNKNOWN: "banner unknown", NOT_LEFT: "banner good"}[outcome.answer]
    yield f'<p class="{kind}"><strong>{outcome.answer}</strong>: {_SAID[outcome.answer]}; '
    yield f"{safe(through(outcome))}</p>\n"
    said = [one.answer for one in outcome.answers]
    tiles = [
        (said.count(LEFT), "file left", "files left"),
        (said.count(UNKNOWN), "file not known", "files not known"),
        (said.count(NOT_LEFT), "file did not leave", "files did not leave"),
        (len(outcome.sessions), "session in question", "sessions in question"),
        (sum(map(outcome.is_complete, outcome.sessions)), "of them complete", "of them complete"),
        (outcome.requests, "request", "requests"),
    ]
    cells = (f"<li><b>{number:,}</b><span>{one if number == 1 else more}</span></li>" for number, one, more in tiles)
    yield f'<ul class="tiles">{"".join(cells)}</ul>\n</header>\n'


def _missing(outcome: Outcome) -> Iterator[str]:
    if not outcome.missing:
        return
    more = ": more may have left" if outcome.answer == LEFT else ""
    yield f'<section class="card"><h2>What is not known{more}</h2>\n<ul class="plainly">\n'
    for session, why in outcome.missing:
        yield f"<li>{f'session <code>{safe(session)}</code>: ' if session else ''}{safe(why)}</li>\n"
    yield "</ul></section>\n"


def _file(answer: Answer, most: int) -> tuple[list[str], int]:
    """Give the section of a file, and how many lines of it are shown."""
    text = [f'<section class="card"><h2><code>{safe(answer.file.name)}</code></h2>\n']
    used = 0
    for one in answer.shares:
        version = answer.file.versions[one.version]
        text.append(f"<h3>{safe(share(answer, one.version, one.bytes))}</h3>\n")
        shown, number = _listing(version, one, most - used)
        used += number
        text += shown
    text += _requests(answer)
    text += [f'<p class="hint">not looked for: {safe(why)}</p>\n' for why in answer.missing]
    sent = {one.leaving.session for one in answer.leavings}
    text += [
        f'<p class="hint">read by session <code>{safe(session)}</code> at {moment(read.at)}, not sent</p>\n'
        for session, read in answer.reads
        if session not in sent
    ]
    text.append("</section>\n")
    return text, used


def _listing(version: Version, one: Share, most: int) -> tuple[list[str], int]:
    rows, starts = list[str](), line_starts(version.data)
    marked = _marked(one.runs, starts)
    last = 0
    for number in sorted(marked)[: max(most, 0)]:
        if number > last + 1:
            rows.append(_gap(last + 1, number - 1))
        line = _line(version.data, starts, number, marked[number])
        rows.append(f'<tr><th scope="row">{number}</th><td>{line}</td></tr>\n')
        last = number
    total = len(starts) - (starts[-1] == len(version.data))
    if len(marked) > most:
        rows.append(f'<tr class="gap"><td colspan="2">{len(marked) - max(most, 0):,} more lines left</td></tr>\n')
    elif last < total:
        rows.append(_gap(last + 1, total))
    return ['<div class="wide"><table class="listing">\n', *rows, "</table></div>\n"], min(len(marked), max(most, 0))


def _gap(first: int, last: int) -> str:
    said = f"line {first}" if first == last else f"lines {first} to {last}"
    return f'<tr class="gap"><td colspan="2">{said} not found in any request</td></tr>\n'


def _marked(runs: Sequence[Run], starts: Sequence[int]) -> dict[int, list[tuple[int, int, bool]]]:
    """Give for each line that left, from 1, its pieces: from, to, and whether a placeholder left for it."""
    marked: dict[int, list[tuple[int, int, bool]]] = {}
    for run in runs:
        pieces = [(start, end, False) for start, end in run.shown()] + [(start, end, True) for start, end in run.hidden]
        for start, end, hidden in sorted(pieces):
            lines_of = span(Run(0, start, end), starts)
            for number in range(lines_of.first, lines_of.last + 1):
                low = max(start, starts[number - 1])
                high = min(end, starts[number]) if number < len(starts) else end
                marked.setdefault(number, []).append((low, high, hidden))
    return {number: pieces for number, pieces in marked.items() if any(not hidden for _, _, hidden in pieces)}


def _line(data: bytes, starts: Sequence[int], number: int, pieces: Sequence[tuple[int, int, bool]]) -> str:
    start = starts[number - 1]
    end = starts[number] if number < len(starts) else len(data)
    text, at = "", start
    for low, high, hidden in sorted(pieces):
        text += '<i class="not">…</i>' if low > at else ""
        if hidden:
            text += '<i class="hidden">masked</i>'
        else:
            shown = _END.sub(b"", data[low : min(high, low + _LONGEST)]).decode("utf-8", "replace")
            text += f"<mark>{safe(shown)}</mark>" + ("…" if high > low + _LONGEST else "")
        at = high
    return text + ('<i class="not">…</i>' if data[at:end].strip() else "")


def _requests(answer: Answer) -> Iterator[str]:
    yield from _table(("when", "to", "request", "session", "what", "account"))
    for one in answer.leavings[:_MOST_ROWS]:
        yield f"<tr>{''.join(f'<td>{cell}</td>' for cell in _cells(one, answer))}</tr>\n"
    yield "</tbody></table></div>\n"
    if len(answer.leavings) > _MOST_ROWS:
        yield f'<p class="hint">{len(answer.leavings) - _MOST_ROWS:,} more; <code>--json</code> has all.</p>\n'


def _table(names: Sequence[str]) -> Iterator[str]:
    heads = "".join(f'<th scope="col">{name}</th>' for name in names)
    yield f'<div class="wide"><table class="requests">\n<thead><tr>{heads}</tr></thead>\n<tbody>\n'


def _cells(one: Here, answer: Answer) -> Iterator[str]:
    leaving = one.leaving
    version = answer.file.versions[one.version]
    yield f"<time>{moment(leaving.at)}</time>"
    yield f"<b>{safe(provider(leaving))}</b><br><span>{safe(address(leaving))}</span>"
    again = f", and {leaving.times - 1} more until #{leaving.until}" if leaving.times > 1 else ""
    yield f"#{leaving.number}, frame {leaving.sequence}{again}"
    yield f"<code>{safe(leaving.session)}</code>"
    places = ", ".join(lines(place) for place in leaving.part.spans[:_FEW])
    more = f" and {len(leaving.part.spans) - _FEW} more" if len(leaving.part.spans) > _FEW else ""
    forms = f" {'; '.join(leaving.part.forms)}" if leaving.part.forms else ""
    same = f"; the same bytes as in {one.same_as}" if one.same_as else ""
    yield safe(f"{places}{more} of {version.name}{forms}{same}")
    yield safe(under(leaving.account))


def _others(outcome: Outcome) -> Iterator[str]:
    for kind, title in ((UNKNOWN, "Not known"), (NOT_LEFT, "Did not leave")):
        answers = [answer for answer in outcome.answers if answer.answer == kind]
        if not answers:
            continue
        is_open = " open" if len(answers) <= _FEW else ""
        yield f'<section class="card"><h2>{title}</h2>\n<details{is_open}>'
        yield f"<summary>{count(len(answers), 'file')}</summary>\n"
        yield '<ul class="plainly">\n'
        for answer in answers:
            own = f": {'; '.join(answer.missing)}" if answer.missing else ""
            reads = "".join(
                f"; read by session {session} at {moment(read.at)}, not sent" for session, read in answer.reads
            )
            yield f"<li><code>{safe(answer.file.name)}</code>{safe(own + reads)}</li>\n"
        yield "</ul></details></section>\n"


def _sessions(outcome: Outcome) -> Iterator[str]:
    yield '<section class="card"><h2>What was looked through</h2>\n'
    yield from _table(("session", "began", "where", "log", "requests", "complete"))
    for seen in outcome.sessions:
        cells = (
            f"<code>{safe(seen.session)}</code>",
            moment(seen.began),
            safe(f"{seen.agent} in {seen.workspace}" if seen.workspace else "-"),
            safe(seen.state),
            f"{seen.requests:,}",
            "yes" if outcome.is_complete(seen) else "no",
        )
        yield f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>\n"
    yield "</tbody></table></div></section>\n"


def _verifying() -> Iterator[str]:
    yield '<section class="card"><h2>How to check this</h2>\n'
    yield f"<p>{_CHECK}</p>\n<p>{_MEANS}</p></section>\n"
