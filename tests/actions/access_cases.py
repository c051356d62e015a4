"""Cases of acts on access keys and on secret addresses of feeds."""

from gitpip.actions import feeds, keys
from tests.actions.cases import Case, api, post
from tests.actions.doors import Refused

NO_KEY = Refused(404, "key-not-found", "no key named none is in use")
THEN = (
    ". Then only gitpip keys create NAME --role admin, run on the machine that runs gitpip, could "
    "create a new one. Create another admin key first"
)
KEYS = [
    Case(
        "a key is made",
        keys.create,
        post("/keys", name="eve", role="operator", expires="90d"),
        api("POST", "/keys", name="eve", role="operator", expires="90d"),
        ("keys", "create", "eve", "--role", "operator", "--expires", "90d"),
        audit=(("key.created", "eve"),),
        tables=("access_keys",),
    ),
    Case(
        "a key is made of a name that is taken",
        keys.create,
        post("/keys", name="OPS", role="viewer"),
        api("POST", "/keys", name="OPS", role="viewer"),
        ("keys", "create", "OPS", "--role", "viewer"),
        refused=Refused(
            409,
            "key-conflict",
            "a key named OPS exists already; rotate or revoke it, or choose another name",
        ),
    ),
    Case(
        "a key is rotated",
        keys.rotate,
        post("/keys/ops/rotate"),
        api("POST", "/keys/ops/rotate"),
        ("keys", "rotate", "ops"),
        audit=(("key.rotated", "ops"),),
        tables=("access_keys",),
    ),
    Case(
        "no key is rotated",
        keys.rotate,
        post("/keys/none/rotate"),
        api("POST", "/keys/none/rotate"),
        ("keys", "rotate", "none"),
        refused=NO_KEY,
    ),
    Case(
        "a key is revoked",
        keys.revoke,
        post("/keys/ops/revoke"),
        api("DELETE", "/keys/ops"),
        ("keys", "revoke", "ops"),
        audit=(("key.revoked", "ops"),),
        tables=("access_keys",),
    ),
    Case(
        "no key is revoked",
        keys.revoke,
        post("/keys/none/revoke"),
        api("DELETE", "/keys/none"),
        ("keys", "revoke", "none"),
        refused=NO_KEY,
    ),
    Case(
        "the last admin key is to be revoked",
        keys.revoke,
        post("/keys/root/revoke"),
        api("DELETE", "/keys/root"),
        ("keys", "revoke", "root"),
        locked=True,
        refused=Refused(409, "last-admin-key", f"without root, no admin key would be left{THEN}"),
        on_page="Without root, no admin key would be left. Then only",
    ),
    Case(
        "the last admin key is revoked nevertheless",
        keys.revoke,
        post("/keys/root/revoke", confirmed="yes"),
        api("DELETE", "/keys/root?force=true"),
        ("keys", "revoke", "root", "--force"),
        locked=True,
        audit=(("key.revoked", "root"),),
        tables=("access_keys",),
    ),
    Case(
        "the last admin key is to be rotated and would soon expire",
        keys.rotate,
        post("/keys/root/rotate"),
        api("POST", "/keys/root/rotate"),
        ("keys", "rotate", "root"),
        locked=True,
        refused=Refused(
            409,
            "last-admin-key",
            f"the last admin key, root, would expire within a day{THEN}",
        ),
        on_page="The last admin key, root, would expire within a day. Then only",
    ),
    Case(
        "the last admin key is rotated nevertheless",
        keys.rotate,
        post("/keys/root/rotate", confirmed="yes"),
        api("POST", "/keys/root/rotate", force=True),
        ("keys", "rotate", "root", "--force"),
        locked=True,
        audit=(("key.rotated", "root"),),
    ),
    Case(
        "another key is revoked where one admin key is left",
        keys.revoke,
        post("/keys/ops/revoke"),
        api("DELETE", "/keys/ops"),
        ("keys", "revoke", "ops"),
        locked=True,
        audit=(("key.revoked", "ops"),),
        tables=("access_keys",),
    ),
]
FEEDS = [
    Case(
        "a feed's address is made",
        feeds.create,
        post("/feeds", name="phone"),
        api("POST", "/feeds", name="phone"),
        ("feeds", "create", "phone"),
        audit=(("feed_address.created", "phone"),),
        tables=("feed_addresses",),
    ),
    Case(
        "a feed's address is made of a name with blanks around it",
        feeds.create,
        post("/feeds", name=" my phone "),
        api("POST", "/feeds", name=" my phone "),
        ("feeds", "create", " my phone "),
        audit=(("feed_address.created", "my phone"),),
        tables=("feed_addresses",),
    ),
    Case(
        "a feed's address is made without a name",
        feeds.create,
        post("/feeds", name=""),
        api("POST", "/feeds", name=""),
        ("feeds", "create", ""),
        refused=Refused(
            422,
            "invalid-input",
            "name: must be 1 to 60 printable characters, e.g. Feedly, not ''",
        ),
    ),
    Case(
        "a feed's address is revoked",
        feeds.revoke,
        post("/feeds/1/revoke"),
        api("DELETE", "/feeds/1"),
        ("feeds", "revoke", "1"),
        audit=(("feed_address.revoked", "reader"),),
        tables=("feed_addresses",),
    ),
    Case(
        "no feed's address is revoked",
        feeds.revoke,
        post("/feeds/77/revoke"),
        api("DELETE", "/feeds/77"),
        ("feeds", "revoke", "77"),
        refused=Refused(
            404,
            "feed-address-not-found",
            "you have no feed link 77 that is in use",
        ),
    ),
]
