"""The report of a drill: the fate of every file, counted from what the stand-ins hold.

It does not use gitpip's rows.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from gitpip.config import format_duration
from gitpip.drill.vendors import LIMITS


@dataclass(frozen=True)
class Late:
    """The times from the publication of a file at GitHub to its activity, in whole seconds."""

    p50: float
    p95: float
    most: float


@dataclass(frozen=True)
class Report:
    """The result of a drill."""

    files: int
    users: int
    replicas: int
    database: str
    reconciles: bool
    seed: int
    limits: str
    finished: bool
    """Whether gitpip had nothing left to do when the drill ended."""
    seconds: float
    lost: int
    """Files without an activity."""
    doubled: int
    """Files that have, or had, more than one activity: deleted ones count."""
    wrong_deal: int
    """Activities under another user's deal, under none, or of no file."""
    doubled_deals: int
    """Users with more than one deal."""
    late: Late | None
    """None where nothing arrived."""
    kills: int
    ended: int
    """Processes that ended though nobody had killed them."""
    requests: Mapping[str, int]
    tokens: int
    """The tokens used of Pipedrive's daily budget."""
    limited: Mapping[str, int]
    """Answers with 429."""
    faults: Mapping[str, int]
    """The number of injected faults of each kind."""
    abuse: Sequence[str]
    """The requests that a vendor would call abuse."""
    lost_files: Sequence[str]
    doubled_files: Sequence[str]

    @property
    def passed(self) -> bool:
        """Return whether every file became exactly one activity, where it belongs, in time."""
        return self.finished and not (
            self.lost or self.doubled or self.wrong_deal or self.doubled_deals
        )

    def lines(self) -> Iterator[str]:
        """The result as people read it."""
        looks = "" if self.reconciles else ", without looking before sending again"
        yield (
            f"{self.files:,} files of {self.users:,} users, {self.replicas} "
            f"{'process' if self.replicas == 1 else 'processes'} on {self.database}{looks}, "
            f"seed {self.seed}"
        )
        yield f"limits: {self.limits}"
        yield f"went wrong: {sum(self.faults.values()):,} requests ({_listed(self.faults)})"
        yield f"killed: {self.kills:,} processes; crashed: {self.ended:,}"
        yield (
            f"requests: GitHub {self.requests['github']:,}, Pipedrive "
            f"{self.requests['pipedrive']:,} ({self.tokens:,} tokens); answers with 429: "
            f"GitHub {self.limited['github']:,}, Pipedrive {self.limited['pipedrive']:,}"
        )
        if self.late:
            yield (
                f"in Pipedrive: half of the files within {self.late.p50:.0f} s, 95% within "
                f"{self.late.p95:.0f} s, the last after {self.late.most:.0f} s"
            )
        if self.abuse:
            yield f"called abuse by a vendor: {_listed(Counter(self.abuse))}"
        missing = "lost" if self.finished else "not in Pipedrive yet"
        yield f"{missing}: {self.lost:,}{_some(self.lost_files)}"
        yield f"doubled: {self.doubled:,}{_some(self.doubled_files)}"
        yield (
            f"on a wrong deal: {self.wrong_deal:,}; users with two deals: {self.doubled_deals:,}"
        )
        took = format_duration(timedelta(seconds=round(self.seconds)))
        yield f"finished in {took}" if self.finished else f"not finished within {took}"


def counted(github: Any, pipedrive: Any) -> dict[str, Any]:
    """Return what the two vendors' answers say about every file, as fields of a Report."""
    owners = {name: owner for owner, name, _ in github["files"]}
    times = {name: at for _, name, at in github["files"]}
    arrived: defaultdict[str, list[float]] = defaultdict(list)
    wrong = 0
    for subject, deal, at in pipedrive["activities"]:
        name = subject.split()[0]
        if name in owners:
            arrived[name].append(at)
        wrong += owners.get(name) not in pipedrive["deals"].get(str(deal), "").split()
    lost = [name for name in owners if name not in arrived]
    doubled = [name for name, made in arrived.items() if len(made) > 1]
    # Pipedrive tells whole seconds, so that an activity can seem older than its file.
    waits = sorted(max(0.0, min(made) - times[name]) for name, made in arrived.items())
    return {
        "lost": len(lost),
        "lost_files": lost,
        "doubled": len(doubled),
        "doubled_files": doubled,
        "wrong_deal": wrong,
        "doubled_deals": sum(n > 1 for n in Counter(pipedrive["deals"].values()).values()),
        "late": _late(waits),
        "requests": {"github": github["requests"], "pipedrive": pipedrive["requests"]},
        "tokens": pipedrive["tokens"],
        "limited": {"github": github["limited"], "pipedrive": pipedrive["limited"]},
        "faults": dict(Counter(github["faults"]) + Counter(pipedrive["faults"])),
        "abuse": [*github["abuse"], *pipedrive["abuse"]],
        "limits": LIMITS,
    }


def _late(waits: Sequence[float]) -> Late | None:
    if not waits:
        return None
    return Late(waits[len(waits) // 2], waits[len(waits) * 95 // 100], waits[-1])


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in sorted(counts.items())) or "none"


def _some(names: Sequence[str]) -> str:
    if not names:
        return ""
    return f" ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"  # noqa: PLR2004
