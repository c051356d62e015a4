"""One of the two vendors in a process of its own: `python -m gitpip.drill.vendors`.

The standard input asks for acts of people at the vendor, and for what the vendor holds in the end,
by a line of JSON each. It ends when its input does, so that it never outlives the drill.
"""

import json
import random
import sys
import threading
import time
from collections import Counter
from datetime import datetime, timedelta
from typing import Any, Final

from gitpip.drill.faults import GITHUB, PIPEDRIVE
from gitpip.publish.token_costs import DAILY_TOKENS
from gitpip.status.sizing import PLANS
from gitpip_standins import FaultPlan, GitHub, Pipedrive, Server
from gitpip_standins.exchange import Journal

TOKEN: Final = "drill-token"  # noqa: S105 - opens nothing but the stand-ins
FILES_A_SECOND: Final = 50
MOST_FILES_OF_A_GIST: Final = 5
ULTIMATE_BURST: Final = 120
"""Requests within two seconds, on the plan Ultimate."""
ULTIMATE_TOKENS: Final = DAILY_TOKENS * PLANS["ultimate"] * 20
"""The limits of the plan Ultimate with twenty seats: 10,000 files at 30 % faults spend a twentieth
of it."""
LIMITS: Final = (
    "GitHub: no hourly limit, 900 requests in 6 s, waits of 1 s; Pipedrive: as on Ultimate with "
    f"20 seats ({ULTIMATE_BURST} requests in 2 s, {ULTIMATE_TOKENS:,} tokens a day)"
)


class OfGitHub:
    """GitHub, with users who publish gists."""

    faults = GITHUB

    def __init__(self) -> None:
        self.api = GitHub(tokens={TOKEN}, limit_with_token=None)
        self.api.limits.minute = timedelta(seconds=6)
        self.api.limits.retry_after = timedelta(seconds=1)
        self._published: list[tuple[str, str, float]] = []
        """Owner, name and time of each file."""

    def answer(self, question: dict[str, Any]) -> object:
        match question["question"]:
            case "settle":
                logins = [f"user-{number:04}" for number in range(1, question["users"] + 1)]
                for login in logins:
                    self.api.add_user(login)
                return logins
            case "publish":
                feed = threading.Thread(target=self._publish, kwargs=question, daemon=True)
                feed.start()
                return None
            case "published":
                return len(self._published)
            case _:
                return {"files": self._published} | counted(self.api.journal, self.api.faults)

    def _publish(self, *, users: int, files: int, seed: int, question: object) -> None:
        """Make users publish one gist after another, until there are this many files."""
        chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
        began = time.monotonic()
        while (number := len(self._published)) < files:
            owner = f"user-{chance.randint(1, users):04}"
            count = min(chance.randint(1, MOST_FILES_OF_A_GIST), files - number)
            names = [f"file-{each:07}.txt" for each in range(number + 1, number + count + 1)]
            self.api.add_gist(owner, {name: f"This is {name} of {owner}.\n" for name in names})
            at = time.time()
            self._published += [(owner, name, at) for name in names]
            ahead = len(self._published) / FILES_A_SECOND - (time.monotonic() - began)
            time.sleep(max(0.0, ahead))


class OfPipedrive:
    """Pipedrive, and what it holds."""

    faults = PIPEDRIVE

    def __init__(self) -> None:
        self.api = Pipedrive(token=TOKEN, daily_tokens=ULTIMATE_TOKENS, burst=ULTIMATE_BURST)

    def answer(self, question: dict[str, Any]) -> object:
        if question["question"] == "held":
            return len({activity["subject"] for activity in self.api.activities})
        return {
            "activities": [
                (str(each["subject"]), each["deal_id"], _seconds(each["add_time"]))
                for each in self.api.activities
            ],
            "deals": {str(deal["id"]): str(deal["title"]) for deal in self.api.deals},
        } | counted(self.api.journal, self.api.faults)


def counted(journal: Journal, faults: FaultPlan) -> dict[str, object]:
    """Return what arrived at a vendor, and what went wrong with it."""
    requests = journal.requests
    return {
        "requests": len(requests),
        "tokens": sum(request.spent for request in requests),
        "limited": sum(request.status == 429 for request in requests),  # noqa: PLR2004
        "faults": Counter(each.fault.kind.value for each in faults.injected),
        "abuse": journal.abuse,
    }


def _seconds(time_text: object) -> float:
    return datetime.fromisoformat(str(time_text)).timestamp()


def main() -> None:
    """Serve the vendor that the first argument names until the standard input ends."""
    side = OfGitHub() if sys.argv[1] == "github" else OfPipedrive()
    with Server(side.api.app) as server:
        for line in sys.stdin:
            question = json.loads(line)
            answer: object = None
            match question["question"]:
                case "address":
                    answer = server.url
                case "faults":
                    side.api.faults.chance(
                        question["percent"] / 100, side.faults, seed=question["seed"]
                    )
                case _:
                    answer = side.answer(question)
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
