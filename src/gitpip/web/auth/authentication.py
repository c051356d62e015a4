"""Recognises callers by a key, a session or a feed's address, or as one who needs none."""

import contextlib
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from fastapi import Request
from fastapi.routing import APIRoute
from limits import RateLimitItemPerMinute

from gitpip.clock import utc_now
from gitpip.config import is_loopback
from gitpip.config.reload import Credentials
from gitpip.digests import digest
from gitpip.errors import DatabaseUnavailable
from gitpip.model import Role
from gitpip.observability.logging import get_logger
from gitpip.store.access import feed_tokens, keys, sessions
from gitpip.store.access.feed_tokens import FeedAddress
from gitpip.store.access.keys import AccessKey
from gitpip.store.database import Database, Transaction
from gitpip.store.schema_access import Via
from gitpip.web.auth.identity import Identity
from gitpip.web.auth.look_ups import LookUps
from gitpip.web.auth.refusal_log import REFUSALS_LOGGED, shortened
from gitpip.web.auth.roles import Requirement
from gitpip.web.auth.throttle import Throttle, address_counted
from gitpip.web.proxies import connection_of

Used = TypeVar("Used", AccessKey, FeedAddress)

log = get_logger()

COOKIE = "gitpip_session"
SESSION = timedelta(days=30)
"""The time that a browser stays signed in, unless its key ends before."""
RIGHT_REMEMBERED = 10_000
"""The most right secrets that are remembered, as digests; then all are forgotten."""
FIRST_KEY = "create one with `gitpip keys create NAME --role admin` on the machine that runs gitpip"


@dataclass(frozen=True)
class Session:
    """A session just begun: its secret token, and for how long it holds."""

    token: str
    length: timedelta


class Authentication:
    """Recognises callers. Identities that it remembers are used only while the database is away."""

    def __init__(self, database: Database, credentials: Credentials) -> None:
        self._database = database
        self._credentials = credentials
        self._anonymous = credentials.settings.allow_anonymous
        self.on_loopback = is_loopback(credentials.settings.host)
        public_url = credentials.settings.public_url
        self.public_host = public_url.host if public_url else None
        self._keys_exist: bool | None = None
        self._proxy_was_logged = False
        self._refusals_logged = Throttle(RateLimitItemPerMinute(REFUSALS_LOGGED))
        self._known: dict[str, Identity] = {}
        self._right: set[str] = set()
        """Digests of secrets that were recognised when they were last shown."""
        self._look_ups = LookUps(database)

    @property
    def is_open(self) -> bool:
        """Whether callers on this machine need no key until the first one is made."""
        return self.on_loopback and not self._anonymous

    async def identity(
        self, request: Request, requirement: Requirement, *, sparingly: bool
    ) -> Identity | None:
        """The caller of a route; None if it needs a secret and the caller shows no valid one.

        `sparingly`: see `may_be_right`. Raises DatabaseUnavailable.
        """
        secret = _shown(request, requirement)
        if secret is None:
            return await self._recognised(request, requirement, None)
        if sparingly and not await self.may_be_right(secret):
            return await self._recognised(request, requirement, None)
        identity = await self._recognised(request, requirement, secret)
        if identity and identity.name:
            if len(self._right) >= RIGHT_REMEMBERED:
                self._right.clear()
            self._right.add(digest(secret))
        else:
            self._right.discard(digest(secret))
        return identity

    async def may_be_right(self, secret: str) -> bool:
        """Return whether a secret is worth a look-up of its own.

        It was valid before, or is stored and valid.

        The answer costs the database next to nothing, however many ask, but may take half a
        second. It is for callers whose address has shown too much that was wrong: there a right
        secret is let in all the same. Raises DatabaseUnavailable.
        """
        shown, admin_key = digest(secret), self._admin_key()
        is_admin = admin_key is not None and hmac.compare_digest(digest(admin_key), shown)
        return is_admin or shown in self._right or await self._look_ups.is_promising(shown)

    async def _recognised(
        self, request: Request, requirement: Requirement, secret: str | None
    ) -> Identity | None:
        """The caller who shows this secret; it is None if it is not worth a look-up."""
        if "authorization" in request.headers:
            if secret is None:
                return None
            known_suffices = requirement.without_database
            return await self.by_key(request, secret, known_suffices=known_suffices)
        if _is_by_feed_address(request, requirement):
            return await self._by_feed_address(request, secret) if secret else None
        if secret and (identity := await self._by_session(request, secret)):
            return identity
        return await self._without_key(request)

    async def by_key(
        self, request: Request, text: str, *, known_suffices: bool = False
    ) -> Identity | None:
        """The caller who shows a key; None for one that is refused, which is logged.

        With `known_suffices`, a key that was accepted before is accepted while the database is
        away. Otherwise raises DatabaseUnavailable then.
        """
        admin_key, now, shown = self._admin_key(), utc_now(), digest(text)
        if admin_key and hmac.compare_digest(digest(admin_key), shown):
            return _admin(request, admin_key)
        try:
            async with self._database.read() as transaction:
                key = await keys.presented(transaction, text, now)
        except DatabaseUnavailable:
            known = self._known.get(shown)
            if known_suffices and known and (not known.expires_at or now < known.expires_at):
                return known
            raise
        if isinstance(key, keys.Refusal):
            self._known.pop(shown, None)
            label = keys.label_in(text)
            address = address_of(request)
            # The rest is counted in http.refusals_not_logged.
            if self._refusals_logged.hit(address_counted(address)) is None:
                log.warning("key.refused", reason=key, label=label, address=shortened(address))
            return None
        await self._note_use(key, keys.note_use, now)
        self._known[shown] = _holder(request, key)
        return self._known[shown]

    async def begin_session(self, identity: Identity) -> Session:
        """Begin a session for a caller who has shown a key. Raises DatabaseUnavailable."""
        now = utc_now()
        until = min(now + SESSION, identity.expires_at or now + SESSION)
        async with self._database.begin() as transaction:
            token = await sessions.begin(transaction, label=identity.parent, now=now, until=until)
            await identity.record(transaction, "session.begun", identity.name or "")
        return Session(token, until - now)

    async def sign_out(self, request: Request) -> None:
        """End the session of a browser, if it has one."""
        if token := request.cookies.get(COOKIE):
            async with self._database.begin() as transaction:
                await sessions.end(transaction, token)

    async def _by_session(self, request: Request, token: str) -> Identity | None:
        now = utc_now()
        async with self._database.read() as transaction:
            label = await sessions.label_of(transaction, token, now)
            key = await keys.labelled(transaction, label, now) if label else None
        if key:
            await self._note_use(key, keys.note_use, now)
            return replace(_holder(request, key), in_session=True)
        admin_key = self._admin_key()
        if label and admin_key and label == sessions.label_of_settings_key(admin_key):
            return replace(_admin(request, admin_key), in_session=True)
        return None

    async def _by_feed_address(self, request: Request, secret: str) -> Identity | None:
        now, parents = utc_now(), await self.valid_parents(request)
        async with self._database.read() as transaction:
            address = await feed_tokens.presented(transaction, secret, parents=parents, now=now)
        if address is None:
            return None
        await self._note_use(address, feed_tokens.note_use, now)
        return Identity(
            Role.VIEWER, address_of(request), Via.PAGE, name=f"feed address {address.id}"
        )

    async def valid_parents(self, request: Request) -> frozenset[str]:
        """The labels of parents of feed addresses that are not in the database: the settings' key,
        and access without a key."""
        without_key = await self._without_key(request) is not None
        return feed_tokens.valid_parents(self._admin_key(), without_key=without_key)

    async def _without_key(self, request: Request) -> Identity | None:
        anybody = Identity(Role.VIEWER, address_of(request), _via(request))
        if self._anonymous:
            return replace(anybody, role=self._anonymous.role)
        # The connection first: what came through a proxy costs no query.
        if connection_of(request).is_from_this_machine and await self._needs_no_key():
            return replace(anybody, role=Role.ADMIN, is_open=True)
        return None

    async def proxy_notice(self, request: Request) -> str | None:
        """Return why a request without a key is refused though no key exists.

        None in any other case.

        A proxy on this machine passed it on, so anyone can have sent it. Raises
        DatabaseUnavailable.
        """
        connection = connection_of(request)
        if self._anonymous or connection.is_from_this_machine or not await self._needs_no_key():
            return None
        sign = connection.proxy_sign or f"the connection from {connection.peer}"
        if not self._proxy_was_logged:
            self._proxy_was_logged = True
            log.warning(
                "access.proxy_needs_key",
                reason=f"a request came through a proxy ({sign}) and was refused: no access key "
                f"exists, and without one only this machine itself is served; {FIRST_KEY}",
            )
        return (
            f"this request came through a proxy ({sign}), so it needs an access key, and none "
            f"exists yet: {FIRST_KEY}, and sign in with it"
        )

    async def _needs_no_key(self) -> bool:
        """Return whether programs of this machine are served without a key, as none exists yet."""
        settings = self._credentials.settings
        return settings.serves_only_this_machine and not await self._any_key()

    def _admin_key(self) -> str | None:
        secret = self._credentials.settings.admin_key
        return secret.get_secret_value() if secret else None

    async def _any_key(self) -> bool:
        """Return whether a key was ever made: from then on, everything needs a key."""
        if self._keys_exist or self._admin_key():
            return True
        try:
            async with self._database.read() as transaction:
                self._keys_exist = await keys.any_exists(transaction)
        except DatabaseUnavailable:
            if self._keys_exist is None:
                raise
        return bool(self._keys_exist)

    async def _note_use(
        self,
        used: Used,
        note: Callable[[Transaction, Used, datetime], Awaitable[None]],
        now: datetime,
    ) -> None:
        if keys.use_is_news(used.used_at, now):
            # A full disk must not keep anybody from reading; the next use is noted then.
            with contextlib.suppress(DatabaseUnavailable):
                async with self._database.begin() as transaction:
                    await note(transaction, used, now)


def address_of(request: Request) -> str:
    """Return where a request came from, as far as trusted proxies tell."""
    return request.client.host if request.client else "unknown"


def _shown(request: Request, requirement: Requirement) -> str | None:
    """The key, secret feed address or session token by which a request is recognised, if any."""
    authorization = request.headers.get("authorization")
    if authorization is not None:
        scheme, _, text = authorization.partition(" ")
        return text.strip() if scheme.lower() == "bearer" else None
    if _is_by_feed_address(request, requirement):
        return str(request.path_params["address"])
    return request.cookies.get(COOKIE)


def _is_by_feed_address(request: Request, requirement: Requirement) -> bool:
    return requirement.by_feed_address and "address" in request.path_params


def _holder(request: Request, key: AccessKey) -> Identity:
    return Identity(
        key.role,
        address_of(request),
        _via(request),
        name=key.name,
        key_id=key.id,
        parent=key.label,
        expires_at=key.expires_at,
    )


def _admin(request: Request, admin_key: str) -> Identity:
    return Identity(
        Role.ADMIN,
        address_of(request),
        _via(request),
        name=keys.SETTINGS_KEY,
        parent=sessions.label_of_settings_key(admin_key),
    )


def _via(request: Request) -> Via:
    """Programs ask for what the OpenAPI document describes; pages are no part of it."""
    route = request.scope.get("route")
    described = isinstance(route, APIRoute) and route.include_in_schema
    return Via.API if described or "authorization" in request.headers else Via.PAGE
