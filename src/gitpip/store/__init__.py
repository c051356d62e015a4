"""Rows: the only package that knows SQL."""

import gitpip.store.schema_accounts
import gitpip.store.schema_events  # noqa: F401
