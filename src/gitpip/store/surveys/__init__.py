"""Surveys: readings of a whole account, what they saw, and what they found."""
