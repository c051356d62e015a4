"""Targets in the stand-in's Pipedrive, and where activities are."""

from gitpip.store.users import users
from gitpip.store.users.users import Changes
from gitpip.targets import Target, TargetChoice
from gitpip_standins import Pipedrive as Crm
from tests.support.scene import Scene

KINDS = ("deal", "lead", "person", "organization")


def made(crm: Crm, kind: str) -> Target:
    """Something of this kind that people have in Pipedrive."""
    match kind:
        case "deal":
            return Target.parse(f"deal:{crm.add_deal('Big customer')}")
        case "lead":
            return Target.parse(f"lead:{crm.contacts.add_lead('Big customer')}")
        case "person":
            return Target.parse(f"person:{crm.contacts.add_person('Ada Lovelace')}")
        case _:
            return Target.parse(f"organization:{crm.contacts.add_organization('Engines Ltd')}")


def place_of(activity: dict[str, object]) -> str:
    """Where Pipedrive shows an activity."""
    for kind, name in (
        *(("deal", "deal_id"), ("lead", "lead_id"), ("person", "person_id")),
        ("organization", "org_id"),
    ):
        if activity[name] is not None:
            return f"{kind}:{activity[name]}"
    return "nowhere"


async def give(scene: Scene, login: str, target: TargetChoice) -> None:
    """Give a user a target as an import does: Pipedrive is not asked yet."""
    await scene.add(login)
    async with scene.database.begin() as transaction:
        user = await users.find(transaction, login)
        await users.change(transaction, user.key, Changes(target=target), scene.clock())
