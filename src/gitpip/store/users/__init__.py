"""Tracked users: who they are, when they are due, and lists of them."""
