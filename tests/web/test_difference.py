"""The side-by-side difference shows every changed line, and where it stands."""

from hypothesis import given
from hypothesis import strategies as st

from gitpip.web.render.diff import differences

TEXTS = st.lists(st.sampled_from(["a", "b", "<c>", ""]), max_size=30).map("\n".join)


@given(before=TEXTS, after=TEXTS)
def test_unequal_lines_are_changed_ones(before: str, after: str) -> None:
    groups = differences(before, after)

    assert bool(groups) == (before.splitlines() != after.splitlines())
    for row in (row for group in groups for row in group):
        if not (row.left.changed or row.right.changed):
            assert row.left.text == row.right.text
        for side, text in ((row.left, before), (row.right, after)):
            assert side.number is None or text.splitlines()[side.number - 1] == side.text
