"""Realtime: one turn of a spoken conversation, over a WebSocket."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from glm_jupyter.language import _

from . import events as ev
from .errors import GLMError, IncompleteError, InputError, NetworkError, not_the_api, refusal
from .making import MakingRequest, one_of, perhaps_billed, within, without_none
from .redact import hidden, hide_in_logs, unframed

if TYPE_CHECKING:
    from decimal import Decimal

    from websockets.asyncio.client import ClientConnection

    from .catalogue import Model
    from .endpoints import Endpoint
    from .http import Http
    from .request import Dialect

LARGEST_MESSAGE = 1 << 24  # bytes
LONGEST_SILENCE = 120.0  # seconds; heartbeats count
LONGEST_OPENING = 10.0
LONGEST_END = 1.0  # seconds for the other side to close


@dataclass(frozen=True, slots=True, kw_only=True)
class RealtimeRequest(MakingRequest):
    """A turn: `audio`, a WAV file, or else `prompt` is what is said; text and speech come back.

    `instructions` say how to answer, `most_tokens` how long the answer may be.
    """

    audio: bytes = b""
    voice: str | None = None
    instructions: str | None = None
    most_tokens: int | None = None

    @property
    def given(self) -> dict[str, Any]:
        """What was chosen beside what is said."""
        return without_none(voice=self.voice, instructions=self.instructions)

    def body(self, dialect: Dialect) -> dict[str, Any]:
        """What is sent, in one: the session, and what is said; sound is a data URL."""
        encoded = base64.b64encode(self.audio).decode()
        return {
            "model": self.model,
            "session": self._session(),
            **({"audio": f"data:audio/wav;base64,{encoded}"} if self.audio else {}),
            **({"prompt": self.prompt} if self.prompt.strip() else {}),
        }

    def checked(self, model: Model) -> RealtimeRequest:
        """The request as the model takes it."""
        if not self.audio and not self.prompt.strip():
            raise InputError(
                _("There is nothing to say. Nothing was sent."),
                remedy=_("Write it below the %%glm line, or give --audio."),
            )
        if self.audio and not self.audio.startswith(b"RIFF"):
            raise InputError(
                _("{model} listens to WAV only. Nothing was sent.").format(model=model.name),
                remedy=_("Convert the recording to WAV first."),
            )
        one_of("voice", self.voice, model.voices, model)
        within("max-tokens", self.most_tokens, (1, model.max_output or 1024), model.name)
        return self

    def worst(self, model: Model) -> Decimal | None:
        """Nothing where the model is free; how much sound is billed is not known before."""
        return model.unit_cost(0) if model.unit != "token" else model.worst_cost(0, 0)

    async def events(self, http: Http, endpoint: Endpoint) -> AsyncGenerator[ev.Event, None]:
        """Say it, and yield the answer as it comes. Closing the generator ends the connection."""
        from .sound import Spoken

        turn = _Turn(Spoken(), endpoint)
        said = False
        try:
            async with _connected(endpoint) as socket:
                for message in self._messages():
                    await socket.send(json.dumps(message))
                said = True
                while not turn.done:
                    for event in turn.decode(await _message(socket, endpoint)):
                        yield event
        except NetworkError as error:
            if not turn.begun:
                error.sent = said
                raise perhaps_billed(error, _("answer")) from None
            for event in turn.spoken.flush():
                yield event
            raise IncompleteError(
                _("The answer broke off. {error}").format(error=error),
                remedy=_("Run the cell again; what had arrived is kept."),
                retryable=True,
            ) from None
        for event in turn.spoken.flush():
            yield event
        if turn.failure is not None:
            raise turn.failure
        yield ev.Finish("stop")

    def _session(self) -> dict[str, Any]:
        most = None if self.most_tokens is None else str(self.most_tokens)
        return without_none(
            model=self.model,
            modalities=["text", "audio"],
            instructions=self.instructions,
            voice=self.voice,
            input_audio_format="wav",
            output_audio_format="pcm",
            turn_detection={"type": "client_vad"},
            max_response_output_tokens=most,
            beta_fields={"chat_mode": "audio", "tts_source": "e2e"},
        )

    def _messages(self) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = [{"type": "session.update", "session": self._session()}]
        if self.prompt.strip():
            content = [{"type": "input_text", "text": self.prompt}]
            item = {"type": "message", "role": "user", "content": content}
            messages.append({"type": "conversation.item.create", "item": item})
        if self.audio:
            encoded = base64.b64encode(self.audio).decode()
            messages.append({"type": "input_audio_buffer.append", "audio": encoded})
            messages.append({"type": "input_audio_buffer.commit"})
        return [*messages, {"type": "response.create"}]


class _Turn:
    """What the service tells of one turn."""

    def __init__(self, spoken: Any, endpoint: Endpoint) -> None:
        self.spoken = spoken
        self.begun = self.done = False
        self.failure: GLMError | None = None
        self._endpoint = endpoint
        self._started = False
        self._words = ""  # the kind of message that brings the words: there are two

    def decode(self, told: str | bytes) -> list[ev.Event]:
        """The events in a message; those that are not known say nothing."""
        text = told if isinstance(told, str) else told.decode("utf-8", "replace")
        try:
            message = json.loads(hidden(text, self._endpoint.key))
        except (ValueError, RecursionError):
            raise not_the_api(self._endpoint.base_url, _("a message that is not JSON")) from None
        if not isinstance(message, dict):
            return []
        kind, delta = message.get("type"), message.get("delta")
        if kind == "error":
            raise refusal(message, base_url=self._endpoint.base_url)
        events: list[ev.Event] = []
        if kind == "session.updated" and not self._started:
            self._started = True
            session = message.get("session")
            named = session.get("model") if isinstance(session, dict) else None
            events.append(ev.Started(None, named if isinstance(named, str) else None))
        elif kind in ("response.text.delta", "response.audio_transcript.delta"):
            self._words = self._words or kind
            if kind == self._words and isinstance(delta, str) and delta:
                events.append(ev.TextDelta(delta))
        elif kind == "response.audio.delta" and isinstance(delta, str):
            events += self.spoken.decode(delta)
        elif kind in ("response.done", "response.cancelled"):
            events += self._ended(message.get("response"))
        self.begun = self.begun or any(isinstance(event, ev.OUTPUT) for event in events)
        return events

    def _ended(self, response: Any) -> list[ev.Event]:
        self.done = True
        response = response if isinstance(response, dict) else {}
        if response.get("status") in ("failed", "cancelled", "incomplete"):
            details = response.get("status_details")
            error = details.get("error") if isinstance(details, dict) else None
            if isinstance(error, dict):
                self.failure = refusal({"error": error}, base_url=self._endpoint.base_url)
            else:
                self.failure = IncompleteError(
                    _("The answer is not whole: the service says {status}.").format(
                        status=response["status"]
                    ),
                    remedy=_("Run the cell again; what had arrived is kept."),
                )
        usage = response.get("usage")
        if not isinstance(usage, dict):
            return []
        asked, given, total = (
            value if type(value := usage.get(name)) is int and value > 0 else 0
            for name in ("input_tokens", "output_tokens", "total_tokens")
        )
        counted = ev.Usage(
            prompt_tokens=asked, completion_tokens=given, total_tokens=total or asked + given
        )
        return [ev.UsageReport(counted)]


@asynccontextmanager
async def _connected(endpoint: Endpoint) -> AsyncIterator[ClientConnection]:
    """An open WebSocket. Raises GLMError where there is none, or it breaks."""
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidStatus, WebSocketException

    from .http import authorization, connection

    class Connect(connect):
        def process_redirect(self, exc: Exception) -> Exception | str:
            return exc  # where a redirect leads is not where the key was meant to go

    if sys.platform == "emscripten":  # whose WebSockets take no key
        raise InputError(
            _("Models that listen and speak cannot be asked from a browser."),
            remedy=_("Ask them in a Jupyter with a server."),
        )
    hide_in_logs(endpoint.key)
    secure = endpoint.base_url.startswith("https:")
    try:
        socket = await Connect(
            "ws" + endpoint.base_url.removeprefix("http") + "/realtime",
            additional_headers=authorization(endpoint.key),
            proxy=connection(endpoint.base_url)["proxy"],
            max_size=LARGEST_MESSAGE,
            open_timeout=LONGEST_OPENING,
            close_timeout=LONGEST_END,
            **({"ssl": connection(endpoint.base_url)["verify"]} if secure else {}),
        )
        async with socket:
            yield socket
    except InvalidStatus as error:
        reply = error.response
        if 300 <= reply.status_code < 400:
            raise not_the_api(endpoint.base_url, _("a redirect to another address")) from None
        body = hidden((reply.body or b"").decode("utf-8", "replace"), endpoint.key)
        raise refusal(body, status=reply.status_code, base_url=endpoint.base_url) from None
    except (WebSocketException, OSError) as error:
        raise NetworkError(
            _("{url}: the connection broke, or there was none ({error}).").format(
                url=endpoint.base_url, error=type(error).__name__
            ),
            remedy=_("Run the cell again; check the network and the base URL."),
            retryable=True,
        ) from None
    except GLMError:
        raise
    except Exception as error:
        raise unframed(error) from None


async def _message(socket: ClientConnection, endpoint: Endpoint) -> str | bytes:
    try:
        async with asyncio.timeout(LONGEST_SILENCE):
            return await socket.recv()
    except TimeoutError:
        raise NetworkError(
            _("{url}: the service was silent for too long.").format(url=endpoint.base_url),
            remedy=_("Run the cell again; shorter speech may help."),
        ) from None
