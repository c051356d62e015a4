"""The drift of a user's deal in Pipedrive, and where the user's new files go after it."""

from enum import StrEnum


class Drift(StrEnum):
    """The change that people made to a deal. Each word completes the sentence: it was ..."""

    WON = "won"
    LOST = "lost"
    ARCHIVED = "archived"
    DELETED = "deleted"
    MERGED = "merged"
    """The deal was deleted, and its activities are under another deal."""


class DriftAnswer(StrEnum):
    """The place for new files after a drift."""

    KEEP = "keep"
    """The same deal."""
    NEW = "new"
    """Another open deal of the user, found by its title or made."""
    FOLLOW = "follow"
    """The deal that it was merged into."""
    WAIT = "wait"
    """No place: they wait until the deal is open again, or a person chooses another place."""


_FOLLOWS = {
    DriftAnswer.KEEP: "New files still go there.",
    DriftAnswer.NEW: "New files go to another deal.",
    DriftAnswer.FOLLOW: "New files go to the deal that it was merged into.",
    DriftAnswer.WAIT: "New files wait. Open the deal again, choose another target, or change "
    "on_deal_{drift} in the publishing settings.",
}


def drift_words(deal_id: int, drift: Drift, answer: DriftAnswer) -> str:
    """Return two or three sentences for people about a drift."""
    return f"Deal {deal_id} was {drift} in Pipedrive. {_FOLLOWS[answer].format(drift=drift)}"
