"""The settings of deals that gitpip makes: pipeline, stage, owner, labels, value, custom fields."""

import json
import math
import re
from dataclasses import dataclass, replace

from gitpip.config.publishing.activity import TOKEN_OWNER
from gitpip.config.publishing.declaration import (
    NOT_SET,
    Group,
    ValueKind,
    one_line,
    optional,
    setting,
)
from gitpip.validation import any_of, read_decimal

Pairs = tuple[tuple[str, str], ...]
"""Names or keys of fields, each with its value."""
VISIBLE_TO = {
    "1": "Owner and followers",
    "3": "Everyone, or the owner's group",
    "5": "The owner's group and those below",
    "7": "Everyone",
}
MOST_CUSTOM_FIELDS = 50
MOST_LABELS = 20
VALUE_LIMIT = 10**15
_EXAMPLE = 'e.g. {"Source": "GitHub"}'


def _owner(text: str) -> str:
    line = one_line(text, example="Sam Sales")
    return line.lower() if line.lower() == TOKEN_OWNER else line


def _labels(text: str) -> tuple[str, ...]:
    if text.strip().lower() == NOT_SET:
        return ()
    labels = tuple(dict.fromkeys(one_line(part) for part in text.split(",") if part.strip()))
    if not labels or len(labels) > MOST_LABELS:
        raise ValueError(
            f"must be none, or up to {MOST_LABELS} labels separated by commas, e.g. Hot, Beta"
        )
    return labels


def _as_labels(labels: tuple[str, ...]) -> str:
    return ", ".join(labels) or NOT_SET


def _value(text: str) -> float:
    try:
        value = read_decimal(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= VALUE_LIMIT:
        raise ValueError("must be none, or a number from 0 on, e.g. 1200 or 99.50")
    return value


def _currency(text: str) -> str:
    code = text.strip().upper()
    if not re.fullmatch("[A-Z]{3}", code):
        raise ValueError("must be none, or a code of three letters, e.g. EUR")
    return code


def _visible_to(text: str) -> str:
    if text.strip() not in VISIBLE_TO:
        raise ValueError(f"must be {any_of((*VISIBLE_TO, NOT_SET))}")
    return text.strip()


def _custom_fields(text: str) -> Pairs:
    """Return the fields of a JSON object, or of lines such as `Source=GitHub`."""
    if text.strip().lower() in (NOT_SET, ""):
        return ()
    pairs = _of_json(text) if text.lstrip().startswith("{") else _of_lines(text)
    if len(pairs) > MOST_CUSTOM_FIELDS:
        raise ValueError(f"must be at most {MOST_CUSTOM_FIELDS} fields, {_EXAMPLE}")
    if len({name.lower() for name, _ in pairs}) < len(pairs):
        raise ValueError(f"must name each field once, {_EXAMPLE}")
    return pairs


def _of_json(text: str) -> Pairs:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(f"must be a JSON object, {_EXAMPLE}") from None
    return tuple((one_line(name), _field_value(value)) for name, value in content.items())


def _field_value(value: object) -> str:
    match value:
        case bool() | dict() | None:
            raise ValueError(
                f"must have a text, a number or a list of texts for each field, {_EXAMPLE}"
            )
        case list():
            return ", ".join(_field_value(each) for each in value)
        case _:
            return one_line(str(value))


def _of_lines(text: str) -> Pairs:
    pairs = []
    for line in filter(None, map(str.strip, text.splitlines())):
        name, equals, value = line.partition("=")
        if not (equals and name.strip() and value.strip()):
            raise ValueError(
                f"must be none, NAME=VALUE on a line for each field, or a JSON object, {_EXAMPLE}"
            )
        pairs.append((one_line(name), one_line(value)))
    return tuple(pairs)


def _as_custom_fields(pairs: Pairs) -> str:
    return json.dumps(dict(pairs), ensure_ascii=False) if pairs else NOT_SET


@dataclass(frozen=True)
class DealSettings:
    """The fields of each deal that gitpip makes. A deal that is found is not changed."""

    deal_pipeline: str | None = setting(
        None,
        optional(one_line),
        group=Group.DEAL,
        label="Pipeline of new deals",
        description="by name or id; none for Pipedrive's default",
    )
    deal_stage: str | None = setting(
        None,
        optional(one_line),
        group=Group.DEAL,
        label="Stage of new deals",
        description="by name or id; none for the first stage of the pipeline",
    )
    deal_owner: str = setting(
        TOKEN_OWNER,
        ValueKind(_owner),
        group=Group.DEAL,
        label="Owner of new deals",
        description="use token for the user of the token, or a Pipedrive user's name, e-mail"
        " address or id",
    )
    deal_labels: tuple[str, ...] = setting(
        (),
        ValueKind(_labels, _as_labels),
        group=Group.DEAL,
        label="Labels of new deals",
        description="by name or id, with commas between them, or none",
    )
    deal_value: float | None = setting(
        None,
        optional(_value, lambda value: f"{value:.15g}"),
        group=Group.DEAL,
        label="Value of new deals",
        description="a number, or none",
    )
    deal_currency: str | None = setting(
        None,
        optional(_currency),
        group=Group.DEAL,
        label="Currency of the value",
        description="a currency code, e.g. EUR; none for the default of the token's user",
    )
    deal_visible_to: str | None = setting(
        None,
        replace(optional(_visible_to), allowed={**VISIBLE_TO, NOT_SET: "Pipedrive's default"}),
        group=Group.DEAL,
        label="Who can see new deals",
        description="1 (owner and followers), 3 (everyone, or the owner's group), 5 (that group and"
        " those below), 7 (everyone), or none for Pipedrive's default",
    )
    deal_custom_fields: Pairs = setting(
        (),
        ValueKind(_custom_fields, _as_custom_fields, lines=True),
        group=Group.DEAL,
        label="Custom fields of new deals",
        description="one line for each, e.g. Source=GitHub, by name or key; or a JSON object, or"
        " none",
    )
