"""The settings for new files whose deal was won, lost, archived, deleted or merged."""

from dataclasses import dataclass

from gitpip.config.publishing.declaration import Group, ValueKind, one_of, setting
from gitpip.drift import Drift, DriftAnswer

_KEEP = "keep (they still go there)"
_NEW = "new (to another open deal of the person, or to a new one)"
_WAIT = "wait (until someone acts)"

_NAMES = {
    DriftAnswer.KEEP: "Still to this deal",
    DriftAnswer.FOLLOW: "To the deal that it was merged into",
    DriftAnswer.NEW: "To another open deal, or a new one",
    DriftAnswer.WAIT: "Wait until someone acts",
}


def _answers(*allowed: DriftAnswer) -> ValueKind[DriftAnswer]:
    words = one_of({answer: _NAMES[answer] for answer in allowed})
    return ValueKind(lambda text: DriftAnswer(words.parse(text)), allowed=words.allowed)


_OF_A_DEAL_THAT_IS_THERE = _answers(DriftAnswer.KEEP, DriftAnswer.NEW, DriftAnswer.WAIT)


@dataclass(frozen=True)
class DriftSettings:
    """The answers if people close, archive, delete or merge the deal of a user."""

    on_deal_won: DriftAnswer = setting(
        DriftAnswer.KEEP,
        _OF_A_DEAL_THAT_IS_THERE,
        label="After a deal was won",
        group=Group.DRIFT,
        description=f"where new files go after the deal was won: {_KEEP}, {_NEW}, or {_WAIT}",
    )
    on_deal_lost: DriftAnswer = setting(
        DriftAnswer.KEEP,
        _OF_A_DEAL_THAT_IS_THERE,
        label="After a deal was lost",
        group=Group.DRIFT,
        description=f"where new files go after the deal was lost: {_KEEP}, {_NEW}, or {_WAIT}",
    )
    on_deal_archived: DriftAnswer = setting(
        DriftAnswer.NEW,
        _OF_A_DEAL_THAT_IS_THERE,
        label="After a deal was archived",
        group=Group.DRIFT,
        description="where new files go after the deal was archived: keep (they still go there, and"
        f" wait while Pipedrive refuses that), {_NEW}, or {_WAIT}",
    )
    on_deal_deleted: DriftAnswer = setting(
        DriftAnswer.NEW,
        _answers(DriftAnswer.NEW, DriftAnswer.WAIT),
        label="After a deal was deleted",
        group=Group.DRIFT,
        description=f"where new files go after the deal was deleted: {_NEW}, or {_WAIT}",
    )
    on_deal_merged: DriftAnswer = setting(
        DriftAnswer.FOLLOW,
        _answers(DriftAnswer.FOLLOW, DriftAnswer.NEW, DriftAnswer.WAIT),
        label="After a deal was merged",
        group=Group.DRIFT,
        description="where new files go after the deal was merged into another one: follow (to that"
        f" one), {_NEW}, or {_WAIT}",
    )

    def answer_to(self, drift: Drift) -> DriftAnswer:
        """Return where new files go after this drift."""
        return {
            Drift.WON: self.on_deal_won,
            Drift.LOST: self.on_deal_lost,
            Drift.ARCHIVED: self.on_deal_archived,
            Drift.DELETED: self.on_deal_deleted,
            Drift.MERGED: self.on_deal_merged,
        }[drift]
