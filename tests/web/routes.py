"""Every route of the application with its parameters, for tests that ask all of them."""

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NoReturn, cast
from urllib.parse import quote, urlencode

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from gitpip.config import Settings, load_settings
from gitpip.config.reload import Credentials
from gitpip.runtime.account_lists import AccountLists
from gitpip.runtime.account_targets import AccountTargets
from gitpip.store.database import Database, open_database
from gitpip.web.app import create_app
from gitpip.web.auth.first_key import FirstKey
from gitpip.web.context import AppContext


@dataclass(frozen=True)
class Route:
    """A route of the application with the names of its parameters."""

    method: str
    path: str
    queries: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def places(self) -> list[str]:
        """The names of the parameters in the path."""
        return re.findall(r"{(\w+)", self.path)

    def addresses(
        self, places: Mapping[str, Sequence[str]], queries: Mapping[str, Sequence[str]]
    ) -> Iterator[str]:
        """The route with every parameter filled in, one query parameter at a time.

        Fails where no value is known for a parameter: a new one has to be added by the test.
        """
        for name in self.places:
            assert name in places, f"{self}: the test must know values of {{{name}}}"
        for name in self.queries:
            assert name in queries, f"{self}: the test must know values of ?{name}="
        paths = []
        for values in itertools.product(*(places[name] for name in self.places)):
            path = self.path
            for name, value in zip(self.places, values, strict=True):
                path = path.replace(f"{{{name}}}", quote(value, safe=""))
            paths.append(path)
        yield from paths
        for name in self.queries:
            for value in queries[name]:
                yield f"{paths[0]}?{urlencode({name: value})}"


def application(database: Database, settings: Settings) -> FastAPI:
    """The application over a database, without the ways to GitHub, Pipedrive and the scheduler."""

    def unused(*_: object, **__: object) -> NoReturn:
        raise AssertionError("neither a vendor nor the scheduler is to be asked")

    values: dict[str, object] = {known.name: unused for known in fields(AppContext)}
    values |= {"whole_database": database, "credentials": Credentials(settings)}
    values |= {"check_settings": AccountLists(lambda: settings).check}
    account = AccountTargets(lambda: settings)
    values |= {"check_target": account.check, "search_targets": account.search}
    values |= {"first_key": FirstKey()}
    values |= {"scheduler_is_alive": lambda: True, "health_problems": tuple}
    values |= {"instance_id": "here"}
    return create_app(cast("Callable[..., AppContext]", AppContext)(**values))


async def every_route(folder: Path) -> list[Route]:
    """Every route of the application, except the folder of its style sheets and scripts."""
    settings = load_settings({"GITPIP_DATA_DIR": str(folder)}, env_file=None)
    database = open_database(settings.database_url)
    app = application(database, settings)
    await database.close()
    found = []
    for context in iter_route_contexts(app.routes):
        if not context.methods or context.path is None:
            continue
        route = context.original_route
        queries = _queries(route.dependant) if isinstance(route, APIRoute) else ()
        known = tuple(dict.fromkeys(queries))
        found += [Route(method, context.path, known) for method in context.methods - {"HEAD"}]
    return found


def _queries(dependant: Dependant) -> Iterator[str]:
    yield from (parameter.alias for parameter in dependant.query_params)
    for dependency in dependant.dependencies:
        yield from _queries(dependency)
