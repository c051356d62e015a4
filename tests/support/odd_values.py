"""What JSON and headers can hold, and a database or a sum can't."""

MARKER = "gp-abcdefghijkl"

TEXTS: tuple[str, ...] = ("half \ud83d a pair", "\udc00", "nothing\0", "w" * 100_000)
NUMBERS: tuple[object, ...] = (2**63, 2**70, 10**4_000, -1, 0, -(2**70), 1e308, float("inf"))
TIMES: tuple[str, ...] = (
    "0001-01-01T00:00:00+01:00",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59-12:00",
    "9999-12-31T23:59:59Z",
)


def nested(depth: int = 60) -> object:
    value: object = "\ud800"
    for _ in range(depth):
        value = [value]
    return value


VALUES: tuple[object, ...] = (*TEXTS, *NUMBERS, float("nan"), *TIMES, nested())

HUGE = "9" * 400
DATES: tuple[str, ...] = (
    "Mon, 01 Jan 0001 00:00:00 +0100",
    "Fri, 31 Dec 9999 23:59:59 -1200",
    "Fri, 31 Dec 9999 23:59:59 GMT",
    f"Fri, 31 Dec {HUGE} 23:59:59 GMT",
    f"Fri, 31 Dec 2027 23:59:59 +{HUGE}",
    "\xe9",
)
COUNTS: tuple[str, ...] = (HUGE, "-1", "NaN", "1e999", "\xb2", "")
