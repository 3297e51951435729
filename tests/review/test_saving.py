from hypothesis import given
from hypothesis import strategies as st

from wrapper.audit.events import FileChange
from wrapper.audit.reader import Record
from wrapper.review.saving import saved


def change(path: str, action: str, **more: object) -> FileChange:
    return FileChange(**{"at": 1.0, "path": path, "action": action, "by": "agent", "process": "sed[7]"} | more)  # type: ignore[arg-type]


def told(*changes: FileChange) -> list[tuple[str, str, int]]:
    return [(one.event.action, one.event.path, one.times) for one in saved(map(Record, range(99), changes))]


def test_a_file_that_is_written_beside_another_and_moved_over_it_is_one_change() -> None:
    (one,) = saved(
        map(
            Record,
            range(7, 99),
            [
                change("a.tmp", "created"),
                change("a.tmp", "modified", ranges=((0, 5),), after="bb"),
                change("a.tmp", "moved", target="a", before="aa", after="bb"),
            ],
        )
    )
    assert (one.sequence, one.event.path, one.event.action, one.event.target) == (7, "a", "modified", "")
    assert (one.event.ranges, one.event.before, one.event.after) == (((0, 5),), "aa", "bb")


def test_a_move_to_where_nothing_was_makes_the_file() -> None:
    assert told(change("t", "created"), change("t", "moved", target="a")) == [("created", "a", 1)]


def test_a_move_of_a_file_that_was_there_before_stays_a_move() -> None:
    assert told(change("t", "modified"), change("t", "moved", target="a")) == [("modified", "t", 1), ("moved", "t", 1)]
    assert told(change("t", "moved", target="a")) == [("moved", "t", 1)]


def test_another_process_makes_another_change() -> None:
    assert told(change("t", "created"), change("t", "modified", process="node[8]")) == [
        ("created", "t", 1),
        ("modified", "t", 1),
    ]


def test_what_was_told_several_times_in_a_row_is_counted() -> None:
    assert told(*[change("a", "restored")] * 6) == [("restored", "a", 6)]


def test_a_save_with_placeholders_in_it_is_one_change_too() -> None:
    assert told(
        change("t", "created"),
        change("t", "masked", by="", process=""),
        change("t", "modified"),
        change("t", "moved", target="a", before="aa"),
    ) == [("modified", "a", 1), ("masked", "t", 1)]


def test_a_file_that_is_made_and_deleted_is_told_twice() -> None:
    assert told(change("a", "created"), change("a", "deleted")) == [("created", "a", 1), ("deleted", "a", 1)]


CHANGES = st.builds(
    change,
    st.sampled_from("abc"),
    st.sampled_from(["created", "modified", "deleted", "moved", "masked"]),
    target=st.sampled_from(["", "a", "b", "d"]),
    process=st.sampled_from(["sed[7]", "node[8]"]),
)


@given(st.lists(CHANGES, max_size=12))
def test_every_process_and_every_name_that_is_left_is_told(changes: list[FileChange]) -> None:
    found = saved(map(Record, range(99), changes))
    assert {one.event.process for one in found} == {one.process for one in changes}
    deleted = {one.path for one in changes if one.action == "deleted"}
    assert deleted <= {one.event.path for one in found if one.event.action == "deleted"}
    assert sum(one.times for one in found) <= len(changes)
