"""Puts everything together: what runs in a process, and when."""
