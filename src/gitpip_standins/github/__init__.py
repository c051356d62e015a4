"""GitHub's API over a world of users and gists, strict and faulty on demand."""
