"""The router of the pages: each asks for a role, and counts for its navigation."""

from fastapi import APIRouter, Depends

from gitpip.web.auth.roles import RoleRoute
from gitpip.web.navigation import count_for_navigation


def page_router() -> APIRouter:
    """Return a router whose routes are not in the OpenAPI document."""
    return APIRouter(
        route_class=RoleRoute,
        include_in_schema=False,
        dependencies=[Depends(count_for_navigation)],
    )
