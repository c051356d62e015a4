"""Gists, their files, and how they are listed and searched."""
