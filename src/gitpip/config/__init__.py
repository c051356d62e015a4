"""The settings, each declared once, with their sources and how they are shown."""

from gitpip.config.describe import NOT_SET, SettingRow, describe
from gitpip.config.loader import load_settings, read_secret
from gitpip.config.public_url import PublicUrl
from gitpip.config.settings import Settings, fields
from gitpip.config.validators import (
    LONGEST_DURATION,
    format_duration,
    is_loopback,
    organization,
    parse_duration,
)

__all__ = [
    "LONGEST_DURATION",
    "NOT_SET",
    "PublicUrl",
    "SettingRow",
    "Settings",
    "describe",
    "fields",
    "format_duration",
    "is_loopback",
    "load_settings",
    "organization",
    "parse_duration",
    "read_secret",
]
