"""Accounts at GitHub and Pipedrive: the one that the rows belong to, and the others."""
