"""GitHub's API as it concerns gists."""
