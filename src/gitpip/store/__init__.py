"""Rows: the only package that knows SQL."""

import gitpip.store.schema_accounts  # noqa: F401 - the schema is whole with these tables only
