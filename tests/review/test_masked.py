from hypothesis import given
from hypothesis import strategies as st

from wrapper.audit.events import FileChange, Redacted
from wrapper.review.masked import Tally


def found(kind: str = "EMAIL", placeholder: str = "MASKED-EMAIL-1", where: str = "#1@9", **more: object) -> Redacted:
    fields = {"at": 1.0, "kind": kind, "placeholder": placeholder, "place": "request", "where": where} | more
    return Redacted(**fields)  # type: ignore[arg-type]


def lines(*events: Redacted | FileChange, kinds: tuple[str, ...] = ()) -> list[str]:
    tally = Tally()
    for event in events:
        tally.take(event)
    return list(tally.lines(kinds))


def test_values_are_grouped_by_kind_with_totals() -> None:
    assert lines(
        found(rule="email", count=2),
        found(where="#2@1", rule="email"),
        found("TOKEN", "MASKED-TOKEN-1", "GITHUB_TOKEN", place="environment"),
        FileChange(at=1.0, path=".env", action="masked"),
    ) == [
        "EMAIL  1 value, 3 times: 3 replaced",
        "  MASKED-EMAIL-1  replaced 3 times  (email): request #1 #2",
        "TOKEN  1 value, 1 time: 1 replaced",
        "  MASKED-TOKEN-1  replaced 1 time: environment GITHUB_TOKEN",
        "1 file shown with placeholders",
        "  file .env",
        "in all 2 values, 4 times: 4 replaced",
    ]


def test_what_left_as_it_is_and_what_was_not_sent_is_told_apart() -> None:
    told = lines(found(action="monitored"), found(action="blocked", where="#4"), found(action="dropped", count=5))
    assert told[0] == "EMAIL  1 value, 7 times: 1 blocked, 5 dropped, 1 monitored"
    assert [line.split()[1] for line in told[1:4]] == ["blocked", "dropped", "monitored"]


def test_many_places_are_counted() -> None:
    assert lines(*(found(where=f"#{n}") for n in range(1, 21)))[1].endswith("request #1 #2 #3 #4 #5 #6 and 14 more")


def test_other_kinds_are_left_out_where_one_is_asked_for() -> None:
    told = lines(found(), found("TOKEN", "P"), FileChange(at=1.0, path=".env", action="masked"), kinds=("TOKEN",))
    assert [line.split()[0] for line in told] == ["TOKEN", "P", "in"]


def test_nothing_found_is_said() -> None:
    assert lines() == ["in all 0 values, 0 times: none"]
    assert lines(FileChange(at=1.0, path="a", action="modified")) == ["in all 0 values, 0 times: none"]


SOME = st.builds(
    found,
    st.sampled_from("AB"),
    st.sampled_from("pq"),
    st.sampled_from(["#1@2", "#1@3", "#2", "X"]),
    place=st.sampled_from(["request", "environment", "terminal"]),
    action=st.sampled_from(["", "monitored"]),
    count=st.integers(1, 9),
)


@given(st.lists(SOME, max_size=20))
def test_nothing_is_lost_in_counting(events: list[Redacted]) -> None:
    tally = Tally()
    for event in events:
        tally.take(event)
    assert sum(tally.counts.values()) == sum(event.count for event in events)
    assert f"{sum(event.count for event in events)} time" in list(tally.lines())[-1]
