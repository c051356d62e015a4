"""Rows: the only package that knows SQL."""
