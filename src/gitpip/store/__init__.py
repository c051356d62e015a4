"""Rows: the only package that knows SQL."""

# The schema is complete only with these tables.
import gitpip.store.schema_access
import gitpip.store.schema_accounts
import gitpip.store.schema_events
import gitpip.store.schema_inbox
import gitpip.store.schema_publishing
import gitpip.store.schema_rules
import gitpip.store.schema_status
import gitpip.store.schema_surveys
import gitpip.store.schema_targets
import gitpip.store.schema_undo
import gitpip.store.schema_visits  # noqa: F401
