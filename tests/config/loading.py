"""Settings from an environment alone, and what is wrong with them."""

import pytest

from gitpip.config import Settings, load_settings
from gitpip.errors import SettingsError


def load(**environ: str) -> Settings:
    return load_settings(environ, env_file=None)


def faults(**environ: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as raised:
        load(**environ)
    return raised.value.faults
