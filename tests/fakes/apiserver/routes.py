"""Paths: from `/apis/<group>/<version>/namespaces/<namespace>/<plural>/<name>/<subresource>` to a place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fakes.apiserver.answers import Failure
from tests.fakes.apiserver.writes import Place

from greenroom_core.kube.transport import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.fakes.apiserver.resources import Resource

_HEALTH = ("/healthz", "/livez", "/readyz")


class Routes:
    """The table of resources by base path and plural."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._table = {(resource.base, resource.naming.plural): resource for resource in resources}

    def named(self, plural: str) -> Resource:
        """The first resource of that plural."""
        return next(resource for (_, name), resource in self._table.items() if name == plural)

    def add(self, resource: Resource) -> None:
        self._table[resource.base, resource.naming.plural] = resource

    def health(self, path: str) -> Answer | None:
        return Answer(200, b"ok") if path in _HEALTH else None

    def place(self, path: str) -> Place:
        """Raises Failure (404) for a path that nothing is at."""
        parts = path.strip("/").split("/")
        depth = 3 if parts[0] == "apis" else 2
        base, rest = "/" + "/".join(parts[:depth]), parts[depth:]
        namespace = ""
        if len(rest) > 2 and rest[0] == "namespaces":
            namespace, rest = rest[1], rest[2:]
        resource = self._table.get((base, rest[0])) if rest else None
        if resource is None or len(rest) > 3:
            raise Failure(404, "NotFound", "404 page not found")
        name, subresource = [*rest[1:], "", ""][:2]
        if name and resource.namespaced and not namespace:
            raise Failure(404, "NotFound", "the server could not find the requested resource")
        return Place(resource, namespace, name, subresource)
