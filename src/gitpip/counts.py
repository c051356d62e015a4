"""Numbers with what they count, for people."""


def count(number: int, thing: str, things: str | None = None) -> str:
    """Return a number with what it counts, such as `1 user` or `1,200 users`."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"


def people(number: int) -> str:
    """Return a number of tracked users in the words of pages, such as `1,200 people`."""
    return count(number, "person", "people")
