"""Rows to Pipedrive: every publication becomes one activity, exactly once."""
