"""Watching: stores what GitHub shows of the tracked users."""
