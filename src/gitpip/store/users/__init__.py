"""Tracked users: their rows, their schedule, and lists of them."""
