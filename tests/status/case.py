"""What a case of a problem is made of: statements that spoil the rows, and that mend them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Executable, insert

from gitpip.model import FailureKind, PauseCause
from gitpip.status.problem import ProblemKind, Remedy, Severity
from gitpip.store.schema import deals, publications, unreadable, users
from gitpip.store.schema_accounts import accounts, markers
from gitpip.store.schema_publishing import amendments
from gitpip.store.schema_status import pauses as pause_rows
from tests.status.conftest import JUST_NOW, LONG_AGO, NOW

HOUR = timedelta(hours=1)
ADA = users.c.login == "ada"
OF_ADA = publications.c.user_key == 1


@dataclass(frozen=True)
class Case:
    """What spoils the rows, and what mends them."""

    kind: ProblemKind
    severity: Severity
    act: Remedy | None
    spoil: Sequence[Executable]
    mend: Sequence[Executable]
    told: Sequence[str]
    """What the sentence must say."""
    count: int = 1


def paused(name: str, cause: PauseCause, reason: str) -> Sequence[Executable]:
    values = {"name": name, "until": NOW + HOUR, "reason": reason, "cause": cause.value}
    return (insert(pause_rows).values(**values, since=JUST_NOW),)


OVER = pause_rows.update().values(until=NOW)
WELL = (
    users.update()
    .where(ADA)
    .values(
        state="active",
        failure=None,
        failures=0,
        complete_until=JUST_NOW,
        next_check_at=NOW + HOUR,
    )
)
SENT = publications.update().values(state="published", attempts=1, due_at=LONG_AGO, reason=None)
NOT_THERE = {"failure": "GitHub has no user ada", "failures": 3}
FAILED = {"failure": "Not Found (SAML)", "failures": 3}
UNREACHABLE = {"failure": "no route", "failures": 1, "failure_kind": FailureKind.UNREACHABLE}
NOT_LOOKED_FOR = {"reason": "could not look: answered 500", "not_looked_for": True}


def queued(**values: object) -> Executable:
    return publications.update().where(OF_ADA).values(**values)


def deal(**values: object) -> Executable:
    return insert(deals).values(user_key=1, due_at=LONG_AGO, sent_at=LONG_AGO, **values)


def asked(asked_at: datetime, **values: object) -> Executable:
    return insert(amendments).values(
        publication_id=1, version=1, due_at=NOW + HOUR, asked_at=asked_at, **values
    )


def unread(filename: str) -> Executable:
    return insert(unreadable).values(
        user_key=1,
        gist_id="a1b2",
        filename=filename,
        reason="blocked by GitHub (451)",
        failures=3,
        first_failed_at=LONG_AGO,
        next_try_at=NOW + HOUR,
    )


def account(key: int, vendor: str, name: str, **values: object) -> Executable:
    common = {"key": key, "vendor": vendor, "identity": name, "name": name, "met_at": LONG_AGO}
    return insert(accounts).values(**common, **values)


FORGET = (markers.delete(), accounts.delete())
