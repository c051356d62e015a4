"""Surveys: readings of a whole account, with what they saw and found."""
