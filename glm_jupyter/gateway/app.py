"""Gateway: the ASGI application, its routes and what they share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from . import pages
from .config import PATHS, Config, money
from .errors import Refused
from .exchange import Path, Results
from .service import Service
from .store import Store
from .turns import Turns
from .users import User, Users, users_for

API = "api/paas/v4"  # below the prefix: as the service's own
OFFERED = tuple(dict.fromkeys(path for paths in PATHS.values() for path in paths))


class Gateway:
    """What the routes share: configuration, users, database, turns, and the way to the service."""

    def __init__(self, config: Config, prefix: str = "/") -> None:
        self.config = config
        self.prefix = prefix
        self.users: Users = users_for(config, prefix)
        self.store = Store(config.database)
        self.turns = {
            name: Turns(model.name, config.rights(model), config.queue)
            for name, model in config.models.items()
        }
        self.seen_groups: dict[str, tuple[str, ...]] = {}  # of users, as they last asked
        self.service = Service(config)

    async def user(self, request: Request) -> User:
        """Who sends a request to the API. Raises Refused for a token that is not known."""
        user = await self.users.of(request)
        self.seen_groups[user.name] = user.groups
        return user

    def app(self) -> Starlette:
        """The application."""
        prefix = self.prefix
        routes: list[BaseRoute] = [
            *(
                Route(f"{prefix}{API}/{path}", Path(self, path), methods=["POST"])
                for path in OFFERED
            ),
            Route(f"{prefix}{API}/async-result/{{task}}", Results(self), methods=["GET"]),
            Route(f"{prefix}{API}/models", self._models),
            Route(f"{prefix}{API}/usage", self._own_usage),
            Route(f"{prefix}usage", self._page),
            Route(f"{prefix}usage.csv", self._csv),
            Route(prefix, self._home),
            WebSocketRoute(f"{prefix}{{path:path}}", self._socket),
            *self.users.routes,
        ]
        handlers: Any = {Refused: _refused, HTTPException: self._unknown}
        return Starlette(routes=routes, lifespan=self._lifespan, exception_handlers=handlers)

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        await self.store.run(self.store.recover)
        try:
            yield
        finally:
            await self.service.aclose()
            self.store.close()

    async def _models(self, request: Request) -> Response:
        await self.user(request)
        rows = [{"id": model.name, "object": "model"} for model in self.config.models.values()]
        return JSONResponse({"object": "list", "data": rows})

    async def _own_usage(self, request: Request) -> Response:
        """What the gateway counts for who asks, for `%glm usage`."""
        user = await self.user(request)
        currency = self.config.endpoint.currency or ""
        limits = self.config.limits_of(user.name, user.groups)
        sums = await self.store.run(
            self.store.sums, sorted({owner for owner, _ in limits}), currency
        )
        rows = []
        for (owner, period), limit in limits.items():
            spent, held = sums.get((owner, period), (0, 0))
            rows.append(
                {
                    "owner": owner,
                    "period": period,
                    "spent": str(money(spent)),
                    "held": str(money(held)),
                    "limit": None if limit is None else str(money(limit)),
                }
            )
        body = {"object": "glm_gateway.usage", "user": user.name, "currency": currency}
        return JSONResponse({**body, "sums": rows}, headers={"Cache-Control": "no-store"})

    async def _page(self, request: Request) -> Response:
        visitor = await self.users.visitor(request)
        return visitor if isinstance(visitor, Response) else await pages.page(self, visitor)

    async def _csv(self, request: Request) -> Response:
        visitor = await self.users.visitor(request)
        return visitor if isinstance(visitor, Response) else await pages.table(self, visitor)

    async def _home(self, request: Request) -> Response:
        return RedirectResponse(f"{self.prefix}usage", 302)

    async def _unknown(self, request: Request, error: HTTPException) -> Response:
        if error.status_code != 404:
            return Refused(error.status_code, str(error.status_code), error.detail).response()
        return self._not_passed_on(request.url.path)

    async def _socket(self, socket: WebSocket) -> None:
        await socket.send_denial_response(self._not_passed_on(socket.url.path))

    def _not_passed_on(self, path: str) -> Response:
        path = path.removeprefix(f"{self.prefix}{API}/").lstrip("/")
        words = f"The gateway does not pass on {path[:100]}, only {', '.join(OFFERED)}."
        return Refused(404, "not_passed_on", words).response()


async def _refused(request: Request, refused: Refused) -> Response:
    return refused.response()
