"""The set-up of a Pipedrive account: users, activity types, pipelines, stages, fields."""

from collections.abc import Iterable

from gitpip_standins.exchange import JsonObject

_LONG_AGO = "2024-01-02 03:04:05"
"""v1 writes times without a zone."""


def current_user(user_id: int, company_domain: object) -> JsonObject:
    """The answer of /v1/users/me, with every field of the official client's types."""
    return {
        "id": user_id,
        "name": "Petra Pipe",
        "default_currency": "EUR",
        "locale": "en_US",
        "lang": 1,
        "email": "petra@example.com",
        "phone": None,
        "activated": True,
        "last_login": _LONG_AGO,
        "created": _LONG_AGO,
        "modified": None,
        "has_created_company": True,
        "access": [{"app": "sales", "admin": True, "permission_set_id": "main"}],
        "active_flag": True,
        "timezone_name": "Europe/Berlin",
        "timezone_offset": "+01:00",
        "role_id": 1,
        "icon_url": None,
        "is_you": True,
        "is_deleted": False,
        "company_id": 1,
        "company_name": "Example",
        "company_domain": company_domain,
        "company_country": "DE",
        "company_industry": "software",
        "language": {"language_code": "en", "country_code": "US"},
    }


def activity_types(keys: Iterable[str]) -> list[JsonObject]:
    """The answer of /v1/activityTypes for these `key_string`s."""
    return [
        {
            "id": number,
            "name": key.replace("_", " ").capitalize(),
            "icon_key": key if key in _ICONS else "task",
            "color": "FFFFFF",
            "order_nr": number,
            "key_string": key,
            "active_flag": True,
            "is_custom_flag": key not in _ICONS,
            "add_time": _LONG_AGO,
            "update_time": _LONG_AGO,
        }
        for number, key in enumerate(keys, start=1)
    ]


_ICONS = frozenset({"call", "meeting", "task", "deadline", "email", "lunch"})


def field_of(name: str, code: str, kind: str, *, custom: bool, **more: object) -> JsonObject:
    """A field as /api/v2/dealFields shows it; `code` keys a deal's `custom_fields`."""
    return {
        "field_name": name,
        "field_code": code,
        "field_type": kind,
        "is_custom_field": custom,
        "is_optional_response_field": False,
        "description": None,
        "options": None,
        "subfields": None,
        "ui_visibility": {},
        "important_fields": {},
        "required_fields": {},
        **more,
    }


def options(*labels: str, first: int = 1) -> list[JsonObject]:
    """The options of a field, numbered from `first`."""
    return [
        {"id": number, "label": label, "color": None, "add_time": None, "update_time": None}
        for number, label in enumerate(labels, start=first)
    ]


PRIORITIES = ("Low", "Medium", "High")
FIRST_PRIORITY = 201


def activity_fields() -> list[JsonObject]:
    """The answer of /api/v2/activityFields, as far as anybody chooses from it."""
    priorities = options(*PRIORITIES, first=FIRST_PRIORITY)
    return [
        field_of("Subject", "subject", "varchar", custom=False),
        field_of("Priority", "priority", "enum", custom=False, options=priorities),
    ]


def user(number: int, name: str, email: str, *, active: bool) -> JsonObject:
    """A user as /v1/users lists them."""
    return current_user(number, "example") | {
        "name": name,
        "email": email,
        "active_flag": active,
        "is_you": number == 1,
    }


def pipeline(number: int, name: str) -> JsonObject:
    """A pipeline as /api/v2/pipelines lists them."""
    return {
        "id": number,
        "name": name,
        "order_nr": number,
        "is_deleted": False,
        "is_deal_probability_enabled": False,
        "is_selected": number == 1,
        "add_time": "2024-01-02T03:04:05Z",
        "update_time": None,
    }


def stage(number: int, name: str, pipeline_id: int) -> JsonObject:
    """A stage as /api/v2/stages lists them."""
    return {
        "id": number,
        "order_nr": number,
        "name": name,
        "is_deleted": False,
        "deal_probability": 100,
        "pipeline_id": pipeline_id,
        "is_deal_rot_enabled": False,
        "days_to_rotten": None,
        "add_time": "2024-01-02T03:04:05Z",
        "update_time": None,
    }
