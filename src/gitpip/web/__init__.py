"""Rows to people: over HTTP, and on a page."""
