"""Credentials in gists: found by a detector that asks no host, and removed from what is sent."""
