"""The template of the route that took an ASGI request, read from what Starlette and FastAPI leave in its scope.

What they leave differs by version: Starlette names the route since 1.0; FastAPI names its own routes only, and since
0.137 the prefix of an included router is known only to a context beside the route. A mount leaves the part of the path
that it took, with the values of its parameters; only the mount itself knows its template.
"""

from collections.abc import Iterable, Iterator, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]

MAX_PREFIXES = 1000
"""How many prefixes of mounts are remembered."""
UNKNOWN_MOUNT = "/{mount}"
"""Stands for the prefix of a mount whose template cannot be found."""
_REST = "/{path}"
"""How the template of a mount ends."""
_NOT_FOUND = 404
_DEPTH = 50
"""How many applications may be wrapped into one another."""


class Templates:
    """Reads templates, and remembers the prefixes of mounts without parameters."""

    __slots__ = ("_prefixes",)

    def __init__(self) -> None:
        self._prefixes: dict[str, str] = {}

    def read(self, scope: Scope, status: int) -> str | None:
        """Give the template of an answered request, with the root path and the prefixes of mounts; None without one.

        It never holds a value of the path.
        """
        route = scope.get("route")
        path: str | None = getattr(route, "path_format", None)
        if path is None or (path.endswith(_REST) and hasattr(route, "routes")):
            return self._search(scope, status, None)
        fastapi = scope.get("fastapi")
        if fastapi is not None:
            context = fastapi.get("effective_route_context")
            # The context of an outer application's route may still be there.
            if context is not None and context.original_route is route:
                path = context.path_format
        root: str = scope.get("root_path", "")
        if not root:
            return path
        base = scope.get("app_root_path", root)
        if base == root:
            return f"{root}{path}"
        prefix = self._prefixes.get(root)
        return self._search(scope, status, path) if prefix is None else f"{prefix}{path}"

    def _search(self, scope: Scope, status: int, path: str | None) -> str | None:
        """Find the template among the routes of the outermost router. *path*: that within its mount, if it is known."""
        root: str = scope.get("root_path", "")
        base: str = scope.get("app_root_path", root)
        router, endpoint = scope.get("router"), scope.get("endpoint")
        found = None
        if router is not None and endpoint is not None:
            probe = {**scope, "root_path": base, "path_params": {}, "fastapi": {}}
            found = _template(router.routes, probe, endpoint, status)
        if path is None:
            return None if found is None else f"{base}{found}"
        if found is None or not found.endswith(path):
            return f"{base}{UNKNOWN_MOUNT}{path}"
        prefix = f"{base}{found[: len(found) - len(path)]}"
        if prefix == root and len(self._prefixes) < MAX_PREFIXES:
            self._prefixes[root] = prefix
        return f"{prefix}{path}"


def _template(routes: Iterable[Any], probe: Scope, endpoint: Any, status: int) -> str | None:
    """Find the route that leads a request to *endpoint*; those of mounts are the last resort of their routers."""
    for route in _flat(routes):
        is_group = hasattr(route, "routes")
        if not is_group and getattr(route, "endpoint", None) is not endpoint:
            continue
        match, child = route.matches(probe)
        if not match.value:
            continue
        path: str = getattr(route, "path_format", "")
        if not is_group:
            return path
        prefix = path[: -len(_REST)] if path.endswith(_REST) else path
        inner = _template(_routes(route.app), {**probe, **child}, endpoint, status)
        if inner is not None:
            return f"{prefix}{inner}"
        # What a mounted application does not find has no route.
        if route.app is endpoint and status != _NOT_FOUND:
            return path
    return None


def _flat(routes: Iterable[Any]) -> Iterator[Any]:
    """Give each route, and what stands for it where FastAPI has included a router."""
    for route in routes:
        contexts = getattr(route, "effective_route_contexts", None)
        if contexts is None:
            yield route
        else:
            for context in contexts():
                yield context.starlette_route or context


def _routes(app: Any) -> Iterable[Any]:
    """Give the routes of an application, whatever it is wrapped into."""
    for _ in range(_DEPTH):
        routes = getattr(app, "routes", None)
        if routes is not None:
            return list(routes)
        app = getattr(app, "app", None)
    return []
