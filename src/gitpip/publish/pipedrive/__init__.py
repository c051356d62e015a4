"""Pipedrive's API, as a place to publish to."""
