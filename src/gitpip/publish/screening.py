"""Whether a publication that was never sent is sent, held or skipped, without I/O."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gitpip.model import GistFile, Publication
from gitpip.modes import ASKED, MET_IN_DRY_RUN, HeldBecause, PublishingMode


@dataclass(frozen=True)
class Publish:
    """Nothing speaks against sending it."""


@dataclass(frozen=True)
class Hold:
    """It waits for a person's decision."""

    because: HeldBecause
    detail: str
    """What a person reads: what it is about, in one sentence without a full stop."""


@dataclass(frozen=True)
class Skip:
    """It is not sent, unless a person says so."""

    detail: str


@dataclass(frozen=True)
class Wait:
    """No file can be examined at present, so nothing is decided about it; no person is asked."""

    detail: str


Decision = Publish | Hold | Skip | Wait
PUBLISH = Publish()


@dataclass(frozen=True)
class Candidate:
    """A publication that is about to be sent for the first time, and what it would show."""

    publication: Publication
    file: GistFile
    """With the content that would be sent."""
    mode: PublishingMode
    """The publishing mode of its user."""


Check = Callable[[Candidate], Decision]
"""Looks at one publication; it may take long, and runs in a thread."""


@dataclass(frozen=True)
class Checks:
    """What is asked about a publication, in this order."""

    first: Sequence[Check] = ()
    always: Sequence[Check] = ()
    """Also about what was approved for another reason: nobody had seen then what these find."""
    then: Sequence[Check] = ()


def is_screened(publication: Publication) -> bool:
    """Whether it is looked at before it is sent: it is not, where a person approved what is found.

    Where it was approved without that, it must be possible to tell what that is. What may have been
    sent before must be settled, whatever it is.
    """
    if publication.sent_at is not None:
        return False
    return publication.approved_at is None or (
        publication.held_because is not HeldBecause.CREDENTIALS or publication.masked
    )


def by_mode(candidate: Candidate) -> Decision:
    """What the mode says, after everything else."""
    if candidate.publication.held_because is HeldBecause.DRY_RUN:
        return Hold(HeldBecause.DRY_RUN, MET_IN_DRY_RUN)
    if candidate.mode is PublishingMode.ASK:
        return Hold(HeldBecause.ASK, ASKED)
    return PUBLISH


def decide(candidate: Candidate, checks: Checks) -> Decision:
    """The first decision of these checks that is not to publish, then that of the mode."""
    if candidate.publication.approved_at is not None:
        asked = tuple(checks.always)
    else:
        asked = (*checks.first, *checks.always, *checks.then, by_mode)
    for check in asked:
        decision = check(candidate)
        if not isinstance(decision, Publish):
            return decision
    return PUBLISH
