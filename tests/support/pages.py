"""What tests read from the HTML of a page."""


def on_one_line(html: str) -> str:
    """The same, where a browser shows the same: each run of white space is one blank."""
    return " ".join(html.split())
