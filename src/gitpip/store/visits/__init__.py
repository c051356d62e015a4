"""Visits: the files that each viewer has seen."""
