"""Watching: what GitHub shows of the tracked users becomes rows."""
