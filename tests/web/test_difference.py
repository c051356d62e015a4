"""A difference shows every changed line and word, and where it stands, in both views."""

from hypothesis import given
from hypothesis import strategies as st

from gitpip.web.render.diff import differences, in_one_column

LINES = ["a", "b", "<c>", "", "a b c", "a x c", "a b  c!"]
TEXTS = st.lists(st.sampled_from(LINES), max_size=30).map("\n".join)


@given(before=TEXTS, after=TEXTS)
def test_unequal_lines_are_changed_ones(before: str, after: str) -> None:
    groups = differences(before, after)

    assert bool(groups) == (before.splitlines() != after.splitlines())
    for row in (row for group in groups for row in group):
        if not (row.left.changed or row.right.changed):
            assert row.left.text == row.right.text
        for side, text in ((row.left, before), (row.right, after)):
            assert side.number is None or text.splitlines()[side.number - 1] == side.text
            assert not side.pieces or "".join(text for text, _ in side.pieces) == side.text


@given(before=TEXTS, after=TEXTS)
def test_one_column_has_the_same_lines(before: str, after: str) -> None:
    for place in differences(before, after):
        lines = list(in_one_column(place))
        assert [line.old for line in lines if line.old] == [
            row.left.number for row in place if row.left.number
        ]
        assert [line.new for line in lines if line.new] == [
            row.right.number for row in place if row.right.number
        ]


def test_only_the_words_that_differ_are_marked() -> None:
    ((row,),) = differences("wait = retry(3, base)", "wait = retry(5, base)")
    ((other,),) = differences("one two three", "nothing of that here")

    assert row.left.pieces == (("wait = retry(", False), ("3", True), (", base)", False))
    assert [text for text, differs in row.right.pieces if differs] == ["5"]
    assert other.left.changed
    assert not other.left.pieces
