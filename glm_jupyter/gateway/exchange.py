"""Exchange: one request from a user, through its turn and the service, to its price."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING

import httpx
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from glm_jupyter.api.errors import refusal
from glm_jupyter.api.events import Usage
from glm_jupyter.api.gateways import HEADER
from glm_jupyter.money.words import number

from . import chats, making
from .asked import Asked
from .config import money, units
from .errors import Refused
from .service import check_key
from .store import Hold, OverBudgetError
from .turns import Ticket, Turns

if TYPE_CHECKING:
    from .app import Gateway
    from .users import User

LARGEST_REQUEST = 32 << 20  # bytes; pictures come within
# How often the place of one that waits is looked at, and told though it is the same: what stands
# between here and the user may end a connection that is silent.
LOOK_SECONDS = 0.5
REPEAT_LOOKS = 20
# What cannot be told its place is sent away after so many seconds, to come again: a client that
# has given it up by the time that it is made would pay for nothing.
LONGEST_SILENCE = 60
STREAMED = ("text/event-stream", "audio/", "application/octet-stream")
PERIOD_WORDS = {"day": "today", "month": "this month", "total": "all in all"}


class Path:
    """A path of the API at which something is asked for, as an ASGI application."""

    def __init__(self, gateway: Gateway, path: str) -> None:
        self._gateway = gateway
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        gateway, request, reply = self._gateway, Request(scope, receive), _Reply(send)
        user = None
        try:
            user = await gateway.user(request)
            asked = await self._read(request)
            exchange = _Exchange(gateway, user, asked, reply)
            work = asyncio.create_task(exchange.run())
            gone = asyncio.create_task(_gone(receive))
            try:
                await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
            finally:
                gone.cancel()
                if not work.done():
                    work.cancel()
                    await asyncio.wait((work,))
            if not work.cancelled():
                work.result()
        except Refused as refused:
            if user is not None and refused.status < 500:
                await gateway.store.run(gateway.store.refuse, user.name, refused.code)
            await reply.refuse(refused)

    async def _read(self, request: Request) -> Asked:
        body, config = await _body(request), self._gateway.config
        if self._path == chats.PATH:
            return chats.read(body, config)
        content_type = request.headers.get("content-type", "")
        return await making.read(self._path, body, content_type, config)


class Results:
    """What tasks have made, each for the user who asked for it only."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on how one task stands."""
        gateway, request, reply = self._gateway, Request(scope, receive), _Reply(send)
        try:
            user = await gateway.user(request)
            task = request.path_params["task"]
            if await gateway.store.run(gateway.store.owner, task) != user.name:
                raise Refused(404, "1214", "The gateway knows no task of yours by that name.")
            try:
                async with gateway.service.result(task) as response:
                    check_key(response)
                    body = await gateway.service.read(response)
                    await reply.whole(response.status_code, gateway.service.headers(response), body)
            except httpx.HTTPError:
                raise Refused(
                    502, "502", "The service cannot be reached, says the gateway."
                ) from None
        except Refused as refused:
            await reply.refuse(refused)


class _Exchange:
    """A request that is allowed: held, waiting, passed on, settled."""

    def __init__(self, gateway: Gateway, user: User, asked: Asked, reply: _Reply) -> None:
        self._gateway = gateway
        self._store = gateway.store
        self._user = user
        self._asked = asked
        self._reply = reply
        self._counter = asked.counter
        self._turns = gateway.turns[asked.model.name.lower()]
        self._accepted = False  # by the service
        self._failed = False
        self._settled = False

    async def run(self) -> None:
        ticket = self._turns.enter(self._user.name)
        self._hold = self._held(waits=not ticket.granted.is_set())
        holding = asyncio.ensure_future(self._store.run(self._store.hold, self._hold))
        try:
            try:
                await asyncio.shield(holding)
            except OverBudgetError as over:
                raise _over_budget(over, self._hold, self._asked) from None
            if self._hold.waits:
                await self._wait(self._turns, ticket)
                await self._store.run(self._store.send, self._hold.id)
            await self._answer()
        finally:
            self._turns.leave(ticket)
            with suppress(Exception):
                await holding
                await self._settle()

    def _held(self, *, waits: bool) -> Hold:
        config, asked, user = self._gateway.config, self._asked, self._user
        return Hold(
            user=user.name,
            model=asked.model.name,
            currency=asked.model.currency or "",
            worst=None if asked.worst is None else units(asked.worst),
            limits=config.limits_of(user.name, user.groups),
            waits=waits,
        )

    async def _wait(self, turns: Turns, ticket: Ticket) -> None:
        """Wait for the turn; a stream is told its place meanwhile, in comments."""
        told, looks = 0, 0
        while not ticket.granted.is_set():
            place = turns.place(ticket)
            if self._asked.streams and (place != told or looks >= REPEAT_LOOKS):
                await self._reply.begin(200, {"content-type": "text/event-stream; charset=utf-8"})
                await self._reply.piece(f": queue {place}\n\n".encode())
                told, looks = place, 0
            looks += 1
            if self._asked.paid_once_sent and not told and looks * LOOK_SECONDS > LONGEST_SILENCE:
                raise self._come_again(turns)
            with suppress(TimeoutError):
                await asyncio.wait_for(ticket.granted.wait(), LOOK_SECONDS)

    def _come_again(self, turns: Turns) -> Refused:
        return Refused(
            429,
            "1302",
            f"{turns.waiting} requests wait for {turns.model} at the gateway, this one for "
            f"{LONGEST_SILENCE} s now. Ask again.",
            retry_after=1,
        )

    async def _answer(self) -> None:
        gateway = self._gateway
        self._accepted = self._asked.paid_once_sent
        try:
            async with gateway.service.stream(self._asked) as response:
                self._accepted = response.status_code == 200
                if not self._accepted:
                    await self._pass_refusal(response)
                elif response.headers.get("content-type", "").startswith(STREAMED):
                    await self._pass_stream(response)
                else:
                    await self._pass_whole(response)
        except httpx.HTTPError as error:
            self._failed = True
            if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
                self._accepted = False  # it was not sent
            what = "did not answer in time" if isinstance(error, httpx.TimeoutException) else None
            broke = "broke off the answer" if self._accepted else "cannot be reached"
            raise Refused(502, "502", f"The service {what or broke}, says the gateway.") from None

    async def _pass_stream(self, response: httpx.Response) -> None:
        reply, counter = self._reply, self._counter
        await reply.begin(200, self._gateway.service.headers(response))
        async for piece in self._gateway.service.pieces(response):
            passed = counter.pass_on(piece)
            if counter.done:  # what it has cost is known before the user sees the end
                await self._settle()
            if passed:
                await reply.piece(passed)
        rest = counter.flush()
        await self._settle()
        await reply.end(rest)

    async def _pass_whole(self, response: httpx.Response) -> None:
        service = self._gateway.service
        body = await service.read(response)
        self._counter.whole(body)
        if self._asked.task and (task := _field(body, "id")):
            await self._store.run(self._store.remember, task, self._user.name)
        await self._settle()
        await self._reply.whole(200, service.headers(response), body)

    async def _pass_refusal(self, response: httpx.Response) -> None:
        self._failed = True
        service = self._gateway.service
        body = await service.read(response)
        error = refusal(body, status=response.status_code)
        check_key(response)
        if self._reply.begun:
            wait = response.headers.get("retry-after")
            after = float(wait) if wait and wait.isdecimal() else None
            raise Refused(
                response.status_code,
                error.code or str(response.status_code),
                _field(body, "error", "message") or str(error),
                retry_after=after,
            )
        await self._settle()
        await self._reply.whole(response.status_code, service.headers(response), body)

    async def _settle(self) -> None:
        """Count what the request has cost; once."""
        if self._settled:
            return
        self._settled = True
        usage, cost = Usage(), Decimal(0)
        counter = self._counter
        state = "failed" if self._failed or counter.broken else "stopped"
        if self._accepted:
            usage = counter.usage()
            found = counter.cost(usage)
            state = "done" if counter.ended and not self._failed else state
        else:
            found = cost
        settled = None if found is None else units(found)
        await self._store.run(self._store.settle, self._hold, state, settled, usage)


class _Reply:
    """The response to one request, which may begin before it is known how it goes on."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = False

    async def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the head, if it has not been sent."""
        if self.begun:
            return
        self.begun = True
        own = {"cache-control": "no-store", "x-accel-buffering": "no", HEADER: "1", **headers}
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in own.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def piece(self, body: bytes) -> None:
        """Send a further piece."""
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def end(self, body: bytes = b"") -> None:
        """Send the last piece."""
        message: Message = {"type": "http.response.body", "body": body, "more_body": False}
        await self._send(message)

    async def whole(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Send all of a response."""
        await self.begin(status, {**headers, "content-length": str(len(body))})
        await self.end(body)

    async def refuse(self, refused: Refused) -> None:
        """Send an error: as a response, or within a stream that has begun."""
        response = refused.response()
        body = bytes(response.body)
        if self.begun:
            await self.end(b"data: " + body + b"\n\n")
            return
        headers = {name.lower(): value for name, value in response.headers.items()}
        await self.whole(refused.status, headers, body)


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST_REQUEST:
            raise Refused(
                413, "413", f"The gateway takes requests of at most {LARGEST_REQUEST >> 20} MB."
            )
    return bytes(body)


async def _gone(receive: Receive) -> None:
    """Wait until the user has gone away."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _field(body: bytes, *names: str) -> str:
    """A text in a body of JSON, or none."""
    try:
        found = json.loads(body)
        for name in names:
            found = found[name]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
    return found if isinstance(found, str) else ""


def _over_budget(over: OverBudgetError, hold: Hold, asked: Asked) -> Refused:
    kind, _, name = over.owner.partition(" ")
    whose = "Your budget" if kind == "user" else f"The budget of {name}"
    sums = f"{number(money(over.spent))} of {number(money(over.limit))} {hold.currency} are spent"
    if over.held:
        sums += f", up to {number(money(over.held))} are under way"
    says = (
        f"{whose} at the gateway does not cover this request: {PERIOD_WORDS[over.period]} {sums}, "
        f"and this one may cost up to {number(money(hold.worst or 0))} {hold.currency}."
    )
    if asked.path == chats.PATH:
        says += " A smaller max_tokens makes it cost less."
    return Refused(402, "budget_exceeded", says)
