"""The fields of activities and deals: the publishing settings in the account's ids.

The account's lists are only read if a setting names something by its name, or after Pipedrive
refused something: the defaults cost nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from gitpip.config.publishing.activity import DEAL_OWNER, GIST_DATE, TODAY
from gitpip.config.publishing.policy import PublishingPolicy
from gitpip.model import DealId
from gitpip.observability.logging import get_logger
from gitpip.publish.catalog import ActivityFields, Catalog, DealFields, Field, Listed
from gitpip.publish.delivery import Refused
from gitpip.publish.destination import Destination, Item
from gitpip.publish.policy import Policies
from gitpip.publish.resolution import About, Resolved, ask_for, needed, resolve
from gitpip.store.database import Database
from gitpip.store.publications import publishing_settings
from gitpip.store.publications.publishing_settings import REFUSED, REQUIRED
from gitpip.templates.safe_text import in_a_line
from gitpip.templates.variables import UserValues

LISTS_LAST = timedelta(days=1)
"""The age up to which the lists are used. gitpip notices a removed entry when Pipedrive refuses
it."""
AFTER_CHANGE = timedelta(minutes=10)
"""The same after a change of a setting: what a person has just named may be new in the account."""
AFTER_REFUSAL = timedelta(minutes=1)
"""The same after a refusal. Nothing is sent while the owner of activities is missing, so that costs
little, too."""
READINGS_FOR_REFUSALS = 5
"""The most readings within that time for refusals that came after the lists were read."""
WITHOUT_A_DEAL = timedelta(minutes=10)
"""The same while no deal can be made. Each deal that waits asks, and the lists cost up to 60
tokens."""
NOT_LISTED = {"currency": "deal_currency", "visible_to": "deal_visible_to"}
"""The settings that no list of the account covers, by the code of the field of deals."""
REPLACED = timedelta(hours=1)
"""The same while another type is sent instead."""
TERMS_TRIED_AGAIN_AFTER = timedelta(minutes=30)
"""The wait before another try, unless a setting is changed or a person ends the wait."""
DEAL_TITLE_LIMIT = 2_000
"""The limit of a title in bytes. A template makes far shorter ones."""
OWNER_LASTS = timedelta(minutes=10)
OWNERS_KNOWN = 10_000

log = get_logger()


class Unsettled(Exception):
    """Nothing can be sent with the settings as they are. The message says what to choose."""


@dataclass(frozen=True)
class _RefusedValue:
    """A setting of deals whose value Pipedrive refused. Only a request shows that."""

    setting: str
    sentence: str
    fields: DealFields
    """The fields of the deal that was refused."""
    at: datetime


class Terms:
    """The fields of what is sent next. `now` returns the time (UTC)."""

    def __init__(
        self,
        database: Database,
        destination: Destination,
        policies: Policies,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._destination = destination
        self.policies = policies
        self._now = now
        self._one_at_a_time = asyncio.Lock()
        self._catalog = Catalog()
        self._listed: frozenset[Listed] = frozenset()
        """The lists that the catalog holds."""
        self._read_at: datetime | None = None
        self._made_of: tuple[PublishingPolicy, str, tuple[Field, ...] | None] | None = None
        """The policy, the token and the fields of deals from which `_resolved` was made."""
        self._refused_for: tuple[Field, ...] = ()
        """The required fields that a refused deal lacked."""
        self._refused_value: _RefusedValue | None = None
        self._read_for_refusals: list[datetime] = []
        """The times at which the lists were read because of refusals."""
        self._resolved = Resolved()
        self._noted: dict[str, str] | None = None
        """The faults as they were last recorded, or None if that is not known."""
        self._owners: dict[DealId, tuple[int | None, datetime]] = {}

    async def activity(
        self,
        deal_id: DealId | None,
        day: date | None,
        look_at: Callable[[DealId], Awaitable[Item | None]],
    ) -> ActivityFields:
        """Return the fields of an activity for a gist of this day. Raises Unsettled, LookFailed.

        Without a deal, the owner is the user of the token. `look_at` returns a deal as it is now,
        and may raise errors of its own.
        """
        policy = self.policies.current
        resolved = await self._settled(About.ACTIVITY)
        if resolved.of_activity:
            raise _unsettled(resolved.of_activity)
        fields = resolved.activity
        if policy.activity_owner == DEAL_OWNER:
            owner_id = None if deal_id is None else await self._owner_of(deal_id, look_at)
            # An inactive user can't own anything new.
            fields = replace(fields, owner_id=owner_id if self._is_active(owner_id) else None)
        due = {GIST_DATE: day, TODAY: self._now().date()}.get(policy.activity_due_date)
        return replace(fields, due_date=due.isoformat() if due else None)

    async def deal(self) -> DealFields:
        """Return the fields of a new deal. Raises Unsettled, LookFailed."""
        resolved = await self._settled(About.DEAL)
        if resolved.of_deal:
            raise _unsettled(resolved.of_deal)
        if resolved.required and self._refused_for == resolved.required:
            raise Unsettled(ask_for(resolved.required))
        refused = self._present_refusal()
        # One deal now and then shows whether it is still refused.
        if refused is not None and timedelta(0) <= self._now() - refused.at <= WITHOUT_A_DEAL:
            raise Unsettled(f"{refused.setting}: {refused.sentence}")
        return resolved.deal

    async def deal_made(self) -> None:
        """Note that Pipedrive accepted a deal, so that none of its values is refused any more."""
        if self._refused_value is not None:
            self._refused_value = None
            await self._note_faults()

    def note_owner(self, deal_id: DealId, owner_id: int | None) -> None:
        """Keep the owner of a deal that was just read for another reason."""
        if self.policies.current.activity_owner == DEAL_OWNER:
            if len(self._owners) >= OWNERS_KNOWN:
                self._owners.clear()
            self._owners[deal_id] = owner_id, self._now()

    def titles(self, login: str) -> tuple[str, ...]:
        """Return the possible titles of a user's deal; the first is that of a new one."""
        template = self.policies.current.deal_title_template
        title = in_a_line(template.fill({"user": UserValues(login)}, DEAL_TITLE_LIMIT).before)
        return (title,) if title == login else (title, login)

    async def changed_since(self, sent: ActivityFields | DealFields, refusal: Refused) -> bool:
        """Return whether something that Pipedrive refused would now be sent with other fields.

        The account's lists are read again for that if they are from before. Raises Unsettled if the
        account lacks what a setting names, or requires what none gives, and LookFailed.
        """
        refused_at = self._now()
        if isinstance(sent, DealFields):
            resolved = await self._settled(About.DEAL, refused_at=refused_at)
            if resolved.of_deal:
                raise _unsettled(resolved.of_deal)
            if any(refusal.is_about(each.code, each.name) for each in resolved.required):
                self._refused_for = resolved.required
                await self._note_faults()
                raise Unsettled(ask_for(resolved.required))
            if resolved.deal != sent:
                return True
            await self._note_refused_value(sent, refusal)
            return False
        resolved = await self._settled(About.ACTIVITY, refused_at=refused_at)
        if resolved.of_activity:
            raise _unsettled(resolved.of_activity)
        present = resolved.activity
        return (present.type, present.priority) != (sent.type, sent.priority) or (
            present.owner_id not in (None, sent.owner_id) or not self._is_active(sent.owner_id)
        )

    async def _note_refused_value(self, sent: DealFields, refusal: Refused) -> None:
        """Raise Unsettled if Pipedrive says that it refused a value that no list covers."""
        values = {"currency": sent.currency, "visible_to": sent.visible_to}
        for code, setting in NOT_LISTED.items():
            if values[code] is not None and refusal.is_about(code):
                sentence = f"Pipedrive does not accept {values[code]}: {refusal.reason}"
                self._refused_value = _RefusedValue(setting, sentence, sent, self._now())
                await self._note_faults()
                raise Unsettled(f"{setting}: {sentence}")

    def _present_refusal(self) -> _RefusedValue | None:
        """Return the refused value, unless a deal would now be made with other fields."""
        refused = self._refused_value
        return refused if refused and refused.fields == self._resolved.deal else None

    async def _settled(self, about: About, *, refused_at: datetime | None = None) -> Resolved:
        """Return the settings in the account's ids.

        If Pipedrive has refused something (`refused_at`), all lists behind it are read again.
        """
        async with self._one_at_a_time:
            policy, fingerprint = self.policies.current, self._destination.fingerprint
            if self._made_of is not None and self._made_of[1] != fingerprint:
                self._forget()
            made_of = policy, fingerprint, self._destination.deal_fields
            changed = self._made_of != made_of
            if changed:
                self._noted = None  # a changed setting clears the faults that were recorded
            wanted = needed(policy, about if refused_at else None)
            lasts = self._lists_last(about, changed=changed, refused_at=refused_at)
            if not wanted <= self._listed or self._is_older(lasts):
                # Otherwise the type that is sent instead of another would be forgotten, and
                # refused.
                wanted |= frozenset() if changed else self._listed
                self._catalog = await self._destination.catalog(wanted) if wanted else Catalog()
                self._listed, self._read_at = wanted, self._now()
                if refused_at:
                    self._read_for_refusals.append(self._read_at)
                changed = True
            if changed:
                self._resolved = self._resolve(policy)
                if not self._resolved.required:
                    self._refused_for = ()
                self._made_of = made_of
                await self._note_faults()
            return self._resolved

    def _lists_last(self, about: About, *, changed: bool, refused_at: datetime | None) -> timedelta:
        """Return how old the lists may be."""
        if refused_at is not None:
            return self._last_after(refused_at)
        if changed:
            return AFTER_CHANGE
        if about is About.DEAL and (self._resolved.of_deal or self._refused_for):
            return WITHOUT_A_DEAL
        if about is About.ACTIVITY and self._resolved.of_activity:
            return AFTER_REFUSAL
        return REPLACED if self._resolved.replaced else LISTS_LAST

    def _last_after(self, refused_at: datetime) -> timedelta:
        """Return how old the lists may be after a refusal: not older, unless many are refused."""
        now = self._now()
        recent = [at for at in self._read_for_refusals if now - at <= AFTER_REFUSAL]
        self._read_for_refusals = recent
        if len(recent) >= READINGS_FOR_REFUSALS:
            return AFTER_REFUSAL
        return max(now - refused_at, timedelta(0))

    def _is_older(self, lasts: timedelta) -> bool:
        """Return whether the lists are older than that, or from the future.

        The latter shows that our clock was set back.
        """
        if not self._listed or self._read_at is None:
            return False
        return not timedelta(0) <= self._now() - self._read_at <= lasts

    def _resolve(self, policy: PublishingPolicy) -> Resolved:
        """Resolve the settings; the required fields may be known for free.

        The search for our own field may have read them.
        """
        resolved = resolve(policy, self._catalog)
        seen = self._destination.deal_fields
        if self._catalog.deal_fields is None and seen is not None:
            with_fields = resolve(policy, replace(self._catalog, deal_fields=seen))
            return replace(resolved, required=with_fields.required)
        return resolved

    def _is_active(self, user_id: int | None) -> bool:
        """Return whether a user is active and can be an owner, as far as that is known."""
        users = self._catalog.users
        return user_id is None or users is None or any(each.id == user_id for each in users)

    def _forget(self) -> None:
        """Forget the account's lists, because the token belongs to another account."""
        self._catalog, self._listed, self._read_at = Catalog(), frozenset(), None
        self._refused_for = ()
        self._refused_value = None
        self._owners.clear()

    async def _note_faults(self) -> None:
        """Record the faults for the status. One that stops all activities is a pause instead."""
        resolved = self._resolved
        instead = f"; until then {resolved.activity.type!r} is sent"
        replaced = {name: sentence + instead for name, sentence in resolved.replaced.items()}
        faults = resolved.of_deal | replaced
        if refused := self._present_refusal():
            faults[refused.setting] = refused.sentence
        if resolved.required:
            blocks = self._refused_for == resolved.required
            faults[REFUSED if blocks else REQUIRED] = ask_for(resolved.required)
        if faults == self._noted:
            return
        unknown = self._catalog.deal_fields is None and self._destination.deal_fields is None
        async with self._database.begin() as transaction:
            news = await publishing_settings.note_faults(
                transaction, faults, self._now(), keep=(REFUSED, REQUIRED) if unknown else ()
            )
        self._noted = faults
        if news:
            for name, sentence in faults.items():
                log.warning("publishing.setting_refused", setting=name, reason=sentence)

    async def _owner_of(
        self, deal_id: DealId, look_at: Callable[[DealId], Awaitable[Item | None]]
    ) -> int | None:
        """Return the owner of a deal, for one token, or None if the deal is gone."""
        now = self._now()
        owner, seen_at = self._owners.get(deal_id, (None, None))
        if seen_at is None or not timedelta(0) <= now - seen_at <= OWNER_LASTS:
            deal = await look_at(deal_id)
            owner = deal.owner_id if deal else None
            self.note_owner(deal_id, owner)
        return owner


def _unsettled(faults: dict[str, str]) -> Unsettled:
    name, sentence = next(iter(faults.items()))
    more = f"; and {len(faults) - 1} more" if len(faults) > 1 else ""
    return Unsettled(f"{name}: {sentence}{more}")
