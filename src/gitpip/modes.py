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


ASKED = "the publishing mode is to ask before anything is sent"
MET_IN_DRY_RUN = "found, or not sent yet, during a dry run"


class HeldBecause(StrEnum):
    """Why a publication is held until a person decides about it."""

    FLOOD = "flood"
    """Far more was found at once than expected."""
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
