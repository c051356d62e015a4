"""What became of a user's deal in Pipedrive, and where the user's new files go then."""

from enum import StrEnum


class Drift(StrEnum):
    """What people did to a deal. Each word completes the sentence: it was ..."""

    WON = "won"
    LOST = "lost"
    ARCHIVED = "archived"
    DELETED = "deleted"
    MERGED = "merged"
    """It was deleted, and its activities are under another deal."""


class DriftAnswer(StrEnum):
    """Where new files go."""

    KEEP = "keep"
    """To the same deal."""
    NEW = "new"
    """To another open deal of the user, which is found by its title or made."""
    FOLLOW = "follow"
    """To the deal that it was merged into."""
    WAIT = "wait"
    """Nowhere: they wait until the deal is open again, or somebody chooses another place."""


_FOLLOWS = {
    DriftAnswer.KEEP: "New files still go there.",
    DriftAnswer.NEW: "New files go to another deal.",
    DriftAnswer.FOLLOW: "New files go to the deal that it was merged into.",
    DriftAnswer.WAIT: "New files wait. Open the deal again, choose another target, or change "
    "on_deal_{drift} in the publishing settings.",
}


def drift_words(deal_id: int, drift: Drift, answer: DriftAnswer) -> str:
    """What a person reads of it: two sentences or three."""
    return f"Deal {deal_id} was {drift} in Pipedrive. {_FOLLOWS[answer].format(drift=drift)}"
