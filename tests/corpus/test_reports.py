"""The page of a check, as a browser shows it."""

import re
from pathlib import Path

import pytest

from tests.browser import Page, browser
from wrapper.corpus.manifest import IndexSeen
from wrapper.corpus.reports import page
from wrapper.corpus.verdicts import Summary

_COLOUR = "getComputedStyle(document.querySelector('.banner')).borderTopColor"


def _summary(verdict: str, documents: int = 60) -> Summary:
    index = IndexSeen(sha256="ab" * 32, key="k", emissions=1, lines=1, complete=True, faults=())
    first = tuple(
        {"source": f"{'long' * 40}{number}", "row": 1, "id": "x", "decision": "refuse", "because": "it was found"}
        for number in range(documents)
    )
    return Summary(
        version=1, verdict=verdict, root="cd" * 32, made="2026-01-01T00:00:00Z", documents=documents, size=9,
        accepted=0, quarantined=0, refused=documents, stages={"spans": documents}, coverage=(), first=first, sources=(),
        sessions=(), index=index, policy_sha256="ef" * 32, out="",
    )  # fmt: skip


def _opened(shown: Page, path: Path, verdict: str, width: int) -> None:
    path.write_text("".join(page(_summary(verdict))))
    shown.open(path, width=width)


def test_each_class_of_the_page_has_a_style() -> None:
    text = "".join(page(_summary("clean")))
    style, body = text.split("</style>")
    used = {name for names in re.findall(r'class="([^"]*)"', body) for name in names.split()}
    assert used == {"sub", "banner", "good", "tiles", "report", "card", "plainly"}
    assert {name for name in used if not re.search(rf"\.{name}\b", style)} == set()


@pytest.mark.timeout(120)
def test_the_page_is_read_from_top_to_bottom_at_any_width_and_only_what_was_refused_is_red(tmp_path: Path) -> None:
    with browser(tmp_path) as shown:
        colours = []
        for verdict in ("clean", "undecided", "refused"):
            _opened(shown, tmp_path / "page.html", verdict, 1280)
            colours.append(shown.ask(_COLOUR))
            assert (shown.console, shown.stopped()) == ([], [])
        assert len(set(colours)) == 3
        for width in (1280, 640, 390):
            _opened(shown, tmp_path / "page.html", "refused", width)
            inner = "[...document.querySelectorAll('main, main *')].filter(e => e.scrollHeight > e.clientHeight + 1 && getComputedStyle(e).overflowY !== 'visible').length"
            lefts = "new Set([...document.querySelectorAll('.card')].map(e => e.getBoundingClientRect().left)).size"
            wide = "document.documentElement.scrollWidth > innerWidth"
            assert (shown.ask(inner), shown.ask(lefts), shown.ask(wide)) == (0, 1, False)
