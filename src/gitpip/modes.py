"""Publishing modes, and the reasons for holding a publication until a person decides."""

from enum import StrEnum


class PublishingMode(StrEnum):
    """The treatment of a file that was found."""

    AUTOMATIC = "automatic"
    """The file is published."""
    ASK = "ask"
    """The file is held until a person approves it."""
    DRY_RUN = "dry-run"
    """The file waits, and what would be sent is shown: nothing is written to the CRM."""


ASKED = "needs approval"
MET_IN_DRY_RUN = "found, or not sent yet, during a dry run"


class CredentialsGuard(StrEnum):
    """The treatment of a file that looks as if it holds passwords, tokens or keys."""

    HOLD = "hold"
    """The file is held until a person approves it."""
    MASK = "mask"
    """The file is published without them."""
    PUBLISH = "publish"
    """The file is published as it is, and not examined."""


class FoundCredentials(StrEnum):
    """The decision of a person who approves a file about what looks like credentials in it."""

    PUBLISH = "publish"
    """The file is sent as it is."""
    MASK = "mask"
    """The file is sent without them."""


class HeldBecause(StrEnum):
    """The reason for holding a publication until a person decides about it."""

    FLOOD = "flood"
    """Far more files of its user were found at once than expected."""
    DAY_FLOOD = "day-flood"
    """Far more files of all users were found within a day than expected."""
    ASK = "ask"
    """The mode is `ask`."""
    DRY_RUN = "dry-run"
    """Found, or waiting, during a dry run."""
    PERSON = "person"
    """A person held it."""
    RULE = "rule"
    """A rule says so."""
    CREDENTIALS = "credentials"
    """It may hold a password, a token or a key."""


HELD_WORDS = {
    HeldBecause.FLOOD: "far more came at once than expected",
    HeldBecause.DAY_FLOOD: "far more came within a day than expected",
    HeldBecause.ASK: ASKED,
    HeldBecause.DRY_RUN: MET_IN_DRY_RUN,
    HeldBecause.PERSON: "put on hold by a person",
    HeldBecause.RULE: "a rule asks for approval",
    HeldBecause.CREDENTIALS: "may contain credentials",
}
"""The same for people."""


class ActivityLeftBecause(StrEnum):
    """The reason for leaving a second activity of one file in Pipedrive, for a person to check."""

    TOO_MANY = "too-many"
    """There are more of them than gitpip sent: a person made one of them."""
    TOUCHED = "touched"
    """Changed since gitpip made it."""
    NOT_DELETED = "not-deleted"
    """gitpip may not delete it now, or Pipedrive did not do it."""
