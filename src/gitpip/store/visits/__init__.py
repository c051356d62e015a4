"""Visits: what each viewer has seen."""
