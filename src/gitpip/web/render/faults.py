"""Errors as pages tell them: whole sentences, and fields by the names that forms give them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gitpip.config.publishing.policy import registry
from gitpip.errors import (
    CodeRefused,
    InvalidInput,
    KeyConflict,
    UserNotTracked,
)

LABELS: Mapping[str, str] = {
    "approve": "Decision",
    "backfill": "Existing gists",
    "backlog": "Files in the queue",
    "check_interval": "Check every",
    "deal": "Deal in Pipedrive",
    "expires": "Expires after",
    "for": "Length of the pause",
    "github_token": "GitHub token",
    "id": "Customer ID",
    "interval": "Check every",
    "lead": "Lead in Pipedrive",
    "login": "GitHub username",
    "min_confidence": "Confidence",
    "number": "File number",
    "organization": "Organization in Pipedrive",
    "person": "Person in Pipedrive",
    "pipedrive_plan": "Pipedrive plan",
    "publication_id": "File number",
    "published_on": "Sent on",
    "publishing_mode": "New files",
    "q": "Search",
    "shown": "Number of files",
    "since": "After",
    "state": "Status",
    "term": "Name in Pipedrive",
    "until": "Before",
    "user": "Username",
    "users": "People",
}
"""The names of fields on pages, where the form's name would be another word."""
ALONE = frozenset({"all", "file", "header", "ids", "login", "rules", "sheet"})
"""The fields about which our sentences say everything."""
_FIELDS: Mapping[type[Exception], str] = {
    CodeRefused: "code",
    KeyConflict: "name",
}
"""The field of a form that an error is about which names none."""
_NAME = "gitpip"
_ENDS = (".", "!", "?", "…")


def _own_name(field: str) -> str:
    """Return the last name in a field's place: `tags` for `conditions.tags.0`."""
    names = [part for part in field.split(".") if not part.isdigit()]
    return names[-1] if names else field


def label(field: str) -> str:
    """Return the name of a field on pages; of an item of a list, that of the list."""
    name = _own_name(field)
    if known := LABELS.get(name):
        return known
    if known_setting := registry().get(name):
        return known_setting.declaration.label
    words = f"{name.removesuffix('_id')} number" if name.endswith("_id") else name
    return words.replace("_", " ").capitalize()


def fault_words(error: Exception, labels: Mapping[str, str] | None = None) -> str:
    """Return what is wrong, after the name of the field; `labels` has names of one page alone."""
    if isinstance(error, UserNotTracked) and error.login:
        return f"You don't track {error.login} yet"
    if not isinstance(error, InvalidInput):
        return str(error)
    if error.field in ALONE:
        return error.message
    return f"{(labels or {}).get(error.field) or label(error.field)}: {error.message}"


@dataclass(frozen=True)
class FormFault:
    """Why a form was refused."""

    words: str
    field: str = ""
    """The field that is wrong; empty if it is none of them alone."""
    form: str = ""
    """Which form of the page, where fields of several have the same name."""
    takes_focus: bool = True
    """Whether the field gets the focus; browsers refuse that where the address leads to a place."""


def form_fault(
    error: Exception, labels: Mapping[str, str] | None = None, *, field: str = "", form: str = ""
) -> FormFault:
    """Return why a form was refused; `field` is that of an error that names none."""
    if isinstance(error, InvalidInput):
        field = _own_name(error.field)
    return FormFault(fault_words(error, labels), field or _FIELDS.get(type(error), ""), form)


def field_faults(errors: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the faults of fields as sentences."""
    return [as_sentence(f"{label(each['field'])}: {each['message']}") for each in errors]


def as_sentence(text: str, *, begins_with_name: bool = False) -> str:
    """Return a sentence with a capital letter and a full stop.

    A name stays as it is: that of gitpip, and whatever else the text begins with.
    """
    text = text.strip()
    keeps = begins_with_name or text.partition(" ")[0] == _NAME
    begun = text if keeps else text[:1].upper() + text[1:]
    return begun if not begun or begun.endswith(_ENDS) else f"{begun}."
