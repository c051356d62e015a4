"""The targets of a user's activities in the CRM: a given deal, lead, person or organization."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal, Self

DEAL_BY_TITLE: Final = "deal-by-title"
"""The value instead of a target: the user's own deal, found or made by its title."""
LARGEST_TARGET_ID = 2**53 - 1
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class TargetKind(StrEnum):
    """The kind of a target."""

    DEAL = "deal"
    LEAD = "lead"
    PERSON = "person"
    ORGANIZATION = "organization"


@dataclass(frozen=True)
class Target:
    """The choice of a person for a user's activities; `id` is Pipedrive's own, as it is written."""

    kind: TargetKind
    id: str

    @classmethod
    def of(cls, kind: TargetKind, text: str) -> Self:
        """Return a target of this kind; raises ValueError if the text is not an id of one."""
        written = text.strip()
        if kind is TargetKind.LEAD:
            if not _UUID.fullmatch(written.lower()):
                raise ValueError(
                    "must be the UUID of a lead, e.g. adf21080-0e10-11eb-879b-05d71fb426ec, "
                    f"not {text[:60]!r}"
                )
            return cls(kind, written.lower())
        digits = (
            written.isascii()
            and written.isdigit()
            and len(written) < len(f"{LARGEST_TARGET_ID}") + 1
        )
        if not (digits and 0 < int(written) <= LARGEST_TARGET_ID):
            an = "an" if kind is TargetKind.ORGANIZATION else "a"
            raise ValueError(
                f"must be the id of {an} {kind}, a whole number, e.g. 42, not {text[:40]!r}"
            )
        return cls(kind, str(int(written)))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the target of `deal:42`, `lead:UUID`, `person:7` or `organization:9`.

        Raises ValueError for any other text.
        """
        kind, colon, number = text.strip().partition(":")
        if not colon or kind.lower() not in set(TargetKind):
            raise ValueError(
                f"must be deal:ID, lead:UUID, person:ID, organization:ID or {DEAL_BY_TITLE}, "
                f"e.g. deal:42, not {text[:60]!r}"
            )
        return cls.of(TargetKind(kind.lower()), number)

    @property
    def number(self) -> int:
        """Pipedrive's id of any target except a lead."""
        return int(self.id)

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"

    @property
    def words(self) -> str:
        """The target for people, such as `deal 42`."""
        return f"{self.kind} {self.id}"


@dataclass(frozen=True)
class DealLinks:
    """The person and the organization of a deal, by Pipedrive's ids."""

    person_id: int | None = None
    org_id: int | None = None


NO_LINKS = DealLinks()


TargetChoice = Target | Literal["deal-by-title"]


def parsed_target(text: str) -> TargetChoice:
    """Return a target as it is written in one word; raises ValueError with the accepted texts."""
    return DEAL_BY_TITLE if text.strip().lower() == DEAL_BY_TITLE else Target.parse(text)


def chosen_target(given: Mapping[TargetKind, str | None], *, by_title: bool) -> TargetChoice | None:
    """Return the one target that was given, each kind by its own name, or None.

    Raises ValueError if there are several, or one is not an id.
    """
    named = {kind: text for kind, text in given.items() if text}
    names = [*named, *([DEAL_BY_TITLE] if by_title else [])]
    if len(names) > 1:
        raise ValueError(f"{' and '.join(names)} are given; a user's activities have one target")
    if by_title:
        return DEAL_BY_TITLE
    return next((Target.of(kind, text) for kind, text in named.items()), None)
