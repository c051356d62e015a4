"""The decision to send, hold or skip a publication that was never sent, without I/O."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gitpip.model import GistFile, Publication
from gitpip.modes import ASKED, MET_IN_DRY_RUN, HeldBecause, PublishingMode


@dataclass(frozen=True)
class Publish:
    """The publication is sent."""


@dataclass(frozen=True)
class Hold:
    """The publication is held until a person decides."""

    because: HeldBecause
    detail: str
    """The subject of the decision, for a person, in one sentence without a full stop."""


@dataclass(frozen=True)
class Skip:
    """The publication is not sent, unless a person decides otherwise."""

    detail: str


@dataclass(frozen=True)
class Wait:
    """No file can be examined at present, so nothing is decided and no person is asked."""

    detail: str


Decision = Publish | Hold | Skip | Wait
PUBLISH = Publish()


@dataclass(frozen=True)
class Candidate:
    """A publication that is about to be sent for the first time, and its content."""

    publication: Publication
    file: GistFile
    """The file with the content that would be sent."""
    mode: PublishingMode
    """The publishing mode of its user."""


Check = Callable[[Candidate], Decision]
"""A function that checks one publication. It may take long, and runs in a thread."""


@dataclass(frozen=True)
class Checks:
    """The checks of a publication, in this order."""

    first: Sequence[Check] = ()
    always: Sequence[Check] = ()
    """Checks that also apply to what was approved for another reason: no person had seen then what
    these find."""
    then: Sequence[Check] = ()


def is_screened(publication: Publication) -> bool:
    """Return whether it is checked before it is sent; not if a person approved the findings.

    If it was approved without the credentials, it must be possible to find them. A publication that
    may have been sent before must be settled, whatever it holds.
    """
    if not publication.never_arrived:
        return False
    return publication.approved_at is None or (
        publication.held_because is not HeldBecause.CREDENTIALS or publication.masked
    )


def by_mode(candidate: Candidate) -> Decision:
    """Return the decision of the mode, after all others."""
    if candidate.publication.held_because is HeldBecause.DRY_RUN:
        return Hold(HeldBecause.DRY_RUN, MET_IN_DRY_RUN)
    if candidate.mode is PublishingMode.ASK:
        return Hold(HeldBecause.ASK, ASKED)
    return PUBLISH


def decide(candidate: Candidate, checks: Checks) -> Decision:
    """Return the first decision that is not to publish, or else the decision of the mode."""
    is_approved = candidate.publication.approved_at is not None
    if candidate.publication.sent_with:
        # Other files are in its activity since a request that was refused. They were checked, too.
        asked: tuple[Check, ...] = () if is_approved else (by_mode,)
    elif is_approved:
        asked = tuple(checks.always)
    else:
        asked = (*checks.first, *checks.always, *checks.then, by_mode)
    for check in asked:
        decision = check(candidate)
        if not isinstance(decision, Publish):
            return decision
    return PUBLISH
