"""A server that speaks the GLM chat protocol on a real loopback socket, answering from a script.

    with ProtocolServer() as server:
        server.enqueue(Reply(text="Hello.", reasoning="Hm."), Reply(status=429, body=...))
        ...  # point a client at server.url
        assert server.requests[0].json["model"] == "glm-4-airx"

It runs in a thread of its own; `url` is good for other processes too.
"""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import tornado.httpserver
import tornado.iostream
import tornado.netutil
import tornado.web

from tests import batch_server, making_server

REQUEST_ID = "2026112212000012345678deadbeef"
CREATED = 1795348800

NO_AUTHORIZATION = {"error": {"code": "1001", "message": "Header中未收到Authorization参数"}}
WRONG_KEY = {"error": {"code": "401", "message": "令牌已过期或验证不正确！"}}
NO_SUCH_PATH = {"error": {"code": "500", "message": "404 NOT_FOUND"}}


@dataclass
class Reply:
    """One scripted reply. Times are in seconds."""

    text: str = "Hello."
    reasoning: str = ""
    # Where reasoning goes: a field of the delta, or "inline" for <think> at the head of the text.
    reasoning_field: Literal["reasoning_content", "reasoning", "inline"] = "reasoning_content"
    # Each {"name": str, "arguments": str or dict, "id": str (optional)}.
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    # The service sends a call whole with index -1; streamed, calls are counted and split.
    tool_index: int | None = -1
    tool_stream: bool = False
    sources: list[dict[str, Any]] = field(default_factory=list)
    spoken: list[bytes] = field(default_factory=list)  # sound, each piece in a delta of its own
    finish_reason: str | None = "stop"
    model: str | None = None  # None: the model asked for
    chunk: int = 8  # characters per chunk
    pause: float = 0.0  # between chunks
    delay: float = 0.0  # before the first byte
    usage: Literal["finish", "separate", "every", "none"] = "finish"
    prompt_tokens: int = 12
    completion_tokens: int = 34
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    done: bool = True  # end with [DONE]
    cut_after: int | None = None  # the connection ends after so many chunks, without [DONE]
    abrupt: bool = False  # ...and in the middle of the transfer, not tidily
    error: dict[str, Any] | None = None  # an error object in the stream, after the text
    hold: threading.Event | None = None  # wait for it...
    hold_after: int = 1  # ...after so many chunks
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200
    body: dict[str, Any] | str | bytes | None = None  # sent as it is; str is taken for HTML
    raw: list[bytes] | None = None  # the pieces of an event stream, sent as they are

    def frames(self, model: str) -> Iterator[bytes]:
        """The event stream, one SSE frame at a time."""
        deltas = list(self._deltas())
        for delta in deltas:
            yield self._frame(model, delta)
        if self.error is not None:
            yield sse({"error": self.error})
            return
        end: dict[str, Any] = {"index": 0, "delta": {"role": "assistant", "content": ""}}
        if self.finish_reason is not None:
            end["finish_reason"] = self.finish_reason
            yield sse(self._chunk(model, [end], usage=self.usage in ("finish", "every")))
        if self.usage == "separate":
            yield sse(self._chunk(model, [], usage=True))
        if self.done:
            yield b"data: [DONE]\n\n"

    def whole(self, model: str) -> dict[str, Any]:
        """The reply to a request that does not stream."""
        message: dict[str, Any] = {"role": "assistant", "content": self._inline() + self.text}
        if self.reasoning and self.reasoning_field != "inline":
            message[self.reasoning_field] = self.reasoning
        if self.tool_calls:
            message["content"] = None
            message["tool_calls"] = [self._call(i) for i in range(len(self.tool_calls))]
        if self.spoken:
            message["audio"] = _audio(b"".join(self.spoken))
        choice = {"index": 0, "finish_reason": self.finish_reason, "message": message}
        body = self._chunk(model, [choice], usage=self.usage != "none")
        body["object"] = "chat.completion"
        if self.sources:
            body["web_search"] = self.sources
        return body

    def _deltas(self) -> Iterator[dict[str, Any]]:
        if self.reasoning and self.reasoning_field != "inline":
            for piece in _pieces(self.reasoning, self.chunk):
                yield {self.reasoning_field: piece}
        for piece in _pieces(self._inline() + self.text, self.chunk):
            yield {"content": piece}
        for sound in self.spoken:
            yield {"audio": _audio(sound)}
        for number in range(len(self.tool_calls)):
            call = self._call(number)
            if not self.tool_stream:
                yield {"tool_calls": [call]}
                continue
            arguments = call["function"].pop("arguments")
            yield {"tool_calls": [call]}
            for piece in _pieces(arguments, self.chunk):
                yield {"tool_calls": [{"index": number, "function": {"arguments": piece}}]}

    def _inline(self) -> str:
        if self.reasoning and self.reasoning_field == "inline":
            return f"<think>\n{self.reasoning}\n</think>\n"
        return ""

    def _call(self, number: int) -> dict[str, Any]:
        call = self.tool_calls[number]
        arguments = call["arguments"]
        if not isinstance(arguments, str):
            arguments = json.dumps(arguments)
        made: dict[str, Any] = {
            "id": call.get("id", f"call_{number}"),
            "type": "function",
            "function": {"name": call["name"], "arguments": arguments},
        }
        index = number if self.tool_stream else self.tool_index
        return made if index is None else {**made, "index": index}

    def _frame(self, model: str, delta: dict[str, Any]) -> bytes:
        choice = {"index": 0, "delta": {"role": "assistant", **delta}}
        chunk = self._chunk(model, [choice], usage=self.usage == "every")
        if self.sources:
            chunk["web_search"] = self.sources
        return sse(chunk)

    def _chunk(self, model: str, choices: list[Any], *, usage: bool) -> dict[str, Any]:
        # Captured streams of the hosted service have no "object" field.
        chunk: dict[str, Any] = {"id": REQUEST_ID, "created": CREATED}
        chunk |= {"model": self.model or model, "choices": choices}
        return {**chunk, "usage": self._usage()} if usage else chunk

    def _usage(self) -> dict[str, Any]:
        usage: dict[str, Any] = {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
        }
        if self.cached_tokens is not None:
            usage["prompt_tokens_details"] = {"cached_tokens": self.cached_tokens}
        if self.reasoning_tokens is not None:
            usage["completion_tokens_details"] = {"reasoning_tokens": self.reasoning_tokens}
        return usage


@dataclass
class Request:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes
    peer: Any = None  # the client's end of the connection
    aborted: bool = False  # the client went away before the end of the reply
    ended: threading.Event = field(default_factory=threading.Event)  # replied, or aborted

    @property
    def json(self) -> Any:
        """The body, decoded; None where there was none."""
        return json.loads(self.body) if self.body else None


class ProtocolServer:
    """The server. It answers with the enqueued replies in turn, then with `default`."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.turns: list[list[Any]] = []  # what each WebSocket was told, then "closed"
        self.default = Reply()
        self.respond: Callable[[Request], Reply] | None = None
        self.key: str | None = None  # the key a client must show
        self.allows_pages = False  # of any origin (CORS)
        self.models = ["glm-4.7", "glm-4.7-flash"]
        self.making = making_server.Making()
        self.batching = batch_server.Batching()
        self._queue: deque[Reply] = deque()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def root(self) -> str:
        """The server's address; any path below it that ends as the API's do is served."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def url(self) -> str:
        """The base URL for a client of the GLM API."""
        return f"{self.root}/api/paas/v4"

    @property
    def chats(self) -> list[Request]:
        """The requests for an answer, without those for the list of models."""
        return [
            request
            for request in self.requests
            if request.path.endswith("/chat/completions") and request.method == "POST"
        ]

    @property
    def stopping(self) -> bool:
        """Whether the server is about to end."""
        return self._stop.is_set()

    def enqueue(self, *replies: Reply) -> None:
        """Answer the next requests with these, one each."""
        self._queue.extend(replies)

    def reply_to(self, request: Request) -> Reply:
        """The reply that is due."""
        if self.respond is not None:
            return self.respond(request)
        return self._queue.popleft() if self._queue else self.default

    def __enter__(self) -> ProtocolServer:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        routes = [
            (r".*/chat/completions", _Chat, {"server": self}),
            (r".*/models", _Models, {"server": self}),
            *making_server.routes(self, _Handler),
            *batch_server.routes(self, _Handler),
            (r".*", _Unknown, {"server": self}),
        ]
        sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
        self._port = sockets[0].getsockname()[1]
        application = tornado.web.Application(routes, log_function=lambda handler: None)
        http = tornado.httpserver.HTTPServer(application)
        http.add_sockets(sockets)
        self._ready.set()
        await self._stop.wait()
        http.stop()
        await http.close_all_connections()


class _Handler(tornado.web.RequestHandler):
    open = False  # to those without a key

    def initialize(self, server: ProtocolServer) -> None:
        self.server = server

    def prepare(self) -> None:
        if self.server.allows_pages:
            self.set_header("Access-Control-Allow-Origin", "*")
            self.set_header("Access-Control-Allow-Headers", "authorization, content-type")
        self.record = Request(
            method=self.request.method or "",
            path=self.request.path,
            headers={name.lower(): value for name, value in self.request.headers.get_all()},
            body=self.request.body,
            peer=self.request.connection.context.address,
        )
        self.server.requests.append(self.record)
        shown = self.record.headers.get("authorization")
        asks_first = self.request.method == "OPTIONS"
        if (
            self.server.key is not None
            and not (self.open or asks_first)
            and shown != f"Bearer {self.server.key}"
        ):
            self.set_status(401)
            self.send(NO_AUTHORIZATION if shown is None else WRONG_KEY)

    def options(self) -> None:
        """A browser asks whether a page may ask."""
        self.set_status(204)

    def send(self, body: dict[str, Any]) -> None:
        self.set_header("Content-Type", "application/json; charset=UTF-8")
        self.finish(json.dumps(body, ensure_ascii=False))

    def send_error(self, *args: Any, **more: Any) -> None:
        # A handler that the server's end cuts short has nobody to tell.
        if not self.server.stopping:
            super().send_error(*args, **more)

    def on_finish(self) -> None:
        self.record.ended.set()

    def on_connection_close(self) -> None:
        self.record.aborted = not self.record.ended.is_set()
        self.record.ended.set()


class _Chat(_Handler):
    async def post(self) -> None:
        reply = self.server.reply_to(self.record)
        asked = self.record.json
        await asyncio.sleep(reply.delay)
        self.set_status(reply.status)
        if reply.body is not None or not asked.get("stream"):
            self._set_headers(reply)
            body = reply.whole(asked["model"]) if reply.body is None else reply.body
            if isinstance(body, dict):
                self.send(body)
            else:
                self.finish(body)
            return
        self.set_header("Content-Type", "text/event-stream;charset=UTF-8")
        self._set_headers(reply)
        await self._stream(reply, reply.raw or reply.frames(asked["model"]))

    async def _stream(self, reply: Reply, frames: Any) -> None:
        for count, frame in enumerate(frames):
            if count == reply.cut_after:
                if reply.abrupt:
                    self.record.ended.set()
                    self.request.connection.stream.close()
                return
            if reply.hold is not None and count == reply.hold_after:
                while not (reply.hold.is_set() or self.record.aborted):
                    await asyncio.sleep(0.005)
            if count and reply.pause:
                await asyncio.sleep(reply.pause)
            if self.record.aborted:
                return
            try:
                self.write(frame)
                await self.flush()
            except tornado.iostream.StreamClosedError:
                self.on_connection_close()
                return

    def _set_headers(self, reply: Reply) -> None:
        for name, value in reply.headers.items():
            self.set_header(name, value)


class _Models(_Handler):
    def get(self) -> None:
        rows = [{"id": name, "object": "model"} for name in self.server.models]
        self.send({"object": "list", "data": rows})


class _Unknown(_Handler):
    def prepare(self) -> None:
        super().prepare()
        self.set_status(404)
        self.send(NO_SUCH_PATH)


def _pieces(text: str, size: int) -> Iterator[str]:
    for start in range(0, len(text), size):
        yield text[start : start + size]


def _audio(data: bytes) -> dict[str, Any]:
    return {"id": "audio_1", "data": base64.b64encode(data).decode(), "expires_at": CREATED}


def sse(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"
