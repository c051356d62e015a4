"""What a Pipedrive account is set up with: its user, its activity types, its deal fields."""

from collections.abc import Iterable

from gitpip_standins.exchange import JsonObject

_LONG_AGO = "2024-01-02 03:04:05"
"""v1 writes times without a zone."""


def current_user(user_id: int, company_domain: object) -> JsonObject:
    """What /v1/users/me shows, with every field of the official client's types."""
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
    """What /v1/activityTypes shows for these `key_string`s."""
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


def deal_field(name: str, code: str, kind: str, *, custom: bool) -> JsonObject:
    """A deal field as /api/v2/dealFields shows it; `code` keys a deal's `custom_fields`."""
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
    }
