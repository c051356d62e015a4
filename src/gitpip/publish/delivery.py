"""The state machine of a delivery: given a row and an outcome, what next and when.

A publication and a deal go the same way:

    pending → sending → published
                      → failed      refused for good
                      → pending     surely not processed: later
                      → uncertain   anything else: look before sending again

Pipedrive has no idempotency key, so after an outcome that leaves open whether the write happened
the only proof is to look, late enough and more than once.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from gitpip.model import Change, PublicationState

LOOKS = 3
"""How often an uncertain delivery is looked for, in vain, before it is sent again."""


@dataclass(frozen=True)
class Accepted:
    """Pipedrive confirmed the write and gave it this id; or it was found under this id."""

    id: int


@dataclass(frozen=True)
class Refused:
    """Pipedrive understood and refused: sending the same again can't help."""

    reason: str


@dataclass(frozen=True)
class NotProcessed:
    """Surely not processed. `pause` is how long to wait; for `everyone`, or this delivery only."""

    reason: str
    pause: timedelta
    everyone: bool = True
    access: bool = False
    """Whether it is the token that is not let in."""


@dataclass(frozen=True)
class Ambiguous:
    """It may have been processed. `pause` holds everything back where the vendor is in trouble."""

    reason: str
    pause: timedelta | None = None


Outcome = Accepted | Refused | NotProcessed | Ambiguous


@dataclass(frozen=True)
class Waits:
    """The waits that keep a delivery safe, all derived from the client's time-out."""

    timeout: timedelta

    @property
    def lease(self) -> timedelta:
        """How long a row is being sent: longer than any request of its sender can take."""
        return 2 * self.timeout + timedelta(seconds=1)

    @property
    def claim(self) -> timedelta:
        """How long a claim holds that was not sent yet: losing it early does no harm."""
        return min(self.lease, timedelta(seconds=15))

    @property
    def latest_start(self) -> timedelta:
        """A request must start this soon after its lease was taken, or not at all."""
        return self.timeout / 2

    @property
    def first_look(self) -> timedelta:
        """From the outcome to the first look: a request in flight can land after its time-out."""
        return 2 * self.timeout

    @property
    def between_looks(self) -> timedelta:
        """From one look to the next: a list may lag behind the writes."""
        return self.timeout


def after_sending(outcome: Outcome, *, now: datetime, waits: Waits) -> Change:
    """What becomes of a row in `sending` (or one that could not be sent) after an outcome."""
    match outcome:
        case Accepted(id=accepted_id):
            return Change(PublicationState.PUBLISHED, now, accepted_id=accepted_id)
        case Refused(reason=reason):
            return Change(PublicationState.FAILED, now, reason=reason)
        case NotProcessed(reason=reason, access=True):
            # The pause of all publishing holds it back, and ends early with another token.
            return Change(PublicationState.PENDING, now, reason=reason)
        case NotProcessed(reason=reason, pause=pause):
            return Change(PublicationState.PENDING, now + pause, reason=reason)
        case Ambiguous(reason=reason):
            return Change(PublicationState.UNCERTAIN, now + waits.first_look, reason=reason)


def after_looking(
    found: int | None, *, looks: int, reason: str | None, now: datetime, waits: Waits
) -> Change:
    """What becomes of an uncertain row after a complete look; `looks` were in vain before."""
    if found is not None:
        return Change(PublicationState.PUBLISHED, now, accepted_id=found)
    if looks + 1 >= LOOKS:
        return Change(PublicationState.PENDING, now, reason=reason)
    return Change(
        PublicationState.UNCERTAIN, now + waits.between_looks, looks=looks + 1, reason=reason
    )


def longer_pause(pause: timedelta, failures_in_a_row: int, *, at_most: timedelta) -> timedelta:
    """A pause that doubles with every failure in a row after the first."""
    doublings = min(max(failures_in_a_row - 1, 0), 20)
    return min(pause * (1 << doublings), at_most)
