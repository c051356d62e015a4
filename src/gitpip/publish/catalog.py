"""The choices that an account of the CRM offers: types, users, pipelines, stages and fields."""

from dataclasses import dataclass
from enum import StrEnum


class Listed(StrEnum):
    """A list of the account."""

    ACTIVITY_TYPES = "activity types"
    USERS = "users"
    PIPELINES = "pipelines"
    STAGES = "stages"
    DEAL_FIELDS = "deal fields"
    ACTIVITY_FIELDS = "activity fields"


@dataclass(frozen=True)
class CatalogEntry:
    """Something that is chosen by its id, key or name."""

    id: int
    name: str
    key: str | None = None
    """Another text that names it: the key of a type, the e-mail address of a user."""
    parent: int | None = None
    """The pipeline of a stage."""


@dataclass(frozen=True)
class Field:
    """A field of deals or activities. `options` are set if one or several must be chosen."""

    code: str
    name: str
    kind: str
    is_custom: bool
    options: tuple[CatalogEntry, ...] = ()
    is_required: bool = False
    required_in: frozenset[int] = frozenset()
    """The stages in which the field is required; empty for all stages."""


@dataclass(frozen=True)
class Catalog:
    """The lists of an account, each as it is chosen from, or None if it was not read."""

    activity_types: tuple[CatalogEntry, ...] | None = None
    """The active types, in the account's order."""
    users: tuple[CatalogEntry, ...] | None = None
    """The active users."""
    pipelines: tuple[CatalogEntry, ...] | None = None
    stages: tuple[CatalogEntry, ...] | None = None
    deal_fields: tuple[Field, ...] | None = None
    activity_fields: tuple[Field, ...] | None = None
    hidden: frozenset[Listed] = frozenset()
    """The lists that the account does not show to the user of the token."""


@dataclass(frozen=True)
class ActivityFields:
    """The fields of an activity besides its subject and note. None is left out."""

    type: str = "task"
    done: bool = True
    owner_id: int | None = None
    due_date: str | None = None
    priority: int | None = None


@dataclass(frozen=True)
class DealFields:
    """The fields of a new deal besides its title. None is left out."""

    pipeline_id: int | None = None
    stage_id: int | None = None
    owner_id: int | None = None
    label_ids: tuple[int, ...] = ()
    value: float | None = None
    currency: str | None = None
    visible_to: int | None = None
    custom_fields: tuple[tuple[str, object], ...] = ()
    """The codes of custom fields, each with its value."""
