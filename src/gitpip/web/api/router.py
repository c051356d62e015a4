"""The router of the API's routes: each asks for a role, and its errors are problems (RFC 9457)."""

from enum import Enum

from fastapi import APIRouter, Security

from gitpip.web.api.problems import PROBLEMS
from gitpip.web.auth.roles import BEARER_KEY, RoleRoute


def api_router(*tags: str | Enum, prefix: str = "/api/v1") -> APIRouter:
    """Return a router whose routes are in the OpenAPI document, under these tags."""
    return APIRouter(
        route_class=RoleRoute,
        prefix=prefix,
        tags=list(tags),
        responses=PROBLEMS,
        dependencies=[Security(BEARER_KEY)],
    )
