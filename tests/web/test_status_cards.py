"""Each kind of problem marks one card of the status page."""

from collections import Counter

from gitpip.status.problem import ProblemKind
from gitpip.web.pages.status_cards import CARDS


def test_every_kind_of_problem_marks_one_card() -> None:
    marks = Counter(kind for kinds in CARDS.values() for kind in kinds)

    assert marks == Counter(ProblemKind)
