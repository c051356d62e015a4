"""Tokens of no account: what the stand-ins accept, and what a gist leaks."""

TOKEN = "0123456789abcdef0123456789abcdef01234567"
"""The stand-ins accept it; it looks like one of Pipedrive's."""
LEAKED = "gh" + "p_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5"
"""In two pieces, so that no scanner takes this file for a leak."""
