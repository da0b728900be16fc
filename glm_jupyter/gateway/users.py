"""Who is asking: the users of a JupyterHub, or tokens in the configuration."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import httpx
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from glm_jupyter.api.errors import InputError

from .config import Config
from .errors import unknown_token

# A Hub is asked again after so many seconds whether a token still holds.
REMEMBER_SECONDS = 60
LOGIN_COOKIE = "glm-gateway-login"
STATE_COOKIE = "glm-gateway-state"
MOST_LOGINS = 10_000


@dataclass(frozen=True, slots=True)
class User:
    """Who asks: the name, the configured groups, and whether all of the usage may be seen."""

    name: str
    groups: tuple[str, ...]
    teacher: bool


class Users(Protocol):
    """Knows users by their tokens."""

    routes: list[BaseRoute]

    async def of(self, request: Request) -> User:
        """Who sends a request to the API. Raises Refused for a token that is not known."""

    async def visitor(self, request: Request) -> User | Response:
        """Who looks at a page with a browser, or what leads there."""


class TokenUsers:
    """Users with the tokens of the configuration."""

    def __init__(self, config: Config) -> None:
        self.routes: list[BaseRoute] = []
        self._config = config
        self._users = [(_digest(token), user) for token, user in config.tokens.items()]

    async def of(self, request: Request) -> User:
        """Who sends a request."""
        shown = _digest(_token(request))
        found = None
        for digest, user in self._users:  # all of them, so that the time tells nothing
            if hmac.compare_digest(digest, shown):
                found = user
        if found is None:
            raise unknown_token()
        groups = tuple(self._config.groups_of(found))
        return User(found, groups, found in self._config.teachers)

    async def visitor(self, request: Request) -> User | Response:
        """Who looks at a page: the browser asks for the token as a password."""
        return await self.of(request)


class HubUsers:
    """The users of a JupyterHub, who come with the token of their server, or log in with it."""

    def __init__(self, config: Config, prefix: str) -> None:
        try:
            from jupyterhub.services.auth import HubOAuth
        except ImportError:
            raise InputError(
                "The package jupyterhub is not installed here.",
                remedy="Install it, or list [tokens] in the configuration.",
            ) from None
        self._config = config
        self._prefix = prefix
        self._hub: Any = HubOAuth(cache_max_age=REMEMBER_SECONDS)
        self._logins: dict[str, str] = {}  # a browser's cookie -> its token
        self.routes: list[BaseRoute] = [Route(f"{prefix}oauth_callback", self._logged_in)]

    async def of(self, request: Request) -> User:
        """Who sends a request."""
        return await self._user(_token(request))

    async def visitor(self, request: Request) -> User | Response:
        """Who looks at a page; who has not logged in is sent to the Hub."""
        if "authorization" in request.headers:
            return await self.of(request)
        token = self._logins.get(request.cookies.get(LOGIN_COOKIE, ""))
        if token is not None and (model := await self._model(token)):
            return self._as_user(model)
        verifier, challenge, method = self._hub.generate_pkce_code_challenge()
        state = self._hub.generate_state(request.url.path, code_verifier=verifier)
        login = httpx.URL(self._hub.login_url).copy_merge_params(
            {"state": state, "code_challenge": challenge, "code_challenge_method": method}
        )
        response = RedirectResponse(str(login), 302, {"Cache-Control": "no-store"})
        self._set_cookie(request, response, STATE_COOKIE, state, max_age=600)
        return response

    async def _logged_in(self, request: Request) -> Response:
        """The Hub sends the browser back with a code for a token."""
        state = request.query_params.get("state", "")
        code = request.query_params.get("code", "")
        cookie = request.cookies.get(STATE_COOKIE, "")
        if not (state and code and hmac.compare_digest(state.encode(), cookie.encode())):
            raise unknown_token()
        page = self._hub.get_next_url(state)
        verifier = self._hub.get_code_verifier(state)
        self._hub.clear_oauth_state(state)
        token = await self._hub.token_for_code(code, code_verifier=verifier, sync=False)
        while len(self._logins) >= MOST_LOGINS:
            del self._logins[next(iter(self._logins))]
        login = secrets.token_urlsafe(32)
        self._logins[login] = token
        response = RedirectResponse(page, 302, {"Cache-Control": "no-store"})
        self._set_cookie(request, response, LOGIN_COOKIE, login)
        response.delete_cookie(STATE_COOKIE, path=self._prefix)
        return response

    async def _user(self, token: str) -> User:
        model = await self._model(token) if token else None
        if not model:
            raise unknown_token()
        return self._as_user(model)

    async def _model(self, token: str) -> Mapping[str, Any] | None:
        model: Mapping[str, Any] | None = await self._hub.user_for_token(token, sync=False)
        return model if model and model.get("kind", "user") == "user" else None

    def _as_user(self, model: Mapping[str, Any]) -> User:
        name = str(model["name"])
        groups = tuple(self._config.groups_of(name, model.get("groups") or ()))
        return User(name, groups, name in self._config.teachers)

    def _set_cookie(
        self,
        request: Request,
        response: Response,
        name: str,
        value: str,
        max_age: int | None = None,
    ) -> None:
        response.set_cookie(
            name,
            value,
            max_age=max_age,
            path=self._prefix,
            secure=request.headers.get("x-forwarded-proto", "").startswith("https"),
            httponly=True,
            samesite="lax",
        )


def users_for(config: Config, prefix: str) -> Users:
    """Those that the configuration or the Hub knows."""
    if config.tokens:
        return TokenUsers(config)
    if os.environ.get("JUPYTERHUB_SERVICE_NAME") or os.environ.get("JUPYTERHUB_API_URL"):
        return HubUsers(config, prefix)
    raise InputError(
        "The gateway knows no users.",
        remedy="List tokens under [tokens] in the configuration, or run it as a service of a "
        "JupyterHub.",
    )


def _token(request: Request) -> str:
    kind, _, value = request.headers.get("authorization", "").strip().partition(" ")
    if kind.lower() in ("bearer", "token"):
        return value.strip()
    if kind.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[2]
        except ValueError:
            return ""
    return ""


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
