"""Accounts at GitHub and Pipedrive: which one the rows belong to."""
