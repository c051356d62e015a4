"""How far publishing goes without a person, and why a publication waits for one."""

from enum import StrEnum


class PublishingMode(StrEnum):
    """What becomes of a file that was found."""

    AUTOMATIC = "automatic"
    """It is published."""
    ASK = "ask"
    """It is held until somebody approves it."""
    DRY_RUN = "dry-run"
    """It waits, and what would be sent is shown: nothing is written to the CRM."""


ASKED = "needs approval"
MET_IN_DRY_RUN = "found, or not sent yet, during a dry run"


class CredentialsGuard(StrEnum):
    """What becomes of a file that looks like it holds passwords, tokens or keys."""

    HOLD = "hold"
    """It is held until somebody approves it."""
    MASK = "mask"
    """It is published without them."""
    PUBLISH = "publish"
    """It is published as it is, and not examined."""


class FoundCredentials(StrEnum):
    """What a person who approves a file decides about what looks like credentials in it."""

    PUBLISH = "publish"
    """The file is sent as it is."""
    MASK = "mask"
    """The file is sent without them."""


class HeldBecause(StrEnum):
    """Why a publication is held until a person decides about it."""

    FLOOD = "flood"
    """Far more of its user was found at once than expected."""
    DAY_FLOOD = "day-flood"
    """Far more of all users was found within a day than expected."""
    ASK = "ask"
    """The mode is to ask."""
    DRY_RUN = "dry-run"
    """It was found, or waited, during a dry run."""
    PERSON = "person"
    """A person held it."""
    RULE = "rule"
    """A rule says so."""
    CREDENTIALS = "credentials"
    """It looks as if it holds a password, a token or a key."""


class LeftBecause(StrEnum):
    """Why gitpip leaves a second activity of one file in Pipedrive, for a person to look at."""

    TOO_MANY = "too-many"
    """There are more of them than gitpip sent: a person made one of them."""
    TOUCHED = "touched"
    """It is not as gitpip made it."""
    NOT_DELETED = "not-deleted"
    """gitpip may not delete it now, or Pipedrive did not do it."""
